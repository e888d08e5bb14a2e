//! Tests of making connections.

use tokio::net::TcpListener;

use super::*;

const LIMIT: Duration = Duration::from_secs(5);

fn route() -> Route {
    Route {
        network: Arc::default(),
        resolver: Arc::default(),
        avoid: None,
    }
}

async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

/// A listener whose queue is full: the kernel swallows further connection attempts.
#[cfg(target_os = "linux")]
async fn swallowing() -> (socket2::Socket, Vec<TcpStream>, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let socket = socket.unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = timeout(STAGGER, TcpStream::connect(address)).await {
        waiting.push(stream.unwrap());
    }
    (socket, waiting, address)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn every_address_is_tried() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let good = listener.local_addr().unwrap();
    let refused = SocketAddr::from(([127, 0, 0, 1], free_port().await));
    let (_socket, _waiting, swallowed) = swallowing().await;
    let addresses = [swallowed, refused, good];
    let stream = timeout(LIMIT, race(&addresses, &Local::Any)).await.unwrap();
    assert_eq!(stream.unwrap().peer_addr().unwrap(), good);

    let e = route().open("127.0.0.1", swallowed.port(), STAGGER).await;
    let e = e.unwrap_err();
    assert!(
        matches!(
            e,
            OutputError::TimedOut {
                phase: Phase::Tcp,
                ..
            }
        ),
        "{e:?}"
    );
}

#[tokio::test]
async fn a_refusal_tells_more_than_no_route() {
    let refused = SocketAddr::from(([127, 0, 0, 1], free_port().await));
    let broadcast = SocketAddr::from(([255, 255, 255, 255], 1935));
    for order in [[refused, broadcast], [broadcast, refused]] {
        let e = race(&order, &Local::Any).await.unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::ConnectionRefused);
    }
    let e = race(&[broadcast], &Local::Any).await.unwrap_err();
    let e = connect_error("h", 1, e);
    assert!(matches!(e, OutputError::Unreachable { .. }), "{e:?}");
}

#[tokio::test]
async fn sockets_are_tuned() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let stream = route().open("127.0.0.1", port, LIMIT).await.unwrap();
    assert!(stream.nodelay().unwrap());
    limit_kernel_backlog(&stream, 20_000);
    #[cfg(target_os = "linux")]
    {
        let socket = socket2::SockRef::from(&stream);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(USER_TIMEOUT));
        assert_eq!(socket.tcp_notsent_lowat().unwrap(), 20_000);
    }
}

#[tokio::test]
async fn unknown_names_and_refused_ports_are_told_apart() {
    let e = route()
        .open("no-such-host.invalid", 1935, LIMIT)
        .await
        .unwrap_err();
    assert!(matches!(e, OutputError::UnknownHost { .. }), "{e:?}");
    let port = free_port().await;
    let e = route().open("127.0.0.1", port, LIMIT).await.unwrap_err();
    assert!(matches!(e, OutputError::Refused { .. }), "{e:?}");
}

#[tokio::test]
async fn families_take_turns_and_each_has_a_head_start() {
    let list = |texts: &[&str]| -> Vec<SocketAddr> {
        let parse = |t: &&str| t.parse().unwrap();
        texts.iter().map(parse).collect()
    };
    let (a6, b6, c6) = ("[::a]:1", "[::b]:1", "[::c]:1");
    let (a4, b4) = ("1.0.0.1:1", "1.0.0.2:1");
    let given = list(&[a6, b6, c6, a4, b4]);
    let turns = list(&[a6, a4, b6, b4, c6]);
    assert_eq!(in_turns(&given), turns);
    assert_eq!(in_turns(&[]), []);

    // the first says nothing, the second refuses at once, the third answers late
    let started = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let began = Instant::now();
    let tries = Arc::clone(&started);
    let won = race_with(&turns, move |address| {
        let mut tries = tries.lock();
        let number = tries.len();
        tries.push((address, began.elapsed()));
        async move {
            match number {
                0 => std::future::pending().await,
                1 => Err(io::ErrorKind::ConnectionRefused.into()),
                _ => {
                    sleep(STAGGER * 3 / 2).await;
                    Ok(address)
                }
            }
        }
    });
    assert_eq!(won.await.unwrap(), turns[2]);
    let started = started.lock();
    let (order, times): (Vec<_>, Vec<_>) = started.iter().copied().unzip();
    assert_eq!(order, turns[..4], "the last one was not needed");
    assert!(
        times[1] >= STAGGER && times[2] < times[1] + STAGGER / 2,
        "{times:?}"
    );
    assert!(times[3] >= times[2] + STAGGER, "{times:?}");
}

#[tokio::test]
async fn connections_start_where_they_are_told_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let from = |bind: &str| Route {
        network: Arc::new(NetworkSettings {
            bind: bind.to_owned(),
            ..NetworkSettings::default()
        }),
        ..route()
    };
    let stream = from("127.0.0.2").open("127.0.0.1", port, LIMIT).await;
    let local = stream.unwrap().local_addr().unwrap();
    assert_eq!(local.ip().to_string(), "127.0.0.2");
    for nowhere in ["203.0.113.9", "no-such-if0"] {
        let e = from(nowhere)
            .open("127.0.0.1", port, LIMIT)
            .await
            .unwrap_err();
        assert!(
            matches!(&e, OutputError::Interface { name } if name == nowhere),
            "{e:?}"
        );
    }
    #[cfg(target_os = "linux")]
    assert!(from("lo").open("127.0.0.1", port, LIMIT).await.is_ok());
}
