//! The open sources of a scene: each distinct source is opened once, however many layers show it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::Sender;

use super::notice::{Notice, NoticeSender};
use super::status::SourceStatus;
use crate::capture::supervisor::{SourceHandle, SourceListener};
use crate::capture::{AudioSpec, SourceContext, SourceSpec};
use crate::media::SourceId;
use crate::media::ring::AudioTap;
use crate::media::time::MediaClock;
use crate::render::SceneState;
use crate::render::scene::Scene;
use crate::settings::VideoSettings;

struct Open {
    spec: SourceSpec,
    id: SourceId,
    handle: SourceHandle,
}

/// Sources that are open now.
pub(super) struct SourceSet {
    clock: MediaClock,
    taps: Sender<AudioTap>,
    notices: NoticeSender,
    next_id: u32,
    open: Vec<Open>,
    microphone: Option<(String, SourceId, SourceHandle)>,
}

impl SourceSet {
    pub(super) fn new(clock: MediaClock, taps: Sender<AudioTap>, notices: NoticeSender) -> Self {
        // 0 is the renderer's own
        Self {
            clock,
            taps,
            notices,
            next_id: 1,
            open: Vec::new(),
            microphone: None,
        }
    }

    fn context(&mut self, video: &VideoSettings) -> SourceContext {
        let id = SourceId(self.next_id);
        self.next_id += 1;
        let (clock, taps) = (self.clock, self.taps.clone());
        SourceContext {
            id,
            clock,
            rate: video.fps,
            resolution: video.size,
            taps,
        }
    }

    fn listener(&self, id: SourceId) -> SourceListener {
        let notices = self.notices.clone();
        Arc::new(move |event| notices.send(Notice::Source(id, event)))
    }

    /// Opens what `scene` needs and is not open yet, closes what it no longer needs (all, when `reopen`), and returns
    /// what the renderer draws from now on.
    pub(super) fn apply(
        &mut self,
        scene: &Scene,
        video: &VideoSettings,
        reopen: bool,
    ) -> SceneState {
        self.open.retain(|s| {
            !reopen
                && scene
                    .layers
                    .iter()
                    .any(|l| l.source.is_same_stream(&s.spec))
        }); // dropping asks to stop
        for layer in &scene.layers {
            let same = |s: &&mut Open| layer.source.is_same_stream(&s.spec);
            if let Some(open) = self.open.iter_mut().find(same) {
                if open.spec != layer.source {
                    open.spec.clone_from(&layer.source);
                    open.handle.adjust(layer.source.clone());
                }
            } else {
                let cx = self.context(video);
                let (id, spec) = (cx.id, layer.source.clone());
                let handle = SourceHandle::start_video(spec.clone(), cx, self.listener(id));
                self.open.push(Open { spec, id, handle });
            }
        }
        let id_of = |spec: &SourceSpec| {
            self.open
                .iter()
                .find(|s| s.spec.is_same_stream(spec))
                .map(|s| s.id)
                .expect("opened above")
        };
        SceneState {
            scene: scene.clone(),
            layer_sources: scene.layers.iter().map(|l| id_of(&l.source)).collect(),
            sources: self
                .open
                .iter()
                .map(|s| (s.id, Arc::clone(s.handle.slot())))
                .collect::<HashMap<_, _>>(),
            ..SceneState::default()
        }
    }

    /// Opens the live sound input in place of the one before. Returns its id for gain and mute.
    pub(super) fn set_microphone(
        &mut self,
        spec: &AudioSpec,
        video: &VideoSettings,
    ) -> Option<SourceId> {
        self.microphone = None;
        let name = match spec {
            AudioSpec::None => return None,
            AudioSpec::Default => "default microphone".to_owned(),
            AudioSpec::Device(name) => name.clone(),
        };
        let cx = self.context(video);
        let id = cx.id;
        let handle = SourceHandle::start_audio(spec.clone(), cx, self.listener(id))?;
        self.microphone = Some((name, id, handle));
        Some(id)
    }

    /// What a person calls the source; `None` when it was closed meanwhile (its last notices mean nothing).
    pub(super) fn name(&self, id: SourceId) -> Option<String> {
        let video = self.open.iter().find(|s| s.id == id).map(|s| s.spec.name());
        video.or_else(|| {
            self.microphone
                .as_ref()
                .filter(|m| m.1 == id)
                .map(|m| m.0.clone())
        })
    }

    pub(super) fn status(&self) -> (Vec<SourceStatus>, Option<SourceStatus>) {
        let one = |name: String, handle: &SourceHandle| SourceStatus {
            name,
            stats: handle.stats(),
        };
        let video = self
            .open
            .iter()
            .map(|s| one(s.spec.name(), &s.handle))
            .collect();
        (
            video,
            self.microphone
                .as_ref()
                .map(|(name, _, handle)| one(name.clone(), handle)),
        )
    }

    pub(super) fn request_stop(&self) {
        let microphone = self.microphone.iter().map(|(_, _, handle)| handle);
        self.open
            .iter()
            .map(|s| &s.handle)
            .chain(microphone)
            .for_each(SourceHandle::request_stop);
    }

    /// Waits until all have ended; names those that did not.
    pub(super) fn join_until(&self, deadline: Instant) -> Vec<String> {
        let video = self.open.iter().map(|s| (s.spec.name(), &s.handle));
        let microphone = self
            .microphone
            .iter()
            .map(|(name, _, handle)| (name.clone(), handle));
        video
            .chain(microphone)
            .filter(|(_, h)| !h.join_until(deadline))
            .map(|(name, _)| name)
            .collect()
    }
}
