//! The windows and monitors an X server has, by the names people know.
//!
//! In: a connection. Out: lists, topmost window last. Runs on the thread that asks: a source's, or the one that lists.

use x11rb::connection::RequestConnection as _;
use x11rb::errors::ReplyError;
use x11rb::protocol::randr;
use x11rb::protocol::xproto::{AtomEnum, ConnectionExt as _, MapState, Window, WindowClass};

use super::super::area::WindowFacts;
use super::connection::Connection;
use crate::media::video::Resolution;

/// More windows than anybody has; a hostile list ends here.
const MOST: u32 = 512;
/// Longest title asked for, in units of four bytes.
const TITLE: u32 = 256;

/// A monitor, and where it lies on the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Monitor {
    pub(super) name: String,
    pub(super) left: i16,
    pub(super) top: i16,
    pub(super) size: Resolution,
}

/// Monitors in use; none where the server cannot tell.
pub(super) fn monitors(c: &Connection, root: Window) -> Result<Vec<Monitor>, ReplyError> {
    if c.extension_information(randr::X11_EXTENSION_NAME)?
        .is_none()
    {
        return Ok(Vec::new());
    }
    let version = randr::query_version(c, 1, 5)?.reply()?;
    if (version.major_version, version.minor_version) < (1, 5) {
        return Ok(Vec::new());
    }
    let found = randr::get_monitors(c, root, true)?.reply()?.monitors;
    let monitors = found.into_iter().map(|m| {
        let name = c.get_atom_name(m.name)?.reply()?.name;
        Ok(Monitor {
            name: String::from_utf8_lossy(&name).into_owned(),
            left: m.x,
            top: m.y,
            size: Resolution::new(m.width.into(), m.height.into()),
        })
    });
    monitors.collect()
}

/// Windows a person would choose from: those the window manager lists, or without one those on the screen that have a
/// title. Our own are left out, since a picture of the preview in the preview has no end.
pub(super) fn windows(c: &Connection, root: Window) -> Result<Vec<WindowFacts>, ReplyError> {
    let atom =
        |name: &[u8]| -> Result<u32, ReplyError> { Ok(c.intern_atom(false, name)?.reply()?.atom) };
    let stacked = atom(b"_NET_CLIENT_LIST_STACKING")?;
    let names = Names {
        title: atom(b"_NET_WM_NAME")?,
        utf8: atom(b"UTF8_STRING")?,
        pid: atom(b"_NET_WM_PID")?,
    };
    let list = c
        .get_property(false, root, stacked, AtomEnum::WINDOW, 0, MOST)?
        .reply()?;
    let managed: Vec<Window> = list.value32().into_iter().flatten().collect();
    let candidates = if managed.is_empty() {
        c.query_tree(root)?.reply()?.children
    } else {
        managed.clone()
    };
    let mut found = Vec::new();
    for id in candidates.into_iter().take(MOST as usize) {
        // a window that was closed meanwhile is none
        let Ok(facts) = describe(c, id, &names, managed.is_empty()) else {
            continue;
        };
        found.extend(facts);
    }
    Ok(found)
}

struct Names {
    title: u32,
    utf8: u32,
    pid: u32,
}

fn describe(
    c: &Connection,
    id: Window,
    names: &Names,
    unmanaged: bool,
) -> Result<Option<WindowFacts>, ReplyError> {
    let text = |property, kind| c.get_property(false, id, property, kind, 0, TITLE);
    let new_title = text(names.title, names.utf8)?;
    let old_title = text(AtomEnum::WM_NAME.into(), AtomEnum::ANY.into())?;
    let class = text(AtomEnum::WM_CLASS.into(), AtomEnum::STRING.into())?;
    let pid = c.get_property(false, id, names.pid, AtomEnum::CARDINAL, 0, 1)?;
    let attributes = c.get_window_attributes(id)?;
    let (new_title, old_title) = (new_title.reply()?.value, old_title.reply()?.value);
    let title = if new_title.is_empty() {
        old_title
    } else {
        new_title
    };
    // two texts, each ended by a zero: the instance and the class
    let class = class.reply()?.value;
    let class = class.split(|b| *b == 0).nth(1).unwrap_or_default();
    let pid = pid.reply()?.value32().and_then(|mut v| v.next());
    let attributes = attributes.reply()?;
    let shown = attributes.map_state == MapState::VIEWABLE && !attributes.override_redirect;
    let pictured = attributes.class == WindowClass::INPUT_OUTPUT;
    if pid == Some(std::process::id()) || !pictured || (unmanaged && (!shown || title.is_empty())) {
        return Ok(None);
    }
    Ok(Some(WindowFacts {
        id,
        class: String::from_utf8_lossy(class).into_owned(),
        title: String::from_utf8_lossy(&title).into_owned(),
    }))
}
