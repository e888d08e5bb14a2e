//! Whether there is anything new to grab, so that a still screen costs one small question a tick.
//!
//! In: the server's Damage events, where the pointer is. Out: yes or no. Runs on the source's thread.

use std::time::Duration;

use x11rb::connection::{Connection as _, RequestConnection as _};
use x11rb::errors::{ConnectionError, ReplyError, ReplyOrIdError};
use x11rb::protocol::damage::{self, ReportLevel};
use x11rb::protocol::xproto::{ConnectionExt as _, Drawable, Window};
use x11rb::protocol::{Event, xfixes};

use super::connection::Connection;
use super::target::View;
use crate::media::time::MediaTime;
use crate::media::video::Resolution;

/// A grab all the same, after so long without one: programs that draw past the server (some full-screen games) are
/// reported by no event.
const ANYWAY: Duration = Duration::from_secs(1);

/// Pictures of the pointer are at most so large that one reaching in from outside is noticed.
const POINTER: i32 = 128;

/// Watches one drawable.
#[derive(Debug)]
pub(super) struct Changes {
    /// `None` where the server cannot tell: then everything is always new.
    damage: Option<damage::Damage>,
    root: Window,
    /// Something was drawn in the view.
    drawn: bool,
    /// So it was since the last [`rearm`](Changes::rearm).
    fresh: bool,
    /// Something was drawn anywhere: the server waits for us to say that we know.
    reported: bool,
    grabbed: Option<MediaTime>,
    /// Where the pointer was at the last look.
    pointer: (i16, i16),
}

impl Changes {
    /// Starts watching `drawable` (a window; the root window for all of the screen).
    pub(super) fn watch(
        c: &Connection,
        root: Window,
        drawable: Drawable,
        pointer_shape: bool,
    ) -> Result<Self, ReplyOrIdError> {
        let mut changes = Self {
            damage: None,
            root,
            drawn: true,
            fresh: true,
            reported: false,
            grabbed: None,
            pointer: (0, 0),
        };
        if c.extension_information(damage::X11_EXTENSION_NAME)?
            .is_none()
        {
            return Ok(changes);
        }
        damage::query_version(c, 1, 1)?.reply()?;
        let id = c.generate_id()?;
        damage::create(c, id, drawable, ReportLevel::BOUNDING_BOX)?.check()?;
        changes.damage = Some(id);
        if pointer_shape {
            let shape = xfixes::CursorNotifyMask::DISPLAY_CURSOR;
            xfixes::select_cursor_input(c, root, shape)?.check()?;
        }
        Ok(changes)
    }

    /// Pictures come only when something changes.
    pub(super) const fn only_new(&self) -> bool {
        self.damage.is_some()
    }

    /// Something has been drawn since the last grab.
    pub(super) const fn is_drawn(&self) -> bool {
        self.drawn
    }

    /// Something has been drawn since the last grab and the last [`rearm`](Self::rearm).
    pub(super) const fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Asks to be told again of what is drawn from now on: the server tells of each place once.
    pub(super) fn rearm(&mut self, c: &Connection) -> Result<(), ConnectionError> {
        self.fresh = false;
        if let Some(id) = self.damage.filter(|_| self.reported) {
            damage::subtract(c, id, x11rb::NONE, x11rb::NONE)?;
            c.flush()?;
            self.reported = false;
        }
        Ok(())
    }

    /// Takes note of an event. `view` lies on the drawable that is watched.
    pub(super) fn event(&mut self, event: &Event, view: Option<View>, whole: bool) {
        match event {
            Event::DamageNotify(e) if Some(e.damage) == self.damage => {
                self.reported = true;
                let a = e.area;
                let touches = |at: i16, len: u16, start: i16, size: u32| {
                    let (at, start) = (i64::from(at), i64::from(start));
                    at < start + i64::from(size) && start < at + i64::from(len)
                };
                let within = whole
                    || view.is_some_and(|v| {
                        touches(a.x, a.width, v.left, v.size.width)
                            && touches(a.y, a.height, v.top, v.size.height)
                    });
                self.drawn |= within;
                self.fresh |= within;
            }
            Event::XfixesCursorNotify(_) => self.moved(),
            _ => {}
        }
    }

    /// Another place or size: what is there is new.
    pub(super) const fn moved(&mut self) {
        self.drawn = true;
        self.fresh = true;
    }

    /// Whether to grab now. `area` is where the view lies on the screen (left, top, size), if the pointer is drawn.
    pub(super) fn is_due(
        &mut self,
        c: &Connection,
        now: MediaTime,
        area: Option<(i32, i32, Resolution)>,
    ) -> Result<bool, ReplyError> {
        if self.damage.is_none() {
            return Ok(true);
        }
        // before the grab: what is drawn from here on is reported again
        self.rearm(c)?;
        let overdue = self
            .grabbed
            .is_none_or(|at| now.saturating_since(at) >= ANYWAY);
        if self.drawn || overdue {
            return Ok(true);
        }
        let Some((left, top, size)) = area else {
            return Ok(false);
        };
        let p = c.query_pointer(self.root)?.reply()?;
        let (old, new) = (self.pointer, (p.root_x, p.root_y));
        self.pointer = new;
        let near = |(x, y): (i16, i16)| {
            let within = |at: i16, start: i32, size: u32| {
                let end = start.saturating_add_unsigned(size).saturating_add(POINTER);
                (start - POINTER..end).contains(&i32::from(at))
            };
            within(x, left, size.width) && within(y, top, size.height)
        };
        self.drawn = old != new && (near(old) || near(new));
        Ok(self.drawn)
    }

    /// A picture was taken at `now`, with the pointer there if it was asked for.
    pub(super) fn grabbed(&mut self, now: MediaTime, pointer: Option<(i16, i16)>) {
        self.drawn = false;
        self.fresh = false;
        self.grabbed = Some(now);
        self.pointer = pointer.unwrap_or(self.pointer);
    }
}
