//! A whole X11 screen as a source: grabbed through MIT-SHM at the show's rate, the pointer drawn in.
//!
//! In: a display name. Out: BGRA frames stamped just before the grab. The server writes into memory that is shared with
//! us and that goes on to the renderer as it is; a grab of 1280x720 takes 0.1 to 0.3 ms. Where memory cannot be shared
//! (a server on another computer) the pixels come through the socket, some 15 times slower. Runs on the source's thread.

mod connection;
mod cursor;
mod segment;

use std::time::Duration;

use bytes::Bytes;
use x11rb::connection::{Connection as _, RequestConnection as _};
use x11rb::errors::{ConnectError, ConnectionError, ReplyError, ReplyOrIdError};
use x11rb::protocol::xproto::{
    ChangeWindowAttributesAux, ConnectionExt as _, EventMask, ImageFormat, ImageOrder, Screen,
    Setup, VisualClass, Window,
};
use x11rb::protocol::{Event, shm, xfixes};

use super::super::pacing::Pacer;
use super::super::{SourceContext, SourceError, SourceSpec, VideoDevice, VideoSource};
use super::ScreenSettings;
use crate::media::SourceId;
use crate::media::time::{FrameRate, MediaClock};
use crate::media::video::{ColorSpec, FrameData, Plane, Resolution, VideoFrame};
use connection::{Connected, Connection, connect};
use cursor::Pointer;
use segment::SegmentPool;

const ALL_PLANES: u32 = !0;
const BYTES_PER_PIXEL: usize = 4;

struct X11Screen {
    id: SourceId,
    clock: MediaClock,
    rate: FrameRate,
    pacer: Pacer,
    first: Option<u64>,
    /// "screen :0", for messages.
    name: String,
    connection: Connection,
    root: Window,
    size: Resolution,
    /// `None` where memory cannot be shared.
    segments: Option<SegmentPool>,
    cursor: bool,
}

pub(super) fn open(
    settings: &ScreenSettings,
    cx: &SourceContext,
) -> Result<Box<dyn VideoSource>, SourceError> {
    let name = display_name(settings.display.as_deref());
    let connected = connect(settings.display.as_deref()).map_err(|e| cannot_connect(&name, e))?;
    let Connected {
        connection,
        screen,
        local,
    } = connected;
    let setup = connection.setup();
    let screen = &setup.roots[screen]; // `connect` has checked the index
    check_format(setup, screen).map_err(|reason| SourceError::Unsupported {
        what: name.clone(),
        reason,
    })?;
    let (root, size) = (screen.root, size_of(screen));
    let unusable = |e: ReplyError| failed(&name, e);
    if is_wayland(&connection).map_err(unusable)? {
        return Err(SourceError::Unsupported {
            what: name,
            reason: "this is a Wayland session, which shows its screen to no X11 program; log in \
                     to an X11 session instead"
                .to_owned(),
        });
    }
    // a change of the screen's size is told to us as an event
    let events = ChangeWindowAttributesAux::new().event_mask(EventMask::STRUCTURE_NOTIFY);
    connection
        .change_window_attributes(root, &events)
        .map_err(ReplyError::from)
        .and_then(|c| c.check())
        .map_err(unusable)?;
    let cursor = settings.cursor && has_cursor(&connection).map_err(unusable)?;
    let shares = local && can_share(&connection).map_err(unusable)?;
    let mut source = X11Screen {
        id: cx.id,
        clock: cx.clock,
        rate: cx.rate,
        pacer: Pacer::new(cx.clock, cx.rate),
        first: None,
        name,
        connection,
        root,
        size,
        segments: None,
        cursor,
    };
    if shares {
        source.share_memory();
    }
    Ok(Box::new(source))
}

