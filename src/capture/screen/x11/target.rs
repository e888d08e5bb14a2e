//! What is captured, followed through every change: where on the screen a monitor or region lies, and the memory a
//! window is drawn into, which the Composite extension keeps complete while other windows cover it.
//!
//! In: the settings, the server's events. Out: a [`View`], what to read from which drawable. Runs on the source's thread.

use x11rb::connection::{Connection as _, RequestConnection as _};
use x11rb::errors::{ReplyError, ReplyOrIdError};
use x11rb::protocol::composite::{self, Redirect};
use x11rb::protocol::xproto::{
    ChangeWindowAttributesAux, ConnectionExt as _, Drawable, EventMask, MapState, Pixmap, Window,
};
use x11rb::protocol::{Event, randr};

use super::super::area::{Region, ScreenArea};
use super::connection::Connection;
use super::windows::{monitors, windows};
use super::{check_format, reply_error};
use crate::capture::SourceError;
use crate::media::video::Resolution;

/// What to read now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct View {
    /// The root window, or the memory of one window.
    pub(super) drawable: Drawable,
    /// First column of it.
    pub(super) left: i16,
    /// First row of it.
    pub(super) top: i16,
    /// How much.
    pub(super) size: Resolution,
}

/// The part of the screen that was asked for.
#[derive(Debug)]
pub(super) struct Target {
    area: ScreenArea,
    /// "window Level 1", for messages.
    name: String,
    root: Window,
    root_size: Resolution,
    /// The window, if it is one.
    window: Option<Window>,
    /// Its memory, named by us.
    pixmap: Option<Pixmap>,
    /// What to read; `None` while the window is minimised.
    view: Option<View>,
    /// Something about it has changed: look again before reading.
    stale: bool,
    gone: bool,
}

impl Target {
    /// Finds it, and asks to be told of its changes.
    pub(super) fn open(
        c: &Connection,
        (root, root_size): (Window, Resolution),
        area: &ScreenArea,
        name: &str,
    ) -> Result<Self, SourceError> {
        let failed = |e: ReplyError| super::failed(name, e);
        let not_found = || SourceError::NotFound {
            what: name.to_owned(),
        };
        let window = match area {
            ScreenArea::Window(wanted) => {
                let there = windows(c, root).map_err(failed)?;
                Some(wanted.find(&there).ok_or_else(not_found)?.id)
            }
            _ => None,
        };
        let mut target = Self {
            area: area.clone(),
            name: name.to_owned(),
            root,
            root_size,
            window,
            pixmap: None,
            view: None,
            stale: true,
            gone: false,
        };
        target.listen(c).map_err(failed)?;
        if let Some(window) = window {
            redirect(c, window)
                .map_err(failed)?
                .map_err(|reason| SourceError::Unsupported {
                    what: name.to_owned(),
                    reason,
                })?;
        }
        match target.look(c) {
            Err(SourceError::Lost { what }) => Err(SourceError::NotFound { what }),
            other => other.map(|()| target),
        }
    }

    fn listen(&self, c: &Connection) -> Result<(), ReplyError> {
        let events = ChangeWindowAttributesAux::new().event_mask(EventMask::STRUCTURE_NOTIFY);
        for window in [Some(self.root), self.window].into_iter().flatten() {
            c.change_window_attributes(window, &events)?.check()?;
        }
        let has_monitors = c
            .extension_information(randr::X11_EXTENSION_NAME)?
            .is_some();
        if has_monitors && matches!(self.area, ScreenArea::Monitor { .. }) {
            randr::query_version(c, 1, 5)?.reply()?; // the server tells older clients less
            let changes = randr::NotifyMask::SCREEN_CHANGE | randr::NotifyMask::CRTC_CHANGE;
            randr::select_input(c, self.root, changes)?.check()?;
        }
        Ok(())
    }

    /// What to read now; `None` while there is nothing to be read.
    pub(super) const fn view(&self) -> Option<View> {
        self.view
    }

    /// The whole screen.
    pub(super) const fn root(&self) -> Window {
        self.root
    }

    /// The window, if it is one.
    pub(super) const fn window(&self) -> Option<Window> {
        self.window
    }

    /// Takes note of an event.
    pub(super) fn event(&mut self, event: &Event) {
        let tracked = |w: Window| Some(w) == self.window;
        match event {
            Event::ConfigureNotify(e) if e.window == self.root => {
                self.root_size = Resolution::new(e.width.into(), e.height.into());
                self.stale = true;
            }
            Event::ConfigureNotify(e) if tracked(e.window) => {
                // moves are many, and change nothing of what is read
                let size = Resolution::new(e.width.into(), e.height.into());
                self.stale |= self.view.is_none_or(|v| v.size != size);
            }
            Event::MapNotify(e) => self.stale |= tracked(e.window),
            Event::UnmapNotify(e) => self.stale |= tracked(e.window),
            Event::DestroyNotify(e) => self.gone |= tracked(e.window),
            Event::RandrScreenChangeNotify(_) | Event::RandrNotify(_) => self.stale = true,
            _ => {}
        }
    }

