//! The program killed in the middle of a recording: everything up to the last second plays. `benches/record-kill.sh` does
//! the same at more moments and tells the figures.

use std::time::{Duration, Instant};

use kaibo::container::{Format, remux};
use kaibo::output::record::unfinished;

use super::program::Kaibo;
use super::support::{have, say, wait_for};
use super::{pictures, pictures_of_torn};

#[test]
fn after_a_kill_everything_up_to_the_last_second_plays() {
    if !have(&["ffmpeg", "kill"]) {
        return;
    }
    for (format, seconds) in Format::ALL.into_iter().zip([2.3, 3.1, 2.7]) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("show.".to_owned() + format.extension());
        let mut args = vec!["record", file.to_str().unwrap()];
        args.extend(["--source", "test", "--audio", "none", "--software-gpu"]);
        args.extend(["--size", "320x180", "--fps", "30", "--stats", "json"]);
        let kaibo = Kaibo::start(&args);
        // pictures flow: from here on time goes on in the file as on the clock
        kaibo.wait_for_line("\"parts\":1");
        let began = Instant::now();
        wait_for("the moment", Duration::from_secs(20), || {
            (began.elapsed().as_secs_f64() >= seconds).then_some(())
        });
        kaibo.signal("KILL");
        let ran = began.elapsed();
        let run = kaibo.wait(Duration::from_secs(20));
        assert_eq!(run.code, None, "{}", run.stderr);
        let shown = pictures_of_torn(&file);
        let plays = Duration::from_millis(u64::try_from(*shown.last().unwrap()).unwrap());
        say(&format!(
            "{format:?}: {} pictures, {plays:?} of over {ran:?}",
            shown.len()
        ));
        assert!(
            plays + Duration::from_secs(1) >= ran,
            "{format:?}: {plays:?} of {ran:?}"
        );

        // the next start finds it, and a plain MP4 comes of it
        assert_eq!(unfinished(dir.path()), std::slice::from_ref(&file));
        let plain = dir.path().join("plain.mp4");
        remux::to_mp4(&file, &plain, &[], &mut |_| true).unwrap();
        assert!(pictures(&plain).len() + 1 >= shown.len());
    }
}
