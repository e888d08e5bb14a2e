//! What is on air: opens and closes the sources of the scene, and changes from one scene to another. The sources of the
//! scene that leaves stay open until nothing of it is seen any more, and not a moment longer: a camera's light is true.

use std::sync::Arc;

use super::Controller;
use crate::engine::event::{EventKind, Severity};
use crate::render::SceneState;
use crate::render::transition::Transition;
use crate::settings::scenes::TransitionSettings;

impl Controller {
    /// Puts the scene of that name on air.
    pub(super) fn switch_scene(&mut self, name: &str, transition: Option<TransitionSettings>) {
        let mut settings = self.settings.clone();
        if settings.switch_scene_to(name) {
            let usual = settings.scenes.transition;
            self.apply_by(settings, transition.unwrap_or(usual));
        } else {
            let names = settings.scenes.names().join(", ");
            let text = format!("there is no scene called {name}: the scenes are {names}");
            self.tell(Severity::Degraded, EventKind::Settings, text);
        }
    }

    /// What is shown now is another scene than that of the settings, to which it changes by `transition`.
    pub(super) fn begin_transition(&mut self, transition: TransitionSettings) {
        let shown = self.render_parts.scene.load_full();
        let from = match &shown.transition {
            // nothing was seen yet of the scene in between
            Some(earlier) if !earlier.has_begun() => Arc::clone(earlier.from()),
            _ => Arc::new(shown.leaving()),
        };
        let (now, length) = (self.clock.now(), transition.length());
        self.transition = Some(Arc::new(Transition::new(from, now, length)));
        self.show_scene(false);
    }

    /// Closes what only the scene that left has used.
    pub(super) fn end_transition(&mut self) {
        let now = self.clock.now();
        if self.transition.as_ref().is_some_and(|t| t.is_over(now)) {
            self.transition = None;
            self.show_scene(false);
            self.set_mixes();
        }
    }

    /// Opens what the scene needs and gives it to the render stage; opens all sources anew when `reopen`.
    pub(super) fn show_scene(&mut self, reopen: bool) {
        if reopen {
            self.transition = None; // its pictures are gone
        }
        let (scene, video) = (&self.settings.scene, &self.settings.video);
        let leaving = self.transition.as_ref();
        let leaving = leaving.map_or(&[][..], |t| &t.from().layer_sources);
        let state = self.sources.apply(scene, video, leaving, reopen);
        self.overlays.show(&scene.watermarks, video.size);
        self.render_parts.scene.store(Arc::new(SceneState {
            overlays: self.overlays.board(),
            transition: self.transition.clone(),
            ..state
        }));
    }
}