/// The screen of `DISPLAY`, if it can be reached and captured.
pub(super) fn list() -> Vec<VideoDevice> {
    let found = || {
        let Connected {
            connection, screen, ..
        } = connect(None).ok()?;
        let setup = connection.setup();
        let screen = &setup.roots[screen];
        check_format(setup, screen).ok()?;
        if is_wayland(&connection).ok()? {
            return None;
        }
        let display = std::env::var("DISPLAY").ok()?;
        Some(VideoDevice {
            name: format!("Screen {display} ({})", size_of(screen)),
            spec: SourceSpec::Screen(ScreenSettings::default()),
            camera: None,
        })
    };
    found().into_iter().collect()
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

    /// Takes the events that came meanwhile; true when the screen's size has changed.
    fn resized(&mut self) -> Result<bool, ConnectionError> {
        let old = self.size;
        while let Some(event) = self.connection.poll_for_event()? {
            if let Event::ConfigureNotify(e) = event
                && e.window == self.root
            {
                self.size = Resolution::new(e.width.into(), e.height.into());
            }
        }
        Ok(self.size != old)
    }

    /// After a change of size: memory of the new one.
    fn adapt(&mut self) -> Result<(), ConnectionError> {
        tracing::info!(source = %self.id, size = %self.size, "the screen's size has changed");
        if let Some(pool) = self.segments.take() {
            pool.close(&self.connection)?;
            self.share_memory();
        }
        Ok(())
    }

    /// One picture of the whole screen; `None` when every buffer is still being read.
    fn grab(&mut self) -> Result<Option<Bytes>, ReplyOrIdError> {
        match &mut self.segments {
            Some(pool) => {
                let Some(mut buffer) = pool.take(&self.connection)? else {
                    return Ok(None);
                };
                let image = shm::get_image(
                    &self.connection,
                    self.root,
                    0,
                    0,
                    side(self.size.width),
                    side(self.size.height),
                    ALL_PLANES,
                    ImageFormat::Z_PIXMAP.into(),
                    buffer.id(),
                    0,
                )?;
                let pointer = self.ask_for_cursor()?;
                image.reply()?;
                self.draw_cursor(pointer, &mut buffer)?;
                Ok(Some(buffer.freeze()))
            }
            None => {
                let image = self.connection.get_image(
                    ImageFormat::Z_PIXMAP,
                    self.root,
                    0,
                    0,
                    side(self.size.width),
                    side(self.size.height),
                    ALL_PLANES,
                )?;
                let pointer = self.ask_for_cursor()?;
                let mut data = image.reply()?.data;
                self.draw_cursor(pointer, &mut data)?;
                Ok(Some(data.into()))
            }
        }
    }

    /// Sent with the grab, so that both take one round trip.
    fn ask_for_cursor(&self) -> Result<Option<CursorCookie<'_>>, ConnectionError> {
        self.cursor
            .then(|| xfixes::get_cursor_image(&self.connection))
            .transpose()
    }

    fn draw_cursor(
        &self,
        pointer: Option<CursorCookie<'_>>,
        image: &mut [u8],
    ) -> Result<(), ReplyError> {
        let Some(cookie) = pointer else { return Ok(()) };
        let p = cookie.reply()?;
        let pointer = Pointer {
            left: i32::from(p.x) - i32::from(p.xhot),
            top: i32::from(p.y) - i32::from(p.yhot),
            width: p.width.into(),
            argb: &p.cursor_image,
        };
        pointer.draw(image, self.stride(), self.size);
        Ok(())
    }

    /// The server refused a grab: because the size has just changed, or because it cannot share memory after all.
    fn recover(&mut self, error: ReplyError) -> Result<(), SourceError> {
        let lost = |e: ReplyError| failed(&self.name, e);
        if matches!(error, ReplyError::ConnectionError(_)) {
            return Err(lost(error));
        }
        let now = self
            .connection
            .get_geometry(self.root)
            .map_err(ReplyError::from)
            .and_then(|c| c.reply())
            .map_err(lost)?;
        let size = Resolution::new(now.width.into(), now.height.into());
        if size != self.size {
            self.size = size;
            return self.adapt().map_err(|e| failed(&self.name, e.into()));
        }
        if self.segments.take().is_none() {
            return Err(failed(&self.name, error));
        }
        tracing::warn!(source = %self.id, error = %error, "the X server grabs into no shared memory: grabbing is slow");
        Ok(())
    }
}

type CursorCookie<'c> = x11rb::cookie::Cookie<'c, Connection, xfixes::GetCursorImageReply>;

impl VideoSource for X11Screen {
    fn next(&mut self, timeout: Duration) -> Result<Option<VideoFrame>, SourceError> {
        let Some(tick) = self.pacer.wait(timeout) else {
            return Ok(None);
        };
        let connection_lost = |this: &Self, e: ConnectionError| failed(&this.name, e.into());
        if self.resized().map_err(|e| connection_lost(self, e))? {
            self.adapt().map_err(|e| connection_lost(self, e))?;
        }
        let pts = self.clock.now();
        let data = match self.grab() {
            Ok(Some(data)) => data,
            Ok(None) => return Ok(None),
            Err(e) => {
                self.recover(reply_error(e))?;
                return Ok(None);
            }
        };
        // skipped ticks leave gaps in the numbers
        let seq = tick.index - *self.first.get_or_insert(tick.index);
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
        let how = if self.segments.is_some() {
            "shared memory"
        } else {
            "slow: no shared memory"
        };
        format!("{}, {} fps, BGRA, {how}", self.size, self.rate)
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
fn check_format(setup: &Setup, screen: &Screen) -> Result<(), String> {
    let depth = screen.root_depth;
    let packed = setup
        .pixmap_formats
        .iter()
        .any(|f| f.depth == depth && f.bits_per_pixel == 32 && f.scanline_pad == 32);
    if !matches!(depth, 24 | 32) || !packed {
        return Err(format!(
            "it has {depth}-bit colour; set it to 24 bits (for example Xvfb -screen 0 1280x720x24)"
        ));
    }
    let plain = screen
        .allowed_depths
        .iter()
        .flat_map(|d| &d.visuals)
        .find(|v| v.visual_id == screen.root_visual)
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
