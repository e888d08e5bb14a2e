//! Which part of a screen: all of it, a monitor, a rectangle, or one window. Plain data, saved in the settings file, and
//! the words for it on the command line.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::media::video::Resolution;

/// What of the screen is shown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ScreenArea {
    /// All monitors, as they lie beside each other.
    #[default]
    Whole,
    /// One monitor, by the name of its connector ("HDMI-1").
    Monitor {
        /// As the system calls it.
        name: String,
    },
    /// A rectangle.
    Region(Region),
    /// One window, also while others cover it.
    Window(WindowMatch),
    /// What the user chooses when the desktop asks (Wayland).
    Portal {
        /// What it asks for.
        #[serde(rename = "what")]
        kind: PortalKind,
        /// Another number asks anew; the same one is answered as before, as far as the desktop remembers.
        #[serde(default)]
        choice: u32,
    },
}

/// What the desktop offers to share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortalKind {
    /// A whole monitor.
    Monitor,
    /// One window.
    Window,
}

impl PortalKind {
    /// Stable name in files.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::Window => "window",
        }
    }
}

impl ScreenArea {
    /// All of it.
    pub const fn is_whole(&self) -> bool {
        matches!(self, Self::Whole)
    }
}

/// A rectangle of the screen, in pixels from its top left corner. What lies outside is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// Columns left of it.
    pub left: u32,
    /// Rows above it.
    pub top: u32,
    /// Its size.
    pub size: Resolution,
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}+{}", self.size, self.left, self.top)
    }
}

/// Text that is no rectangle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("region {0:?} is not WIDTHxHEIGHT+LEFT+TOP in pixels (for example 1280x720+100+50)")]
pub struct RegionError(String);

impl FromStr for Region {
    type Err = RegionError;

    fn from_str(s: &str) -> Result<Self, RegionError> {
        let parse = || {
            let mut parts = s.split('+');
            let size = parts.next()?.parse().ok()?;
            let mut side = || parts.next()?.trim().parse().ok();
            let region = Self {
                left: side()?,
                top: side()?,
                size,
            };
            parts.next().is_none().then_some(region)
        };
        parse().ok_or_else(|| RegionError(s.to_owned()))
    }
}

/// How a window is found again: first by its number, as long as it is of the same program; then by program and title;
/// then by the program alone, if that has one window. With no program, by its title, whole or in part.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WindowMatch {
    /// The system's number of it, good until it is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u32>,
    /// What its program calls its kind ("firefox").
    #[serde(skip_serializing_if = "String::is_empty")]
    pub class: String,
    /// Its title when it was chosen.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
}

/// What a window that is there now says of itself.
#[cfg(any(test, all(target_os = "linux", feature = "screen-x11")))]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WindowFacts {
    pub(super) id: u32,
    pub(super) class: String,
    pub(super) title: String,
}

impl WindowMatch {
    /// "0x1400003" is a number, anything else a title.
    pub fn parse(text: &str) -> Self {
        let number = text
            .strip_prefix("0x")
            .and_then(|hex| u32::from_str_radix(hex, 16).ok());
        match number {
            Some(_) => Self {
                id: number,
                ..Self::default()
            },
            None => Self {
                title: text.to_owned(),
                ..Self::default()
            },
        }
    }

    /// The one that is meant, of those there are (topmost last).
    #[cfg(any(test, all(target_os = "linux", feature = "screen-x11")))]
    pub(super) fn find<'w>(&self, windows: &'w [WindowFacts]) -> Option<&'w WindowFacts> {
        let last = |fits: &dyn Fn(&WindowFacts) -> bool| windows.iter().rev().find(|w| fits(w));
        // of several windows of a program none is shown that was not chosen: it may be private
        let only = |fits: &dyn Fn(&WindowFacts) -> bool| {
            let mut fitting = windows.iter().filter(|w| fits(w));
            fitting.next().filter(|_| fitting.next().is_none())
        };
        let same_program = |w: &WindowFacts| self.class.is_empty() || w.class == self.class;
        let by_number = || last(&|w| Some(w.id) == self.id && same_program(w));
        if self.class.is_empty() && self.title.is_empty() {
            return by_number();
        }
        let wanted = self.title.to_lowercase();
        let in_part = || {
            let contains = |w: &WindowFacts| w.title.to_lowercase().contains(&wanted);
            last(&contains).filter(|_| self.class.is_empty())
        };
        by_number()
            .or_else(|| last(&|w| w.title == self.title && same_program(w)))
            .or_else(|| only(&|w| !self.class.is_empty() && w.class == self.class))
            .or_else(in_part)
    }
}

impl fmt::Display for WindowMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.title.as_str(), self.class.as_str(), self.id) {
            ("", "", Some(id)) => write!(f, "0x{id:x}"),
            ("", class, _) => f.write_str(class),
            (title, ..) => f.write_str(title),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(id: u32, class: &str, title: &str) -> WindowFacts {
        WindowFacts {
            id,
            class: class.to_owned(),
            title: title.to_owned(),
        }
    }

    #[test]
    fn a_window_is_found_again_by_number_then_program_and_title() {
        let there = [
            window(1, "editor", "a.txt"),
            window(2, "editor", "b.txt"),
            window(3, "game", "Level 1"),
        ];
        let find = |id: Option<u32>, class: &str, title: &str| {
            let wanted = WindowMatch {
                id,
                class: class.to_owned(),
                title: title.to_owned(),
            };
            wanted.find(&there).map(|w| w.id)
        };
        assert_eq!(find(Some(1), "editor", "old title"), Some(1), "its number");
        assert_eq!(
            find(Some(3), "editor", "a.txt"),
            Some(1),
            "a number given to another program is not followed"
        );
        assert_eq!(find(None, "editor", "a.txt"), Some(1));
        assert_eq!(
            find(Some(9), "editor", "c.txt"),
            None,
            "which of the two is not for us to say"
        );
        assert_eq!(find(Some(9), "game", "Level 2"), Some(3), "its only one");
        assert_eq!(find(None, "", "level"), Some(3), "a part of the title");
        assert_eq!(
            find(None, "browser", "Level 1"),
            None,
            "another program's title"
        );
        assert_eq!(find(Some(2), "", ""), Some(2));
        assert_eq!(find(Some(8), "", ""), None);
    }

    #[test]
    fn regions_and_windows_are_read_as_they_are_written() {
        let region = Region {
            left: 100,
            top: 50,
            size: Resolution::new(1280, 720),
        };
        assert_eq!("1280x720+100+50".parse(), Ok(region));
        assert_eq!(region.to_string().parse(), Ok(region));
        for wrong in [
            "",
            "1280x720",
            "1280x720+1",
            "1280x720+1+2+3",
            "1x1+0+0",
            "1280x720-1+2",
        ] {
            assert!(wrong.parse::<Region>().is_err(), "{wrong}");
        }
        assert_eq!(WindowMatch::parse("0x1c").id, Some(28));
        assert_eq!(WindowMatch::parse("0xyz").title, "0xyz");
    }
}
