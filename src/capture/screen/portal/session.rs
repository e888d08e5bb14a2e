//! The conversation with the desktop: may a screen or window be shared, which one, and until when.
//!
//! In: what is wanted, and the token of an earlier answer. Out: [`SessionEvent`]s: the stream to listen to, then its end.
//! Runs on a thread of its own (`portal`), because a person takes as long as a person takes and a portal that lost its
//! compositor never answers; dropping the [`Session`] ends it at any moment.

use std::os::fd::OwnedFd;
use std::time::Duration;

use ashpd::desktop::screencast::{CursorMode, Screencast, SelectSourcesOptions, SourceType};
use ashpd::desktop::{PersistMode, ResponseError, Session as PortalSession};
use ashpd::enumflags2::BitFlags;
use ashpd::{PortalError, zbus};
use crossbeam_channel::{Receiver, Sender};
use futures_util::StreamExt as _;
use tokio::sync::oneshot;

use super::super::area::PortalKind;
use crate::capture::SourceError;

/// Longest wait for an answer that needs nobody's decision.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Longest wait for an answer that was given before. A dialogue may come up all the same, when that answer no longer holds.
const KNOWN_WITHIN: Duration = Duration::from_secs(60);

/// What is asked for.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) kind: PortalKind,
    pub(super) cursor: bool,
    /// Stands for an earlier answer.
    pub(super) token: Option<String>,
    /// What the user calls it, for messages.
    pub(super) name: String,
}

/// What the desktop said.
#[derive(Debug)]
pub(super) enum SessionEvent {
    /// Listen there.
    Shared(Shared),
    /// It is over; the last event.
    Over(SourceError),
}

/// A stream that we may listen to.
#[derive(Debug)]
pub(super) struct Shared {
    /// A connection to PipeWire that shows this stream only.
    pub(super) remote: OwnedFd,
    pub(super) node: u32,
    /// For the next time.
    pub(super) token: Option<String>,
    /// The pointer comes beside the picture, to be drawn by us.
    pub(super) draws_cursor: bool,
}

/// A running conversation; ends when dropped.
#[derive(Debug)]
pub(super) struct Session {
    events: Receiver<SessionEvent>,
    _stop: oneshot::Sender<()>,
}

impl Session {
    /// Starts it; returns at once.
    pub(super) fn start(ask: Ask) -> std::io::Result<Self> {
        let (tx, events) = crossbeam_channel::bounded(4);
        let (stop, stopped) = oneshot::channel();
        // not `stage::spawn`: nobody waits for this thread, and it holds nothing that must be given back in order
        std::thread::Builder::new()
            .name("portal".to_owned())
            .spawn(move || run(ask, &tx, stopped))?;
        Ok(Self {
            events,
            _stop: stop,
        })
    }

    /// What was said since the last call; waits for at most `timeout`.
    pub(super) fn next(&self, timeout: Duration) -> Option<SessionEvent> {
        self.events.recv_timeout(timeout).ok()
    }
}

fn run(ask: Ask, events: &Sender<SessionEvent>, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let over = match runtime {
        Ok(runtime) => runtime.block_on(async {
            tokio::select! {
                biased;
                _ = stopped => None,
                error = converse(ask, events) => Some(error),
            }
        }),
        Err(e) => Some(SourceError::Failed {
            what: "asking the desktop for its screen".to_owned(),
            source: Box::new(e),
        }),
    };
    if let Some(error) = over {
        // a source that is no longer there needs no reason
        events.try_send(SessionEvent::Over(error)).ok();
    }
}

/// Asks, hands over the stream, and watches until it ends; the reason of the end.
async fn converse(ask: Ask, events: &Sender<SessionEvent>) -> SourceError {
    match share(&ask, events).await {
        Ok(never) => match never {},
        Err(error) => explain(&ask.name, error),
    }
}

/// Why it came to an end.
#[derive(Debug)]
enum End {
    Portal(ashpd::Error),
    /// No answer, or the portal's process is gone.
    Silent,
    /// The user or the desktop ended a running session.
    Closed,
}

impl<E: Into<ashpd::Error>> From<E> for End {
    fn from(e: E) -> Self {
        Self::Portal(e.into())
    }
}

async fn within<T>(
    limit: Duration,
    what: impl Future<Output = Result<T, ashpd::Error>>,
) -> Result<T, End> {
    match tokio::time::timeout(limit, what).await {
        Ok(answer) => answer.map_err(End::Portal),
        Err(_) => Err(End::Silent),
    }
}

async fn share(ask: &Ask, events: &Sender<SessionEvent>) -> Result<std::convert::Infallible, End> {
    // a connection of our own: a shared one would outlive a session bus that was restarted
    let bus = zbus::connection::Builder::session()?
        .method_timeout(ANSWER_WITHIN)
        .build()
        .await?;
    let portal = within(ANSWER_WITHIN, Screencast::with_connection(bus)).await?;
    let mut owner = portal.receive_owner_changed().await?;
    let gone = async {
        while owner.next().await.is_some_and(|now| now.is_some()) {}
        End::Silent
    };
    tokio::select! {
        end = gone => Err(end),
        done = negotiate(&portal, ask, events) => done,
    }
}

