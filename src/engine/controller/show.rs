//! Going live and recording.

use std::path::PathBuf;

use super::{BUILTIN_NAME, Controller, words};
use crate::engine::broadcast::BroadcastError;
use crate::engine::event::{EventKind, Severity};
use crate::engine::notice::Notice;
use crate::output::OutputSpec;
use crate::rtmp::expiry::expires_at;
use crate::rtmp::url::{RtmpUrl, StreamKey};
use crate::serve::{ServeConfig, Server};
use crate::stage::{self, StopFlag};

impl Controller {
    pub(super) fn start_stream(&mut self) {
        if self.broadcast.stream.is_some() {
            return;
        }
        self.failed = None;
        self.live_since = None;
        if !self.broadcast.is_on() {
            self.audio.reset_loudness();
        }
        let refused = match self.dead.clone() {
            Some(reason) => Err(reason),
            None => self.target(),
        };
        let url = match refused {
            Ok(url) => url,
            Err(reason) => return self.stream_failed(reason),
        };
        {
            let mut recorder = self.shared.recorder.lock();
            recorder.hide(&url);
            self.more.iter().for_each(|more| recorder.hide(more));
            // the built-in server's key is the program's name, and no secret
            let main = (!self.is_builtin()).then_some(&url);
            self.more.iter().chain(main).for_each(crate::crash::hide);
        }
        self.warn_of_expiry(&url);
        self.on_builtin = self.is_builtin();
        let spec = OutputSpec::Rtmp(url);
        let ladder = self.encoders.ladder(&self.settings);
        let started = self
            .broadcast
            .start_stream(&spec, &self.settings, ladder, &self.audio);
        match started {
            Ok(()) => self.start_more(),
            Err(e @ (BroadcastError::Encoder(_) | BroadcastError::RecordEncoder(_))) => {
                self.encoder_failed(&words(&e));
            }
            Err(e @ BroadcastError::Output(_)) => self.stream_failed(words(&e)),
        }
    }

    fn start_more(&mut self) {
        for url in self.more.clone() {
            let target = url.to_string();
            let ladder = self.encoders.ladder(&self.settings);
            if let Err(e) = self.broadcast.start_more(url, &self.settings, ladder) {
                let text = match &e {
                    BroadcastError::Encoder(_) => format!(
                        "its own encoder cannot be used ({}); it gets the pictures of the other destinations",
                        words(&e)
                    ),
                    _ => words(&e),
                };
                self.tell(Severity::Degraded, EventKind::MoreChanged { target }, text);
            }
        }
    }

    /// Says when the address carries a date that is near or past. The server has the last word, so it is tried anyhow.
    #[expect(
        clippy::disallowed_methods,
        reason = "the date in an address is one of the world's clock"
    )]
    fn warn_of_expiry(&self, url: &RtmpUrl) {
        /// A show may last this long.
        const SOON: u64 = 12 * 3600;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let (Some(at), Ok(now)) = (expires_at(url), now) else {
            return;
        };
        let now = now.as_secs();
        let (severity, text) = if at <= now {
            let text = "the date in the stream key is past, so the server will most likely refuse it: get a new key \
                        from your streaming service"
                .to_owned();
            (Severity::Degraded, text)
        } else if at - now < SOON {
            let minutes = (at - now) / 60;
            let text = format!(
                "the stream key expires in {} h {} min: a stream that is on air goes on, but cannot be connected again \
                 after that",
                minutes / 60,
                minutes % 60
            );
            (Severity::Notice, text)
        } else {
            return;
        };
        self.tell(severity, EventKind::KeyExpires, text);
    }

    pub(super) fn stream_failed(&mut self, reason: String) {
        self.broadcast.stop_stream(&self.audio, true);
        self.tell(
            Severity::Fatal,
            EventKind::OutputFailed { rejected: false },
            reason.clone(),
        );
        self.failed = Some(reason);
    }

    /// No address is set: the built-in server takes the stream.
    fn is_builtin(&self) -> bool {
        self.settings.stream.url.trim().is_empty()
    }

    /// Where to push: the address of the settings, or the built-in server, started when it is needed first.
    pub(super) fn target(&mut self) -> Result<RtmpUrl, String> {
        if !self.is_builtin() {
            return RtmpUrl::parse(&self.settings.stream.url, Some(&self.key))
                .map(|url| url.with_login(self.login.as_ref()))
                .map_err(|e| e.to_string());
        }
        if self.server.is_none() {
            self.start_server()?;
        }
        let address = self
            .server
            .as_ref()
            .map(Server::push_url)
            .unwrap_or_default();
        RtmpUrl::parse(&address, Some(&StreamKey::new(BUILTIN_NAME))).map_err(|e| e.to_string())
    }

    pub(super) fn start_server(&mut self) -> Result<(), String> {
        let wanted = ServeConfig {
            rtmp: self.settings.server.rtmp,
            http: self.settings.server.http,
        };
        let server = Server::start(wanted, &self.runtime).or_else(|error| {
            tracing::info!(%error, "a port of the built-in server is taken: free ones are used");
            let any = |addr: std::net::SocketAddr| (addr.ip(), 0).into();
            Server::start(
                ServeConfig {
                    rtmp: any(wanted.rtmp),
                    http: any(wanted.http),
                },
                &self.runtime,
            )
        });
        match server {
            Ok(server) => {
                let page = server.watch_url(BUILTIN_NAME);
                self.tell(
                    Severity::Notice,
                    EventKind::ServerStarted,
                    format!("watch the stream at {page}"),
                );
                self.server = Some(server);
                Ok(())
            }
            Err(e) => {
                self.tell(Severity::Degraded, EventKind::ServerFailed, e.to_string());
                Err(e.to_string())
            }
        }
    }

    /// Writes what the flight recorder holds, on a thread of its own.
    pub(super) fn export_recorder(&self, path: PathBuf) {
        let notices = self.notices.clone();
        let json = self.shared.recorder.lock().json();
        let save = move |(), _: &StopFlag| {
            let saved = std::fs::write(&path, json);
            notices.send(Notice::Recorder(match saved {
                Ok(()) => Ok(path),
                Err(e) => Err(format!("{}: {e}", path.display())),
            }));
            Ok(())
        };
        let ready = || Ok::<_, std::convert::Infallible>(());
        if let Err(e) = stage::spawn("recorder", &StopFlag::new(), ready, save, |_| {}) {
            self.notices.send(Notice::Recorder(Err(e.to_string())));
        }
    }

    /// Saves the picture of the next tick, on a thread of its own: PNG takes tens of milliseconds.
    pub(super) fn screenshot(&self, path: PathBuf) {
        let notices = self.notices.clone();
        let taken = self.render.request_screenshot(Box::new(move |picture| {
            let failed = notices.clone();
            let save = move |(), _: &StopFlag| {
                let saved = picture.map_err(|e| words(&e)).and_then(|picture| {
                    picture.save_png(&path).map_err(|e| words(&e))?;
                    Ok(path)
                });
                notices.send(Notice::Screenshot(saved));
                Ok(())
            };
            let ready = || Ok::<_, std::convert::Infallible>(());
            if let Err(e) = stage::spawn("screenshot", &StopFlag::new(), ready, save, |_| {}) {
                failed.send(Notice::Screenshot(Err(e.to_string())));
            }
        }));
        if let Err(e) = taken {
            self.notices.send(Notice::Screenshot(Err(words(&e))));
        }
    }
}
