//! The bandwidth test of `kaibo check`: test data for some seconds to the server under a name that shows nothing to
//! viewers, and what to stream with by its outcome.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{BufMut as _, BytesMut};
use crossbeam_channel::{Receiver, bounded};
use serde::Serialize;

use crate::encode::{VideoEncoderSettings, VideoFormat, open_video};
use crate::media::SourceId;
use crate::media::packet::{Bitrate, DropClass, EncodedPacket};
use crate::media::time::{FrameRate, MediaClock, MediaTime};
use crate::media::video::{ColorSpec, FrameData, Plane, Resolution, VideoFrame};
use crate::output::tuning::{StreamTuning, TuningHandle};
use crate::output::{self, Output, OutputContext, OutputError, OutputEvent, OutputSpec};
use crate::rtmp::demand::is_under;
use crate::rtmp::url::{RtmpUrl, StreamKey};

/// Pictures per second of the test data.
const FPS: u32 = 30;
/// The first seconds fill buffers and let TCP find its window.
const WARM_UP: Duration = Duration::from_secs(3);
/// Longest wait for the server to take the stream.
const PATIENCE: Duration = Duration::from_secs(20);
/// Size of the test picture.
const SIZE: Resolution = Resolution::new(320, 180);
/// What of a measured rate is used: links have worse moments.
const SHARE_PERCENT: u32 = 75;
/// What the sound takes.
const AUDIO_KBPS: u32 = 128;

/// Options of the test.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Bandwidth test")]
pub(super) struct BandwidthArgs {
    /// Push test data for some seconds and recommend size, rate and bitrate. On services with a test switch (Twitch)
    /// viewers see nothing; elsewhere give the name of a test stream and --test-stream.
    #[arg(long)]
    bandwidth: bool,
    /// The stream key in the address is one for tests: grey pictures may be shown under it.
    #[arg(long)]
    test_stream: bool,
    /// How long, in seconds, 5 to 60
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(5..=60))]
    test_seconds: u64,
    /// Most that is tried, in kbit/s
    #[arg(long, value_name = "KBPS", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(500..=100_000))]
    test_limit: u32,
}

/// What the test showed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Bandwidth {
    /// kbit/s on average, and in the worst second.
    average_kbps: u32,
    /// kbit/s in the worst second.
    worst_kbps: u32,
    /// The test sent all it may: the link carries more.
    at_limit: bool,
    /// Round trip time at its end, under load.
    rtt_ms: Option<u32>,
    /// What to stream with.
    recommended: Recommendation,
}

/// What to stream with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Recommendation {
    width: u32,
    height: u32,
    fps: u32,
    video_kbps: u32,
}

impl Bandwidth {
    /// For people.
    pub(super) fn lines(&self) -> Vec<String> {
        let Recommendation {
            width,
            height,
            fps,
            video_kbps,
        } = self.recommended;
        let more = if self.at_limit { " or more" } else { "" };
        vec![
            format!(
                "  bandwidth   {} kbit/s{more}, worst second {}",
                self.average_kbps, self.worst_kbps
            ),
            format!("  recommended {width}x{height}, {fps} fps, {video_kbps} kbit/s video"),
        ]
    }
}

impl BandwidthArgs {
    /// The address for the test; `None` when no test is wanted.
    pub(super) fn address(&self, url: &RtmpUrl) -> Result<Option<RtmpUrl>, String> {
        if !self.bandwidth {
            return Ok(None);
        }
        match with_test_switch(url) {
            Some(url) => Ok(Some(url)),
            None if self.test_stream => Ok(Some(url.clone())),
            None => Err(
                "--bandwidth: this service has no test switch that Kaibo knows: give an address with the name of a test \
                 stream, and --test-stream to say that grey pictures may be shown there"
                    .to_owned(),
            ),
        }
    }