async fn negotiate(
    portal: &Screencast,
    ask: &Ask,
    events: &Sender<SessionEvent>,
) -> Result<std::convert::Infallible, End> {
    let modes = within(ANSWER_WITHIN, portal.available_cursor_modes()).await;
    let cursor = cursor_mode(modes.unwrap_or_default(), ask.cursor);
    let selected = select(portal, ask, cursor, ask.token.as_deref()).await;
    let session = match selected {
        // a token that the portal does not like ends the session: ask anew without
        Err(End::Portal(_)) if ask.token.is_some() => select(portal, ask, cursor, None).await?,
        other => other?,
    };
    let mut closed = std::pin::pin!(session.receive_closed().await?);
    let start = async {
        let request = portal.start(&session, None, Default::default()).await?;
        request.response()
    };
    let streams = match ask.token {
        Some(_) => within(KNOWN_WITHIN, start).await?,
        None => start.await?,
    };
    let Some(stream) = streams.streams().first() else {
        return Err(ResponseError::Cancelled.into());
    };
    let remote = portal.open_pipe_wire_remote(&session, Default::default());
    let shared = Shared {
        remote: within(ANSWER_WITHIN, remote).await?,
        node: stream.pipe_wire_node_id(),
        token: streams.restore_token().map(str::to_owned),
        draws_cursor: cursor == Some(CursorMode::Metadata),
    };
    events.try_send(SessionEvent::Shared(shared)).ok();
    closed.next().await;
    Err(End::Closed)
}

async fn select(
    portal: &Screencast,
    ask: &Ask,
    cursor: Option<CursorMode>,
    token: Option<&str>,
) -> Result<PortalSession<Screencast>, End> {
    let session = within(ANSWER_WITHIN, portal.create_session(Default::default())).await?;
    let kinds = match ask.kind {
        PortalKind::Monitor => BitFlags::from(SourceType::Monitor),
        PortalKind::Window => BitFlags::from(SourceType::Window),
    };
    let offered = within(ANSWER_WITHIN, portal.available_source_types()).await;
    let kinds = match offered {
        // a portal that shares no windows still lets the user choose a screen
        Ok(offered) if (offered & kinds).is_empty() => offered,
        _ => kinds,
    };
    let options = SelectSourcesOptions::default()
        .set_sources(kinds)
        .set_multiple(false)
        .set_cursor_mode(cursor)
        .set_persist_mode(PersistMode::ExplicitlyRevoked)
        .set_restore_token(token);
    let selected = async {
        let request = portal.select_sources(&session, options).await?;
        request.response()
    };
    within(ANSWER_WITHIN, selected).await?;
    Ok(session)
}

/// How the pointer comes. Beside the picture, so that it can be drawn or not at any time, where the desktop can do that.
fn cursor_mode(offered: BitFlags<CursorMode>, wanted: bool) -> Option<CursorMode> {
    let ways: &[CursorMode] = if wanted {
        &[CursorMode::Metadata, CursorMode::Embedded]
    } else {
        &[CursorMode::Metadata, CursorMode::Hidden]
    };
    ways.iter().copied().find(|way| offered.contains(*way))
}

fn explain(name: &str, end: End) -> SourceError {
    let what = name.to_owned();
    match end {
        End::Closed => SourceError::Ended { what },
        End::Silent => SourceError::Lost { what },
        End::Portal(error) => match error {
            ashpd::Error::Response(ResponseError::Cancelled)
            | ashpd::Error::Portal(PortalError::Cancelled(_) | PortalError::NotAllowed(_)) => {
                SourceError::Refused { what }
            }
            ashpd::Error::PortalNotFound(_) => SourceError::Unsupported {
                what,
                reason: "this desktop has no screen sharing: install xdg-desktop-portal and the \
                         part of it for your desktop (xdg-desktop-portal-gnome, -kde or -wlr)"
                    .to_owned(),
            },
            // how the wlr portal says that its dialogue was cancelled
            ref e if e.to_string().contains("Invalid session") => SourceError::Refused { what },
            other => {
                tracing::debug!(name, error = %other, "the portal failed");
                SourceError::Failed {
                    what,
                    source: Box::new(other),
                }
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pointer_comes_beside_the_picture_where_it_can() {
        use CursorMode::{Embedded, Hidden, Metadata};
        let all = Metadata | Embedded | Hidden;
        assert_eq!(cursor_mode(all, true), Some(Metadata));
        assert_eq!(cursor_mode(all, false), Some(Metadata));
        assert_eq!(cursor_mode(Embedded | Hidden, true), Some(Embedded));
        assert_eq!(cursor_mode(Embedded | Hidden, false), Some(Hidden));
        assert_eq!(cursor_mode(Hidden.into(), true), None, "left to the portal");
    }

    #[test]
    fn a_refusal_a_revocation_and_a_crash_are_told_apart() {
        let said = |end| explain("the shared screen", end);
        let cancelled = End::from(ResponseError::Cancelled);
        assert!(matches!(said(cancelled), SourceError::Refused { .. }));
        assert!(matches!(said(End::Closed), SourceError::Ended { .. }));
        assert!(matches!(said(End::Silent), SourceError::Lost { .. }));
        let other = End::from(ResponseError::Other);
        assert!(matches!(said(other), SourceError::Failed { .. }));
    }
}
