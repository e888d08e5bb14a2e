//! Bitrate adaptation: what the link of one output shows goes in as [`LinkSample`]s, the bitrate the video encoder
//! shall have comes out as a [`Decision`] with its reason. Pure: time is an argument, there are no sockets, and nothing
//! is measured here. Runs in the output's task, about twenty times a second.
//!
//! The law, in short: the *time* media spends between the send queue and the far end is held near a target. Over it the
//! rate falls below what the link was seen to carry, by as much as pays the backlog back in a second and a half. Under
//! it the rate climbs: fast while bursts (keyframes) show that the link carries more, slowly towards a rate that has
//! failed, and over that only
//! after a pause that grows with each failure; the longer nothing stands in the way then, the faster.

mod controller;
mod history;
mod picture;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::media::packet::Bitrate;

pub use controller::BitrateController;

/// How the bitrate is fitted to the link. Plain data, saved in the settings file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdaptSettings {
    /// The bitrate follows the link; otherwise it stays as set, and pictures are dropped when the link is too slow.
    pub enabled: bool,
    /// Character of the control.
    pub preset: AdaptPreset,
    /// The video bitrate never goes below this, in kbit/s; 100 to 100000. Below the set bitrate it has no effect.
    pub floor_kbps: u32,
    /// Where even half the frame rate leaves too few bits, the pictures may become half as wide and high for a while, at a
    /// keyframe. Many services then start their transcoding anew, so that it is off unless wished for.
    pub shrink: bool,
}

impl Default for AdaptSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            preset: AdaptPreset::default(),
            floor_kbps: 100,
            shrink: false,
        }
    }
}

/// Character of the control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdaptPreset {
    /// Few changes, a little more delay: for talk and for uplinks that only sag now and then.
    Steady,
    /// In between.
    #[default]
    Balanced,
    /// Least delay, follows the link closely: for mobile links.
    Lively,
}

impl AdaptPreset {
    /// All of them, calmest first.
    pub const ALL: [Self; 3] = [Self::Steady, Self::Balanced, Self::Lively];
}

/// Bounds of the control; read at each tick, so that they can be changed while live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdaptLimits {
    /// Character.
    pub preset: AdaptPreset,
    /// Lowest video bitrate.
    pub floor: Bitrate,
    /// Highest video bitrate: the one the user set.
    pub ceiling: Bitrate,
    /// What the sound takes besides.
    pub audio: Bitrate,
    /// Pixels per second at the full frame rate; 0 when unknown.
    pub pixel_rate: u64,
    /// The size may be halved.
    pub shrink: bool,
}

/// What the link of one output shows at one moment. Sums never go back within one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkSample {
    /// When, on any steady clock.
    pub now: Duration,
    /// Media time between the newest packet of the encoders and the oldest one the far end has not confirmed.
    pub media: Duration,
    /// Bytes the far end has not confirmed, those in the send queue included.
    pub backlog_bytes: u64,
    /// Bytes the far end has confirmed since the connection was made.
    pub delivered_bytes: u64,
    /// Bytes of video the encoder has made.
    pub produced_bytes: u64,
    /// Age of the newest keyframe.
    pub keyframe_age: Duration,
    /// Smoothed round trip time, where the system tells it.
    pub rtt: Option<Duration>,
    /// Smallest round trip time seen, where the system tells it.
    pub min_rtt: Option<Duration>,
    /// Since the last sample the far end's receive window was what held data back.
    pub server_slow: bool,
}

/// Why the bitrate is what it is; for programs. [`fmt::Display`] is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A connection begins below the ceiling.
    #[default]
    Start,
    /// The link carries the bitrate that was set.
    Full,
    /// The link has room: going up.
    Climbing,
    /// Just below what the link was seen to carry.
    Holding,
    /// Above what the link was seen to carry, to find out whether it carries more now.
    Probing,
    /// The encoder makes much less than it may: nothing to learn about the link.
    QuietScene,
    /// The link carries less: going down and working off what has piled up.
    Congested,
    /// The server takes the data slowly; the uplink is not to blame.
    ServerSlow,
    /// Nothing arrives at present.
    Silent,
    /// The link carries less than the lowest bitrate.
    Floor,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "starting carefully",
            Self::Full => "the link carries the full bitrate",
            Self::Climbing => "the link has room, going up",
            Self::Holding => "just below what the link carries",
            Self::Probing => "trying whether the link carries more",
            Self::QuietScene => "the picture needs less than it may take",
            Self::Congested => "the link carries less, going down",
            Self::ServerSlow => "the server takes the data slowly, going down",
            Self::Silent => "nothing arrives at present",
            Self::Floor => "the link carries less than the lowest bitrate",
        })
    }
}

/// What to do, and why.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Decision {
    /// For the video encoder.
    #[serde(rename = "target_bps")]
    pub bitrate: Bitrate,
    /// Encode only every other picture: too few bits for all of them.
    pub half_rate: bool,
    /// Encode pictures of half the width and height: too few bits for so many pixels.
    pub half_size: bool,
    /// Why.
    pub reason: Reason,
    /// What the link carries, sound included; the last measurement. `None` while it was never full.
    #[serde(rename = "capacity_bps")]
    pub capacity: Option<Bitrate>,
    /// Delay beyond that of an empty link, in milliseconds.
    pub delay_ms: u32,
}
