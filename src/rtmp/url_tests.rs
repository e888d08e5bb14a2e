//! Tests of address splitting.

use proptest::prelude::*;

use super::*;

fn parse(address: &str) -> RtmpUrl {
    RtmpUrl::parse(address, None).unwrap_or_else(|e| panic!("{address}: {e}"))
}

fn parts(url: &RtmpUrl) -> (&str, u16, &str, &str) {
    (&url.host, url.port, &url.app, url.key.expose())
}

#[test]
fn addresses_are_split_as_servers_want_them() {
    for (address, host, port, app, key) in [
        ("rtmp://h/app/key", "h", 1935, "app", "key"),
        (
            "RTMP://h.example:1936/a/b/key",
            "h.example",
            1936,
            "a/b",
            "key",
        ),
        ("rtmp://h/app//key", "h", 1935, "app", "key"),
        // Aliyun, Tencent: the query is part of the name, slashes inside it are data
        (
            "rtmp://h/App/Stream?auth_key=17-0-0-ab/cd",
            "h",
            1935,
            "App",
            "Stream?auth_key=17-0-0-ab/cd",
        ),
        // Bilibili: nothing but a query
        (
            "rtmp://h/live-bvc/?streamname=live_1&key=abc&pflag=1",
            "h",
            1935,
            "live-bvc",
            "?streamname=live_1&key=abc&pflag=1",
        ),
        // FMLE: the query belongs to the application
        (
            "rtmp://h/app?vhost=v/stream",
            "h",
            1935,
            "app?vhost=v",
            "stream",
        ),
        (
            "rtmp://h/app?vhost=v/s?k=1",
            "h",
            1935,
            "app?vhost=v",
            "s?k=1",
        ),
        (
            "rtmp://[2001:db8::1]:1936/app/key",
            "2001:db8::1",
            1936,
            "app",
            "key",
        ),
        ("rtmp://[::1]/app/key", "::1", 1935, "app", "key"),
        (
            "rtmp://user:p@ss@h:1936/app/key@1",
            "h",
            1936,
            "app",
            "key@1",
        ),
        ("  “rtmp://h/app/key”\n", "h", 1935, "app", "key"),
        (
            "\u{3000}rtmp：／／ｈ。example：１９３６／app／key？k＝v\u{200B}",
            "h.example",
            1936,
            "app",
            "key?k=v",
        ),
    ] {
        assert_eq!(parts(&parse(address)), (host, port, app, key), "{address}");
    }
}

/// As the services' consoles and help pages give them.
#[test]
fn addresses_of_the_services_are_split() {
    for (address, host, app, key) in [
        (
            "rtmp://push.example.com/live/room1?auth_key=1700000000-0-0-5f4dcc3b5aa765d61d8327deb882cf99",
            "push.example.com",
            "live",
            "room1?auth_key=1700000000-0-0-5f4dcc3b5aa765d61d8327deb882cf99",
        ),
        (
            "rtmp://video-center.alivecdn.com/App/Stream?vhost=live.example.com&auth_key=1-2-3-4",
            "video-center.alivecdn.com",
            "App",
            "Stream?vhost=live.example.com&auth_key=1-2-3-4",
        ),
        (
            "rtmp://1234.livepush.myqcloud.com/live/id?txSecret=8b0f&txTime=5C2A3CFF",
            "1234.livepush.myqcloud.com",
            "live",
            "id?txSecret=8b0f&txTime=5C2A3CFF",
        ),
        (
            "rtmp://al.direct.huya.com/huyalive/1199-1199-514-xyz?seq=1&type=simple",
            "al.direct.huya.com",
            "huyalive",
            "1199-1199-514-xyz?seq=1&type=simple",
        ),
        (
            "rtmp://live-push.bilivideo.com/live-bvc/?streamname=live_1_2&key=ab&schedule=rtmp&pflag=1",
            "live-push.bilivideo.com",
            "live-bvc",
            "?streamname=live_1_2&key=ab&schedule=rtmp&pflag=1",
        ),
        (
            "rtmp://push-rtmp-l1.douyincdn.com/third/stream-1?expire=1700000000&sign=ab",
            "push-rtmp-l1.douyincdn.com",
            "third",
            "stream-1?expire=1700000000&sign=ab",
        ),
        (
            "rtmp://a.rtmp.youtube.com/live2/abcd-efgh-ijkl",
            "a.rtmp.youtube.com",
            "live2",
            "abcd-efgh-ijkl",
        ),
        (
            "rtmp://fra05.contribute.live-video.net/app/live_1_ab?bandwidthtest=true",
            "fra05.contribute.live-video.net",
            "app",
            "live_1_ab?bandwidthtest=true",
        ),
        (
            "rtmp://p.ep1.i.akamaientrypoint.net/EntryPoint/stream_1@7",
            "p.ep1.i.akamaientrypoint.net",
            "EntryPoint",
            "stream_1@7",
        ),
        // SRS: the virtual host as a part of the application
        (
            "rtmp://h/live...vhost...v.example.com/s",
            "h",
            "live...vhost...v.example.com",
            "s",
        ),
    ] {
        assert_eq!(parts(&parse(address)), (host, 1935, app, key), "{address}");
        // what a window shows in two fields comes together again
        let split = split_address(address).unwrap();
        let again = RtmpUrl::parse(&split.address, split.key.as_ref()).unwrap();
        assert_eq!(again, parse(address));
    }
}

