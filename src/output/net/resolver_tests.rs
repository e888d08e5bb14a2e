//! Tests of name services: their answers, real HTTP on this computer, the order of addresses.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

const LIMIT: Duration = Duration::from_secs(5);

fn ips(list: &[&str]) -> Vec<IpAddr> {
    list.iter().map(|t| t.parse().unwrap()).collect()
}

#[test]
fn answers_of_name_services_are_read() {
    // as dns.alidns.com, dns.google and cloudflare-dns.com give it
    let doh =
        br#"{"Status":0,"TC":false,"Question":{"name":"live.example.com.","type":1},"Answer":[
        {"name":"live.example.com.","TTL":300,"type":5,"data":"cdn.example.net."},
        {"name":"cdn.example.net.","TTL":60,"type":1,"data":"192.0.2.1"},
        {"name":"cdn.example.net.","TTL":59,"type":1,"data":"192.0.2.2"},
        {"name":"x","TTL":1,"type":16,"data":"192.0.2.3"}]}"#;
    let answer = read_doh(doh).unwrap();
    assert_eq!(answer.addresses, ips(&["192.0.2.1", "192.0.2.2"]));
    assert_eq!(answer.ttl.as_secs(), 59);
    for nothing in [
        r#"{"Status":3}"#,
        r#"{"Answer":[]}"#,
        r#"{"Answer":7}"#,
        "<html>",
        "",
    ] {
        assert_eq!(read_doh(nothing.as_bytes()), None, "{nothing}");
    }
    for (body, addresses, ttl) in [
        // Alibaba
        (
            r#"{"host":"h","ips":["192.0.2.1","192.0.2.2"],"ttl":57,"origin_ttl":120,"client_ip":"10.1.1.1"}"#,
            ips(&["192.0.2.1", "192.0.2.2"]),
            57,
        ),
        (
            r#"{"ips":["192.0.2.1"],"ipsv6":["2001:db8::1"]}"#,
            ips(&["2001:db8::1", "192.0.2.1"]),
            60,
        ),
        // NetEase, Volcano
        (
            r#"{"code":200,"dns":[{"host":"h","ips":["192.0.2.1"],"ttl":5}]}"#,
            ips(&["192.0.2.1"]),
            5,
        ),
        (
            r#"{"dns":[{"ips":[{"ip":"192.0.2.9"}]}]}"#,
            ips(&["192.0.2.9"]),
            60,
        ),
        // Tencent
        (
            "192.0.2.1;192.0.2.2,300",
            ips(&["192.0.2.1", "192.0.2.2"]),
            300,
        ),
        ("192.0.2.1\n", ips(&["192.0.2.1"]), 60),
    ] {
        let answer = read_httpdns(body.as_bytes()).unwrap_or_else(|| panic!("{body}"));
        assert_eq!(
            (answer.addresses, answer.ttl.as_secs()),
            (addresses, ttl),
            "{body}"
        );
    }
    for nothing in [
        "",
        "0",
        "{}",
        r#"{"ips":[]}"#,
        "not found",
        r#"{"dns":7,"ips":7}"#,
    ] {
        assert_eq!(read_httpdns(nothing.as_bytes()), None, "{nothing}");
    }
}

/// A name service: counts questions and answers each with this.
async fn service(body: &'static str) -> (String, std::sync::Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/d", listener.local_addr().unwrap());
    let asked = std::sync::Arc::new(Mutex::new(Vec::new()));
    let hear = std::sync::Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            let line = String::from_utf8_lossy(&request);
            hear.lock()
                .push(line.lines().next().unwrap_or("").to_owned());
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(head.as_bytes()).await.unwrap();
        }
    });
    (url, asked)
}

fn httpdns(url: String) -> NetworkSettings {
    NetworkSettings {
        resolver: ResolverKind::Httpdns,
        httpdns_url: url,
        ..NetworkSettings::default()
    }
}

#[tokio::test]
async fn httpdns_is_asked_once_and_its_answer_kept() {
    let (url, asked) = service(r#"{"ips":["192.0.2.1","192.0.2.2","192.0.2.3"],"ttl":60}"#).await;
    let (network, resolver) = (httpdns(url), Resolver::default());
    let lookup = async || {
        let found = resolver.lookup("live.invalid", 1935, &network, LIMIT).await;
        let found = found.unwrap();
        found.iter().map(|a| a.to_string()).collect::<Vec<_>>()
    };
    let given = ["192.0.2.1:1935", "192.0.2.2:1935", "192.0.2.3:1935"];
    assert_eq!(lookup().await, given);
    let [a, b, c] = ips(&["192.0.2.1", "192.0.2.2", "192.0.2.3"])[..] else {
        unreachable!("three");
    };
    resolver.measured(a, Duration::from_millis(80));
    resolver.measured(c, Duration::from_millis(20));
    assert_eq!(
        lookup().await,
        [given[2], given[0], given[1]],
        "fastest first"
    );
    resolver.disgrace(c);
    assert_eq!(
        lookup().await,
        [given[0], given[1], given[2]],
        "who failed comes last"
    );
    resolver.measured(b, Duration::from_millis(5));
    assert_eq!(lookup().await, [given[1], given[0], given[2]]);
    assert_eq!(
        *asked.lock(),
        ["GET /d?host=live.invalid HTTP/1.1"],
        "the rest came from the cache"
    );
}

#[tokio::test]
async fn a_silent_service_is_replaced_by_the_systems_resolver() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/d", listener.local_addr().unwrap());
    let resolver = Resolver::default();
    let network = httpdns(url);
    let limit = Duration::from_millis(600);
    let found = resolver
        .lookup("localhost", 1, &network, limit)
        .await
        .unwrap();
    assert!(found.iter().all(|a| a.ip().is_loopback()), "{found:?}");
    let found = resolver
        .lookup("192.0.2.7", 1, &network, limit)
        .await
        .unwrap();
    assert_eq!(
        found[0].ip().to_string(),
        "192.0.2.7",
        "an address needs no service"
    );
}

#[tokio::test]
async fn what_a_service_floods_is_not_taken() {
    let body: &'static str = Box::leak("1".repeat(1 << 20).into_boxed_str());
    let (url, _) = service(body).await;
    let answer = http_get::get(&url, "text/plain", &Local::Any).await;
    assert!(
        matches!(answer, Err(http_get::GetError::Body(_))),
        "{answer:?}"
    );
}
