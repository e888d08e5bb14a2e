//! The control law. Pure; see [`BitrateController`].

use std::time::Duration;

use super::history::History;
use super::picture::PictureChoice;
use super::{AdaptLimits, AdaptPreset, Decision, LinkSample, Reason};
use crate::media::packet::Bitrate;

/// A backlog is paid back in this many seconds.
const PAY_BACK: f64 = 1.5;
/// From a command to its effect on the wire: half a second of VBV buffer and a picture or two.
const RESPONSE: Duration = Duration::from_millis(600);
/// While a backlog is worked off, the rate follows it this often.
const FOLLOW: Duration = Duration::from_millis(250);
/// The rate climbs in steps this far apart.
const STEP: Duration = Duration::from_millis(250);
/// Nothing confirmed for this long (or four round trips): the link is silent.
const SILENCE: Duration = Duration::from_millis(800);
/// Where only the server's acknowledgements tell, which come by the byte and thus rarely while little is sent.
const RARE_WORD: Duration = Duration::from_secs(4);
/// A keyframe this young may be what fills the link.
const KEYFRAME: Duration = Duration::from_millis(250);
/// A connection begins with this share of the ceiling.
const START: f64 = 0.6;
/// Bursts that were this much faster than the present rate show room.
const ROOM: f64 = 1.3;
/// The more room, the faster it is used; up to so many times.
const FASTEST: f64 = 3.0;
/// Growth per second is not less than this share of the ceiling, or a rate near the floor would take minutes.
const LEAST_GROWTH: f64 = 0.025;
const LEAST_PROBE: f64 = 0.010;
/// Growth into the unknown doubles each time this much has passed without a setback.
const DOUBLING: Duration = Duration::from_millis(1000);
/// What of the room that was seen is used.
const USABLE: f64 = 0.8;
/// A failure this near an earlier one is one at the same level.
const SAME_LEVEL: f64 = 0.2;
/// First pause after a failure, and the longest one.
const FIRST_HOLD: Duration = Duration::from_secs(8);
/// A level under this part of the ceiling is a trough that hardly lasts: the first pause is shorter there.
const LOW: f64 = 1.5;
/// So often the pause only doubles; then it grows fourfold: this is no passing trough.
const FEW_TIMES: u32 = 3;
const LONGEST_HOLD: Duration = Duration::from_secs(180);
/// A failure this old says nothing any more.
const FORGET: Duration = Duration::from_secs(600);
/// A quiet scene may be asked for this much more than it makes, so that movement does not start from nothing.
const QUIET_MORE: f64 = 1e6;
const QUIET_TIMES: f64 = 1.7;
/// A backlog of ours shrinks when this share of what the link carried is sent ...
const STARVED: f64 = 0.4;
/// ... for this long: mobile links fall as low for a few seconds.
const STARVED_FOR: Duration = Duration::from_secs(6);
/// Changes smaller than this share are not passed on.
const GRAIN: f64 = 0.02;

/// Numbers of a preset.
#[derive(Debug, Clone, Copy)]
struct Law {
    /// Delay aimed at, in seconds.
    delay: f64,
    /// Share of the capacity that is used.
    share: f64,
    /// Growth per second: with room seen, towards a failed rate, beyond it.
    fast: f64,
    normal: f64,
    probe: f64,
}

impl Law {
    const fn of(preset: AdaptPreset) -> Self {
        match preset {
            AdaptPreset::Steady => Self {
                delay: 0.250,
                share: 0.90,
                fast: 0.20,
                normal: 0.05,
                probe: 0.01,
            },
            AdaptPreset::Balanced => Self {
                delay: 0.150,
                share: 0.93,
                fast: 0.35,
                normal: 0.10,
                probe: 0.015,
            },
            AdaptPreset::Lively => Self {
                delay: 0.100,
                share: 0.93,
                fast: 0.50,
                normal: 0.15,
                probe: 0.03,
            },
        }
    }
}

