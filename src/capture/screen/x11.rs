//! An X11 screen as a source, or a monitor, a region or a window of it: grabbed through MIT-SHM at the show's rate when
//! something has changed, the pointer drawn in.
//!
//! In: a display name and an area. Out: BGRA frames stamped just before the grab. The server writes into memory that is
//! shared with us and that goes on to the renderer as it is; a grab of 1280x720 takes 0.1 to 0.3 ms. Where memory cannot
//! be shared (a server on another computer) the pixels come through the socket, some 15 times slower. Runs on the
//! source's thread.

mod changes;
mod connection;
mod moment;
mod pointer;
mod segment;
mod target;
mod windows;

use std::time::Duration;

use bytes::Bytes;
use x11rb::connection::{Connection as _, RequestConnection as _};
use x11rb::errors::{ConnectError, ConnectionError, ReplyError, ReplyOrIdError};
use x11rb::protocol::xproto::{
    ConnectionExt as _, ImageFormat, ImageOrder, Screen, Setup, VisualClass, Visualid,
};
use x11rb::protocol::{shm, xfixes};

use super::super::pacing::Pacer;
use super::super::{SourceContext, SourceError, SourceSpec, VideoDevice, VideoSource};
use super::ScreenSettings;
use super::area::{ScreenArea, WindowMatch};
use crate::media::SourceId;
use crate::media::time::{FrameRate, MediaClock, MediaTime};
use crate::media::video::{ColorSpec, FrameData, Plane, Resolution, VideoFrame};
use changes::Changes;
use connection::{Connected, Connection, connect, wait_for_words};
use moment::Moment;
use segment::SegmentPool;
use target::{Target, View};

const ALL_PLANES: u32 = !0;
const BYTES_PER_PIXEL: usize = 4;
/// So many refused grabs in a row are no coincidence with a change of what is grabbed.
const REFUSALS: u32 = 10;

struct X11Screen {
    id: SourceId,
    clock: MediaClock,
    rate: FrameRate,
    pacer: Pacer,
    /// Pictures so far.
    grabbed: u64,
    moment: Moment,
    /// "screen :0", for messages.
    name: String,
    connection: Connection,
    target: Target,
    changes: Changes,
    /// Of the last picture, and of the segments.
    size: Resolution,
    /// Where the view lies on the screen.
    origin: (i32, i32),
    /// `None` where memory cannot be shared.
    segments: Option<SegmentPool>,
    /// The server can tell what the pointer looks like.
    has_cursor: bool,
    cursor: bool,
    /// What was said of it last is no longer true.
    reworded: bool,
    /// Grabs that the server has refused since the last picture.
    refused: u32,
}

pub(super) fn open(
    settings: &ScreenSettings,
    cx: &SourceContext,
) -> Result<Box<dyn VideoSource>, SourceError> {
    let display = display_name(settings.display.as_deref());
    let connected =
        connect(settings.display.as_deref()).map_err(|e| cannot_connect(&display, e))?;
    let Connected {
        connection,
        screen,
        local,
    } = connected;
    let name = match settings.area {
        ScreenArea::Whole => display,
        _ => settings.called(),
    };
    let unusable = |e: ReplyError| failed(&name, e);
    let unsupported = |reason: String| SourceError::Unsupported {
        what: name.clone(),
        reason,
    };
    let setup = connection.setup();
    let screen = &setup.roots[screen]; // `connect` has checked the index
    check_format(setup, screen.root_depth, screen.root_visual).map_err(unsupported)?;
    let (root, root_size) = (screen.root, size_of(screen));
    if is_wayland(&connection).map_err(unusable)? {
        return Err(unsupported(
            "this is a Wayland session, which shows its screen to no X11 program; choose \
             the screen that the desktop asks for (portal) instead"
                .to_owned(),
        ));
    }
    let has_cursor = has_cursor(&connection).map_err(unusable)?;
    let target = Target::open(&connection, (root, root_size), &settings.area, &name)?;
    let watched = target.window().unwrap_or(root);
    let changes = Changes::watch(&connection, root, watched, has_cursor)
        .map_err(|e| unusable(reply_error(e)))?;
    let shares = local && can_share(&connection).map_err(unusable)?;
    let size = target.view().map_or(root_size, |v| v.size);
    let mut source = X11Screen {
        id: cx.id,
        clock: cx.clock,
        rate: cx.rate,
        pacer: Pacer::new(cx.clock, cx.rate),
        grabbed: 0,
        moment: Moment::new(cx.rate.interval()),
        name,
        connection,
        target,
        changes,
        size,
        origin: (0, 0),
        segments: None,
        has_cursor,
        cursor: settings.cursor,
        reworded: false,
        refused: 0,
    };
    if shares {
        source.share_memory();
    }
    Ok(Box::new(source))
}

