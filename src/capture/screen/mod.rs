//! Screens as sources. X11 is in `x11.rs`, Wayland (through the desktop's portal and PipeWire) in `portal/`; other systems
//! get files of their own behind `cfg`.

pub mod area;
#[cfg(all(
    target_os = "linux",
    any(feature = "screen-x11", feature = "screen-portal")
))]
mod cursor;
#[cfg(all(target_os = "linux", feature = "screen-portal"))]
mod portal;
#[cfg(all(target_os = "linux", feature = "screen-x11"))]
mod x11;

use serde::{Deserialize, Serialize};

use super::{SourceContext, SourceError, VideoDevice, VideoSource};
use area::{PortalKind, ScreenArea, WindowMatch};

/// Which screen, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScreenSettings {
    /// X display (":0"); the `DISPLAY` environment variable when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
    /// What of it.
    #[serde(skip_serializing_if = "ScreenArea::is_whole")]
    pub area: ScreenArea,
    /// Draw the mouse pointer.
    pub cursor: bool,
}

impl Default for ScreenSettings {
    fn default() -> Self {
        Self {
            display: None,
            area: ScreenArea::Whole,
            cursor: true,
        }
    }
}

impl ScreenSettings {
    /// By the name on the command line: "screen", "monitor:HDMI-1", "region:1280x720+0+0", "window:TITLE" or
    /// "window:0x1400003", and on Wayland "portal" (a screen) or "portal:window"; `None` for other names.
    pub fn from_name(name: &str) -> Option<Result<Self, area::RegionError>> {
        let area = match name.split_once(':') {
            None if name == "screen" => ScreenArea::Whole,
            None if name == "portal" => ScreenArea::Portal {
                kind: PortalKind::Monitor,
                choice: 0,
            },
            Some(("portal", "window")) => ScreenArea::Portal {
                kind: PortalKind::Window,
                choice: 0,
            },
            Some(("monitor", name)) => ScreenArea::Monitor {
                name: name.to_owned(),
            },
            Some(("window", window)) => ScreenArea::Window(WindowMatch::parse(window)),
            Some(("region", region)) => match region.parse() {
                Ok(region) => ScreenArea::Region(region),
                Err(e) => return Some(Err(e)),
            },
            _ => return None,
        };
        Some(Ok(Self {
            area,
            ..Self::default()
        }))
    }

    /// What a person calls it.
    pub fn called(&self) -> String {
        match (&self.area, &self.display) {
            (ScreenArea::Whole, None) => "screen".to_owned(),
            (ScreenArea::Whole, Some(display)) => format!("screen {display}"),
            (ScreenArea::Monitor { name }, _) => format!("monitor {name}"),
            (ScreenArea::Region(region), _) => format!("region {region} of the screen"),
            (ScreenArea::Window(window), _) => format!("window {window}"),
            (ScreenArea::Portal { kind, .. }, _) => match kind {
                PortalKind::Monitor => "the shared screen".to_owned(),
                PortalKind::Window => "the shared window".to_owned(),
            },
        }
    }

    /// Differs in nothing but what can be changed while it runs.
    pub fn is_same_stream(&self, other: &Self) -> bool {
        let movable = |s: &Self| matches!(s.area, ScreenArea::Region(_));
        self.display == other.display
            && (self.area == other.area || (movable(self) && movable(other)))
    }

    /// The same screen, monitor or window; a region is wherever it was moved to.
    pub fn is_same_device(&self, other: &Self) -> bool {
        let same_area = match (&self.area, &other.area) {
            (ScreenArea::Window(a), ScreenArea::Window(b)) => {
                a.class == b.class
                    && match (a.id, b.id) {
                        (Some(a), Some(b)) => a == b,
                        _ => a.title == b.title,
                    }
            }
            (ScreenArea::Region(_), ScreenArea::Region(_)) => true,
            (ScreenArea::Portal { kind: a, .. }, ScreenArea::Portal { kind: b, .. }) => a == b,
            (a, b) => a == b,
        };
        self.display == other.display && same_area
    }
}

/// Opens the screen. On Wayland, where no program sees the screen by itself, the desktop asks its user.
pub fn open(
    settings: &ScreenSettings,
    cx: &SourceContext,
) -> Result<Box<dyn VideoSource>, SourceError> {
    match (&settings.area, &settings.display) {
        (ScreenArea::Portal { kind, choice }, _) => open_portal(settings, *kind, *choice, cx),
        #[cfg(all(target_os = "linux", feature = "screen-portal"))]
        (ScreenArea::Whole, None) if portal::is_wayland() => {
            open_portal(settings, PortalKind::Monitor, 0, cx)
        }
        _ => open_x11(settings, cx),
    }
}

fn open_portal(
    settings: &ScreenSettings,
    kind: PortalKind,
    choice: u32,
    cx: &SourceContext,
) -> Result<Box<dyn VideoSource>, SourceError> {
    #[cfg(all(target_os = "linux", feature = "screen-portal"))]
    return portal::open(settings, kind, choice, cx);
    #[cfg(not(all(target_os = "linux", feature = "screen-portal")))]
    {
        let _ = (kind, choice, cx);
        Err(SourceError::NotBuilt {
            what: settings.called(),
            feature: "screen-portal",
        })
    }
}

fn open_x11(
    settings: &ScreenSettings,
    cx: &SourceContext,
) -> Result<Box<dyn VideoSource>, SourceError> {
    #[cfg(all(target_os = "linux", feature = "screen-x11"))]
    return x11::open(settings, cx);
    #[cfg(not(all(target_os = "linux", feature = "screen-x11")))]
    {
        let _ = cx;
        Err(SourceError::NotBuilt {
            what: settings.called(),
            feature: "screen-x11",
        })
    }
}

/// Screens, monitors and windows that are there now.
pub fn list() -> Vec<VideoDevice> {
    let lists: &[fn() -> Vec<VideoDevice>] = &[
        #[cfg(all(target_os = "linux", feature = "screen-portal"))]
        portal::list,
        #[cfg(all(target_os = "linux", feature = "screen-x11"))]
        x11::list,
    ];
    lists.iter().flat_map(|list| list()).collect()
}
