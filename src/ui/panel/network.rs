//! The way to the server: proxy, interface, name service. Closed until somebody needs it. And the record of the last
//! minutes, for when something went wrong.

use eframe::egui::{Button, Checkbox, CollapsingHeader, ComboBox, Margin, Response, TextEdit, Ui};

use crate::engine::command::Command;
use crate::engine::status::Status;
use crate::output::net::{EnhancedRtmp, NetworkSettings, ResolverKind};
use crate::ui::draft::Draft;
use crate::ui::text::Text;
use crate::ui::theme::{color, size};
use crate::ui::widgets::{colored_hint_ui, hint_ui, label_ui};

/// Network settings; from the next connection on.
pub fn network_ui(_: &Status, draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let t = draft.text();
    CollapsingHeader::new(t.network)
        .id_salt("network")
        .show_unindented(ui, |ui| {
            ui.spacing_mut().item_spacing.y = size::GAP_SMALL;
            hint_ui(ui, t.network_hint);
            // what is being typed is no address yet: it is told to the engine when the field is left
            let mut done = way_ui(t, &mut draft.network, ui);
            done |= resolver_ui(t, &mut draft.network, ui);
            done |= enhanced_ui(t, &mut draft.network, ui);
            for (_, problem) in draft.network.problems() {
                colored_hint_ui(ui, &problem, color::BAD);
            }
            if done {
                draft.apply_network(commands);
            }
            ui.add_space(size::GAP_SMALL);
            let export = Button::new(t.recorder_export).wrap();
            if ui.add(export).clicked() {
                draft.export_recorder(commands);
            }
        });
}

fn field(text: &mut String, hint: &str, ui: &mut Ui) -> Response {
    let field = TextEdit::singleline(text)
        .hint_text(hint)
        .desired_width(f32::INFINITY)
        .margin(Margin::symmetric(8, 6));
    ui.add(field)
}

/// Proxy and interface; true when the user has finished changing one.
fn way_ui(t: &Text, network: &mut NetworkSettings, ui: &mut Ui) -> bool {
    let label = label_ui(ui, t.proxy);
    // with a password it is hidden, as keys are, but while it is typed
    let id = ui.make_persistent_id("proxy");
    let text = network.proxy.text_mut();
    let hidden = text.contains('@') && !ui.memory(|m| m.has_focus(id));
    let proxy = TextEdit::singleline(text)
        .id(id)
        .password(hidden)
        .hint_text(t.proxy_hint)
        .desired_width(f32::INFINITY)
        .margin(Margin::symmetric(8, 6));
    let proxy = ui.add(proxy).labelled_by(label.id);
    let label = label_ui(ui, t.bind);
    let bind = field(&mut network.bind, t.bind_hint, ui).labelled_by(label.id);
    proxy.lost_focus() || bind.lost_focus()
}

fn resolver_ui(t: &Text, network: &mut NetworkSettings, ui: &mut Ui) -> bool {
    let name = |kind| match kind {
        ResolverKind::System => t.resolver_system,
        ResolverKind::Doh => t.resolver_doh,
        ResolverKind::Httpdns => t.resolver_httpdns,
    };
    let before = (network.resolver, network.move_when_slow);
    let label = label_ui(ui, t.resolver);
    let combo = ComboBox::from_id_salt("resolver")
        .width(ui.available_width())
        .selected_text(name(network.resolver))
        .show_ui(ui, |ui| {
            for kind in ResolverKind::ALL {
                ui.selectable_value(&mut network.resolver, kind, name(kind));
            }
        });
    combo.response.labelled_by(label.id);
    let (url, hint) = match network.resolver {
        ResolverKind::System => return before.0 != network.resolver,
        ResolverKind::Doh => (&mut network.doh_url, "https://dns.alidns.com/resolve"),
        ResolverKind::Httpdns => (&mut network.httpdns_url, "http://203.107.1.33/100000/d"),
    };
    let label = label_ui(ui, t.resolver_url);
    let url = field(url, hint, ui).labelled_by(label.id);
    ui.add(Checkbox::new(&mut network.move_when_slow, t.move_when_slow));
    url.lost_focus() || before != (network.resolver, network.move_when_slow)
}

fn enhanced_ui(t: &Text, network: &mut NetworkSettings, ui: &mut Ui) -> bool {
    let choices = [
        (EnhancedRtmp::Auto, t.enhanced_auto),
        (EnhancedRtmp::On, t.enhanced_on),
        (EnhancedRtmp::Off, t.enhanced_off),
    ];
    let before = network.enhanced;
    let label = label_ui(ui, t.enhanced);
    let shown = choices.iter().find(|(c, _)| *c == before);
    let combo = ComboBox::from_id_salt("enhanced")
        .width(ui.available_width())
        .selected_text(shown.map_or("", |(_, name)| name))
        .show_ui(ui, |ui| {
            for (choice, name) in choices {
                ui.selectable_value(&mut network.enhanced, choice, name);
            }
        });
    combo.response.labelled_by(label.id);
    before != network.enhanced
}