/// The screen of `DISPLAY`, its monitors and windows, if it can be reached and captured.
pub(super) fn list() -> Vec<VideoDevice> {
    let found = || {
        let Connected {
            connection, screen, ..
        } = connect(None).ok()?;
        let setup = connection.setup();
        let screen = &setup.roots[screen];
        check_format(setup, screen.root_depth, screen.root_visual).ok()?;
        if is_wayland(&connection).ok()? {
            return None;
        }
        let display = std::env::var("DISPLAY").ok()?;
        let size = size_of(screen);
        let device = |name: String, area: ScreenArea| VideoDevice {
            name,
            spec: SourceSpec::Screen(ScreenSettings {
                area,
                ..ScreenSettings::default()
            }),
            camera: None,
        };
        let mut devices = vec![device(
            format!("Screen {display} ({size})"),
            ScreenArea::Whole,
        )];
        // a server that fails here still has its screen
        let monitors = windows::monitors(&connection, screen.root).unwrap_or_default();
        if monitors.len() > 1 {
            devices.extend(monitors.into_iter().map(|m| {
                let name = format!("Monitor {} ({})", m.name, m.size);
                device(name, ScreenArea::Monitor { name: m.name })
            }));
        }
        let windows = windows::windows(&connection, screen.root).unwrap_or_default();
        devices.extend(windows.into_iter().rev().map(|w| {
            let name = format!(
                "Window {}",
                if w.title.is_empty() {
                    &w.class
                } else {
                    &w.title
                }
            );
            let window = WindowMatch {
                id: Some(w.id),
                class: w.class,
                title: w.title,
            };
            device(name, ScreenArea::Window(window))
        }));
        Some(devices)
    };
    found().unwrap_or_default()
}

impl X11Screen {
    /// Sets up shared memory for the present size; without it the slow way is taken.
    fn share_memory(&mut self) {
        let len = self.stride() * self.size.height as usize;
        match SegmentPool::new(&self.connection, len) {
            Ok(pool) => self.segments = Some(pool),
            Err(e) => {
                self.segments = None;
                tracing::warn!(source = %self.id, error = %e, "the X server shares no memory: grabbing is slow");
            }
        }
    }

    const fn stride(&self) -> usize {
        self.size.width as usize * BYTES_PER_PIXEL
    }

    /// Waits until there may be something to grab; false when there is not within `timeout`.
    ///
    /// What is drawn is grabbed at once. Where the server cannot tell, and for the pointer, of which it says nothing, there
    /// are ticks.
    fn wait(&mut self, timeout: Duration) -> Result<bool, SourceError> {
        if !self.changes.only_new() {
            let tick = self.pacer.wait(timeout);
            self.follow()?;
            return Ok(tick.is_some());
        }
        let until = self.clock.now() + timeout;
        loop {
            let knew = self.changes.is_fresh();
            self.follow()?;
            let now = self.clock.now();
            if self.changes.is_fresh() && !knew {
                self.moment.drawn(now);
            }
            let due = if !self.changes.is_drawn() {
                self.pacer.next_due().max(self.moment.earliest())
            } else if self.moment.is_early(now) {
                self.moment.earliest()
            } else if self.moment.asks_again() {
                // drawn meanwhile, and perhaps about to be drawn again
                let rearmed = self.changes.rearm(&self.connection);
                rearmed.map_err(|e| failed(&self.name, e.into()))?;
                continue;
            } else {
                self.moment.due(self.changes.is_fresh())
            };
            if now >= due {
                self.pacer.take();
                return Ok(true);
            }
            if now >= until {
                return Ok(false);
            }
            let rest = self.clock.until(due.min(until));
            if self.changes.is_drawn() && self.moment.is_early(now) {
                std::thread::sleep(rest); // no word could hasten it
            } else {
                wait_for_words(&self.connection, rest)
                    .map_err(|e| failed(&self.name, ConnectionError::from(e).into()))?;
            }
        }
    }

    /// Takes the events that came meanwhile, and follows what has moved.
    fn follow(&mut self) -> Result<(), SourceError> {
        let whole = self.target.window().is_some();
        loop {
            let event = self.connection.poll_for_event();
            let Some(event) = event.map_err(|e| failed(&self.name, e.into()))? else {
                break;
            };
            self.target.event(&event);
            self.changes.event(&event, self.target.view(), whole);
        }
        if !self.target.is_stale() {
            return Ok(());
        }
        let before = self.target.view();
        self.target.look(&self.connection)?;
        let now = self.target.view();
        self.reworded |= before.is_some() != now.is_some();
        if now == before {
            return Ok(());
        }
        self.changes.moved();
        match now {
            Some(view) if view.size != self.size => self.resize(view.size),
            _ => Ok(()),
        }
    }