    /// Whether [`look`](Self::look) has something to do.
    pub(super) const fn is_stale(&self) -> bool {
        self.stale || self.gone
    }

    /// Moves or resizes a region; one outside of the screen is left where it was.
    pub(super) fn set_region(&mut self, region: Region) {
        let side = |n: u32| i16::try_from(n).unwrap_or(i16::MAX);
        let view = self.clip(side(region.left), side(region.top), region.size);
        if matches!(self.area, ScreenArea::Region(_)) && view.is_some() {
            self.area = ScreenArea::Region(region);
            self.stale = true;
        }
    }

    /// A read failed: what is known of it may be wrong.
    pub(super) const fn doubt(&mut self) {
        self.stale = true;
    }

    /// Looks where it is now. `Lost` when it is not there any more.
    pub(super) fn look(&mut self, c: &Connection) -> Result<(), SourceError> {
        let lost = || SourceError::Lost {
            what: self.name.clone(),
        };
        if self.gone {
            return Err(lost());
        }
        let view = match (&self.area, self.window) {
            (_, Some(window)) => {
                let seen = self.look_at_window(c, window);
                // a window that is closed at this moment is no longer known to the server
                seen.map_err(|e| match reply_error(e) {
                    ReplyError::X11Error(_) => SourceError::Lost {
                        what: self.name.clone(),
                    },
                    other => super::failed(&self.name, other),
                })?
            }
            (ScreenArea::Monitor { name }, _) => {
                let there = monitors(c, self.root).map_err(|e| super::failed(&self.name, e))?;
                let monitor = there.iter().find(|m| m.name == *name).ok_or_else(lost)?;
                self.clip(monitor.left, monitor.top, monitor.size)
            }
            (ScreenArea::Region(r), _) => {
                let side = |n: u32| i16::try_from(n).unwrap_or(i16::MAX);
                let view = self.clip(side(r.left), side(r.top), r.size);
                Some(view.ok_or_else(|| SourceError::Unsupported {
                    what: self.name.clone(),
                    reason: format!(
                        "it lies outside of the screen, which has {}",
                        self.root_size
                    ),
                })?)
            }
            _ => self.clip(0, 0, self.root_size),
        };
        self.view = view;
        self.stale = false;
        Ok(())
    }

    /// The part of the screen inside the screen.
    fn clip(&self, left: i16, top: i16, size: Resolution) -> Option<View> {
        let inside = |at: i16, len: u32, end: u32| {
            let at = u32::try_from(at).ok()?;
            Some(len.min(end.checked_sub(at)?)).filter(|n| *n > 0)
        };
        Some(View {
            drawable: self.root,
            left,
            top,
            size: Resolution::new(
                inside(left, size.width, self.root_size.width)?,
                inside(top, size.height, self.root_size.height)?,
            ),
        })
    }

    /// Names the window's memory, which is another one after each change of its size.
    fn look_at_window(
        &mut self,
        c: &Connection,
        window: Window,
    ) -> Result<Option<View>, ReplyOrIdError> {
        if let Some(old) = self.pixmap.take() {
            c.free_pixmap(old)?;
        }
        let attributes = c.get_window_attributes(window)?.reply()?;
        if attributes.map_state != MapState::VIEWABLE {
            return Ok(None);
        }
        let pixmap = c.generate_id()?;
        composite::name_window_pixmap(c, window, pixmap)?.check()?;
        self.pixmap = Some(pixmap);
        let whole = c.get_geometry(pixmap)?.reply()?;
        let border = c.get_geometry(window)?.reply()?.border_width;
        let inner = |side: u16| u32::from(side.saturating_sub(2 * border));
        let size = Resolution::new(inner(whole.width), inner(whole.height));
        let border = i16::try_from(border).unwrap_or(i16::MAX);
        Ok((size.pixels() > 0).then_some(View {
            drawable: pixmap,
            left: border,
            top: border,
            size,
        }))
    }
}

/// Has the server keep the window complete. The inner error says why its picture cannot be used.
fn redirect(c: &Connection, window: Window) -> Result<Result<(), String>, ReplyError> {
    if c.extension_information(composite::X11_EXTENSION_NAME)?
        .is_none()
    {
        return Ok(Err(
            "the X server lacks the Composite extension; capture the whole screen instead"
                .to_owned(),
        ));
    }
    let version = composite::query_version(c, 0, 4)?.reply()?;
    if (version.major_version, version.minor_version) < (0, 2) {
        return Ok(Err(
            "the X server's Composite extension is too old; capture the whole screen instead"
                .to_owned(),
        ));
    }
    let attributes = c.get_window_attributes(window)?;
    let depth = c.get_geometry(window)?.reply()?.depth;
    let visual = attributes.reply()?.visual;
    if let Err(reason) = check_format(c.setup(), depth, visual) {
        return Ok(Err(reason));
    }
    composite::redirect_window(c, window, Redirect::AUTOMATIC)?.check()?;
    Ok(Ok(()))
}
