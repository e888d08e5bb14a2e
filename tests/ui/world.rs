//! Fake statuses and the window drawn from them.

use eframe::egui;
use egui_kittest::Harness;
use kaibo::audio::{AudioStats, Levels};
use kaibo::capture::screen::ScreenSettings;
use kaibo::capture::supervisor::SourceStats;
use kaibo::capture::{AudioDevice, SourceSpec, VideoDevice};
use kaibo::encode::stage::EncoderStats;
use kaibo::engine::command::Command;
use kaibo::engine::event::{Event, EventKind, Severity};
use kaibo::engine::status::{EngineState, SourceStatus, Status};
use kaibo::media::time::MediaTime;
use kaibo::media::video::Resolution;
use kaibo::output::{OutputState, OutputStats};
use kaibo::render::RenderStats;
use kaibo::settings::Settings;
use kaibo::ui::draft::Draft;
use kaibo::ui::panel::window_ui;
use kaibo::ui::preview::{Content, Picture};
use kaibo::ui::text::Language;
use kaibo::ui::theme;

/// The window's size at the first start.
pub(crate) const SIZE: [f32; 2] = [1100.0, 650.0];

/// What the panels work on.
pub(crate) struct World {
    pub(crate) status: Status,
    pub(crate) draft: Draft,
    pub(crate) commands: Vec<Command>,
    /// Stands for the engine's preview texture.
    pub(crate) picture: Option<egui::TextureHandle>,
}

/// Colour bars over a grey ramp, 320x180.
pub(crate) fn bars() -> egui::ColorImage {
    const BARS: [[u8; 3]; 7] = [
        [191, 191, 191],
        [191, 191, 0],
        [0, 191, 191],
        [0, 191, 0],
        [191, 0, 191],
        [191, 0, 0],
        [0, 0, 191],
    ];
    let pixel = |i: usize| {
        let (x, y) = (i % 320, i / 320);
        let grey = u8::try_from(x * 255 / 319).unwrap();
        let [r, g, b] = if y < 130 {
            BARS[x * 7 / 320]
        } else {
            [grey; 3]
        };
        egui::Color32::from_rgb(r, g, b)
    };
    egui::ColorImage::new([320, 180], (0..320 * 180).map(pixel).collect())
}

pub(crate) fn seconds(s: i64) -> MediaTime {
    MediaTime::from_millis(s * 1000)
}

pub(crate) fn output(target: &str, kbps: u32, queued_ms: u32, dropped: u64) -> OutputStats {
    OutputStats {
        target: target.to_owned(),
        state: OutputState::Live,
        sent_bytes: 42_000_000,
        kbps,
        queued_ms,
        queued_bytes: 8_000,
        dropped,
        frozen_ms: dropped * 33,
        reconnects: 0,
        connect_ms: Some(41),
        acked_bytes: 41_900_000,
        rtt_ms: Some(31),
        adapt: None,
        asks: None,
    }
}

/// A machine with a test pattern, two screens and two microphones, off air.
pub(crate) fn idle() -> Status {
    let screen = |display: &str, size: &str| VideoDevice {
        name: format!("Screen {display} ({size})"),
        spec: SourceSpec::Screen(ScreenSettings {
            display: Some(display.to_owned()),
            ..ScreenSettings::default()
        }),
        camera: None,
    };
    let microphone = |name: &str, default| AudioDevice {
        name: name.to_owned(),
        default,
        format: "48000 Hz, 2 channels".to_owned(),
    };
    Status {
        at: seconds(120),
        sources: vec![SourceStatus {
            name: "test pattern".to_owned(),
            stats: SourceStats {
                up: true,
                description: "1280x720, 30 fps, BGRA".to_owned(),
                resolution: Some(Resolution::HD),
                captured: 3600,
                ..SourceStats::default()
            },
        }],
        render: RenderStats {
            rendered: 3600,
            fps: 30.0,
            ..RenderStats::default()
        },
        audio: AudioStats {
            levels: Levels {
                peak_dbfs: [-13.0, -17.5],
                rms_dbfs: [-22.0, -26.0],
            },
            ..AudioStats::default()
        },
        video_devices: vec![
            VideoDevice {
                name: "Test pattern".to_owned(),
                spec: SourceSpec::Test {},
                camera: None,
            },
            screen(":0", "1920x1080"),
            screen(":1", "2560x1440"),
        ],
        audio_devices: vec![
            microphone("Built-in Audio Analog Stereo", true),
            microphone("Yeti Stereo Microphone", false),
        ],
        gpu: "llvmpipe (software)".to_owned(),
        ..Status::default()
    }
}

