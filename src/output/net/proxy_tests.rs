//! Tests of proxies: the bytes that go to one, and what its answers mean.

use tokio::net::TcpListener;

use super::*;

fn proxy(text: &str) -> Proxy {
    ProxyUrl::new(text).parse().unwrap().unwrap()
}

#[test]
fn addresses_are_read_and_passwords_masked() {
    let p = proxy(" socks5://me:p%40ss@[::1]:1080/ ");
    assert_eq!(
        (p.kind, p.host.as_str(), p.port),
        (Kind::Socks5, "::1", 1080)
    );
    assert_eq!(p.login.unwrap().password, "p@ss");
    assert_eq!(proxy("HTTP://proxy.lan:3128").kind, Kind::Http);
    assert_eq!(ProxyUrl::new("  ").parse(), Ok(None));
    for (text, error) in [
        ("127.0.0.1:1080", ProxyError::Scheme),
        ("https://h:1", ProxyError::Scheme),
        ("socks5://h", ProxyError::Address),
        ("socks5://:1080", ProxyError::Address),
        ("http://h:99999", ProxyError::Address),
    ] {
        assert_eq!(ProxyUrl::new(text).parse(), Err(error), "{text}");
    }
    let long = format!("socks5://{}:x@h:1", "u".repeat(256));
    assert_eq!(ProxyUrl::new(long).parse(), Err(ProxyError::Login));
    let shown = format!(
        "{:?} {:?}",
        ProxyUrl::new("socks5://me:hunter2@h:1"),
        proxy("http://me:hunter2@h:1")
    );
    assert!(
        !shown.contains("hunter2") && shown.contains("••••@h:1"),
        "{shown}"
    );
}

/// A proxy by hand: expects these bytes and answers those, by turns; then says "hi" as the server behind it would.
async fn play(script: Vec<(&'static [u8], &'static [u8])>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for (expected, answer) in script {
            let mut got = vec![0; expected.len()];
            stream.read_exact(&mut got).await.unwrap();
            assert_eq!(
                String::from_utf8_lossy(&got),
                String::from_utf8_lossy(expected)
            );
            stream.write_all(answer).await.unwrap();
        }
        stream.write_all(b"hi").await.unwrap();
        // until the other side is done
        stream.read_to_end(&mut Vec::new()).await.ok();
    });
    address
}

async fn tunnel(
    url: &str,
    script: Vec<(&'static [u8], &'static [u8])>,
) -> Result<String, &'static str> {
    let stream = TcpStream::connect(play(script).await).await.unwrap();
    let mut stream = proxy(url).tunnel(stream, "live.example.com", 1935).await?;
    let mut said = [0; 2];
    stream.read_exact(&mut said).await.unwrap();
    Ok(String::from_utf8_lossy(&said).into_owned())
}

const CONNECT: &[u8] =
    b"CONNECT live.example.com:1935 HTTP/1.1\r\nHost: live.example.com:1935\r\n\r\n";
const SOCKS: &[u8] = b"\x05\x01\x00\x03\x10live.example.com\x07\x8f";

#[tokio::test]
async fn http_proxies_are_asked_as_they_want() {
    let ok = b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n".as_slice();
    assert_eq!(
        tunnel("http://h:1", vec![(CONNECT, ok)]).await.unwrap(),
        "hi"
    );
    let with_login = b"CONNECT live.example.com:1935 HTTP/1.1\r\nHost: live.example.com:1935\r\n\
        Proxy-Authorization: Basic bWU6cEBzcw==\r\n\r\n";
    let made = tunnel("http://me:p%40ss@h:1", vec![(with_login, ok)]).await;
    assert_eq!(made.unwrap(), "hi");
    for (answer, words) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "password",
        ),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "does not allow"),
        ("HTTP/1.0 502 Bad Gateway\r\n\r\n", "cannot reach"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "nonsense"),
    ] {
        let e = tunnel("http://h:1", vec![(CONNECT, answer.as_bytes())]).await;
        assert!(e.unwrap_err().contains(words), "{answer}");
    }
    let flood = [b'x'; MAX_ANSWER + 10].as_slice();
    let flood: &'static [u8] = Box::leak(flood.to_vec().into_boxed_slice());
    let e = tunnel("http://h:1", vec![(CONNECT, flood)]).await;
    assert!(e.unwrap_err().contains("nonsense"));
}

#[tokio::test]
async fn socks_proxies_are_asked_as_they_want() {
    let granted = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x04\x38".as_slice();
    let made = tunnel(
        "socks5://h:1",
        vec![(b"\x05\x01\x00", b"\x05\x00"), (SOCKS, granted)],
    )
    .await;
    assert_eq!(made.unwrap(), "hi");
    let hello = b"\x05\x02\x00\x02".as_slice();
    let login = b"\x01\x02me\x02pw".as_slice();
    let script = vec![
        (hello, b"\x05\x02".as_slice()),
        (login, b"\x01\x00"),
        (SOCKS, granted),
    ];
    assert_eq!(tunnel("socks5://me:pw@h:1", script).await.unwrap(), "hi");
    let script = vec![(hello, b"\x05\x02".as_slice()), (login, b"\x01\x01")];
    let e = tunnel("socks5://me:pw@h:1", script).await.unwrap_err();
    assert!(e.contains("wrong"), "{e}");
    for (code, words) in [
        (2_u8, "does not allow"),
        (4, "cannot reach"),
        (5, "cannot reach"),
    ] {
        let refusal: &'static [u8] = Box::leak(vec![5, code, 0, 1, 0, 0, 0, 0, 0, 0].into());
        let script = vec![
            (b"\x05\x01\x00".as_slice(), b"\x05\x00".as_slice()),
            (SOCKS, refusal),
        ];
        let e = tunnel("socks5://h:1", script).await.unwrap_err();
        assert!(e.contains(words), "{code}: {e}");
    }
    let e = tunnel("socks5://h:1", vec![(b"\x05\x01\x00", b"HT")])
        .await
        .unwrap_err();
    assert!(e.contains("nonsense"), "{e}");
}