#[test]
fn logins_are_read_and_go_nowhere_but_into_the_login() {
    for (address, user, password) in [
        ("rtmp://user:pass@h/app/key", "user", "pass"),
        ("rtmp://user:p@ss@h:1936/app/key", "user", "p@ss"),
        ("rtmp://us%3Aer:p%40s%2Fs%zz@h/app/key", "us:er", "p@s/s%zz"),
        ("rtmp://user@h/app/key", "user", ""),
    ] {
        let url = parse(address);
        let login = url.login.clone().unwrap();
        assert_eq!(
            (login.user.as_str(), login.password.as_str()),
            (user, password)
        );
        let split = split_address(address).unwrap();
        assert_eq!(split.login.as_ref(), Some(&login));
        assert!(!split.address.contains('@') && !url.tc_url().contains('@'));
        assert!(!format!("{url:?} {login:?}").contains(user));
    }
    assert_eq!(parse("rtmp://h/app/key@1").login, None);
    assert_eq!(parse("rtmp://@h/app/key").login, None);
}

#[test]
fn a_key_apart_wins() {
    let key = StreamKey::new(" new?k=v\n");
    for (address, app) in [
        ("rtmp://h/app", "app"),
        ("rtmp://h/app/", "app"),
        ("rtmp://h/app/old", "app"),
        ("rtmp://h/a/b/", "a/b"),
        ("rtmp://h/app?vhost=v", "app?vhost=v"),
    ] {
        let url = RtmpUrl::parse(address, Some(&key)).unwrap();
        assert_eq!(parts(&url), ("h", 1935, app, "new?k=v"), "{address}");
    }
    // an empty field is none
    let url = RtmpUrl::parse("rtmp://h/app/old", Some(&StreamKey::default())).unwrap();
    assert_eq!(url.key.expose(), "old");
}

#[test]
fn tc_url_has_neither_user_nor_name() {
    for (address, tc_url) in [
        ("rtmp://user:pass@h/app/key?k=v", "rtmp://h/app"),
        ("rtmp://h:1936/app?vhost=v/key", "rtmp://h:1936/app?vhost=v"),
        ("rtmp://[::1]:19350/a/b/key", "rtmp://[::1]:19350/a/b"),
    ] {
        assert_eq!(parse(address).tc_url(), tc_url);
    }
}

#[test]
fn each_mistake_has_its_own_words_and_an_example() {
    for (address, error) in [
        ("", UrlError::Scheme),
        ("live.example.com/app/key", UrlError::Scheme),
        ("http://h/app/key", UrlError::Scheme),
        ("rtmpt://h/app/key", UrlError::Scheme),
        ("rtmp://h/app /key", UrlError::Space),
        ("rtmp://h/app/ke\ny", UrlError::Space),
        ("rtmp://", UrlError::NoHost),
        ("rtmp:///app/key", UrlError::NoHost),
        ("rtmp://:1935/app/key", UrlError::NoHost),
        (
            "rtmp://h,x/app/key",
            UrlError::BadHost {
                host: "h,x".to_owned(),
            },
        ),
        ("rtmp://::1/app/key", UrlError::Ipv6),
        ("rtmp://[::1/app/key", UrlError::Ipv6),
        ("rtmp://[1.2.3.4]/app/key", UrlError::Ipv6),
        ("rtmp://h:/app/key", UrlError::Port),
        ("rtmp://h:0/app/key", UrlError::Port),
        ("rtmp://h:70000/app/key", UrlError::Port),
        ("rtmp://[::1]1935/app/key", UrlError::Port),
        ("rtmp://h", UrlError::NoApp),
        ("rtmp://h/", UrlError::NoApp),
        ("rtmp://h?k=v", UrlError::NoApp),
        ("rtmp://h/app", UrlError::NoKey),
        ("rtmp://h/a/b/", UrlError::NoKey),
        ("rtmp://h/app?k=v", UrlError::NoKey),
    ] {
        let got = RtmpUrl::parse(address, None).unwrap_err();
        assert_eq!(got, error, "{address}");
        assert!(got.to_string().contains("rtmp://"), "{got}");
    }
}

