//! Tests of [`super`].

use super::*;

fn string(s: &str) -> Amf0Value {
    Amf0Value::Utf8String(s.to_owned())
}

/// A client's side of the conversation.
struct Client {
    server: Dialogue,
    serializer: ChunkSerializer,
    reader: Dechunker,
}

impl Client {
    fn new() -> Self {
        Self {
            server: Dialogue::new().unwrap(),
            serializer: ChunkSerializer::new(),
            reader: Dechunker::new(),
        }
    }

    fn send(&mut self, kind: u8, stream: u32, data: Vec<u8>) -> Result<Vec<Event>, DialogueError> {
        let packet = self
            .serializer
            .serialize(
                &MessagePayload {
                    timestamp: RtmpTimestamp::new(40),
                    type_id: kind,
                    message_stream_id: stream,
                    data: Bytes::from(data),
                },
                false,
                false,
            )
            .unwrap();
        self.server.input(&packet.bytes)
    }

    fn command(&mut self, stream: u32, values: &[Amf0Value]) -> Vec<Event> {
        self.send(
            kind::COMMAND,
            stream,
            rml_amf0::serialize(&values.to_vec()).unwrap(),
        )
        .unwrap()
    }

    fn connect_and_ask_to_publish(&mut self) -> Request {
        let object = [("app".to_owned(), string("live"))].into_iter().collect();
        self.command(
            0,
            &[
                string("connect"),
                Amf0Value::Number(1.0),
                Amf0Value::Object(object),
            ],
        );
        self.command(
            0,
            &[
                string("createStream"),
                Amf0Value::Number(2.0),
                Amf0Value::Null,
            ],
        );
        let events = self.command(
            1,
            &[
                string("publish"),
                Amf0Value::Number(3.0),
                Amf0Value::Null,
                string("kaibo?key=1"),
                string("live"),
            ],
        );
        let [Event::Publish(request)] = events.as_slice() else {
            panic!("{events:?}");
        };
        assert_eq!(
            (request.name.as_str(), request.stream_id),
            ("kaibo?key=1", 1)
        );
        request.clone()
    }

    fn publish(&mut self) {
        let request = self.connect_and_ask_to_publish();
        self.server.accept(&request).unwrap();
    }

    /// What the server has sent.
    fn replies(&mut self) -> Vec<Message> {
        let output = self.server.take_output();
        self.reader.push(&output);
        std::iter::from_fn(|| self.reader.next_message().unwrap()).collect()
    }
}

fn holds(messages: &[Message], text: &str) -> bool {
    messages
        .iter()
        .any(|m| m.payload.windows(text.len()).any(|w| w == text.as_bytes()))
}

#[test]
fn a_publisher_is_let_in_and_its_media_comes_out() {
    let mut client = Client::new();
    client.publish();
    let replies = client.replies();
    assert!(holds(&replies, "NetConnection.Connect.Success"));
    assert!(holds(&replies, "NetStream.Publish.Start"));
    let events = client.send(kind::VIDEO, 1, vec![0x17; 5000]).unwrap();
    let [Event::Media(message)] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!((message.payload.len(), message.timestamp_ms), (5000, 40));
    let events = client.send(kind::VIDEO, 2, vec![0x17; 10]).unwrap();
    assert_eq!(events, [], "another message stream");
    let mut data = Vec::new();
    for value in [
        string("@setDataFrame"),
        string("onMetaData"),
        Amf0Value::Number(1.0),
    ] {
        data.extend(rml_amf0::serialize(&vec![value]).unwrap());
    }
    let events = client.send(kind::DATA, 1, data.clone()).unwrap();
    assert_eq!(events, [Event::Metadata(Bytes::from(data.split_off(16)))]);
    let close = [
        string("deleteStream"),
        Amf0Value::Number(4.0),
        Amf0Value::Null,
        Amf0Value::Number(1.0),
    ];
    assert_eq!(client.command(0, &close), [Event::Finished]);
    assert!(holds(&client.replies(), "NetStream.Unpublish.Success"));
    assert_eq!(client.send(kind::VIDEO, 1, vec![0x17; 10]).unwrap(), []);
}

