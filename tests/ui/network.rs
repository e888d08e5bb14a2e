//! The way to the server, the question about a redirect, the record of the last minutes.

use eframe::egui;
use eframe::egui::accesskit::Role;
use egui_kittest::kittest::Queryable as _;
use kaibo::engine::command::Command;
use kaibo::output::net::{NetworkSettings, ResolverKind};
use kaibo::rtmp::url::StreamKey;
use kaibo::ui::text::Language;

use crate::world::{SIZE, draft, idle, live, window};
use crate::{click, field, taken};

const TALL: [f32; 2] = [1100.0, 3000.0];

fn network(commands: &[Command]) -> NetworkSettings {
    match commands {
        [Command::ApplySettings(settings)] => settings.network.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_network_part_is_closed_until_it_is_needed_and_sets_what_it_says() {
    for (language, title, proxy, bind, system, service, doh) in [
        (
            Language::English,
            "Network",
            "Proxy",
            "From interface or address",
            "Names are looked up by",
            "Address of the service",
            "DNS over HTTPS",
        ),
        (
            Language::Chinese,
            "网络",
            "代理服务器",
            "出口网卡或本机地址",
            "域名解析方式",
            "解析服务地址",
            "加密 DNS（DoH）",
        ),
    ] {
        let mut harness = window(idle(), draft(language), TALL);
        assert!(harness.query_by_label(proxy).is_none(), "closed at first");
        assert!(click(&mut harness, title).is_empty());
        harness.run();

        field(&harness, proxy).focus();
        harness.run();
        harness.event(egui::Event::Paste(
            "socks5://me:hunter2@127.0.0.1:1080".to_owned(),
        ));
        harness.run();
        assert!(taken(&mut harness).is_empty(), "not while it is typed");
        field(&harness, bind).focus();
        harness.run();
        let set = network(&taken(&mut harness));
        assert!(!set.proxy.is_empty() && !format!("{set:?}").contains("hunter2"));

        harness
            .get_by_role_and_label(Role::ComboBox, system)
            .click();
        harness.run();
        taken(&mut harness);
        let set = network(&click(&mut harness, doh));
        assert_eq!(set.resolver, ResolverKind::Doh);
        assert!(harness.query_by_label(service).is_some());
    }
}

#[test]
fn a_wrong_proxy_is_told_and_not_applied() {
    let mut harness = window(idle(), draft(Language::English), TALL);
    click(&mut harness, "Network");
    harness.run();
    field(&harness, "Proxy").focus();
    harness.run();
    harness.event(egui::Event::Paste("127.0.0.1:1080".to_owned()));
    harness.run();
    field(&harness, "From interface or address").focus();
    harness.run();
    assert!(taken(&mut harness).is_empty());
    // other settings go their way
    harness.get_by_label("Follow the link").click();
    harness.run();
    assert!(network(&taken(&mut harness)).proxy.is_empty());
    assert!(
        harness
            .query_by_label_contains("begins with socks5://")
            .is_some()
    );
}

#[test]
fn the_last_minutes_can_be_saved() {
    let mut harness = window(idle(), draft(Language::English), TALL);
    click(&mut harness, "Network");
    harness.run();
    let commands = click(&mut harness, "Save the last ten minutes for a report");
    let [Command::ExportRecorder(path)] = &commands[..] else {
        panic!("{commands:?}");
    };
    assert_eq!(path.extension().unwrap(), "json");
}

#[test]
fn a_redirect_is_asked_about() {
    let mut status = live();
    status.stream.as_mut().unwrap().asks = Some("cdn.example.org".to_owned());
    let mut harness = window(status, draft(Language::English), SIZE);
    assert!(
        harness
            .query_by_label_contains("Send the stream key to cdn.example.org?")
            .is_some()
    );
    let commands = click(&mut harness, "Allow this time");
    assert!(
        matches!(&commands[..], [Command::AllowRedirect(host)] if host == "cdn.example.org"),
        "{commands:?}"
    );
    let harness = window(live(), draft(Language::English), SIZE);
    assert!(harness.query_by_label("Allow this time").is_none());
}

#[test]
fn a_login_in_the_address_is_used_and_not_stored() {
    let mut harness = window(idle(), draft(Language::English), SIZE);
    field(&harness, "Address").focus();
    harness.run();
    harness.event(egui::Event::Paste(
        "rtmp://harry:hunter2@live.example.com/app/k3y".to_owned(),
    ));
    harness.run();
    assert_eq!(
        field(&harness, "Address").value().as_deref(),
        Some("rtmp://live.example.com/app")
    );
    let commands = click(&mut harness, "Go live");
    let [
        Command::ApplySettings(settings),
        Command::SetLogin(Some(login)),
        Command::SetKey(key),
        Command::StartStream,
    ] = &commands[..]
    else {
        panic!("{commands:?}");
    };
    assert_eq!(
        (login.user.as_str(), login.password.as_str()),
        ("harry", "hunter2")
    );
    assert_eq!(*key, StreamKey::new("k3y"));
    assert!(!format!("{settings:?}").contains("hunter2"));
    assert_eq!(settings.stream.url, "rtmp://live.example.com/app");
}

#[test]
#[ignore = "writes pictures to look at: KAIBO_SHOTS=folder cargo test --test ui -- --ignored"]
fn shots_of_network() {
    let folder = std::env::var_os("KAIBO_SHOTS").map(std::path::PathBuf::from);
    let folder = folder.expect("KAIBO_SHOTS names a folder");
    for (tag, language, title) in [
        ("en", Language::English, "Network"),
        ("zh", Language::Chinese, "网络"),
    ] {
        let mut status = live();
        status.stream.as_mut().unwrap().asks = Some("cdn.example.org".to_owned());
        let mut draft = draft(language);
        draft.network.resolver = ResolverKind::Httpdns;
        let mut harness = window(status, draft, TALL);
        click(&mut harness, title);
        harness.run();
        let picture = harness.render().unwrap();
        picture
            .save(folder.join(format!("network-{tag}.png")))
            .unwrap();
    }
}
