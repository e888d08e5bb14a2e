//! The open sources of a scene: each distinct source is opened once, however many layers show it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::notice::{Notice, NoticeSender};
use super::status::{SoundStatus, SourceStatus};
use crate::capture::play::PlayOrder;
use crate::capture::supervisor::{SourceHandle, SourceListener};
use crate::capture::{AudioSpec, SourceContext, SourceSpec};
use crate::media::SourceId;
use crate::media::ring::AudioTap;
use crate::media::time::MediaClock;
use crate::render::SceneState;
use crate::render::scene::{Layer, Scene};
use crate::settings::{SoundSettings, VideoSettings};

struct Open {
    spec: SourceSpec,
    id: SourceId,
    handle: SourceHandle,
}

struct OpenSound {
    spec: AudioSpec,
    name: String,
    id: SourceId,
    handle: SourceHandle,
}

/// The id of a layer whose source is not open: no source has it, since 0 is the renderer's own.
const NOT_OPEN: SourceId = SourceId(0);
/// How long a camera may take to let go of its device before it is opened anew.
const LET_GO: Duration = Duration::from_millis(300);

/// Whether the layer's source must be open. A camera that nobody sees is closed: its light says what is true.
fn needs_source(layer: &Layer) -> bool {
    let seen = layer.visible && layer.opacity > 0.0;
    seen || !matches!(layer.source, SourceSpec::Camera(_))
}

/// Asks all of them to stop, and waits a moment for cameras: the next one to be opened may be the same device.
fn close(gone: Vec<Open>) {
    gone.iter().for_each(|s| s.handle.request_stop());
    let deadline = Instant::now() + LET_GO;
    for open in gone {
        if matches!(open.spec, SourceSpec::Camera(_)) && !open.handle.join_until(deadline) {
            tracing::debug!(source = %open.id, "still holds its device");
        }
    }
}

/// Sources that are open now.
pub(super) struct SourceSet {
    clock: MediaClock,
    taps: Sender<AudioTap>,
    notices: NoticeSender,
    next_id: u32,
    open: Vec<Open>,
    /// In the order of the settings.
    sounds: Vec<OpenSound>,
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
            sounds: Vec::new(),
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

