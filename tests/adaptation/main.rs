//! The bitrate control in virtual time: our controller and send queue beside other programs' rules, on links that do all
//! that links do. `UPDATE_TABLES=1 cargo test --test adaptation` writes `benches/adaptation.md` anew.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a model of links in floating point"
)]

mod link;
mod peers;
mod run;

use std::fmt::Write as _;

use kaibo::output::adapt::AdaptPreset;
use link::{Scenario, lte, scenarios};
use peers::{AUDIO, CEILING, FLOOR, Kaibo, LfLiveKit, Moblin, Obs, Sender};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use run::{Score, run, turns};

type Make = fn() -> Box<dyn Sender>;

const SENDERS: [(&str, Make); 7] = [
    ("Kaibo, balanced", || {
        Box::new(Kaibo::new(AdaptPreset::Balanced))
    }),
    ("Kaibo, steady", || {
        Box::new(Kaibo::new(AdaptPreset::Steady))
    }),
    ("Kaibo, lively", || {
        Box::new(Kaibo::new(AdaptPreset::Lively))
    }),
    ("OBS drop", || Box::new(Obs::new(false))),
    ("OBS dynamic", || Box::new(Obs::new(true))),
    ("LFLiveKit", || Box::new(LfLiveKit::new())),
    ("Moblin", || Box::new(Moblin::new())),
];

fn kaibo(s: &Scenario) -> Score {
    run(s, &mut Kaibo::new(AdaptPreset::Balanced))
}

fn row(name: &str, who: &str, s: &Score) -> String {
    format!(
        "| {name} | {who} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1} | {:.1} | {:.1} | {:.1} |\n",
        s.used,
        s.p50,
        s.p95,
        s.max,
        100.0 * s.missing,
        s.frozen,
        100.0 * s.stalled,
        s.turns
    )
}

/// Mean over runs, but the worst of maxima.
fn mean(scores: &[Score]) -> Score {
    let n = scores.len() as f64;
    let of = |f: fn(&Score) -> f64| scores.iter().map(f).sum::<f64>() / n;
    let worst = |f: fn(&Score) -> f64| scores.iter().map(f).fold(0.0, f64::max);
    Score {
        used: of(|s| s.used),
        p50: of(|s| s.p50),
        p95: of(|s| s.p95),
        max: worst(|s| s.max),
        missing: of(|s| s.missing),
        frozen: worst(|s| s.frozen),
        stalled: of(|s| s.stalled),
        turns: of(|s| s.turns),
        rates: Vec::new(),
    }
}

fn lte_score(make: Make) -> Score {
    let scores: Vec<_> = (0..20).map(|seed| run(&lte(seed), &mut *make())).collect();
    mean(&scores)
}

