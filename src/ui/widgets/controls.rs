//! Rows to choose from, the big button, the reveal button, the state's pill.

use eframe::egui::{
    self, Align2, Color32, CornerRadius, Rect, Response, Role, Sense, Stroke, StrokeKind,
    TextStyle, Ui, WidgetInfo, pos2, vec2,
};

use super::{Icon, focus_ring};
use crate::ui::theme::{body, color, size, strong};

/// A row of a list, with an icon and a second line for the chosen one.
pub fn choice_row(
    ui: &mut Ui,
    icon: Icon,
    title: &str,
    detail: Option<(&str, Color32)>,
    chosen: bool,
) -> Response {
    let height = if detail.is_some() {
        44.0
    } else {
        size::CONTROL + 2.0
    };
    let (rect, response) =
        ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, chosen, title));
    let fill = match () {
        () if chosen => color::RAISED,
        () if response.hovered() => color::RAISED_HIGH.gamma_multiply(0.6),
        () => Color32::TRANSPARENT,
    };
    let painter = ui.painter().with_clip_rect(rect.expand(2.0));
    painter.rect_filled(rect, size::ROUND, fill);
    if chosen {
        let mark = Rect::from_min_size(rect.left_top() + vec2(0.0, 8.0), vec2(3.0, height - 16.0));
        painter.rect_filled(mark, 1.5, color::FOCUS);
    }
    let text_color = if chosen { color::TEXT } else { color::MUTED };
    icon.paint(
        &painter,
        pos2(rect.left() + 21.0, rect.center().y),
        text_color,
    );
    let left = rect.left() + 38.0;
    let width = rect.right() - left - 6.0;
    let line = |y: f32, text: &str, font: egui::FontId, c: Color32| {
        let mut job = egui::text::LayoutJob::simple_singleline(text.to_owned(), font, c);
        job.wrap = egui::text::TextWrapping::truncate_at_width(width);
        let galley = painter.layout_job(job);
        painter.galley(pos2(left, y - galley.size().y / 2.0), galley, c);
    };
    let title_font = TextStyle::Body.resolve(ui.style());
    match detail {
        None => line(rect.center().y, title, title_font, text_color),
        Some((detail, detail_color)) => {
            line(rect.top() + 15.0, title, title_font, text_color);
            line(rect.top() + 31.0, detail, body(12.0), detail_color);
        }
    }
    focus_ring(ui, &response);
    response.on_hover_text_at_pointer(title)
}

/// What a wide button looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WideButton {
    /// Off air: go live.
    Start,
    /// On air: stop.
    OnAir,
    /// On the way: cancel.
    Cancel,
    /// Nothing can be done now.
    Waiting,
    /// Start recording.
    Record,
    /// Stop recording.
    Recording,
}

#[derive(Clone, Copy)]
enum Mark {
    None,
    Dot(Color32),
    Square(Color32),
}

impl WideButton {
    const fn is_big(self) -> bool {
        !matches!(self, Self::Record | Self::Recording)
    }

    /// Surface, surface under the pointer, text, mark.
    const fn look(self) -> (Color32, Color32, Color32, Mark) {
        let red = color::ON_AIR;
        match self {
            Self::Start => (
                color::PRIMARY,
                color::PRIMARY_HIGH,
                color::ON_PRIMARY,
                Mark::Dot(red),
            ),
            Self::OnAir => {
                let white = color::ON_ON_AIR;
                (red, color::ON_AIR_HIGH, white, Mark::Square(white))
            }
            Self::Cancel => (color::RAISED, color::RAISED_HIGH, color::TEXT, Mark::None),
            Self::Waiting => (color::RAISED, color::RAISED, color::MUTED, Mark::None),
            Self::Record => (
                color::RAISED,
                color::RAISED_HIGH,
                color::TEXT,
                Mark::Dot(color::MUTED),
            ),
            Self::Recording => (
                color::RAISED,
                color::RAISED_HIGH,
                color::TEXT,
                Mark::Square(color::BAD),
            ),
        }
    }
}

