//! Tests of [`super`].

use std::task::{Context, Poll, Waker};

use super::*;

/// libx264's headers for 1280x720.
const AVCC: &[u8] = &[
    0x17, 0, 0, 0, 0, 1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, 0x1b, 0x67, 0x64, 0, 0x1f, 0xac, 0xd9, 0x40,
    0x50, 0x05, 0xbb, 0x01, 0x10, 0, 0, 0x03, 0, 0x10, 0, 0, 0x03, 0x03, 0xc0, 0xf1, 0x83, 0x19,
    0x60, 1, 0, 4, 0x68, 0xeb, 0xe3, 0xcb,
];
const ASC: &[u8] = &[0xaf, 0, 0x11, 0x90];

fn publication() -> (Publication, Arc<Stream>) {
    let stream = Arc::new(Stream::new("t", Instant::now()));
    (Publication::new(Arc::clone(&stream)), stream)
}

fn picture(publication: &mut Publication, ms: u32, keyframe: bool) {
    let first = if keyframe { 0x17 } else { 0x27 };
    let body = [first, 1, 0, 0, 0, 0, 0, 0, 1, 0x65];
    publication.video(ms, Bytes::copy_from_slice(&body), Instant::now());
}

fn count<U: Unit>(subscription: &Subscription<U>) -> (usize, bool) {
    let cx = Context::from_waker(Waker::noop());
    let mut units = 0;
    loop {
        match subscription.poll_next(&cx) {
            Poll::Ready(Some(_)) => units += 1,
            Poll::Ready(None) => return (units, true),
            Poll::Pending => return (units, false),
        }
    }
}

#[test]
fn a_broken_codec_header_costs_the_watch_page_only() {
    let (mut publication, stream) = publication();
    let now = Instant::now();
    for junk in [
        &AVCC[..20],
        &[0x17, 0, 0, 0, 0, 1, 2, 3],
        &[0x17, 0, 0, 0, 0, 0xff],
    ] {
        publication.video(0, Bytes::copy_from_slice(junk), now);
        picture(&mut publication, 0, true);
        assert!(stream.watch(now).is_none());
        assert_eq!(
            stream.stats(now).problem,
            "the publisher's codec header is broken"
        );
    }
    let player = stream.play(now);
    picture(&mut publication, 40, true);
    assert_eq!(
        count(&player),
        (3, false),
        "the header, the kept picture and the new one"
    );
    publication.video(80, Bytes::from_static(AVCC), now);
    picture(&mut publication, 80, true);
    assert_eq!(stream.stats(now).problem, "");
    let (content_type, viewer) = stream.watch(now).unwrap();
    assert_eq!(&*content_type, "video/mp4; codecs=\"avc1.64001f\"");
    assert_eq!(count(&viewer), (2, false));
}

#[test]
fn new_headers_send_viewers_away_and_repeated_ones_do_not() {
    let (mut publication, stream) = publication();
    let now = Instant::now();
    publication.video(0, Bytes::from_static(AVCC), now);
    publication.audio(0, Bytes::from_static(ASC), now);
    picture(&mut publication, 0, true);
    let (content_type, viewer) = stream.watch(now).unwrap();
    assert_eq!(
        &*content_type,
        "video/mp4; codecs=\"avc1.64001f, mp4a.40.2\""
    );
    publication.video(30, Bytes::from_static(AVCC), now);
    publication.audio(30, Bytes::from_static(ASC), now);
    picture(&mut publication, 33, false);
    publication.audio(35, Bytes::from_static(&[0xaf, 1, 0x21, 0x10]), now);
    assert_eq!(count(&viewer), (4, false));
    assert_eq!(stream.stats(now).viewers, 1);
    publication.audio(60, Bytes::from_static(&[0xaf, 0, 0x12, 0x10]), now);
    assert_eq!(count(&viewer), (0, true), "44.1 kHz now");
    picture(&mut publication, 66, true);
    let (_, viewer) = stream.watch(now).unwrap();
    drop(publication);
    assert_eq!(count(&viewer), (2, true));
    assert!(stream.watch(now).is_none());
}

#[test]
fn sound_alone_is_served_after_a_while() {
    let (mut publication, stream) = publication();
    let start = Instant::now();
    publication.audio(0, Bytes::from_static(ASC), start);
    for frame in 0..120_u32 {
        let ms = frame * 1024 / 48;
        let now = start + Duration::from_millis(ms.into());
        publication.audio(ms, Bytes::from_static(&[0xaf, 1, 0x21, 0x10]), now);
        assert_eq!(stream.watch(now).is_some(), ms >= 2000, "{ms}");
    }
    let (content_type, _) = stream.watch(start).unwrap();
    assert_eq!(&*content_type, "audio/mp4; codecs=\"mp4a.40.2\"");
}

#[test]
fn other_codecs_are_named_as_the_problem() {
    let (mut publication, stream) = publication();
    let now = Instant::now();
    publication.video(0, Bytes::from_static(&[0x90, b'h', b'v', b'c', b'1']), now);
    assert_eq!(stream.stats(now).problem, "the picture is not H.264");
    assert!(stream.watch(now).is_none());
}