#[test]
fn interleaved_messages_are_put_together() {
    let mut client = Client::new();
    client.publish();
    let full =
        |csid: u8, kind: u8, length: u8| [csid, 0, 0, 9, 0, 0, length, kind, 1, 0, 0, 0].to_vec();
    // 200 bytes of video and 150 of sound, chunk by chunk in turn.
    let mut bytes = full(6, kind::VIDEO, 200);
    bytes.extend([1; 128]);
    bytes.extend(full(4, kind::AUDIO, 150));
    bytes.extend([2; 128]);
    bytes.push(0xc6);
    bytes.extend([1; 72]);
    bytes.push(0xc4);
    bytes.extend([2; 22]);
    let events = client.server.input(&bytes).unwrap();
    let media: Vec<(u8, usize, u8)> = events
        .iter()
        .map(|event| match event {
            Event::Media(m) => (m.kind, m.payload.len(), m.payload[m.payload.len() - 1]),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(media, [(kind::VIDEO, 200, 1), (kind::AUDIO, 150, 2)]);
}

#[test]
fn acknowledgements_carry_the_total() {
    let mut client = Client::new();
    client.publish();
    client
        .send(kind::WINDOW, 0, 10_000_u32.to_be_bytes().to_vec())
        .unwrap();
    client.replies();
    let mut acknowledged = Vec::new();
    for _ in 0..10 {
        client.send(kind::VIDEO, 1, vec![0x27; 4000]).unwrap();
        let total = client.server.received;
        for message in client.replies() {
            assert_eq!((message.kind, message.stream_id), (3, 0));
            let count = u32::from_be_bytes(message.payload.as_ref().try_into().unwrap());
            assert_eq!(u64::from(count), total);
            acknowledged.push(count);
        }
    }
    assert_eq!(acknowledged.len(), 3, "{acknowledged:?}");
}

#[test]
fn a_refusal_says_why_in_the_form_that_clients_read() {
    let mut client = Client::new();
    let request = client.connect_and_ask_to_publish();
    client.replies();
    client
        .server
        .refuse(&request, "NetStream.Publish.BadName", "taken")
        .unwrap();
    let replies = client.replies();
    assert_eq!(replies.len(), 1);
    assert_eq!((replies[0].kind, replies[0].stream_id), (kind::COMMAND, 1));
    for text in ["onStatus", "error", "NetStream.Publish.BadName", "taken"] {
        assert!(holds(&replies, text), "{text}");
    }
    assert_eq!(client.send(kind::VIDEO, 1, vec![0x17; 10]).unwrap(), []);
}

#[test]
fn pings_are_answered_and_unknown_control_messages_ignored() {
    let mut client = Client::new();
    client.replies();
    client
        .send(kind::USER_CONTROL, 0, vec![0, 6, 1, 2, 3, 4])
        .unwrap();
    let replies = client.replies();
    assert_eq!(replies[0].payload.as_ref(), [0, 7, 1, 2, 3, 4]);
    for data in [vec![0, 99, 0], vec![], vec![0, 3]] {
        client.send(kind::USER_CONTROL, 0, data).unwrap();
    }
    assert!(client.replies().is_empty());
}

#[test]
fn what_panics_below_is_an_error_here() {
    let value = |v: Amf0Value| rml_amf0::serialize(&vec![v]).unwrap();
    let short = value(string("connect"));
    assert!(Client::new().send(kind::COMMAND, 0, short.clone()).is_err());
    let two = [short, value(Amf0Value::Number(1.0))].concat();
    assert!(Client::new().send(kind::COMMAND, 0, two.clone()).is_err());
    let nested = [two, [3, 0, 1, b'x'].repeat(3000)].concat();
    assert!(Client::new().send(kind::COMMAND, 0, nested).is_err());
    let mut client = Client::new();
    let mut create = || {
        client.send(
            kind::COMMAND,
            0,
            rml_amf0::serialize(&vec![
                string("createStream"),
                Amf0Value::Number(1.0),
                Amf0Value::Null,
            ])
            .unwrap(),
        )
    };
    let taken = std::iter::repeat_with(&mut create)
        .take_while(Result::is_ok)
        .count();
    assert_eq!(taken, 200);
}