    /// Memory for pictures of the new size.
    fn resize(&mut self, size: Resolution) -> Result<(), SourceError> {
        tracing::info!(source = %self.id, size = %size, "the size has changed");
        self.size = size;
        if let Some(pool) = self.segments.take() {
            let closed = pool.close(&self.connection);
            closed.map_err(|e| failed(&self.name, e.into()))?;
            self.share_memory();
        }
        Ok(())
    }

    /// Where the pointer matters: left, top, size.
    fn pointed(&self) -> Option<(i32, i32, Resolution)> {
        let (left, top) = self.origin;
        self.draws_cursor().then_some((left, top, self.size))
    }

    const fn draws_cursor(&self) -> bool {
        self.cursor && self.has_cursor
    }

    /// One picture; `None` when every buffer is still being read.
    fn grab(&mut self, view: View, now: MediaTime) -> Result<Option<Bytes>, ReplyOrIdError> {
        let (width, height) = (side(view.size.width), side(view.size.height));
        let (data, pointer) = match &mut self.segments {
            Some(pool) => {
                let Some(mut buffer) = pool.take(&self.connection)? else {
                    return Ok(None);
                };
                let image = shm::get_image(
                    &self.connection,
                    view.drawable,
                    view.left,
                    view.top,
                    width,
                    height,
                    ALL_PLANES,
                    ImageFormat::Z_PIXMAP.into(),
                    buffer.id(),
                    0,
                )?;
                let asked = self.ask_for_cursor()?;
                image.reply()?;
                let pointer = self.draw_cursor(asked, view, &mut buffer)?;
                (buffer.freeze(), pointer)
            }
            None => {
                let image = self.connection.get_image(
                    ImageFormat::Z_PIXMAP,
                    view.drawable,
                    view.left,
                    view.top,
                    width,
                    height,
                    ALL_PLANES,
                )?;
                let asked = self.ask_for_cursor()?;
                let mut data = image.reply()?.data;
                let pointer = self.draw_cursor(asked, view, &mut data)?;
                (data.into(), pointer)
            }
        };
        let at = pointer.map(|p| {
            self.origin = p.origin;
            p.at
        });
        self.changes.grabbed(now, at);
        self.refused = 0;
        Ok(Some(data))
    }

    /// The server refused a grab: because what is grabbed has just changed, or because it cannot share memory after all.
    fn recover(&mut self, error: ReplyError) -> Result<(), SourceError> {
        if matches!(error, ReplyError::ConnectionError(_)) {
            return Err(failed(&self.name, error));
        }
        // a window's memory has another name after each look
        let place = |view: Option<View>| view.map(|v| (v.left, v.top, v.size));
        let before = place(self.target.view());
        self.target.doubt();
        self.follow()?;
        self.refused += 1;
        if place(self.target.view()) != before || self.refused < REFUSALS {
            return Ok(());
        }
        match self.segments.take() {
            None => return Err(failed(&self.name, error)),
            Some(pool) => {
                let closed = pool.close(&self.connection);
                closed.map_err(|e| failed(&self.name, e.into()))?;
            }
        }
        self.refused = 0;
        tracing::warn!(source = %self.id, error = %error, "the X server grabs into no shared memory: grabbing is slow");
        Ok(())
    }
}

impl VideoSource for X11Screen {
    fn next(&mut self, timeout: Duration) -> Result<Option<VideoFrame>, SourceError> {
        if !self.wait(timeout)? {
            return Ok(None);
        }
        let pts = self.clock.now();
        let fresh = self.changes.is_fresh();
        let Some(view) = self.target.view() else {
            self.moment.taken(pts, false);
            return Ok(None); // minimised: its last picture stays
        };
        let area = self.pointed();
        let due = self.changes.is_due(&self.connection, pts, area);
        if !due.map_err(|e| failed(&self.name, e))? {
            return Ok(None);
        }
        self.moment.taken(pts, fresh);
        let data = match self.grab(view, pts) {
            Ok(Some(data)) => data,
            Ok(None) => return Ok(None),
            Err(e) => {
                self.recover(reply_error(e))?;
                return Ok(None);
            }
        };
        let seq = self.grabbed;
        self.grabbed += 1;
        Ok(Some(VideoFrame {
            pts,
            source: self.id,
            seq,
            resolution: self.size,
            data: FrameData::Bgra(Plane {
                data,
                stride: self.stride(),
            }),
            color: ColorSpec::default(),
        }))
    }

    fn describe(&self) -> String {
        if self.target.view().is_none() {
            return "minimised: its last picture is shown".to_owned();
        }
        let how = if self.segments.is_some() {
            "shared memory"
        } else {
            "slow: no shared memory"
        };
        format!("{}, {} fps, BGRA, {how}", self.size, self.rate)
    }

    fn reworded(&mut self) -> bool {
        std::mem::take(&mut self.reworded)
    }

    fn may_be_still(&self) -> bool {
        self.changes.only_new() || self.target.view().is_none()
    }

