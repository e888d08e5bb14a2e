//! A stream key, a login and a proxy's password are searched for wherever they could come to light.

use std::fs;
use std::time::Duration;

use super::program::Kaibo;
use super::support::script_server::ScriptServer;
use super::support::wait_for;

const SECRETS: [&str; 5] = [
    "k3y_of_harry",
    "s1gn_abcdef",
    "hunter2pw",
    "harrylogin",
    "t0ken_of_app",
];

fn assert_none(place: &str, text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} in {place}:\n{text}");
    }
}

#[test]
fn secrets_appear_nowhere() {
    let server = ScriptServer::accepting();
    let second = ScriptServer::accepting();
    let dir = tempfile::tempdir().unwrap();
    let record = dir.path().join("flight.json");
    let url = |port| {
        format!(
            "rtmp://harrylogin:hunter2pw@127.0.0.1:{port}/live?token=t0ken_of_app/k3y_of_harry?sign=s1gn_abcdef"
        )
    };
    let (first_url, second_url) = (url(server.port), url(second.port));
    let mut args = vec![
        "-vv", "push", "--source", "test", "--audio", "none", "--size", "160x90", "--fps", "15",
    ];
    args.extend([
        "--url",
        &first_url,
        "--also",
        &second_url,
        "--stats",
        "json",
    ]);
    args.extend(["--flight-recorder", record.to_str().unwrap()]);
    let push = Kaibo::start(&args);
    push.wait_for_line("output_connected");
    wait_for("the second stream", Duration::from_secs(20), || {
        (!second.commands("publish").is_empty()).then_some(())
    });
    #[cfg(target_os = "linux")]
    for file in ["cmdline", "comm"] {
        let shown = fs::read(format!("/proc/{}/{file}", push.id())).unwrap();
        assert_none(file, &String::from_utf8_lossy(&shown));
    }
    // a server that repeats all it was told, in a message and in the reason for an end
    for code in ["NetStream.Something", "NetStream.Unpublish.Success"] {
        server.tell(&[
            ("level", "status"),
            ("code", code),
            (
                "description",
                "k3y_of_harry?sign=s1gn_abcdef of harrylogin, hunter2pw, token=t0ken_of_app",
            ),
        ]);
    }
    push.wait_for_line("output_lost");
    push.signal("INT");
    let run = push.wait(Duration::from_secs(20));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_none("standard output", &run.stdout);
    assert_none("standard error", &run.stderr);
    let flight = fs::read_to_string(&record).unwrap();
    assert_none("the flight record", &flight);
    let flight: serde_json::Value = serde_json::from_str(&flight).unwrap();
    let events: Vec<_> = flight["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["event"].clone())
        .collect();
    assert!(
        events.contains(&"output_connected".into()) && events.contains(&"output_lost".into()),
        "{events:?}"
    );
    assert!(!flight["samples"].as_array().unwrap().is_empty());
    assert_eq!(
        flight["targets"].as_array().unwrap().len(),
        2,
        "{}",
        flight["targets"]
    );
    // the server did get them
    let published = server.commands("publish");
    assert_eq!(
        published[0].2[1].as_str(),
        Some("k3y_of_harry?sign=s1gn_abcdef")
    );
}

#[test]
fn a_check_measures_the_link_and_recommends() {
    let server = ScriptServer::accepting();
    let address = server.address("k3y_of_harry");
    let refused = Kaibo::start(&["check", &address, "--bandwidth"]).wait(Duration::from_secs(20));
    assert_eq!(
        refused.code,
        Some(2),
        "no test switch, and nobody said that this is a test stream: {}",
        refused.stderr
    );
    assert!(server.commands("publish").is_empty());

    let args = [
        "check",
        &address,
        "--bandwidth",
        "--test-stream",
        "--test-seconds",
        "5",
        "--test-limit",
        "3000",
        "--json",
    ];
    let run = Kaibo::start(&args).wait(Duration::from_secs(40));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_none("the report", &format!("{}{}", run.stdout, run.stderr));
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let bandwidth = &report["bandwidth"];
    let average = bandwidth["average_kbps"].as_u64().unwrap();
    assert!((2500..3500).contains(&average), "{bandwidth}");
    assert!(
        bandwidth["recommended"]["height"].as_u64().unwrap() <= 720,
        "{bandwidth}"
    );
}
