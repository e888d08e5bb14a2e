//! Loudness against its target: a bar for what is heard now, marks for the target and for the whole show.

use eframe::egui::{Align2, Rect, Response, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use crate::audio::master::Loudness;
use crate::ui::sound_text::sound_word;
use crate::ui::text::{Language, fill};
use crate::ui::theme::{body, color};

/// Ends of the scale, LUFS.
const SCALE: (f32, f32) = (-40.0, -5.0);
/// This near to the target, in loudness units, is right (EBU R128 allows live shows one).
const RIGHT: f32 = 1.0;

fn position(lufs: f32) -> f32 {
    ((lufs - SCALE.0) / (SCALE.1 - SCALE.0)).clamp(0.0, 1.0)
}

/// Draws it, with the figures below.
pub fn loudness_bar(ui: &mut Ui, language: Language, loudness: &Loudness, target: f32) -> Response {
    const BAR: f32 = 8.0;
    let figure = |lufs: Option<f32>| {
        lufs.map_or("−∞".to_owned(), |l| format!("{l:.1}").replace('-', "−"))
    };
    let [now, whole] = [loudness.short_term, loudness.integrated].map(figure);
    let reading = fill(sound_word(language, "reading"), &[&now, &whole]);
    let wanted = format!("{target:.0}").replace('-', "−");
    let wanted = fill(sound_word(language, "reading.target"), &[&wanted]);
    let (rect, response) =
        ui.allocate_exact_size(vec2(ui.available_width(), BAR + 17.0), Sense::hover());
    let label = format!("{}: {reading}, {wanted}", sound_word(language, "loudness"));
    response.widget_info(|| WidgetInfo::labeled(Role::ProgressIndicator, true, &label));
    let painter = ui.painter();
    let x = |lufs: f32| rect.left() + position(lufs) * rect.width();
    let strip =
        |from: f32, to: f32| Rect::from_min_max(pos2(from, rect.top()), pos2(to, rect.top() + BAR));
    painter.rect_filled(strip(rect.left(), rect.right()), 2.0, color::RAISED);
    let zone = strip(x(target - RIGHT), x(target + RIGHT));
    painter.rect_filled(zone, 0.0, color::GOOD.gamma_multiply(0.3));
    if let Some(now) = loudness.short_term.or(loudness.momentary) {
        let fill = match now - target {
            over if over > RIGHT => color::BAD,
            over if over < -RIGHT => color::MUTED,
            _ => color::GOOD,
        };
        painter.rect_filled(
            strip(rect.left(), x(now)).shrink2(vec2(0.0, 2.0)),
            1.0,
            fill,
        );
    }
    let mark = |lufs: f32, width: f32, tint| {
        let at = pos2(x(lufs), rect.top() + BAR / 2.0);
        painter.rect_filled(Rect::from_center_size(at, vec2(width, BAR)), 0.0, tint);
    };
    mark(target, 1.0, color::GOOD);
    if let Some(whole) = loudness.integrated {
        mark(whole, 3.0, color::TEXT);
    }
    let below = |corner, align, text: String| {
        painter.text(corner, align, text, body(10.5), color::MUTED);
    };
    below(rect.left_bottom(), Align2::LEFT_BOTTOM, reading);
    response.on_hover_text(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_holds_every_target() {
        assert!(position(-30.0) > 0.2 && position(-8.0) < 0.95);
        assert_eq!((position(-70.0), position(0.0)), (0.0, 1.0));
    }
}
