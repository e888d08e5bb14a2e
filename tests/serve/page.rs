//! The watch page in a real browser, as a viewer has it open before, during and after the stream.

use std::time::Duration;

use super::{browser, push, start};

#[test]
fn the_watch_page_plays_in_a_browser() {
    let Some(browser) = browser::Browser::start() else {
        return;
    };
    let fixture = start();
    let server = &fixture.server;
    browser.open(&server.watch_url("show"));
    let limit = Duration::from_secs(30);
    browser.wait_for(
        "the page says that nothing is live",
        "return document.querySelector('#message b').textContent === 'Not live yet'",
        limit,
    );
    let pusher = push(server, "show", &[]);
    watch_it_move(&browser, limit);
    drop(pusher);
    browser.wait_for(
        "the page says that the stream has ended",
        "return document.querySelector('#message b').textContent === 'The stream has ended'",
        limit,
    );
    let _pusher = push(server, "show", &[]);
    watch_it_move(&browser, limit);
    let sessions = browser.execute("return window.kaibo.sessions");
    assert!(sessions.as_u64() >= Some(2), "{sessions}");
}

/// The picture moves, time advances, and the delay is under a second.
fn watch_it_move(browser: &browser::Browser, limit: Duration) {
    const PIXELS: &str = "const v = document.getElementById('video'); \
        const c = document.createElement('canvas'); c.width = 64; c.height = 36; \
        const x = c.getContext('2d'); x.drawImage(v, 0, 0, 64, 36); \
        return [v.currentTime, Array.from(x.getImageData(0, 0, 64, 36).data).join()]";
    browser.wait_for(
        "the video plays",
        "const v = document.getElementById('video'); return window.kaibo.live && v.readyState >= 3 && !v.paused \
         && document.getElementById('message').classList.contains('off')",
        limit,
    );
    let first = browser.execute(PIXELS);
    let at = first[0].as_f64().unwrap();
    browser.wait_for(
        "two seconds of it",
        &format!("return document.getElementById('video').currentTime > {at} + 2"),
        limit,
    );
    let second = browser.execute(PIXELS);
    assert_ne!(first[1], second[1], "the pixels change");
    browser.wait_for(
        "a delay under one second, shown",
        "const shown = parseFloat(document.getElementById('delay').textContent); \
         return window.kaibo.delay !== null && window.kaibo.delay < 1 && shown < 1",
        limit,
    );
    let size = browser.execute("return document.getElementById('picture').textContent");
    assert_eq!(size, "640×360");
}