#[test]
fn secrets_are_not_printed() {
    let url = parse("rtmp://user:hunter2@h:1936/app?token=s3cret/k3y?sign=abc");
    for text in [
        url.to_string(),
        format!("{url:?}"),
        format!("{:?}", url.key),
    ] {
        for secret in ["hunter2", "s3cret", "k3y", "abc"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    assert_eq!(url.to_string(), "rtmp://h:1936/app?••••/••••");
    assert_eq!(
        parse("rtmp://[::1]/a/b/k").to_string(),
        "rtmp://[::1]/a/b/••••"
    );
}

#[test]
fn a_pasted_address_is_split_for_storing() {
    for (text, address, key) in [
        ("rtmp://u:p@h/app/key?k=v", "rtmp://h/app", Some("key?k=v")),
        ("rtmp://h:1936/a/b/key", "rtmp://h:1936/a/b/", Some("key")),
        ("rtmp://h/app", "rtmp://h/app", None),
        ("rtmp://h/app/", "rtmp://h/app", None),
        ("rtmp://h", "rtmp://h", None),
    ] {
        let split = split_address(text).unwrap();
        assert_eq!(split.address, address, "{text}");
        assert_eq!(split.key.as_ref().map(StreamKey::expose), key, "{text}");
    }
    let split = split_address("RTMPS://h:443/app/key").unwrap();
    assert_eq!(split.address, "rtmps://h/app");
}

#[test]
fn encrypted_addresses_have_a_port_of_their_own() {
    let url = parse("rtmps://live-api-s.facebook.com/rtmp/FB-1-a?s_bl=1");
    assert!(url.tls && url.port == 443);
    assert_eq!(url.tc_url(), "rtmps://live-api-s.facebook.com/rtmp");
    assert_eq!(url.to_string(), "rtmps://live-api-s.facebook.com/rtmp/••••");
    let other = parse("rtmps://h:1935/app/key");
    assert_eq!(other.tc_url(), "rtmps://h:1935/app");
    assert!(!parse("rtmp://h:443/app/key").tls);
}

#[test]
fn too_long_names_the_part() {
    let long = "x".repeat(256);
    assert_eq!(parse("rtmp://h/app/key").too_long(), None);
    assert_eq!(
        parse(&format!("rtmp://h/app/{long}")).too_long(),
        Some("stream key")
    );
    assert_eq!(
        parse(&format!("rtmp://h/{long}/key")).too_long(),
        Some("application")
    );
    assert_eq!(
        parse(&format!("rtmp://{}/{}/key", &long[..100], &long[..200])).too_long(),
        Some("address")
    );
}

proptest! {
    #[test]
    fn any_text_is_split_or_refused(text in "(rtmp://)?[a-z/?@:\\[\\].=&：／ \\u{3000}]{0,40}") {
        if let Ok(url) = RtmpUrl::parse(&text, None) {
            prop_assert!(!url.app.is_empty() && !url.key.is_empty());
        }
    }

    #[test]
    fn stored_and_put_together_again_it_is_the_same(
        host in "[a-z]{1,8}|\\[::[1-9]\\]", port in 1u16.., path in "[a-z]{1,4}(/[a-z]{1,4}){0,2}",
        app_query in "(\\?[a-z]=[a-z])?", name in "[a-z]{1,4}|", query in "(\\?[a-z]=[a-z/]{1,4})?",
    ) {
        let app_query = if path.contains('/') { String::new() } else { app_query };
        let query = if app_query.is_empty() { query } else { String::new() };
        prop_assume!(!name.is_empty() || !query.is_empty());
        let text = format!("rtmp://{host}:{port}/{path}{app_query}/{name}{query}");
        let direct = parse(&text);
        prop_assert_eq!(direct.key.expose(), format!("{name}{query}"));
        let split = split_address(&text).unwrap();
        let again = RtmpUrl::parse(&split.address, split.key.as_ref()).unwrap();
        prop_assert_eq!(direct, again);
    }
}
