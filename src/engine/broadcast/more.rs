//! Further destinations of a stream: each has a queue and a task of its own, and an encoder of its own if that is wished
//! for. Engine's thread.

use std::sync::Arc;
use std::time::Instant;

use super::super::encoders::format;
use super::super::notice::Notice;
use super::super::own_encoder::{FromKeyframe, Opening, OwnEncoder};
use super::{Attached, Broadcast, BroadcastError, Purpose};
use crate::audio::AudioStage;
use crate::encode::{EncodeError, VideoEncoderSettings};
use crate::output::tuning::StreamTuning;
use crate::output::{self, Output, OutputSpec};
use crate::render::EncoderInputs;
use crate::rtmp::url::RtmpUrl;
use crate::settings::{MoreEncode, Settings};

impl Broadcast {
    /// A further destination treats its link as the stream does; whether it has a say in the bitrate is a setting.
    pub(super) fn tune_more(&self, more: &Attached, encode: MoreEncode) {
        let tuning = self.tuning.get();
        more.tuning.set_network((*self.tuning.network()).clone());
        let has_say = more.own.is_some() || encode == MoreEncode::Slowest;
        more.tuning.set(StreamTuning {
            adapt: tuning.adapt && has_say,
            ..tuning
        });
        if let Some(own) = &more.own {
            own.control.set_bitrate(tuning.limits.ceiling);
        } else if has_say {
            self.limits.admit(more.id);
        } else {
            self.limits.dismiss(more.id, &self.control);
        }
    }

    /// Starts pushing the running stream to one more address; with an encoder of its own, if the settings say so.
    pub(in crate::engine) fn start_more(
        &mut self,
        url: RtmpUrl,
        settings: &Settings,
        ladder: Vec<VideoEncoderSettings>,
    ) -> Result<(), BroadcastError> {
        let spec = OutputSpec::Rtmp(url);
        let encode = settings.stream.more;
        let mut own = (encode == MoreEncode::Own).then(OwnEncoder::new);
        let opened = own.as_mut().map(|own| self.open_own(own, settings, ladder));
        let failed = opened.and_then(Result::err);
        if failed.is_some() {
            own = None; // the pictures of the others are better than none
        }
        let attached = self.attach(Purpose::More, own, |cx| output::start(&spec, cx))?;
        self.tune_more(&attached, encode);
        self.more.push(attached);
        self.publish_inputs();
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Numbers of the encoders of single destinations that have ended by themselves.
    pub(in crate::engine) fn ended_own(&self) -> Vec<u32> {
        let own = self.more.iter().filter_map(|m| m.own.as_ref());
        own.filter(|o| o.has_ended()).map(|o| o.number).collect()
    }

    pub(super) fn open_own(
        &mut self,
        own: &mut OwnEncoder,
        settings: &Settings,
        ladder: Vec<VideoEncoderSettings>,
    ) -> Result<(), EncodeError> {
        self.encoders += 1;
        let number = self.encoders;
        let notices = self.notices.clone();
        let opening = Opening {
            settings: settings.encoder.clone(),
            ladder,
            format: format(settings),
            clock: self.clock,
            factory: Arc::clone(&self.opener),
            listener: Arc::new(move |event| notices.send(Notice::Encoder(number, event))),
        };
        own.start(number, opening)
    }

    /// The encoder of one destination is lost: it gets the shared one's pictures from now on. Its address, in words.
    pub(in crate::engine) fn share_instead(&mut self, number: u32) -> Option<String> {
        let is_its = |own: &OwnEncoder| own.number == number;
        let more = self
            .more
            .iter_mut()
            .find(|m| m.own.as_ref().is_some_and(is_its))?;
        let mut own = more.own.take()?;
        own.stop(Instant::now());
        more.tuning.set(StreamTuning {
            adapt: false,
            ..more.tuning.get()
        });
        self.bus.detach(&more.sink);
        more.sink = Arc::new(FromKeyframe::new(Arc::<dyn Output>::clone(&more.output)));
        let shared = (Arc::clone(&self.control), Arc::clone(&self.limits));
        more.hand.store(Arc::new(shared));
        self.bus.attach(&more.sink);
        let target = more.output.stats().target;
        self.control.request_keyframe();
        self.publish_inputs();
        Some(target)
    }

    /// Tells the render stage where pictures go.
    pub(super) fn publish_inputs(&self) {
        let inputs = self.input.clone().map(|main| {
            let own = |m: &Attached| m.own.as_ref().and_then(OwnEncoder::input);
            Arc::new(EncoderInputs {
                main,
                more: self.more.iter().filter_map(own).collect(),
            })
        });
        self.frames.store(inputs);
    }

    /// Ends one further destination.
    pub(in crate::engine) fn stop_more(&mut self, id: u32, audio: &AudioStage) {
        if let Some(at) = self.more.iter().position(|a| a.id == id) {
            let attached = self.more.swap_remove(at);
            self.publish_inputs();
            self.end(attached, audio, true);
        }
    }
}