#[test]
fn the_table() {
    let mut table = String::from(
        "# Bitrate control in virtual time\n\n\
        Written by `UPDATE_TABLES=1 cargo test --test adaptation`: a model of encoder (a keyframe each 2 s, six pictures large; a \
        new rate is neared in 0.35 s), kernel and bottleneck (150 kB of buffer, 40 ms, no losses). Ceiling 4500 kbit/s and \
        128 kbit/s of sound. Others are rules written anew from their published behaviour; they leave 500 kB to the \
        kernel. Delay is from encoder to far end; a viewer starts with 2 s and waits for 2 s when dry; a turn is a reversal \
        of a change of over 3 %. On the LTE-like links: means, and the worst of the maxima.\n\n\
        | link | sender | used | delay p50 s | p95 | max | missing % | frozen s | viewer waits % | turns/min |\n\
        |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for s in scenarios() {
        for (who, make) in SENDERS {
            table.push_str(&row(s.name, who, &run(&s, &mut *make())));
        }
    }
    for (who, make) in SENDERS {
        write!(
            table,
            "{}",
            row("LTE-like, 20 seeds", who, &lte_score(make))
        )
        .unwrap();
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/adaptation.md");
    if std::env::var_os("UPDATE_TABLES").is_some() {
        std::fs::write(path, table).unwrap();
    } else {
        let kept = std::fs::read_to_string(path).unwrap();
        assert_eq!(table, kept, "UPDATE_TABLES=1 writes the table anew");
    }
}

#[test]
fn a_constant_link_is_used_and_left_in_peace() {
    for mbit in [1.0, 2.0, 3.0, 6.0] {
        let s = Scenario::new("", 300.0, |_| mbit * 1e6);
        let score = kaibo(&s);
        assert!(score.used >= 0.88, "{mbit}: {}", score.used);
        let settled = &score.rates[20 * 30..];
        let per_minute = turns(settled) / 4.5;
        assert!(per_minute <= 2.0, "{mbit}: {per_minute} turns a minute");
        assert!(
            score.missing < 0.02 && score.max < 2.5,
            "{mbit}: {score:.2?}"
        );
    }
}

#[test]
fn a_step_down_costs_no_picture_and_the_way_back_is_short() {
    for low in [0.8, 1.5, 3.0] {
        let step = |t: f64| {
            if (40.0..80.0).contains(&t) {
                low * 1e6
            } else {
                6e6
            }
        };
        let score = kaibo(&Scenario::new("", 120.0, step));
        assert!(
            score.p95 < 0.5 && score.max < 2.5,
            "{low}: {:.2} {:.2}",
            score.p95,
            score.max
        );
        assert!(score.missing < 0.02, "{low}: {:.3}", score.missing);
        let back = score.rates[80 * 20..]
            .iter()
            .position(|&r| r >= 0.9 * CEILING);
        let seconds = back.unwrap() as f64 / 20.0;
        assert!(seconds <= 15.0, "{low}: back after {seconds} s");
    }
}

#[test]
fn mobile_links_are_used_without_stalls() {
    let ours = lte_score(SENDERS[0].1);
    assert!(ours.used >= 0.80 && ours.p95 < 1.0, "{ours:?}");
    for (who, make) in &SENDERS[3..] {
        let theirs = lte_score(*make);
        assert!(
            ours.stalled <= theirs.stalled / 2.0 || ours.stalled < 0.002,
            "{who}: {} {}",
            ours.stalled,
            theirs.stalled
        );
    }
}

#[test]
fn a_still_scene_does_not_take_the_rate_away() {
    let s = scenarios().pop().unwrap();
    let score = kaibo(&s);
    assert!(score.rates[20 * 30..].iter().all(|&r| r > 0.9 * CEILING));
    assert!(score.p95 < 0.3, "{:.2}", score.p95);
}

#[test]
fn bounds_can_be_moved_while_live() {
    use kaibo::media::packet::Bitrate;
    use kaibo::output::adapt::{BitrateController, LinkSample};
    use std::time::Duration;
    let mut limits = Kaibo::new(AdaptPreset::Balanced).limits;
    let mut controller = BitrateController::new(&limits);
    let mut rate = |ms: u64, limits: &kaibo::output::adapt::AdaptLimits| {
        let now = Duration::from_millis(ms);
        let sample = LinkSample {
            now,
            delivered_bytes: ms * 500,
            produced_bytes: ms * 500,
            ..LinkSample::default()
        };
        controller.tick(&sample, limits).bitrate.kbps()
    };
    assert_eq!(rate(0, &limits), 2700);
    limits.ceiling = Bitrate::from_kbps(1000);
    assert_eq!(rate(50, &limits), 1000, "at once");
    limits.floor = Bitrate::from_kbps(3000);
    assert_eq!(rate(100, &limits), 1000, "the ceiling is the stronger one");
    limits.ceiling = Bitrate::from_kbps(4000);
    assert_eq!(rate(150, &limits), 3000);
}

/// Links of random pieces, with breaks.
fn links() -> impl Strategy<Value = Scenario> {
    let piece = prop_oneof![
        6 => 0.25_f64..8.0,
        1 => Just(0.0),
    ];
    (
        prop::collection::vec(piece, 24),
        10e3_f64..1.5e6,
        0.002_f64..0.3,
    )
        .prop_map(|(rates, buffer, rtt)| Scenario {
            buffer,
            rtt,
            ..Scenario::new("random", 120.0, move |t| {
                1e6 * rates[((t / 5.0) as usize).min(23)]
            })
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn bounds_hold_on_any_link(s in links(), preset in 0..3_usize) {
        let score = run(&s, &mut Kaibo::new(AdaptPreset::ALL[preset]));
        for &rate in &score.rates {
            prop_assert!((FLOOR..=CEILING).contains(&rate), "{rate}");
        }
        prop_assert!(score.used <= 1.1);
    }

    #[test]
    fn the_way_back_is_short_after_any_trouble(s in links()) {
        // after a minute of anything, a good link
        let mut s = s;
        s.buffer = s.buffer.max(50e3);
        let good = 600;
        for c in &mut s.capacity[good..] {
            *c = 2.0 * (CEILING + AUDIO);
        }
        let score = kaibo(&s);
        let back = score.rates[good * 2..].iter().position(|&r| r >= 0.9 * CEILING);
        prop_assert!(back.is_some_and(|ticks| ticks <= 15 * 20), "{back:?}");
    }
}