/// What is going on.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// The delay is fine.
    Clear,
    /// A backlog is being worked off.
    Draining {
        /// The rate follows the backlog from then on.
        follow_at: Duration,
    },
    /// Nothing arrives.
    Silent {
        /// Rate when that began.
        before: f64,
    },
    /// Things arrive again after a silence; what has piled up shows how fast.
    Returning { before: f64 },
}

/// A rate the link did not carry.
#[derive(Debug, Clone, Copy)]
struct Failed {
    /// What it carried instead, sound included.
    level: f64,
    at: Duration,
    /// How often in a row, at this level.
    times: u32,
    /// Pause before it is tried again.
    hold: Duration,
    probe_at: Duration,
    /// Since when more than that is sent.
    beyond_since: Option<Duration>,
}

/// Fits the video bitrate of one output to its link. One per output; it outlives connections.
#[derive(Debug)]
pub struct BitrateController {
    rate: f64,
    /// What the encoder was last told.
    told: f64,
    phase: Phase,
    reason: Reason,
    failed: Option<Failed>,
    /// Since when so little is sent that a backlog would have to shrink.
    starved_since: Option<Duration>,
    history: History,
    next_step: Duration,
    /// Since when the rate climbs into the unknown without a setback.
    exploring_since: Option<Duration>,
    /// No further step down before this.
    settled_at: Duration,
    picture: PictureChoice,
    server_slow: bool,
}

impl BitrateController {
    /// For an output whose link is not known yet.
    pub fn new(limits: &AdaptLimits) -> Self {
        let rate = (bps(limits.ceiling) * START).clamp(floor(limits), bps(limits.ceiling));
        Self {
            rate,
            told: rate,
            phase: Phase::Clear,
            reason: Reason::Start,
            failed: None,
            starved_since: None,
            history: History::default(),
            next_step: Duration::ZERO,
            exploring_since: None,
            settled_at: Duration::ZERO,
            picture: PictureChoice::default(),
            server_slow: false,
        }
    }

    /// A new connection begins: sums start from zero, the path may be another one. The rate stays, within bounds that
    /// a fresh link can be trusted with.
    pub fn reconnected(&mut self, limits: &AdaptLimits) {
        let known = match self.phase {
            Phase::Silent { before } | Phase::Returning { before } => before,
            Phase::Clear | Phase::Draining { .. } => self.rate,
        };
        let start = (bps(limits.ceiling) * START).max(floor(limits));
        self.rate = known.min(start.max(known * 0.8));
        self.phase = Phase::Clear;
        self.reason = Reason::Start;
        self.history = History::default();
        self.failed = None;
        self.starved_since = None;
        self.exploring_since = None;
        (self.next_step, self.settled_at) = (Duration::ZERO, Duration::ZERO);
        self.picture.begin_connection();
    }

    /// Takes one sample and says what the encoder shall do now.
    pub fn tick(&mut self, sample: &LinkSample, limits: &AdaptLimits) -> Decision {
        let law = Law::of(limits.preset);
        let (floor, ceiling, audio) = (floor(limits), bps(limits.ceiling), bps(limits.audio));
        self.history.add(sample);
        self.server_slow = sample.server_slow;
        if self.is_silent(sample) {
            self.fall_silent(floor);
        } else if let Phase::Silent { before } = self.phase {
            self.phase = Phase::Returning { before };
            self.settled_at = sample.now + FOLLOW;
        } else if let Phase::Returning { before } = self.phase {
            self.return_from_silence(sample.now, before, audio, law);
        } else if let Phase::Draining { follow_at } = self.phase {
            self.drain(sample.now, follow_at, audio, law);
        } else if self.is_congested(sample, law) {
            self.fail(sample.now, limits, law);
        } else {
            self.climb(sample, limits, law);
        }
        self.rate = self.rate.clamp(floor, ceiling);
        self.decide(sample.now, limits)
    }

    fn is_silent(&self, sample: &LinkSample) -> bool {
        let patience = sample.rtt.map_or(RARE_WORD, |rtt| SILENCE.max(rtt * 4));
        self.history.silent_for(sample.now) >= patience
    }

