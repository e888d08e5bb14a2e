//! The push session at a real server (nginx-rtmp) while encoders fail: one connection, one recording, no gap, and it
//! decodes.

use std::sync::Arc;

use kaibo::media::packet::PacketSink;
use kaibo::output::{Output, OutputState};

use super::replacement::{Illness, show_to};
use super::say_figure;
use super::support::have;
use super::support::nginx::{self, Nginx};
use super::support::outputs::Running;
use super::support::probe::{decode, probe, times};

#[test]
fn the_session_outlives_its_encoder() {
    if !have(&nginx::NEEDS) || !have(&["ffmpeg", "ffprobe"]) {
        return;
    }
    let server = Nginx::start();
    let hardware = |preset| vec![("nvenc", "p4"), ("x264", preset)];
    let cases = [
        ("errs", Illness::Errs(45), hardware("ultrafast"), 1),
        ("hangs", Illness::Hangs(45), hardware("veryfast"), 2),
        ("swallows", Illness::Swallows(45), hardware("ultrafast"), 1),
        ("slow", Illness::Slow(45), vec![("x264", "superfast")], 2),
    ];
    for (name, illness, ladder, headers) in cases {
        let running = Running::rtmp(&server.address("live", name), Default::default());
        running.wait_connected();
        let sink: Arc<dyn PacketSink> = Arc::<dyn Output>::clone(&running.output);
        let show = show_to(Some(sink), &ladder, illness, 150);
        assert_eq!(running.state(), OutputState::Live, "{name}");
        running.stop();
        let (path, file) = server.complete_recording(name, show.packets());
        assert_eq!(server.recorded(name).len(), 1, "{name}: one session");
        let sent = file.order.matches('V').count();
        assert_eq!(sent, headers, "{name}: a new header only where it differs");
        let target = path.to_str().unwrap();
        decode(target);
        let probed = probe(target, None);
        let times = times(&probed, "video");
        let mut gaps: Vec<_> = times.windows(2).map(|w| w[1].0 - w[0].0).collect();
        gaps.sort_unstable();
        // what a busy machine does anyhow: the second longest, beyond two pictures
        let own = (gaps[gaps.len() - 2] - 67).max(0);
        let gap = gaps[gaps.len() - 1];
        say_figure(&format!(
            "{name}: {} pictures, longest gap {gap} ms",
            times.len()
        ));
        assert!(gap < 500 + own, "{name}: {gap} ms");
    }
}
