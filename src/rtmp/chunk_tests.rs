//! Tests of the chunk reader: bytes by hand, and what rml_rtmp's serializer writes.

use proptest::prelude::*;
use rml_rtmp::chunk_io::ChunkSerializer;
use rml_rtmp::messages::MessagePayload;
use rml_rtmp::time::RtmpTimestamp;

use super::*;
use crate::rtmp::outbox::Outbox;

fn read_all(d: &mut Dechunker, bytes: &[u8]) -> Result<Vec<Message>, ChunkError> {
    d.push(bytes);
    let mut messages = Vec::new();
    while let Some(m) = d.next_message()? {
        messages.push(m);
    }
    Ok(messages)
}

fn read(bytes: &[u8]) -> Result<Vec<Message>, ChunkError> {
    read_all(&mut Dechunker::new(), bytes)
}

/// A chunk with a full header.
fn full(id: u8, timestamp: u32, kind: u8, length: usize, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![id];
    out.extend(&timestamp.min(EXTENDED).to_be_bytes()[1..]);
    out.extend(&u32::try_from(length).unwrap().to_be_bytes()[1..]);
    out.push(kind);
    out.extend(1u32.to_le_bytes());
    if timestamp >= EXTENDED {
        out.extend(timestamp.to_be_bytes());
    }
    out.extend(payload);
    out
}

fn times(messages: &[Message]) -> Vec<u32> {
    messages.iter().map(|m| m.timestamp_ms).collect()
}

#[test]
fn interleaved_messages_come_out_whole() {
    let a: Vec<u8> = (0..200).collect();
    let b: Vec<u8> = (0..150).rev().collect();
    let mut bytes = full(4, 10, 9, a.len(), &a[..128]);
    bytes.extend(full(5, 11, 8, b.len(), &b[..128]));
    bytes.push(0xC4);
    bytes.extend(&a[128..]);
    bytes.push(0xC5);
    bytes.extend(&b[128..]);
    let messages = read(&bytes).unwrap();
    assert_eq!(messages[0].payload, a);
    assert_eq!(messages[1].payload, b);
    assert_eq!(times(&messages), [10, 11]);
    assert_eq!((messages[0].kind, messages[0].stream_id), (9, 1));
}

#[test]
fn short_headers_lean_on_earlier_ones() {
    let mut bytes = full(4, 1000, 9, 2, b"aa");
    bytes.extend([0x44, 0, 0, 40, 0, 0, 1, 8, b'b']); // type 1: difference, length, kind
    bytes.extend([0x84, 0, 0, 20, b'c']); // type 2: difference
    bytes.extend([0xC4, b'd']); // type 3: all the same
    let messages = read(&bytes).unwrap();
    assert_eq!(times(&messages), [1000, 1040, 1060, 1080]);
    assert!(
        messages[1..]
            .iter()
            .all(|m| m.kind == 8 && m.stream_id == 1)
    );
    assert_eq!(messages[3].payload, b"d"[..]);
}

#[test]
fn long_chunk_stream_numbers() {
    let mut bytes = full(0, 1, 9, 1, b"a");
    bytes.insert(1, 250);
    let mut three = full(1, 2, 9, 1, b"b");
    three.splice(1..1, [5, 1]);
    bytes.extend(three);
    bytes.extend([0xC0, 250, b'c', 0xC1, 5, 1, b'd']);
    let messages = read(&bytes).unwrap();
    assert_eq!(times(&messages), [1, 2, 2, 4]);
}

#[test]
fn extended_timestamps_with_and_without_repetition() {
    for repeat in [true, false] {
        let payload = [7; 200];
        let mut bytes = full(4, 0x0123_4567, 9, 200, &payload[..128]);
        bytes.push(0xC4);
        if repeat {
            bytes.extend(0x0123_4567u32.to_be_bytes());
        }
        bytes.extend(&payload[128..]);
        // a difference that needs 32 bits
        bytes.extend([0x84, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0]);
        bytes.extend([7; 128]);
        let messages = read(&bytes).unwrap();
        assert_eq!(times(&messages), [0x0123_4567], "repeated: {repeat}");
        assert_eq!(messages[0].payload, payload[..]);
    }
}

#[test]
fn empty_messages_and_abort() {
    let mut bytes = full(4, 5, 9, 0, b"");
    bytes.extend(full(5, 6, 8, 200, &[1; 128]));
    bytes.extend(full(2, 0, 2, 4, &[0, 0, 0, 5])); // abort chunk stream 5
    bytes.extend(full(5, 7, 8, 1, b"z"));
    let messages = read(&bytes).unwrap();
    assert_eq!(times(&messages), [5, 7]);
    assert_eq!(messages[1].payload, b"z"[..]);
}

#[test]
fn chunk_size_changes_are_obeyed_at_once() {
    let mut bytes = full(2, 0, 1, 4, &1000u32.to_be_bytes());
    bytes.extend(full(4, 5, 9, 900, &[3; 900]));
    assert_eq!(read(&bytes).unwrap()[0].payload.len(), 900);
    for bad in [0, 0x8000_0000u32] {
        let bytes = full(2, 0, 1, 4, &bad.to_be_bytes());
        assert_eq!(read(&bytes), Err(ChunkError::BadChunkSize(bad)));
    }
}

