//! What the engine can be told to do.

use std::path::PathBuf;

use crate::capture::play::PlayOrder;
use crate::media::SourceId;
use crate::media::packet::Bitrate;
use crate::output::record::Order;
use crate::rtmp::url::{Login, RtmpUrl, StreamKey};
use crate::settings::Settings;
use crate::settings::scenes::TransitionSettings;

/// A wish of the user. The engine answers by its [`Status`](super::status::Status) and by events.
#[derive(Debug, Clone)]
pub enum Command {
    /// Full desired state; the engine works out what changed and what that takes.
    ApplySettings(Box<Settings>),
    /// The stream key for the address in the settings; kept in memory only.
    SetKey(StreamKey),
    /// User name and password for the address in the settings, for servers that want a login; kept in memory only.
    SetLogin(Option<Login>),
    /// The stream key may be sent to this host, to which a server has redirected the stream, and to what lies under it.
    AllowRedirect(String),
    /// Write what happened in the last ten minutes into this file, as JSON without secrets.
    ExportRecorder(PathBuf),
    /// Further addresses, with their keys, that get the same stream from the next start on; kept in memory only. They
    /// drop pictures where their link is slow; the bitrate follows the first address alone.
    SetMore(Vec<RtmpUrl>),
    /// Go live with the current settings.
    StartStream,
    /// Do not wait for the next try of a lost connection.
    RetryNow,
    /// End the stream (goodbye to the server, encoders stop unless recording).
    StopStream,
    /// Record the stream's packets into this file (MP4, Matroska or FLV by its extension); without one into a file named
    /// as the settings say. Needs no stream.
    StartRecording(Option<PathBuf>),
    /// Pause the recording, begin a new file, set a mark.
    Record(Order),
    /// End the recording.
    StopRecording,
    /// Keep the last seconds (how many: settings) of the stream's packets in memory. Needs no stream.
    StartReplay,
    /// Let go of them.
    StopReplay,
    /// Write them into this file, or one named as the settings say.
    SaveReplay(Option<PathBuf>),
    /// Make a plain MP4 of a recording, beside it; one after another.
    MakeMp4(PathBuf),
    /// Call off the MP4 that is being made.
    CancelMp4,
    /// An interrupted recording is as it should be: do not tell of it again.
    SettleRecording(PathBuf),
    /// Change the video bitrate now.
    SetVideoBitrate(Bitrate),
    /// The talk key is held or let go: sounds with push-to-talk are heard while it is held.
    SetTalking(bool),
    /// Measure loudness anew from now on.
    ResetLoudness,
    /// Set a control of a camera now, in all layers that show it; the settings follow.
    SetCameraControl {
        /// The camera's stable id; the first camera when absent, as in its settings.
        camera: Option<String>,
        /// The control's name.
        control: String,
        /// What it is set to; its default when absent.
        value: Option<i64>,
    },
    /// Put the scene of this name on air; the settings follow.
    SwitchScene {
        /// As in the list of scenes.
        name: String,
        /// How; as the settings say when absent.
        transition: Option<TransitionSettings>,
    },
    /// Have a source that is played (a media file) stand still, go on or go elsewhere.
    Play(SourceId, PlayOrder),
    /// Make the next picture a keyframe.
    RequestKeyframe,
    /// Save the composed picture as PNG.
    Screenshot(PathBuf),
    /// Look for devices again; the lists in the status follow.
    RescanDevices,
}
