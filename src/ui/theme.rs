//! Design tokens: colours, sizes, spacing, and the egui style made of them. Dark first: a studio is dark, and the
//! picture is the brightest thing in it. One accent, on-air red, which is only used for what is on air.

use std::sync::{Arc, LazyLock};

use eframe::egui::epaint::text::{
    FallbackRequest, FontInsert, FontPriority, FontProvider as _, InsertFontFamily, VariationCoords,
};
use eframe::egui::style::{Selection, WidgetVisuals};
use eframe::egui::{
    self, Color32, CornerRadius, FontData, FontFamily, FontId, Margin, Shadow, Stroke, TextStyle,
    Visuals, vec2,
};
use egui_system_font_provider::SystemFontProvider;

/// Colours. Every text colour has a contrast of at least 4.5 : 1 on the surfaces it is used on (tested below).
pub mod color {
    use eframe::egui::Color32;

    /// Behind everything; the window is cleared to it.
    pub const BACKGROUND: Color32 = Color32::from_rgb(0x14, 0x17, 0x1D);
    /// Fields.
    pub const FIELD: Color32 = Color32::from_rgb(0x0C, 0x0E, 0x12);
    /// Buttons.
    pub const RAISED: Color32 = Color32::from_rgb(0x26, 0x2B, 0x35);
    /// Buttons under the pointer, chosen rows.
    pub const RAISED_HIGH: Color32 = Color32::from_rgb(0x33, 0x3A, 0x47);
    /// Borders and dividers.
    pub const LINE: Color32 = Color32::from_rgb(0x2E, 0x35, 0x41);
    /// Text.
    pub const TEXT: Color32 = Color32::from_rgb(0xEE, 0xF0, 0xF4);
    /// Labels and hints.
    pub const MUTED: Color32 = Color32::from_rgb(0xA3, 0xAB, 0xB8);
    /// On air, and nothing else.
    pub const ON_AIR: Color32 = Color32::from_rgb(0xD9, 0x2D, 0x34);
    /// On-air red under the pointer.
    pub const ON_AIR_HIGH: Color32 = Color32::from_rgb(0xC0, 0x22, 0x2A);
    /// Text on on-air red.
    pub const ON_ON_AIR: Color32 = Color32::from_rgb(0xFF, 0xFF, 0xFF);
    /// The big button while off air.
    pub const PRIMARY: Color32 = Color32::from_rgb(0xF1, 0xF2, 0xF4);
    /// The big button under the pointer.
    pub const PRIMARY_HIGH: Color32 = Color32::from_rgb(0xFF, 0xFF, 0xFF);
    /// Text on the big button.
    pub const ON_PRIMARY: Color32 = Color32::from_rgb(0x14, 0x16, 0x1B);
    /// Text of failures.
    pub const BAD: Color32 = Color32::from_rgb(0xFF, 0x85, 0x85);
    /// Surface of failures.
    pub const BAD_SURFACE: Color32 = Color32::from_rgb(0x3A, 0x17, 0x1B);
    /// Recovering, getting loud.
    pub const WARN: Color32 = Color32::from_rgb(0xF2, 0xB6, 0x4C);
    /// Running well.
    pub const GOOD: Color32 = Color32::from_rgb(0x4C, 0xC9, 0x8F);
    /// Chosen text and choices.
    pub const SELECTED: Color32 = Color32::from_rgb(0x24, 0x3B, 0x63);
    /// Keyboard focus, links, graphs.
    pub const FOCUS: Color32 = Color32::from_rgb(0x8F, 0xB8, 0xFF);
}

/// Lengths in points.
pub mod size {
    /// Between things that belong together.
    pub const GAP_SMALL: f32 = 4.0;
    /// Between things.
    pub const GAP: f32 = 8.0;
    /// Between groups, and around panels.
    pub const GAP_LARGE: f32 = 12.0;
    /// Height of fields and buttons.
    pub const CONTROL: f32 = 30.0;
    /// Height of the Go live button.
    pub const BIG_BUTTON: f32 = 52.0;
    /// Rounding of controls.
    pub const ROUND: u8 = 6;
    /// Rounding of surfaces.
    pub const ROUND_LARGE: u8 = 8;
    /// Top bar.
    pub const TOP_BAR: f32 = 46.0;
    /// Left panel.
    pub const LEFT: f32 = 228.0;
    /// Right panel.
    pub const RIGHT: f32 = 256.0;
    /// Width of the keyboard focus ring.
    pub const FOCUS_RING: f32 = 2.0;
}