#[test]
fn greed_is_refused() {
    assert_eq!(read(&[0xC4]), Err(ChunkError::NoEarlierHeader));
    assert_eq!(
        read(&full(4, 0, 9, MAX_MESSAGE + 1, b"")),
        Err(ChunkError::MessageTooLarge(0x10_0001))
    );
    let mut many = Vec::new();
    for id in 0..=255 {
        let mut chunk = full(0, 0, 9, 1, b"x");
        chunk.insert(1, id);
        many.extend(chunk);
    }
    assert_eq!(read(&many), Err(ChunkError::TooMany));
    // five messages of nearly the limit, none finished
    let mut huge = full(2, 0, 1, 4, &1_000_000u32.to_be_bytes());
    for id in 3..9 {
        huge.extend(full(id, 0, 9, MAX_MESSAGE, &vec![0; 1_000_000]));
    }
    assert_eq!(read(&huge), Err(ChunkError::TooMany));
}

#[test]
fn forced_full_headers_inside_a_message_continue_it() {
    // rml_rtmp's servers write all their first answers like that
    let message = MessagePayload {
        timestamp: RtmpTimestamp::new(3),
        type_id: 20,
        message_stream_id: 0,
        data: Bytes::from(vec![9; 300]),
    };
    let packet = ChunkSerializer::new()
        .serialize(&message, true, false)
        .unwrap();
    let messages = read(&packet.bytes).unwrap();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].payload, vec![9; 300]);
}

#[test]
fn what_we_send_has_the_right_times_past_2_to_the_24_and_over_the_wrap() {
    let mut outbox = Outbox::new();
    let mut bytes = Vec::new();
    outbox.set_chunk_size(4096, &mut bytes);
    let mut expected = Vec::new();
    for start in [0xFF_FFFF - 5000, u32::MAX - 5000] {
        for k in 0..600u32 {
            let ms = start.wrapping_add(k * 17);
            let (kind, len) = if k % 2 == 0 { (9, 9000) } else { (8, 300) };
            let payload = Bytes::from(vec![u8::try_from(k % 251).unwrap(); len]);
            outbox.message(kind, 1, ms, payload.clone(), &mut bytes);
            expected.push(Message {
                kind,
                stream_id: 1,
                timestamp_ms: ms,
                payload,
            });
        }
        // a command in between has time 0
        outbox.message(20, 1, 0, Bytes::from_static(b"c"), &mut bytes);
        expected.push(Message {
            kind: 20,
            stream_id: 1,
            timestamp_ms: 0,
            payload: Bytes::from_static(b"c"),
        });
    }
    assert_eq!(outbox.sent(), bytes.len() as u64);
    assert_eq!(read(&bytes).unwrap(), expected);
}

#[test]
fn what_we_send_repeats_the_extended_time_in_each_chunk() {
    let mut bytes = Vec::new();
    Outbox::new().message(9, 1, 0x0100_0000, Bytes::from(vec![5; 300]), &mut bytes);
    let mut expected = full(4, 0x0100_0000, 9, 300, &[5; 128]);
    for len in [128, 44] {
        expected.push(0xC4);
        expected.extend([1, 0, 0, 0]);
        expected.extend(vec![5; len]);
    }
    assert_eq!(bytes, expected);
}

proptest! {
    #[test]
    fn any_bytes_end_without_a_panic(bytes in prop::collection::vec(
        prop_oneof![0u8..8, 0xC0u8..0xC8, any::<u8>()], 0..600)) {
        let mut d = Dechunker::new();
        for piece in bytes.chunks(7) {
            if read_all(&mut d, piece).is_err() { break; }
        }
    }

    #[test]
    fn any_split_gives_the_same(
        sizes in prop::collection::vec((0usize..700, 0u32..=u32::MAX), 1..8), piece in 1usize..300
    ) {
        let mut outbox = Outbox::new();
        let mut bytes = Vec::new();
        for (k, (len, ms)) in sizes.iter().enumerate() {
            let kind = if k % 2 == 0 { 8 } else { 9 };
            outbox.message(kind, 1, *ms, Bytes::from(vec![1; *len]), &mut bytes);
        }
        let whole = read(&bytes).unwrap();
        let mut d = Dechunker::new();
        let mut pieces = Vec::new();
        for piece in bytes.chunks(piece) {
            pieces.extend(read_all(&mut d, piece).unwrap());
        }
        prop_assert_eq!(whole, pieces);
    }
}

#[test]
fn a_server_takes_larger_messages_than_a_client_and_no_larger_ones() {
    let picture = vec![7; MAX_MESSAGE + 1];
    let message = |length: usize| {
        // one chunk as large as the message
        let mut bytes = full(2, 0, SET_CHUNK_SIZE, 4, &16_777_215_u32.to_be_bytes());
        bytes.extend(full(4, 0, 9, length, &picture));
        bytes
    };
    let refused = read(&message(picture.len()));
    assert!(matches!(refused, Err(ChunkError::MessageTooLarge(_))));
    let mut server = Dechunker::with_limit(MAX_MESSAGE + 1);
    let taken = read_all(&mut server, &message(picture.len())).unwrap();
    assert_eq!(taken[0].payload, picture);
    let more = read_all(&mut server, &message(MAX_MESSAGE + 2));
    assert!(matches!(more, Err(ChunkError::MessageTooLarge(_))));
}
