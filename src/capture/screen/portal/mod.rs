//! A screen or window of a Wayland desktop as a source: the desktop asks its user which one, and PipeWire brings it.
//!
//! In: which kind. Out: BGRA frames with the compositor's stamps, whenever something changes. The question is asked on a
//! thread of its own (`session.rs`), everything else happens on the source's thread.

mod params;
mod session;
mod stream;
mod token;

use std::time::Duration;

use super::super::{SourceContext, SourceError, SourceSpec, VideoDevice, VideoSource};
use super::ScreenSettings;
use super::area::{PortalKind, ScreenArea};
use crate::media::SourceId;
use crate::media::time::{FrameRate, MediaClock, MediaTime};
use crate::media::video::{ColorSpec, FrameData, Plane, Resolution, VideoFrame};
use session::{Ask, Session, SessionEvent, Shared};
use stream::{Picture, PipeWireStream};

/// A stamp older than this is of another clock.
const BELIEVABLE: Duration = Duration::from_secs(1);

/// The programs of this session draw through a Wayland compositor.
pub(super) fn is_wayland() -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
    set("WAYLAND_DISPLAY").is_some()
        || set("XDG_SESSION_TYPE").is_some_and(|kind| kind == "wayland")
}

/// The two questions that can be asked.
pub(super) fn list() -> Vec<VideoDevice> {
    if !is_wayland() {
        return Vec::new();
    }
    let device = |name: &str, kind| VideoDevice {
        name: name.to_owned(),
        spec: SourceSpec::Screen(ScreenSettings {
            area: ScreenArea::Portal { kind, choice: 0 },
            ..ScreenSettings::default()
        }),
        camera: None,
    };
    vec![
        device("Screen (the desktop asks which)", PortalKind::Monitor),
        device("Window (the desktop asks which)", PortalKind::Window),
    ]
}

/// Asks the desktop. Returns at once; pictures come after the user's answer.
pub(super) fn open(
    settings: &ScreenSettings,
    kind: PortalKind,
    choice: u32,
    cx: &SourceContext,
) -> Result<Box<dyn VideoSource>, SourceError> {
    let name = match kind {
        PortalKind::Monitor => "the shared screen",
        PortalKind::Window => "the shared window",
    };
    let key = token::Key { kind, choice };
    Ok(Box::new(Portal {
        stream: None,
        session: ask(key, name, settings.cursor)?,
        id: cx.id,
        clock: cx.clock,
        rate: cx.rate,
        name,
        key,
        cursor: settings.cursor,
        size: None,
        last: None,
        seq: 0,
    }))
}

/// Starts the conversation, with what was answered before.
fn ask(key: token::Key, name: &str, cursor: bool) -> Result<Session, SourceError> {
    let file = token::file();
    let ask = Ask {
        kind: key.kind,
        cursor,
        token: file.as_deref().and_then(|f| token::load(f, key)),
        name: name.to_owned(),
    };
    Session::start(ask).map_err(|e| SourceError::Failed {
        what: name.to_owned(),
        source: Box::new(e),
    })
}

struct Portal {
    /// `None` until the user has answered. Before the session, so that it ends first.
    stream: Option<PipeWireStream>,
    session: Session,
    id: SourceId,
    clock: MediaClock,
    rate: FrameRate,
    name: &'static str,
    /// What the desktop's token is kept under.
    key: token::Key,
    cursor: bool,
    size: Option<Resolution>,
    /// Stamp of the last frame.
    last: Option<MediaTime>,
    seq: u64,
}

impl Portal {
    fn lost(&self, reason: &str) -> SourceError {
        tracing::debug!(source = %self.id, reason, "the shared screen's stream ended");
        SourceError::Lost {
            what: self.name.to_owned(),
        }
    }

