//! Outputs of a PulseAudio server, or of PipeWire in its place. As with microphones the stream may not be moved: what is
//! heard in headphones must not come out of loudspeakers because those were pulled out.

use std::time::Duration;

use pulseaudio::protocol::stream::{BufferAttr, StreamFlags};
use pulseaudio::protocol::{
    ChannelMap, PlaybackStreamParams, Prop, Props, SampleFormat, SampleSpec, SinkInfo,
};
use pulseaudio::{AsPlaybackSource as _, PlaybackStream};

use super::{Opened, OutputDevice};
use crate::capture::SoundKind;
use crate::capture::microphone::names::{self, Label};
use crate::capture::microphone::server::{ANSWER_WITHIN, Server, text, within};
use crate::media::audio::ENGINE_RATE;
use crate::media::playback::{PlaybackTap, playback_ring};
use crate::stage::StopFlag;

/// How often the server is asked whether the stream is still there.
const ASK: Duration = Duration::from_millis(250);
/// Every so many times it is asked for its default.
const FOLLOW_EACH: u32 = 4;
/// What the server holds of ours, in bytes: 40 ms of stereo `f32` at 48 kHz.
const HELD: u32 = ENGINE_RATE / 25 * 8;

pub(super) fn list(server: &Server) -> Vec<OutputDevice> {
    let default = server.default_name(SoundKind::Desktop);
    let describe = |(_, label): (SinkInfo, Label)| OutputDevice {
        default: default.as_ref() == Some(&label.id),
        name: label.name,
        id: label.id,
    };
    sinks(server).into_iter().map(describe).collect()
}

fn sinks(server: &Server) -> Vec<(SinkInfo, Label)> {
    let Some(Ok(infos)) = within(ANSWER_WITHIN, server.client.list_sinks()) else {
        return Vec::new();
    };
    let labelled = |info: SinkInfo| {
        let id = text(&info.name);
        let name = info.description.as_deref().map_or_else(|| id.clone(), text);
        (info, Label { name, id })
    };
    let mut sinks: Vec<_> = infos.into_iter().map(labelled).collect();
    names::tell_apart(&mut sinks.iter_mut().map(|s| &mut s.1).collect::<Vec<_>>());
    sinks
}

pub(super) fn play(
    server: &Server,
    device: Option<&str>,
    opened: Opened<'_>,
    stop: &StopFlag,
) -> Result<(), String> {
    let default = || server.default_name(SoundKind::Desktop);
    let wanted = match device {
        Some(device) => device.to_owned(),
        None => default().ok_or("this machine has no sound output")?,
    };
    let mut all = sinks(server);
    let labels: Vec<&Label> = all.iter().map(|s| &s.1).collect();
    let chosen = names::choose(&wanted, &labels).map_err(|e| super::not_found(&wanted, &e))?;
    let (info, label) = all.swap_remove(chosen);
    let (ring, tap) = playback_ring(ENGINE_RATE);
    let hush = tap.hush();
    let stream = open(server, &info, tap)?;
    opened(&label.name, &label.id, ring);
    let mut asked = 0_u32;
    while !stop.sleep(ASK) {
        match within(ANSWER_WITHIN, stream.timing_info()) {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                tracing::debug!(%error, "an output ended");
                return Err(format!("{} went away", label.name));
            }
            None => return Err("the sound server does not answer".to_owned()),
        }
        asked += 1;
        if device.is_none()
            && asked.is_multiple_of(FOLLOW_EACH)
            && default().is_some_and(|now| now != label.id)
        {
            break;
        }
    }
    super::fall_silent(&hush);
    Ok(())
}

fn open(server: &Server, sink: &SinkInfo, mut tap: PlaybackTap) -> Result<PlaybackStream, String> {
    let mut props = Props::new();
    props.set(Prop::MediaName, c"listening in");
    let params = PlaybackStreamParams {
        sample_spec: SampleSpec {
            format: SampleFormat::Float32Le,
            channels: 2,
            sample_rate: ENGINE_RATE,
        },
        channel_map: ChannelMap::stereo(),
        sink_index: Some(sink.index),
        buffer_attr: BufferAttr {
            target_length: HELD,
            minimum_request_length: HELD / 4,
            pre_buffering: 0, // silence where nothing is there: it never waits
            ..BufferAttr::default()
        },
        flags: StreamFlags {
            adjust_latency: true,
            no_move: true,
            ..StreamFlags::default()
        },
        props,
        ..PlaybackStreamParams::default()
    };
    let callback = move |buffer: &mut [u8]| {
        let frames = buffer.as_chunks_mut::<8>().0;
        tap.read(frames.len(), |i, [left, right]| {
            let bytes = &mut frames[i];
            bytes[..4].copy_from_slice(&left.to_le_bytes());
            bytes[4..].copy_from_slice(&right.to_le_bytes());
        });
        frames.len() * 8
    };
    let created = server
        .client
        .create_playback_stream(params, callback.as_playback_source());
    match within(ANSWER_WITHIN, created) {
        Some(Ok(stream)) => Ok(stream),
        Some(Err(error)) => Err(format!("the output cannot be opened: {error}")),
        None => Err("the sound server does not answer".to_owned()),
    }
}
