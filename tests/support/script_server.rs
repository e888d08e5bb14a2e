//! An RTMP server that does what a script says: refuses, redirects, wants a login, asks for another connection. It reads
//! with our own chunk reader, and answers with bytes made by hand.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kaibo::flv::amf0::{Amf0Reader, Amf0Value};
use kaibo::rtmp::chunk::{Dechunker, Message};
use parking_lot::Mutex;

/// What a server does when asked for the application.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Takes it.
    Accept,
    /// `_error` with this information object, then closes.
    Refuse(Amf0Value),
    /// Closes its own direction only, and reads on.
    HalfClose,
}

/// Something that came.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// Which connection, from 0.
    pub connection: usize,
    /// When.
    pub at: Instant,
    /// What.
    pub what: What,
}

#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// A command with its values behind the transaction.
    Command(String, Vec<Amf0Value>),
    /// Sound or a picture: kind, time and first two bytes.
    Media(u8, u32, [u8; 2]),
    /// The connection ended.
    End,
}

type Judge = Box<dyn Fn(usize, &Amf0Value) -> Reply + Send + Sync>;

/// The server; stops when dropped.
pub struct ScriptServer {
    pub port: u16,
    said: Arc<Mutex<Vec<Said>>>,
    /// Bytes for all connections that are on air.
    shout: Arc<Mutex<Vec<u8>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ScriptServer {
    /// Listens on a free port. `judge` gets the number of the connection and the object of its `connect`.
    pub fn start(judge: impl Fn(usize, &Amf0Value) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (said, shout, stop) = (Arc::default(), Arc::default(), Arc::default());
        let mut server = Self {
            port,
            said: Arc::clone(&said),
            shout: Arc::clone(&shout),
            stop: Arc::clone(&stop),
            thread: None,
        };
        let body = move || run(&listener, &(Box::new(judge) as Judge), &said, &shout, &stop);
        #[expect(clippy::disallowed_methods, reason = "a test's peer is no stage")]
        let thread = std::thread::spawn(body);
        server.thread = Some(thread);
        server
    }

    /// One that takes everything.
    pub fn accepting() -> Self {
        Self::start(|_, _| Reply::Accept)
    }

    /// An address on it.
    pub fn address(&self, key: &str) -> String {
        format!("rtmp://127.0.0.1:{}/live/{key}", self.port)
    }

    /// Its `tcUrl` under this name for itself.
    pub fn tc_url(&self, host: &str) -> String {
        format!("rtmp://{host}:{}/live", self.port)
    }

    /// What came so far.
    pub fn said(&self) -> Vec<Said> {
        self.said.lock().clone()
    }

    /// Times and values of commands of this name.
    pub fn commands(&self, name: &str) -> Vec<(usize, Instant, Vec<Amf0Value>)> {
        let said = self.said();
        let of_name = said.into_iter().filter_map(|s| match s.what {
            What::Command(n, values) if n == name => Some((s.connection, s.at, values)),
            _ => None,
        });
        of_name.collect()
    }

    /// A text property of the objects of all `connect`s.
    pub fn connects(&self, property: &str) -> Vec<String> {
        let text = |v: &Amf0Value| Some(v.get(property)?.as_str()?.to_owned());
        let connects = self.commands("connect");
        connects
            .iter()
            .filter_map(|(_, _, v)| text(v.first()?))
            .collect()
    }

    /// Says an `onStatus` to all who are on air.
    pub fn tell(&self, properties: &[(&str, &str)]) {
        let values = [
            "onStatus".into(),
            0.0.into(),
            Amf0Value::Null,
            info(properties),
        ];
        self.shout.lock().extend(command(&values));
    }
}

impl Drop for ScriptServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(!matches!(ended, Some(Err(_))) || std::thread::panicking());
    }
}

/// An information object.
pub fn info(properties: &[(&str, &str)]) -> Amf0Value {
    let properties = properties.iter();
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).into());
    Amf0Value::Object(properties.map(pair).collect())
}

/// The refusal of a balancer.
pub fn redirect(to: &str) -> Reply {
    let ex = Amf0Value::Object(vec![
        ("code".to_owned(), 302.0.into()),
        ("redirect".to_owned(), to.into()),
    ]);
    Reply::Refuse(Amf0Value::Object(vec![
        ("level".to_owned(), "error".into()),
        ("code".to_owned(), "NetConnection.Connect.Rejected".into()),
        ("description".to_owned(), "RTMP 302 Redirect".into()),
        ("ex".to_owned(), ex),
    ]))
}

/// The refusal of a server that wants a login.
pub fn reject(description: &str) -> Reply {
    Reply::Refuse(info(&[
        ("level", "error"),
        ("code", "NetConnection.Connect.Rejected"),
        ("description", description),
    ]))
}