/// Font family for headings, figures and buttons.
pub const STRONG: &str = "strong";

/// A heading or figure font of this size.
pub fn strong(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name(STRONG.into()))
}

/// A body font of this size.
pub const fn body(size: f32) -> FontId {
    FontId::new(size, FontFamily::Proportional)
}

/// The system's fonts as a fall-back, for Chinese. A Chinese locale is asked for in every language: with another one
/// Han characters would come from whichever font stands first, often a Japanese one.
///
/// Listing the fonts takes some 100 ms on a thread of its own, once per process; only text that needs them waits.
fn system_fonts() -> Arc<SystemFontProvider> {
    static FONTS: LazyLock<Arc<SystemFontProvider>> =
        LazyLock::new(|| Arc::new(SystemFontProvider::new().with_locale(Some("zh-CN"))));
    Arc::clone(&FONTS)
}

/// Whether Chinese can be shown: the system has a font for it. Waits for the list of fonts.
pub fn has_chinese_font() -> bool {
    let request = FallbackRequest {
        cluster: "播",
        family: &FontFamily::Proportional,
    };
    system_fonts().font_for(&request).is_some()
}

/// Sets fonts, sizes and colours of a context. Call once, before the first frame.
pub fn install(ctx: &egui::Context) {
    ctx.set_theme(egui::Theme::Dark);
    install_fonts(ctx);
    ctx.all_styles_mut(|style| {
        style.text_styles = [
            (TextStyle::Small, body(12.0)),
            (TextStyle::Body, body(13.5)),
            (TextStyle::Button, body(13.5)),
            (TextStyle::Heading, strong(15.0)),
            (
                TextStyle::Monospace,
                FontId::new(13.0, FontFamily::Monospace),
            ),
        ]
        .into();
        style.visuals = visuals();
        style.spacing.item_spacing = vec2(size::GAP, size::GAP);
        style.spacing.button_padding = vec2(10.0, 6.0);
        style.spacing.interact_size = vec2(40.0, size::CONTROL);
        style.spacing.combo_width = 40.0;
        style.spacing.menu_margin = Margin::same(6);
        style.spacing.slider_rail_height = 4.0;
        style.spacing.scroll = egui::style::ScrollStyle::thin();
        style.interaction.selectable_labels = false;
        style.animation_time = 0.0; // nothing repaints by itself
    });
}

fn install_fonts(ctx: &egui::Context) {
    // 85 KB; how it was made: assets/ui/fonts/make.py
    static INTER: &[u8] = include_bytes!("../../assets/ui/fonts/Inter-subset.ttf");
    let face = |name: &str, weight: f32, family: FontFamily| {
        let mut data = FontData::from_static(INTER);
        data.tweak.coords = VariationCoords::new([(b"wght", weight)]);
        let families = vec![InsertFontFamily {
            family,
            priority: FontPriority::Highest,
        }];
        FontInsert::new(name, data, families)
    };
    ctx.add_font(face("inter", 430.0, FontFamily::Proportional));
    ctx.add_font(face("inter-strong", 640.0, FontFamily::Name(STRONG.into())));
    ctx.add_font_provider(system_fonts());
}