    fn is_waiting(&self) -> bool {
        self.target.view().is_none() // minimised
    }

    fn adjust(&mut self, spec: &SourceSpec) {
        let SourceSpec::Screen(settings) = spec else {
            return;
        };
        self.cursor = settings.cursor;
        self.changes.moved();
        if let ScreenArea::Region(region) = settings.area {
            self.target.set_region(region);
        }
    }
}

fn size_of(screen: &Screen) -> Resolution {
    Resolution::new(
        screen.width_in_pixels.into(),
        screen.height_in_pixels.into(),
    )
}

/// The server told us this side in 16 bits.
fn side(pixels: u32) -> u16 {
    u16::try_from(pixels).unwrap_or(u16::MAX)
}

fn display_name(display: Option<&str>) -> String {
    match display {
        Some(display) => format!("screen {display}"),
        None => match std::env::var("DISPLAY") {
            Ok(display) => format!("screen {display}"),
            Err(_) => "an X11 screen (the variable DISPLAY is not set)".to_owned(),
        },
    }
}

/// Whether pixels come as 4 bytes: blue, green, red, nothing. Otherwise says what to change.
fn check_format(setup: &Setup, depth: u8, visual: Visualid) -> Result<(), String> {
    let packed = setup
        .pixmap_formats
        .iter()
        .any(|f| f.depth == depth && f.bits_per_pixel == 32 && f.scanline_pad == 32);
    if !matches!(depth, 24 | 32) || !packed {
        return Err(format!(
            "it has {depth}-bit colour; set it to 24 bits (for example Xvfb -screen 0 1280x720x24)"
        ));
    }
    let plain = setup
        .roots
        .iter()
        .flat_map(|s| &s.allowed_depths)
        .flat_map(|d| &d.visuals)
        .find(|v| v.visual_id == visual)
        .is_some_and(|v| {
            v.class == VisualClass::TRUE_COLOR
                && (v.red_mask, v.green_mask, v.blue_mask) == (0xff_0000, 0xff00, 0xff)
        });
    if !plain || setup.image_byte_order != ImageOrder::LSB_FIRST {
        return Err(
            "its pixels are not in TrueColor with blue first; use a TrueColor screen of 24 bits"
                .to_owned(),
        );
    }
    Ok(())
}

/// A server that only stands in for a Wayland compositor grabs black. It tells by an extension since version 23.1.
fn is_wayland(connection: &Connection) -> Result<bool, ReplyError> {
    Ok(connection.query_extension(b"XWAYLAND")?.reply()?.present)
}

fn has_cursor(connection: &Connection) -> Result<bool, ReplyError> {
    let name = xfixes::X11_EXTENSION_NAME;
    if connection.extension_information(name)?.is_none() {
        tracing::warn!("the X server has no XFixes: the pointer is not drawn");
        return Ok(false);
    }
    // the server refuses other requests of a client that has not told its version
    xfixes::query_version(connection, 5, 0)?.reply()?;
    Ok(true)
}

/// Memory can be handed over as a file since version 1.2.
fn can_share(connection: &Connection) -> Result<bool, ReplyError> {
    let name = shm::X11_EXTENSION_NAME;
    if connection.extension_information(name)?.is_none() {
        return Ok(false);
    }
    let version = shm::query_version(connection)?.reply()?;
    Ok((version.major_version, version.minor_version) >= (1, 2))
}

fn cannot_connect(name: &str, error: ConnectError) -> SourceError {
    tracing::debug!(name, error = %error, "no connection to the X server");
    let what = name.to_owned();
    match error {
        ConnectError::SetupFailed(_) | ConnectError::SetupAuthenticate(_) => {
            SourceError::Denied { what }
        }
        ConnectError::DisplayParsingError(_)
        | ConnectError::InvalidScreen
        | ConnectError::IoError(_) => SourceError::NotFound { what },
        other => SourceError::Failed {
            what,
            source: Box::new(other),
        },
    }
}

fn reply_error(error: ReplyOrIdError) -> ReplyError {
    match error {
        ReplyOrIdError::ConnectionError(e) => ReplyError::ConnectionError(e),
        ReplyOrIdError::X11Error(e) => ReplyError::X11Error(e),
        ReplyOrIdError::IdsExhausted => {
            ReplyError::ConnectionError(ConnectionError::InsufficientMemory)
        }
    }
}

/// A broken connection is a screen that went away; anything else is what it is.
fn failed(name: &str, error: ReplyError) -> SourceError {
    let what = name.to_owned();
    match error {
        ReplyError::ConnectionError(ConnectionError::IoError(e)) => {
            tracing::debug!(name, error = %e, "the connection to the X server broke");
            SourceError::Lost { what }
        }
        other => SourceError::Failed {
            what,
            source: Box::new(other),
        },
    }
}