    /// Runs the test. Blocks for its length.
    pub(super) fn run(&self, url: RtmpUrl, tuning: &TuningHandle) -> Result<Bandwidth, String> {
        let picture = picture()?;
        let limit = Bitrate::from_kbps(self.test_limit);
        let mut limits = tuning.get();
        limits.adapt = false;
        limits.limits.ceiling = limit;
        let own = TuningHandle::new(StreamTuning { ..limits });
        own.set_network((*tuning.network()).clone());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|e| e.to_string())?;
        let (tell, told) = bounded(64);
        let clock = MediaClock::start();
        let cx = OutputContext {
            clock,
            runtime: runtime.handle().clone(),
            listener: Arc::new(move |event| drop(tell.try_send(event))),
            tuning: own,
        };
        let output = output::start(&OutputSpec::Rtmp(url), cx).map_err(|e| e.full_text())?;
        let measured = wait_live(&told)
            .map_err(|e| e.full_text())
            .and_then(|()| self.measure(&*output, clock, &picture, &told));
        output.join_until(Instant::now() + Duration::from_secs(3));
        runtime.shutdown_background();
        measured
    }

    fn measure(
        &self,
        output: &dyn Output,
        clock: MediaClock,
        picture: &EncodedPacket,
        told: &Receiver<OutputEvent>,
    ) -> Result<Bandwidth, String> {
        let bytes = self.test_limit as usize * 1000 / 8 / FPS as usize;
        let data = padded(&picture.data, bytes);
        let began = Instant::now();
        let whole = WARM_UP + Duration::from_secs(self.test_seconds);
        let mut sums = vec![];
        let mut next_second = began + WARM_UP;
        for number in 0_u32.. {
            let due = began + Duration::from_secs(1) * number / FPS;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let now = clock.now();
            output.push(&EncodedPacket {
                pts: now,
                dts: now,
                data: data.clone(),
                ..picture.clone()
            });
            if let Some(error) = told.try_iter().find_map(failure) {
                return Err(error.full_text());
            }
            if Instant::now() >= next_second {
                next_second += Duration::from_secs(1);
                sums.push((output.stats().sent_bytes, Instant::now()));
            }
            if began.elapsed() >= whole {
                break;
            }
        }
        let stats = output.stats();
        sums.push((stats.sent_bytes, Instant::now()));
        let (average, worst) = rates(&sums);
        Ok(Bandwidth {
            average_kbps: average,
            worst_kbps: worst,
            at_limit: worst >= self.test_limit / 100 * 95,
            rtt_ms: stats.rtt_ms,
            recommended: recommend(worst),
        })
    }
}

/// Twitch takes a stream with this switch and shows it to nobody.
fn with_test_switch(url: &RtmpUrl) -> Option<RtmpUrl> {
    let known = ["twitch.tv", "contribute.live-video.net"];
    if !known.iter().any(|service| is_under(&url.host, service)) {
        return None;
    }
    let key = url.key.expose();
    let sign = if key.contains('?') { '&' } else { '?' };
    let key = StreamKey::new(format!("{key}{sign}bandwidthtest=true"));
    Some(RtmpUrl { key, ..url.clone() })
}

fn failure(event: OutputEvent) -> Option<OutputError> {
    match event {
        OutputEvent::Lost { error, .. } | OutputEvent::Failed { error } => Some(error),
        OutputEvent::RedirectAsked { host } => Some(OutputError::RedirectAsked { host }),
        _ => None,
    }
}

fn wait_live(told: &Receiver<OutputEvent>) -> Result<(), OutputError> {
    let deadline = Instant::now() + PATIENCE;
    while let Ok(event) = told.recv_deadline(deadline) {
        if matches!(event, OutputEvent::Connected) {
            return Ok(());
        }
        if let Some(error) = failure(event) {
            return Err(error);
        }
    }
    Err(OutputError::TimedOut {
        phase: output::Phase::Publish,
        seconds: PATIENCE.as_secs(),
    })
}

/// A grey keyframe, as our encoder makes it.
fn picture() -> Result<EncodedPacket, String> {
    let rate = FrameRate::FPS_30;
    let format = VideoFormat {
        resolution: SIZE,
        rate,
    };
    let settings = VideoEncoderSettings::default();
    let mut encoder = open_video(&settings, format, 0).map_err(|e| e.to_string())?;
    let (width, height) = (SIZE.width as usize, SIZE.height as usize);
    let plane = |bytes| Plane {
        data: vec![128; bytes].into(),
        stride: width,
    };
    let frame = VideoFrame {
        pts: MediaTime::ZERO,
        source: SourceId(0),
        seq: 0,
        resolution: SIZE,
        data: FrameData::Nv12 {
            y: plane(width * height),
            uv: plane(width * height / 2),
        },
        color: ColorSpec::BT709_LIMITED,
    };
    let mut packets = Vec::new();
    encoder
        .encode(&frame, true, &mut packets)
        .and_then(|()| encoder.flush(&mut packets))
        .map_err(|e| e.to_string())?;
    let key = packets.into_iter().find(|p| p.keyframe);
    let key = key.ok_or("the encoder made no picture")?;
    Ok(EncodedPacket {
        drop: DropClass::Never,
        ..key
    })
}

