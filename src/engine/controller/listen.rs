//! Listening in: opens the output the settings name, tells the audio stage what to play there, and warns when what is
//! heard there is broadcast again.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::Controller;
use crate::audio::{Listen, ListenTo};
use crate::engine::event::{EventKind, Severity};
use crate::engine::notice::Notice;
use crate::media::playback::PlaybackSink;
use crate::playback::{Playback, PlaybackEvent};
use crate::settings::{MonitorOf, MonitorSettings};

/// The output that is open.
pub(super) struct Listener {
    device: Option<String>,
    /// Closed when dropped.
    _playback: Playback,
    /// From the thread of the output to the audio stage; bound 4; when full nobody listens.
    sinks: Receiver<PlaybackSink>,
    /// Tells its notices from those of one that was replaced.
    number: u32,
    /// What plays now: name and the system's name.
    output: Option<(String, String)>,
    /// Somebody was told that this output comes back as an echo.
    echo: Option<String>,
}

impl Controller {
    /// Opens, changes or closes what the settings say.
    pub(super) fn apply_monitor(&mut self) {
        let MonitorSettings {
            of,
            device,
            gain_db,
        } = self.settings.audio.monitor.clone();
        let Some(to) = self.listen_to(&of) else {
            self.listener = None;
            return self.audio.set_listen(None);
        };
        if self.listener.as_ref().is_none_or(|l| l.device != device) {
            self.listener = None; // closed before another is opened
            self.listeners += 1;
            let (tx, sinks) = bounded(4);
            match self.open_output(device.clone(), tx) {
                Ok(playback) => {
                    self.listener = Some(Listener {
                        device,
                        _playback: playback,
                        sinks,
                        number: self.listeners,
                        output: None,
                        echo: None,
                    });
                }
                Err(reason) => {
                    self.tell(Severity::Degraded, EventKind::MonitorLost, reason);
                }
            }
        }
        let listen = self.listener.as_ref().map(|listener| Listen {
            to,
            gain_db,
            sinks: listener.sinks.clone(),
        });
        self.audio.set_listen(listen);
    }

    fn open_output(
        &self,
        device: Option<String>,
        sinks: Sender<PlaybackSink>,
    ) -> Result<Playback, String> {
        let (notices, number) = (self.notices.clone(), self.listeners);
        let tell = move |event| notices.send(Notice::Playback(number, event));
        Playback::start(device, sinks, Arc::new(tell))
    }

    /// What to listen to; `None`: to nothing.
    fn listen_to(&self, of: &MonitorOf) -> Option<ListenTo> {
        match of {
            MonitorOf::Off => None,
            MonitorOf::Mix => Some(ListenTo::Mix),
            MonitorOf::Sound(name) => {
                let sounds = self.settings.audio.sounds.iter();
                let named = sounds.zip(self.sources.sound_ids());
                let mut named = named.filter(|(s, _)| s.called() == *name);
                named.next().map(|(_, id)| ListenTo::Input(id))
            }
        }
    }

    pub(super) fn playback_event(&mut self, number: u32, event: PlaybackEvent) {
        let Some(listener) = self.listener.as_mut().filter(|l| l.number == number) else {
            return; // replaced meanwhile
        };
        match event {
            PlaybackEvent::Up { name, id } => {
                let text = format!("you listen in on {name}");
                listener.output = Some((name, id));
                self.tell(Severity::Notice, EventKind::MonitorUp, text);
            }
            PlaybackEvent::Down { reason } => {
                listener.output = None;
                let text = format!("listening in does not work: {reason}; trying again");
                self.tell(Severity::Degraded, EventKind::MonitorLost, text);
            }
        }
    }

    /// The output that is listened to, in words, for the status.
    pub(super) fn monitor_output(&self) -> Option<String> {
        let listener = self.listener.as_ref()?;
        listener.output.as_ref().map(|(name, _)| name.clone())
    }

    /// Says, once, that what is heard on an output is captured there and broadcast again.
    pub(super) fn warn_of_echo(&mut self) {
        let Some((name, id)) = self.listener.as_ref().and_then(|l| l.output.clone()) else {
            return;
        };
        let (_, sounds) = self.sources.status();
        let mut same = sounds
            .into_iter()
            .filter(|s| s.stats.output.as_ref() == Some(&id));
        let echo = same.next().map(|s| s.name);
        let Some(listener) = self.listener.as_mut().filter(|l| l.echo != echo) else {
            return;
        };
        listener.echo.clone_from(&echo);
        if let Some(sound) = echo {
            let text = format!(
                "you listen in on {name}, whose sound {sound} broadcasts: viewers hear it again as an echo. Listen in on \
                 another output, or take {sound} away"
            );
            self.tell(Severity::Degraded, EventKind::MonitorEcho, text);
        }
    }
}