    /// Opens what `scene` needs and is not open yet, closes what neither it nor a scene that is `leaving` needs (all, when
    /// `reopen`), and returns what the renderer draws from now on.
    pub(super) fn apply(
        &mut self,
        scene: &Scene,
        video: &VideoSettings,
        leaving: &[SourceId],
        reopen: bool,
    ) -> SceneState {
        let wanted = || scene.layers.iter().filter(|l| needs_source(l));
        // a camera that is wanted in another mode is not open twice: the scene that leaves keeps its last picture
        let taken = |s: &Open| {
            let camera = matches!(s.spec, SourceSpec::Camera(_));
            camera && wanted().any(|l| l.source.is_same_device(&s.spec))
        };
        let is_wanted = |s: &Open| {
            // what has ended is opened again when something of it was changed
            let done = |l: &Layer| s.handle.has_ended() && l.source != s.spec;
            wanted().any(|l| l.source.is_same_stream(&s.spec) && !done(l))
                || (leaving.contains(&s.id) && !taken(s))
        };
        let (kept, gone) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|s| !reopen && is_wanted(s));
        self.open = kept;
        close(gone);
        for layer in wanted() {
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
            let open = self.open.iter().find(|s| s.spec.is_same_stream(spec));
            open.map_or(NOT_OPEN, |s| s.id)
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

    /// Tells a picture source what to do, if it is still open.
    pub(super) fn play(&self, id: SourceId, order: PlayOrder) {
        if let Some(open) = self.open.iter().find(|s| s.id == id) {
            open.handle.play(order);
        }
    }

    /// Opens the live sounds that are not open yet, closes those that are no longer wanted (all, when `reopen`).
    pub(super) fn set_sounds(
        &mut self,
        wanted: &[SoundSettings],
        video: &VideoSettings,
        reopen: bool,
    ) {
        let mut before = std::mem::take(&mut self.sounds);
        if reopen {
            before.clear();
        }
        let kept: Vec<_> = wanted
            .iter()
            .map(|sound| {
                let same = before.iter().position(|s| s.spec == sound.source);
                same.map(|i| before.remove(i))
            })
            .collect();
        drop(before); // devices are let go before others are opened
        for (sound, kept) in wanted.iter().zip(kept) {
            let name = sound.called();
            let open = match kept {
                Some(open) => OpenSound { name, ..open },
                None => {
                    let cx = self.context(video);
                    let (id, spec) = (cx.id, sound.source.clone());
                    let handle = SourceHandle::start_audio(spec.clone(), cx, self.listener(id));
                    OpenSound {
                        spec,
                        name,
                        id,
                        handle,
                    }
                }
            };
            self.sounds.push(open);
        }
    }

    /// The picture sources that are open: they may have sound.
    pub(super) fn picture_ids(&self) -> impl Iterator<Item = SourceId> {
        self.open.iter().map(|s| s.id)
    }

    /// The live sounds, in the order of the settings.
    pub(super) fn sound_ids(&self) -> impl Iterator<Item = SourceId> {
        self.sounds.iter().map(|s| s.id)
    }

    /// What a person calls the picture source; `None` when it was closed meanwhile (its last notices mean nothing).
    pub(super) fn picture(&self, id: SourceId) -> Option<String> {
        let open = self.open.iter().find(|s| s.id == id);
        open.map(|s| s.spec.name())
    }

    /// The live sound: what a person calls it, and what it is; `None` when it was closed meanwhile.
    pub(super) fn sound(&self, id: SourceId) -> Option<(String, &AudioSpec)> {
        let open = self.sounds.iter().find(|s| s.id == id);
        open.map(|s| (s.name.clone(), &s.spec))
    }

    pub(super) fn status(&self) -> (Vec<SourceStatus>, Vec<SoundStatus>) {
        let video = self.open.iter().map(|s| SourceStatus {
            name: s.spec.name(),
            stats: s.handle.stats(),
        });
        let sounds = self.sounds.iter().map(|s| SoundStatus {
            id: s.id,
            name: s.name.clone(),
            stats: s.handle.stats(),
        });
        (video.collect(), sounds.collect())
    }

    pub(super) fn request_stop(&self) {
        let sounds = self.sounds.iter().map(|s| &s.handle);
        self.open
            .iter()
            .map(|s| &s.handle)
            .chain(sounds)
            .for_each(SourceHandle::request_stop);
    }

    /// Waits until all have ended; names those that did not.
    pub(super) fn join_until(&self, deadline: Instant) -> Vec<String> {
        let video = self.open.iter().map(|s| (s.spec.name(), &s.handle));
        let sounds = self.sounds.iter().map(|s| (s.name.clone(), &s.handle));
        video
            .chain(sounds)
            .filter(|(_, h)| !h.join_until(deadline))
            .map(|(name, _)| name)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::camera::CameraSettings;

    #[test]
    fn a_camera_that_nobody_sees_is_not_open() {
        let mut camera = Layer::new(SourceSpec::Camera(CameraSettings::default()));
        let mut pattern = Layer::new(SourceSpec::Test {});
        assert!(needs_source(&camera) && needs_source(&pattern));
        camera.opacity = 0.0;
        assert!(!needs_source(&camera));
        (camera.opacity, camera.visible) = (1.0, false);
        assert!(!needs_source(&camera));
        pattern.visible = false;
        assert!(needs_source(&pattern), "it is heard");
    }

    fn camera(device: &str, mode: Option<&str>) -> Scene {
        let camera = CameraSettings {
            device: Some(device.to_owned()),
            mode: mode.map(|m| m.parse().unwrap()),
            ..CameraSettings::default()
        };
        Scene {
            layers: vec![Layer::new(SourceSpec::Camera(camera))],
            ..Scene::default()
        }
    }

    #[test]
    fn a_camera_is_open_while_a_scene_that_is_seen_uses_it_and_once() {
        let (notices, _received) = NoticeSender::channel();
        let (taps, _tapped) = crossbeam_channel::bounded(16);
        let mut set = SourceSet::new(MediaClock::start(), taps, notices);
        let video = VideoSettings::default();
        let open = |set: &SourceSet| set.open.iter().map(|s| s.id.0).collect::<Vec<_>>();
        let first = set.apply(&camera("no such camera", None), &video, &[], false);
        let leaving = first.layer_sources;
        assert_eq!(open(&set), [1]);
        // two scenes with the same one
        set.apply(&camera("no such camera", None), &video, &leaving, false);
        assert_eq!(open(&set), [1]);
        // the next scene has none: it stays for the fade, and not longer
        let plain = Scene {
            layers: vec![Layer::new(SourceSpec::Test {})],
            ..Scene::default()
        };
        set.apply(&plain, &video, &leaving, false);
        assert_eq!(open(&set), [1, 2]);
        set.apply(&plain, &video, &[], false);
        assert_eq!(open(&set), [2]);
        // the same camera in another mode is not opened beside itself
        let leaving = set
            .apply(&camera("no such camera", None), &video, &[], false)
            .layer_sources;
        assert_eq!(open(&set), [3]);
        let other = camera("no such camera", Some("yuyv:640x480@30"));
        set.apply(&other, &video, &leaving, false);
        assert_eq!(open(&set), [4]);
    }
}