/// On air to the built-in server for a bit over twelve minutes.
pub(crate) fn live() -> Status {
    Status {
        at: seconds(900),
        engine: EngineState::Live {
            since: seconds(146),
        },
        encoder: Some(EncoderStats {
            name: "x264".to_owned(),
            kbps: 2478,
            target_kbps: 2500,
            fps: 30.0,
            ..EncoderStats::default()
        }),
        stream: Some(output("rtmp://127.0.0.1:1935/live/••••", 2611, 12, 0)),
        watch_url: Some("http://127.0.0.1:8935/watch/kaibo".to_owned()),
        ..idle()
    }
}

pub(crate) fn reconnecting() -> Status {
    Status {
        engine: EngineState::Reconnecting {
            attempt: 3,
            retry_at: seconds(904),
        },
        stream: Some(OutputStats {
            state: OutputState::Reconnecting {
                attempt: 3,
                retry_at_ms: 904_000,
            },
            ..output("rtmp://live.example.com/app/••••", 0, 2350, 61)
        }),
        watch_url: None,
        ..live()
    }
}

pub(crate) const REFUSED: &str = "somebody is already streaming with this key: stop the other stream, or wait a minute if it was yours";

pub(crate) fn failed() -> Status {
    Status {
        engine: EngineState::Failed {
            reason: REFUSED.to_owned(),
        },
        ..idle()
    }
}

pub(crate) fn event(at: i64, severity: Severity, kind: EventKind, message: &str) -> Event {
    Event {
        at: seconds(at),
        severity,
        kind,
        message: message.to_owned(),
    }
}

/// Messages and a minute of figures, as after a while on air.
pub(crate) fn with_a_past(mut draft: Draft, status: &Status) -> Draft {
    let up = EventKind::SourceUp {
        source: "test pattern".to_owned(),
    };
    draft.messages.event(event(
        1,
        Severity::Notice,
        up,
        "test pattern: 1280x720, 30 fps, BGRA",
    ));
    let connected = "rtmp://127.0.0.1:1935/live accepted the stream";
    draft.messages.event(event(
        146,
        Severity::Notice,
        EventKind::OutputConnected,
        connected,
    ));
    for tick in 0..300_i64 {
        let mut past = status.clone();
        past.at = MediaTime::from_millis(status.at.as_millis() - 60_000 + tick * 200);
        let wave = u32::try_from((tick * 37) % 90).unwrap();
        if let Some(stream) = &mut past.stream {
            stream.kbps = 2440 + 2 * wave;
            stream.queued_ms = if (180..205).contains(&tick) {
                240 + wave
            } else {
                8 + wave / 9
            };
        }
        draft.history.add(&past);
    }
    draft
}

pub(crate) fn window(status: Status, draft: Draft, size: [f32; 2]) -> Harness<'static, World> {
    let world = World {
        status,
        draft,
        commands: Vec::new(),
        picture: None,
    };
    let mut builder = Harness::builder()
        .with_size(size)
        .with_context_setup(theme::install)
        .with_render_cursor(false);
    if !theme::has_chinese_font() {
        // Accessible names do not depend on glyphs.
        builder = builder.allow_missing_glyphs();
    }
    builder.build_ui_state(
        |ui, world: &mut World| {
            let texture = world.picture.get_or_insert_with(|| {
                ui.ctx()
                    .load_texture("bars", bars(), egui::TextureOptions::LINEAR)
            });
            if world.status.render.fps > 0.0 {
                world.draft.picture = Some(Picture {
                    content: Content::Managed(texture.id()),
                    size: egui::vec2(1280.0, 720.0),
                });
            }
            // The harness puts a margin around; the window has none.
            let whole = egui::UiBuilder::new().max_rect(ui.ctx().content_rect());
            // The window is cleared to this.
            let screen = ui.ctx().content_rect();
            ui.painter()
                .rect_filled(screen.expand(1.0), 0.0, theme::color::BACKGROUND);
            ui.scope_builder(whole, |ui| {
                window_ui(&world.status, &mut world.draft, &mut world.commands, ui);
            });
        },
        world,
    )
}

pub(crate) fn draft(language: Language) -> Draft {
    Draft::new(Settings::default(), None, language)
}
