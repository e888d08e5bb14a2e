//! Answers in any pieces, and answers that no server should give.

use kaibo::flv::tag::TagKind;
use kaibo::rtmp::session::Phase;
use proptest::prelude::*;

use super::rtmp_peer::{Script, message};
use super::{ADDRESS, answers, at, session, status, tag};

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_split_of_the_answers_gives_the_same(cuts in prop::collection::vec(1usize..900, 1..40)) {
        let run = |cuts: &[usize]| {
            let mut client = session(ADDRESS);
            let mut hello = Vec::new();
            client.start(&mut hello);
            let mut input = Script::handshake_answer(&hello);
            for answer in answers() { input.extend(answer); }
            input.extend(message(4, 0, b"\x00\x06\xDE\xAD\xBE\xEF"));
            input.extend(message(3, 0, &500u32.to_be_bytes()));
            input.extend(status("status", "NetStream.Unpublish.Success", &"long ".repeat(60)));
            let (mut out, mut events) = (Vec::new(), Vec::new());
            let mut rest = &input[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (piece, behind) = rest.split_at((*cut).min(rest.len()));
                client.on_bytes(piece, &mut out, &mut events).unwrap();
                rest = behind;
            }
            // the answer to the simple handshake is the same for every session, as the server's bytes are
            (out, events)
        };
        prop_assert_eq!(run(&cuts), run(&[usize::MAX]));
    }

    #[test]
    fn hostile_bytes_never_panic_in_any_phase(
        phase in prop::sample::select(vec![
            Phase::Handshake, Phase::Connecting, Phase::CreatingStream, Phase::Requesting, Phase::Live]),
        good in any::<bool>(),
        kinds in prop::collection::vec((0u8..30, prop::collection::vec(
            prop_oneof![0u8..0x12, any::<u8>()], 0..80)), 0..20),
        raw in prop::collection::vec(any::<u8>(), 0..4000),
    ) {
        let mut client = if phase == Phase::Handshake {
            let mut client = session(ADDRESS);
            client.start(&mut Vec::new());
            client
        } else {
            at(phase)
        };
        let mut out = Vec::new();
        let mut events = Vec::new();
        if good && phase == Phase::Handshake {
            // a right first byte, then anything: reaches the digest search
            client.on_bytes(&[3], &mut out, &mut events).unwrap();
        }
        if good {
            for (kind, body) in &kinds {
                let named = [b"\x02\x00\x07_result\x00\x3F\xF0\0\0\0\0\0\0", &body[..]].concat();
                for body in [&body[..], &named] {
                    client.on_bytes(&message(*kind, 0, body), &mut out, &mut events).ok();
                }
            }
        }
        client.on_bytes(&raw, &mut out, &mut events).ok();
        client.publish(&tag(TagKind::Video, 0, b"x"), &mut out).ok();
        client.finish(&mut out);
        prop_assert_eq!(client.phase(), Phase::Ended);
    }
}
