//! Running one output in a test: its runtime, its events, feeding it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use kaibo::media::packet::EncodedPacket;
use kaibo::media::time::MediaClock;
use kaibo::output::rtmp::{RtmpOptions, start_with};
use kaibo::output::tuning::TuningHandle;
use kaibo::output::{
    self, Output, OutputContext, OutputError, OutputEvent, OutputSpec, OutputState,
};
use kaibo::rtmp::url::RtmpUrl;
use tokio::runtime::Runtime;

use super::wait_for;

/// Longest wait for anything.
pub const LIMIT: Duration = Duration::from_secs(20);

/// An output and what it told.
pub struct Running {
    pub output: Arc<dyn Output>,
    events: Receiver<OutputEvent>,
    _runtime: Runtime,
}

impl Running {
    fn with(tuning: TuningHandle, start: impl FnOnce(OutputContext) -> Arc<dyn Output>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        // a test reads far fewer events; one that does not read must not block the output
        let (tell, events) = bounded(10_000);
        let cx = OutputContext {
            clock: MediaClock::start(),
            runtime: runtime.handle().clone(),
            listener: Arc::new(move |event| drop(tell.try_send(event))),
            tuning,
        };
        Self {
            output: start(cx),
            events,
            _runtime: runtime,
        }
    }

    /// Pushes to an address.
    pub fn rtmp(address: &str, options: RtmpOptions) -> Self {
        Self::rtmp_tuned(address, options, TuningHandle::default())
    }

    /// Pushes to an address with settings of its own.
    pub fn rtmp_tuned(address: &str, options: RtmpOptions, tuning: TuningHandle) -> Self {
        let url = RtmpUrl::parse(address, None).unwrap();
        Self::with(tuning, |cx| start_with(url, cx, options))
    }

    /// Records into a file.
    pub fn file(path: &Path) -> Self {
        Self::with(TuningHandle::default(), |cx| {
            output::start(&OutputSpec::File(path.to_owned()), cx).unwrap()
        })
    }

    /// The next event of interest; others before it are dropped.
    pub fn wait<T>(&self, what: &str, mut wanted: impl FnMut(OutputEvent) -> Option<T>) -> T {
        let deadline = Instant::now() + LIMIT;
        let mut others = Vec::new();
        loop {
            let event = self.events.recv_deadline(deadline);
            let event = event.unwrap_or_else(|_| panic!("no {what}, but {others:?}"));
            others.push(format!("{event:?}"));
            if let Some(value) = wanted(event) {
                return value;
            }
        }
    }

    /// Waits until the server has accepted the stream.
    pub fn wait_connected(&self) {
        self.wait("connection", |e| {
            matches!(e, OutputEvent::Connected).then_some(())
        });
    }

    /// Waits for the first failure, passing or final.
    pub fn wait_error(&self) -> OutputError {
        self.wait("error", |e| match e {
            OutputEvent::Lost { error, .. } | OutputEvent::Failed { error } => Some(error),
            _ => None,
        })
    }

    /// Gives it packets as fast as it takes them without dropping.
    pub fn feed(&self, packets: impl IntoIterator<Item = EncodedPacket>) {
        for packet in packets {
            self.output.push(&packet);
            wait_for("room in the queue", LIMIT, || {
                (self.output.stats().queued_ms < 500).then_some(())
            });
        }
    }

    /// Stops it; it must end by itself within 3 s. Returns how long it took.
    pub fn stop(&self) -> Duration {
        let started = Instant::now();
        self.output.request_stop();
        assert!(
            self.output.join_until(started + Duration::from_secs(3)),
            "stop hangs"
        );
        started.elapsed()
    }

    /// Its state.
    pub fn state(&self) -> OutputState {
        self.output.stats().state
    }
}