    fn fall_silent(&mut self, floor: f64) {
        let before = match self.phase {
            Phase::Silent { before } | Phase::Returning { before } => before,
            Phase::Clear | Phase::Draining { .. } => self.rate,
        };
        self.phase = Phase::Silent { before };
        self.rate = floor;
        self.reason = Reason::Silent;
    }

    /// After a silence the backlog leaves as fast as the link goes: that, and the rate before, is where to go on.
    fn return_from_silence(&mut self, now: Duration, before: f64, audio: f64, law: Law) {
        if self.history.delay() > law.delay {
            if now >= self.settled_at {
                self.rate = self.paying_back(audio, law).min(before);
                self.settled_at = now + FOLLOW;
                self.reason = self.congestion();
            }
            return;
        }
        let carried = self
            .history
            .capacity()
            .map_or(before, |c| law.share * c - audio);
        self.rate = before.min(carried);
        self.phase = Phase::Clear;
        self.settled_at = now + RESPONSE;
        self.reason = Reason::Climbing;
    }

    /// Congestion, and not a keyframe on its way.
    fn is_congested(&self, sample: &LinkSample, law: Law) -> bool {
        if sample.now < self.settled_at {
            return false;
        }
        let h = &self.history;
        let delay = h.delay();
        let over = |span| {
            h.standing(Duration::from_millis(span))
                .is_some_and(|d| d > law.delay)
        };
        let grown = |ago, by: f64| {
            h.delay_before(Duration::from_millis(ago))
                .is_some_and(|then| delay > then + by)
        };
        let fast = delay > 2.0 * law.delay
            && over(200)
            && grown(200, 0.02)
            && sample.keyframe_age >= KEYFRAME;
        let rush = delay > 4.0 * law.delay
            && over(100)
            && grown(100, 0.05)
            && sample.keyframe_age >= KEYFRAME / 2;
        let slow = over(900) && grown(900, -0.02);
        rush || fast || slow
    }

    fn fail(&mut self, now: Duration, limits: &AdaptLimits, law: Law) {
        let audio = bps(limits.audio);
        let level = self.history.capacity().unwrap_or(self.rate + audio);
        let before = self.failed.filter(|f| {
            (f.level - level).abs() <= SAME_LEVEL * level && now.saturating_sub(f.at) < FORGET
        });
        let low = LOW * level / bps(limits.ceiling);
        let first = FIRST_HOLD.mul_f64((low * low).clamp(0.12, 1.0));
        let times = before.map_or(1, |f| f.times + 1);
        let hold = before.map_or(first, |f| {
            let longer = if times <= FEW_TIMES { 2 } else { 4 };
            (f.hold * longer).min(LONGEST_HOLD)
        });
        self.failed = Some(Failed {
            level,
            at: now,
            times,
            hold,
            probe_at: now + hold,
            beyond_since: None,
        });
        self.history.forget_bursts();
        self.exploring_since = None;
        self.rate = self.paying_back(audio, law).min(self.rate);
        self.phase = Phase::Draining {
            follow_at: now + RESPONSE,
        };
        self.reason = self.congestion();
    }

    /// What the link carries, less what works the backlog off in time.
    fn paying_back(&self, audio: f64, law: Law) -> f64 {
        let capacity = self.history.capacity().unwrap_or(self.rate + audio);
        let late = (self.history.delay() - law.delay).max(0.0);
        law.share * capacity - audio - late * capacity / PAY_BACK
    }

    fn drain(&mut self, now: Duration, follow_at: Duration, audio: f64, law: Law) {
        let delay = self.history.delay();
        if delay < law.delay {
            // the level as it was seen while the link was full, which is better than at the first sign
            if let (Some(failed), Some(capacity)) = (&mut self.failed, self.history.capacity()) {
                if capacity > (1.0 + SAME_LEVEL) * failed.level {
                    // not the one that was seen to fail: its pauses do not hold for this one
                    (failed.hold, failed.times) = (FIRST_HOLD / 4, 1);
                    failed.probe_at = now + failed.hold;
                }
                failed.level = capacity;
                self.rate = law.share * capacity - audio;
            }
            self.phase = Phase::Clear;
            self.starved_since = None;
            self.settled_at = now + RESPONSE;
            self.history.forget_bursts();
            self.reason = Reason::Holding;
            return;
        }
        if self.is_not_ours(now, audio) {
            tracing::debug!(delay, "the delay does not come from us");
            self.history.adopt_standing();
            self.rate = self.failed.map_or(self.rate, |f| STARVED * f.level - audio);
            self.phase = Phase::Clear;
            self.starved_since = None;
            self.settled_at = now + RESPONSE;
            self.reason = Reason::Holding;
            return;
        }
        self.reason = self.congestion();
        if now >= follow_at {
            self.rate = self.paying_back(audio, law);
            self.phase = Phase::Draining {
                follow_at: now + FOLLOW,
            };
        }
    }