fn command(values: &[Amf0Value]) -> Vec<u8> {
    let mut body = Vec::new();
    for value in values {
        value.write(&mut body);
    }
    let mut out = vec![3, 0, 0, 0];
    out.extend(&u32::try_from(body.len()).unwrap().to_be_bytes()[1..]);
    out.extend([20, 0, 0, 0, 0]);
    for (k, chunk) in body.chunks(128).enumerate() {
        if k > 0 {
            out.push(0xC3);
        }
        out.extend(chunk);
    }
    out
}

fn run(
    listener: &TcpListener,
    judge: &Judge,
    said: &Mutex<Vec<Said>>,
    shout: &Mutex<Vec<u8>>,
    stop: &AtomicBool,
) {
    let mut peers: Vec<Peer> = Vec::new();
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        if let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(true).unwrap();
            peers.push(Peer {
                stream,
                number: count,
                shaking: Some(Vec::new()),
                dechunker: Dechunker::new(),
                live: false,
            });
            count += 1;
        }
        let words = std::mem::take(&mut *shout.lock());
        peers.retain_mut(|peer| {
            if peer.live {
                peer.stream.write_all(&words).ok();
            }
            peer.poll(judge, said)
        });
        std::thread::sleep(Duration::from_millis(1));
    }
}

struct Peer {
    stream: TcpStream,
    number: usize,
    /// What came of C0, C1 and C2 so far.
    shaking: Option<Vec<u8>>,
    dechunker: Dechunker,
    live: bool,
}

impl Peer {
    fn poll(&mut self, judge: &Judge, said: &Mutex<Vec<Said>>) -> bool {
        let mut buffer = [0; 16 << 10];
        let on = match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(n) => self.take(&buffer[..n], judge, said),
            Err(e) => e.kind() == ErrorKind::WouldBlock,
        };
        if !on {
            self.note(said, What::End);
        }
        on
    }

    fn note(&self, said: &Mutex<Vec<Said>>, what: What) {
        said.lock().push(Said {
            connection: self.number,
            at: Instant::now(),
            what,
        });
    }

    fn take(&mut self, bytes: &[u8], judge: &Judge, said: &Mutex<Vec<Said>>) -> bool {
        let behind = match &mut self.shaking {
            None => bytes.to_vec(),
            Some(came) => {
                let before = came.len();
                came.extend(bytes);
                if before < 1537 && came.len() >= 1537 {
                    let mut answer = vec![3];
                    answer.extend([0; 1536]);
                    answer.extend(&came[1..1537]);
                    self.stream.write_all(&answer).ok();
                }
                if came.len() < 3073 {
                    return true;
                }
                let behind = came.split_off(3073);
                self.shaking = None;
                behind
            }
        };
        self.dechunker.push(&behind);
        while let Some(message) = self.dechunker.next_message().unwrap() {
            if !self.on_message(&message, judge, said) {
                return false;
            }
        }
        true
    }

    fn on_message(&mut self, message: &Message, judge: &Judge, said: &Mutex<Vec<Said>>) -> bool {
        let body = &message.payload;
        if matches!(message.kind, 8 | 9) {
            let first = [body[0], body.get(1).copied().unwrap_or(0)];
            self.note(said, What::Media(message.kind, message.timestamp_ms, first));
        }
        if message.kind != 20 {
            return true;
        }
        let mut reader = Amf0Reader::new(body);
        let mut values = std::iter::from_fn(|| reader.read().unwrap());
        let name = values.next().unwrap().as_str().unwrap().to_owned();
        let transaction = values.next().unwrap();
        let values: Vec<_> = values.collect();
        self.note(said, What::Command(name.clone(), values.clone()));
        let result = |value| {
            command(&[
                "_result".into(),
                transaction.clone(),
                Amf0Value::Null,
                value,
            ])
        };
        let answer = match name.as_str() {
            "connect" => match judge(self.number, &values[0]) {
                Reply::Accept => result(info(&[
                    ("level", "status"),
                    ("code", "NetConnection.Connect.Success"),
                ])),
                Reply::Refuse(why) => {
                    let values = ["_error".into(), transaction, Amf0Value::Null, why];
                    self.stream.write_all(&command(&values)).ok();
                    return false;
                }
                Reply::HalfClose => {
                    self.stream.shutdown(Shutdown::Write).ok();
                    Vec::new()
                }
            },
            "createStream" => result(1.0.into()),
            "publish" => {
                self.live = true;
                let start = info(&[("level", "status"), ("code", "NetStream.Publish.Start")]);
                command(&["onStatus".into(), 0.0.into(), Amf0Value::Null, start])
            }
            _ => Vec::new(),
        };
        self.stream.write_all(&answer).ok();
        true
    }
}