    /// The user has allowed it.
    fn start(&mut self, shared: Shared) -> Result<(), SourceError> {
        if let Some(file) = token::file() {
            token::store(&file, self.key, shared.token.as_deref());
        }
        let Shared {
            remote,
            node,
            draws_cursor,
            ..
        } = shared;
        let stream = PipeWireStream::connect(remote, node, self.rate, draws_cursor);
        let stream = stream.map_err(|e| SourceError::Failed {
            what: self.name.to_owned(),
            source: Box::new(e),
        })?;
        self.stream = Some(stream);
        Ok(())
    }

    fn handle(&mut self, event: SessionEvent) -> Result<(), SourceError> {
        match event {
            SessionEvent::Shared(shared) => self.start(shared),
            // a compositor that died ends its sessions as a user does
            SessionEvent::Over(SourceError::Ended { .. }) if !compositor_answers() => {
                Err(self.lost("the compositor is gone"))
            }
            SessionEvent::Over(error) => Err(error),
        }
    }

    fn frame(&mut self, picture: Picture) -> VideoFrame {
        let now = self.clock.now();
        let stamp = picture.stamp_ns.map(|ns| self.clock.from_monotonic(ns));
        let believable = |t: &MediaTime| *t <= now && now.saturating_since(*t) < BELIEVABLE;
        let after = |t: &MediaTime| self.last.is_none_or(|last| *t > last);
        let pts = stamp.filter(believable).filter(after).unwrap_or(now);
        self.last = Some(pts);
        self.size = Some(picture.size);
        self.seq += 1;
        VideoFrame {
            pts,
            source: self.id,
            seq: self.seq - 1,
            resolution: picture.size,
            data: FrameData::Bgra(Plane {
                data: picture.data,
                stride: picture.size.width as usize * 4,
            }),
            color: ColorSpec::default(),
        }
    }
}

impl VideoSource for Portal {
    fn next(&mut self, timeout: Duration) -> Result<Option<VideoFrame>, SourceError> {
        let wait = if self.stream.is_some() {
            Duration::ZERO
        } else {
            timeout
        };
        if let Some(event) = self.session.next(wait) {
            self.handle(event)?;
        }
        let Some(stream) = &mut self.stream else {
            return Ok(None);
        };
        match stream.next(timeout, self.cursor) {
            Ok(picture) => Ok(picture.map(|p| self.frame(p))),
            Err(reason) => {
                // the desktop may tell why in a moment
                match self.session.next(Duration::from_millis(300)) {
                    Some(event) => self.handle(event).map(|()| None),
                    None => Err(self.lost(&reason)),
                }
            }
        }
    }

    fn describe(&self) -> String {
        match self.size {
            Some(size) => format!("{size}, up to {} fps, BGRA", self.rate),
            None => "the desktop asks what to share".to_owned(),
        }
    }

    /// A screen on which nothing changes sends nothing, and a user thinks as long as it takes.
    fn may_be_still(&self) -> bool {
        true
    }

    fn is_waiting(&self) -> bool {
        self.stream.is_none()
    }

    fn corrupt(&self) -> u64 {
        self.stream.as_ref().map_or(0, PipeWireStream::corrupt)
    }

    fn adjust(&mut self, spec: &SourceSpec) {
        let SourceSpec::Screen(settings) = spec else {
            return;
        };
        if settings.cursor == self.cursor {
            return;
        }
        self.cursor = settings.cursor;
        match &self.stream {
            Some(stream) if stream.draws_cursor() => stream.redraw(),
            // the compositor draws it: ask for another stream, which it remembers to have allowed
            _ => match ask(self.key, self.name, self.cursor) {
                Ok(session) => {
                    self.stream = None;
                    self.session = session;
                }
                Err(e) => {
                    tracing::warn!(source = %self.id, error = %e, "the pointer stays as it was");
                }
            },
        }
    }
}

/// The Wayland socket takes connections.
fn compositor_answers() -> bool {
    let socket = || {
        let display = std::env::var_os("WAYLAND_DISPLAY")?;
        let directory = std::env::var_os("XDG_RUNTIME_DIR")?;
        let path = std::path::Path::new(&directory).join(display);
        std::os::unix::net::UnixStream::connect(path).ok()
    };
    socket().is_some()
}