    /// Much less is sent than the link carried, for long, and the delay stays as it is: what stands there is not our
    /// backlog (somebody else's traffic fills the buffer, or the way has become longer), and sending less helps nobody.
    fn is_not_ours(&mut self, now: Duration, audio: f64) -> bool {
        if !(self.failed).is_some_and(|f| self.rate + audio < STARVED * f.level) {
            self.starved_since = None;
            return false;
        }
        let since = *self.starved_since.get_or_insert(now);
        let then = self.history.delay_before(Duration::from_secs(2));
        now.saturating_sub(since) >= STARVED_FOR
            && then.is_some_and(|then| (self.history.delay() - then).abs() < 0.1 * then)
    }

    const fn congestion(&self) -> Reason {
        if self.server_slow {
            Reason::ServerSlow
        } else {
            Reason::Congested
        }
    }

    fn climb(&mut self, sample: &LinkSample, limits: &AdaptLimits, law: Law) {
        let (now, ceiling, audio) = (sample.now, bps(limits.ceiling), bps(limits.audio));
        self.review_failure(now, audio);
        if self.rate >= ceiling {
            self.reason = Reason::Full;
            return;
        }
        if now < self.next_step || now < self.settled_at {
            return;
        }
        self.next_step = now + STEP;
        let calm = self.history.standing(Duration::from_millis(300));
        if calm.is_none_or(|d| d > 0.6 * law.delay) {
            return; // not seen long enough, or not quite calm
        }
        let (growth, times, reach) = self.growth(now, audio, law);
        if growth == 0.0 {
            self.reason = Reason::Holding;
            return;
        }
        let made = self.history.produced().unwrap_or(self.rate);
        let quiet = made < 0.85 * self.rate;
        let most = if quiet {
            (made + QUIET_MORE).max(made * QUIET_TIMES)
        } else {
            f64::INFINITY
        };
        let grown = self.rate * growth;
        let least = if self.is_beyond(self.rate + audio) {
            LEAST_PROBE
        } else {
            LEAST_GROWTH
        };
        let grown = grown.max((least * times).min(law.normal) * ceiling);
        let next = (self.rate + grown * STEP.as_secs_f64())
            .min(reach)
            .min(most);
        if next <= self.rate {
            self.reason = if quiet {
                Reason::QuietScene
            } else {
                Reason::Holding
            };
            return;
        }
        self.rate = next;
        let beyond = self.is_beyond(next + audio);
        self.reason = match () {
            () if next >= ceiling => Reason::Full,
            () if beyond => Reason::Probing,
            () => Reason::Climbing,
        };
    }

    /// That much has failed before.
    fn is_beyond(&self, total: f64) -> bool {
        self.failed.is_some_and(|f| total > f.level)
    }

    /// Growth per second, how many times faster than at first that is, and how far it may go.
    fn growth(&mut self, now: Duration, audio: f64, law: Law) -> (f64, f64, f64) {
        let total = self.rate + audio;
        let room = self.history.room(self.failed.is_none()).unwrap_or(0.0);
        if room >= ROOM * total {
            let times = (room / (ROOM * total)).clamp(1.0, FASTEST);
            return (law.fast * times, 1.0, USABLE * room - audio);
        }
        let explored = match self.failed {
            None => law.normal,
            Some(f) if total < law.share * f.level => {
                return (law.normal, 1.0, law.share * f.level - audio);
            }
            Some(f) if now >= f.probe_at => law.probe,
            Some(_) => {
                self.exploring_since = None;
                return (0.0, 1.0, 0.0);
            }
        };
        // the longer nothing stands in the way, the farther off it is: a mobile link returns to ten times in a second
        let since = *self.exploring_since.get_or_insert(now);
        let longer = now.saturating_sub(since).div_duration_f64(DOUBLING);
        let times = longer.min(8.0).exp2();
        let growth = (explored * times).min(law.fast.max(explored));
        (growth, times, f64::INFINITY)
    }