/// A button as wide as the panel. `note` stands at its right end: the time live, the size of the recording.
pub fn wide_button(ui: &mut Ui, kind: WideButton, text: &str, note: Option<&str>) -> Response {
    let enabled = kind != WideButton::Waiting;
    let sense = if enabled {
        Sense::click()
    } else {
        Sense::hover()
    };
    let (height, font, mark_size) = if kind.is_big() {
        (size::BIG_BUTTON, strong(17.0), 12.0)
    } else {
        (36.0, TextStyle::Button.resolve(ui.style()), 9.0)
    };
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
    // A name of its own: numbered by its place, it would not be the same button any more when a line appears above it
    // between press and release, and the click would be lost.
    let id = ui.make_persistent_id(("wide button", kind.is_big()));
    let response = ui.interact(rect, id, sense);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, text));
    let (fill, fill_hot, text_color, mark) = kind.look();
    let hot = response.hovered() || response.is_pointer_button_down_on();
    let painter = ui.painter();
    let round = CornerRadius::same(size::ROUND_LARGE);
    painter.rect_filled(rect, round, if hot { fill_hot } else { fill });
    if kind == WideButton::Recording {
        painter.rect_stroke(
            rect,
            round,
            Stroke::new(1.0, color::ON_AIR),
            StrokeKind::Inside,
        );
    }
    let galley = painter.layout_no_wrap(text.to_owned(), font.clone(), text_color);
    let gap = 10.0;
    let content = galley.size().x
        + if matches!(mark, Mark::None) {
            0.0
        } else {
            mark_size + gap
        };
    let mut x = match note {
        Some(_) => rect.left() + 16.0,
        None => rect.center().x - content / 2.0,
    };
    let center = pos2(x + mark_size / 2.0, rect.center().y);
    paint_mark(painter, mark, center, mark_size);
    if !matches!(mark, Mark::None) {
        x += mark_size + gap;
    }
    painter.galley(
        pos2(x, rect.center().y - galley.size().y / 2.0),
        galley,
        text_color,
    );
    if let Some(note) = note {
        let right = pos2(rect.right() - 16.0, rect.center().y);
        painter.text(right, Align2::RIGHT_CENTER, note, font, text_color);
    }
    if response.has_focus() {
        // within the button, since there is no room around it, and set off from its colour
        let inside = rect.shrink(2.0);
        let back = Stroke::new(size::FOCUS_RING + 2.0, color::BACKGROUND);
        painter.rect_stroke(inside, round, back, StrokeKind::Inside);
        let ring = Stroke::new(size::FOCUS_RING, color::FOCUS);
        painter.rect_stroke(inside.shrink(1.0), round, ring, StrokeKind::Inside);
    }
    response
}

fn paint_mark(painter: &egui::Painter, mark: Mark, center: egui::Pos2, side: f32) {
    match mark {
        Mark::None => {}
        Mark::Dot(c) => {
            painter.circle_filled(center, side / 2.0, c);
        }
        Mark::Square(c) => {
            painter.rect_filled(Rect::from_center_size(center, vec2(side, side)), 2.0, c);
        }
    }
}

/// Shows a secret as long as it is held, by mouse or by the space bar. Returns whether it is held.
pub fn reveal_button(ui: &mut Ui, name: &str) -> bool {
    let (rect, response) = ui.allocate_exact_size(
        vec2(size::CONTROL + 4.0, size::CONTROL),
        Sense::click_and_drag(),
    );
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, name));
    let held = response.is_pointer_button_down_on()
        || (response.has_focus() && ui.input(|i| i.key_down(egui::Key::Space)));
    let fill = if held || response.hovered() {
        color::RAISED_HIGH
    } else {
        color::RAISED
    };
    ui.painter().rect(
        rect,
        size::ROUND,
        fill,
        Stroke::new(1.0, color::LINE),
        StrokeKind::Inside,
    );
    let eye = if held { color::FOCUS } else { color::TEXT };
    Icon::Eye.paint(ui.painter(), rect.center(), eye);
    focus_ring(ui, &response);
    response.on_hover_text(name);
    held
}

/// Where the show stands, in a word with a dot.
pub fn status_pill(ui: &mut Ui, text: &str, fill: Color32, dot: Color32, text_color: Color32) {
    let galley = ui
        .painter()
        .layout_no_wrap(text.to_owned(), strong(13.0), text_color);
    let (rect, response) = ui.allocate_exact_size(galley.size() + vec2(34.0, 10.0), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, text));
    let painter = ui.painter();
    painter.rect_filled(rect, rect.height() / 2.0, fill);
    painter.circle_filled(pos2(rect.left() + 14.0, rect.center().y), 4.0, dot);
    painter.galley(
        pos2(rect.left() + 24.0, rect.center().y - galley.size().y / 2.0),
        galley,
        text_color,
    );
}