fn visuals() -> Visuals {
    let round = CornerRadius::same(size::ROUND);
    let widget = |fill: Color32, border: Color32, text: Color32| WidgetVisuals {
        bg_fill: fill,
        weak_bg_fill: fill,
        bg_stroke: Stroke::new(1.0, border),
        fg_stroke: Stroke::new(1.5, text),
        corner_radius: round,
        expansion: 0.0,
    };
    let mut v = Visuals::dark();
    v.widgets.noninteractive = WidgetVisuals {
        fg_stroke: Stroke::new(1.0, color::TEXT),
        ..widget(color::BACKGROUND, color::LINE, color::TEXT)
    };
    v.widgets.inactive = widget(color::RAISED, color::LINE, color::TEXT);
    v.widgets.hovered = widget(color::RAISED_HIGH, color::MUTED, color::TEXT);
    v.widgets.open = widget(color::RAISED_HIGH, color::MUTED, color::TEXT);
    v.widgets.active = WidgetVisuals {
        // egui shows the keyboard's focus as the active state
        bg_stroke: Stroke::new(size::FOCUS_RING, color::FOCUS),
        ..widget(color::RAISED_HIGH, color::FOCUS, color::TEXT)
    };
    v.selection = Selection {
        bg_fill: color::SELECTED,
        stroke: Stroke::new(size::FOCUS_RING, color::FOCUS),
    };
    v.override_text_color = None;
    v.weak_text_color = Some(color::MUTED);
    v.hyperlink_color = color::FOCUS;
    v.faint_bg_color = color::FIELD;
    v.extreme_bg_color = color::FIELD;
    v.text_edit_bg_color = Some(color::FIELD);
    v.warn_fg_color = color::WARN;
    v.error_fg_color = color::BAD;
    v.panel_fill = color::BACKGROUND;
    v.window_fill = color::BACKGROUND;
    v.window_stroke = Stroke::new(1.0, color::LINE);
    v.window_corner_radius = CornerRadius::same(size::ROUND_LARGE);
    v.menu_corner_radius = CornerRadius::same(size::ROUND_LARGE);
    v.window_shadow = Shadow::NONE;
    v.popup_shadow = Shadow::NONE;
    v.slider_trailing_fill = true;
    v.handle_shape = egui::style::HandleShape::Circle;
    v.text_cursor.blink = false; // a blinking cursor would repaint an idle window
    v
}

/// Contrast ratio of two opaque colours, 1 to 21 (WCAG 2.2, "contrast ratio").
pub fn contrast(a: Color32, b: Color32) -> f32 {
    let luminance = |c: Color32| {
        let linear = |v: u8| {
            let v = f32::from(v) / 255.0;
            if v <= 0.040_45 {
                v / 12.92
            } else {
                ((v + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * linear(c.r()) + 0.7152 * linear(c.g()) + 0.0722 * linear(c.b())
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_readable() {
        use super::color::{
            BACKGROUND, BAD, BAD_SURFACE, FIELD, FOCUS, GOOD, MUTED, ON_AIR, ON_AIR_HIGH,
            ON_ON_AIR, ON_PRIMARY, PRIMARY, PRIMARY_HIGH, RAISED, RAISED_HIGH, SELECTED, TEXT,
            WARN,
        };
        let surfaces = [BACKGROUND, FIELD, RAISED, RAISED_HIGH];
        let mut pairs: Vec<(Color32, Color32)> = Vec::new();
        for surface in surfaces {
            for text in [TEXT, MUTED, BAD, WARN, GOOD, FOCUS] {
                pairs.push((text, surface));
            }
        }
        pairs.extend([(ON_ON_AIR, ON_AIR), (ON_ON_AIR, ON_AIR_HIGH)]);
        pairs.extend([(ON_PRIMARY, PRIMARY), (ON_PRIMARY, PRIMARY_HIGH)]);
        pairs.extend([(BAD, BAD_SURFACE), (TEXT, BAD_SURFACE)]);
        pairs.extend([(FOCUS, SELECTED), (TEXT, SELECTED)]);
        for (text, surface) in pairs {
            let ratio = contrast(text, surface);
            assert!(ratio >= 4.5, "{text:?} on {surface:?}: {ratio:.2}");
        }
    }

    #[test]
    fn contrast_is_that_of_the_standard() {
        assert!((contrast(Color32::WHITE, Color32::BLACK) - 21.0).abs() < 0.01);
        assert!(
            (contrast(Color32::from_rgb(0x77, 0x77, 0x77), Color32::WHITE) - 4.48).abs() < 0.01
        );
    }
}