    /// Forgets a failure that the link has disproved; puts off a trial while bursts show that it would fail.
    fn review_failure(&mut self, now: Duration, audio: f64) {
        /// Bursts under this share of the failed level confirm it (they are measured to about an eighth).
        const CONFIRMED: f64 = 1.15;
        /// A burst slower than this, as a share of what is sent anyway, was no burst: the link may carry any amount more.
        const BURST: f64 = 1.15;
        /// How long such a confirmation holds.
        const PUT_OFF: Duration = Duration::from_secs(5);
        /// Well beyond the level without a delay for this long: the link is another one now.
        const DISPROVED: Duration = Duration::from_millis(1500);
        let Some(failed) = &mut self.failed else {
            return;
        };
        let total = self.rate + audio;
        let room = self.history.room(false);
        if total <= 1.2 * failed.level {
            failed.beyond_since = None;
        } else {
            failed.beyond_since.get_or_insert(now);
        }
        let disproved = room.is_some_and(|r| r >= ROOM * failed.level)
            || now.saturating_sub(failed.beyond_since.unwrap_or(now)) >= DISPROVED
            || now.saturating_sub(failed.at) > FORGET;
        if disproved {
            self.failed = None;
        } else if room.is_some_and(|r| r < CONFIRMED * failed.level && r > BURST * total)
            && now + PUT_OFF > failed.probe_at
            && now.saturating_sub(failed.at) < LONGEST_HOLD
        {
            failed.probe_at = now + PUT_OFF;
        }
    }

    /// The rate as it will be once the backlog is gone: a dip that pays it back is no reason to leave pictures out.
    fn lasting(&self, limits: &AdaptLimits) -> f64 {
        let usable = |c: f64| Law::of(limits.preset).share * c - bps(limits.audio);
        match self.phase {
            Phase::Clear => self.rate,
            Phase::Draining { .. } => self.history.capacity().map_or(self.rate, usable),
            Phase::Silent { before } | Phase::Returning { before } => before,
        }
        .clamp(floor(limits), bps(limits.ceiling))
    }

    fn decide(&mut self, now: Duration, limits: &AdaptLimits) -> Decision {
        let (floor, ceiling) = (floor(limits), bps(limits.ceiling));
        let at_edge = self.rate <= floor || self.rate >= ceiling;
        if at_edge || (self.rate - self.told).abs() > GRAIN * self.told {
            self.told = self.rate;
        }
        self.told = self.told.clamp(floor, ceiling);
        let poor = self.rate <= floor && floor < ceiling;
        let reason = match self.reason {
            Reason::Congested | Reason::ServerSlow if poor => Reason::Floor,
            reason => reason,
        };
        let lasting = self.lasting(limits);
        let (half_rate, half_size) =
            self.picture
                .update(now, lasting, limits.pixel_rate, limits.shrink);
        Decision {
            bitrate: whole(self.told),
            half_rate,
            half_size,
            reason,
            capacity: self.history.capacity().map(whole),
            delay_ms: milliseconds(self.history.delay()),
        }
    }
}

/// The floor, which never lies above the ceiling.
fn floor(limits: &AdaptLimits) -> f64 {
    bps(limits.floor.min(limits.ceiling))
}

fn bps(rate: Bitrate) -> f64 {
    f64::from(rate.bps())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float to integer casts saturate, and rates are not negative"
)]
const fn whole(bps: f64) -> Bitrate {
    Bitrate::from_bps(bps as u32)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float to integer casts saturate, and delays are not negative"
)]
const fn milliseconds(seconds: f64) -> u32 {
    (seconds * 1000.0) as u32
}