/// The picture with filler data (NAL unit type 12, H.264 7.3.2.7) up to `bytes`.
fn padded(picture: &[u8], bytes: usize) -> bytes::Bytes {
    const HEAD: usize = 4 + 1 + 1;
    let mut data = BytesMut::with_capacity(bytes.max(picture.len()));
    data.put_slice(picture);
    if let Some(fill) = bytes.checked_sub(picture.len() + HEAD) {
        data.put_u32(u32::try_from(fill + 2).unwrap_or(2));
        data.put_u8(12);
        data.put_bytes(0xFF, fill);
        data.put_u8(0x80);
    }
    data.freeze()
}

/// Average and worst kbit/s between sums of bytes, a second apart.
fn rates(sums: &[(u64, Instant)]) -> (u32, u32) {
    let rate = |a: &(u64, Instant), b: &(u64, Instant)| {
        let ms = b.1.saturating_duration_since(a.1).as_millis().max(1);
        let bits = u128::from(b.0.saturating_sub(a.0)) * 8;
        u32::try_from(bits / ms).unwrap_or(u32::MAX)
    };
    let (Some(first), Some(last)) = (sums.first(), sums.last()) else {
        return (0, 0);
    };
    // what is left over at the end is no second
    let whole = sums
        .windows(2)
        .filter(|w| (w[1].1 - w[0].1).as_millis() > 500);
    let worst = whole.map(|w| rate(&w[0], &w[1])).min();
    (rate(first, last), worst.unwrap_or(0))
}

/// The largest picture that the rate is good for, by what services recommend for H.264 (push guides of Twitch, YouTube,
/// Bilibili).
fn recommend(kbps: u32) -> Recommendation {
    const ROWS: [(u32, u32, u32, u32, u32); 8] = [
        // width, height, fps, least and most kbit/s
        (426, 240, 15, 0, 300),
        (640, 360, 30, 350, 800),
        (854, 480, 30, 800, 1500),
        (1280, 720, 30, 1800, 3000),
        (1280, 720, 60, 3200, 4500),
        (1920, 1080, 30, 4000, 6000),
        (1920, 1080, 60, 6000, 9000),
        (2560, 1440, 60, 12_000, 24_000),
    ];
    let budget = (kbps / 100 * SHARE_PERCENT).saturating_sub(AUDIO_KBPS);
    let fits = ROWS.iter().rev().find(|row| row.3 <= budget);
    let (width, height, fps, _, most) = *fits.unwrap_or(&ROWS[0]);
    Recommendation {
        width,
        height,
        fps,
        video_kbps: budget.clamp(100, most),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recommendations_grow_with_the_link_and_leave_room() {
        let mut before = 0;
        for kbps in (0..40_000).step_by(100) {
            let r = recommend(kbps);
            let pixels = r.width * r.height * r.fps;
            assert!(pixels >= before, "{kbps}");
            before = pixels;
            assert!(
                kbps < 400 || r.video_kbps + AUDIO_KBPS <= kbps * 4 / 5,
                "{kbps}: {r:?}"
            );
            assert!(r.width.is_multiple_of(2) && r.height.is_multiple_of(2));
        }
        let r = recommend(4000);
        assert_eq!((r.height, r.fps, r.video_kbps), (720, 30, 2872));
        assert_eq!(recommend(20_000).height, 1440);
    }

    #[test]
    fn only_known_services_are_switched() {
        let url = |text: &str| RtmpUrl::parse(text, None).unwrap();
        let twitch = with_test_switch(&url("rtmp://fra.contribute.live-video.net/app/live_1"));
        assert_eq!(twitch.unwrap().key.expose(), "live_1?bandwidthtest=true");
        let with_query = with_test_switch(&url("rtmps://ingest.twitch.tv/app/live_1?x=y"));
        assert_eq!(
            with_query.unwrap().key.expose(),
            "live_1?x=y&bandwidthtest=true"
        );
        assert_eq!(with_test_switch(&url("rtmp://nottwitch.tv/app/k")), None);
    }

    #[test]
    fn the_worst_second_counts() {
        let t = Instant::now();
        let at = |s: u64, bytes: u64| (bytes, t + Duration::from_secs(s));
        let sums = [at(0, 0), at(1, 500_000), at(2, 600_000), at(3, 1_500_000)];
        assert_eq!(rates(&sums), (4000, 800));
        assert_eq!(rates(&[]), (0, 0));
    }

    #[test]
    fn padding_is_one_more_unit() {
        let data = padded(&[0, 0, 0, 1, 0x65], 100);
        assert_eq!(data.len(), 100);
        assert_eq!(&data[5..10], [0, 0, 0, 91, 12]);
        assert_eq!(data[99], 0x80);
        assert_eq!(padded(&[1; 50], 20).len(), 50);
        assert!(picture().unwrap().keyframe);
    }
}
