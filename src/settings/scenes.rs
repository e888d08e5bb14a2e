//! The scenes of the show: a list of which one is on air (that is `scene` in [`Settings`]), the others beside it, and how
//! one changes into another. Plain data, and the changes of the list that a person makes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{FieldError, Settings, check_range};
use crate::render::scene::Scene;

/// The other scenes, and how to get to them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SceneList {
    /// What the scene on air is called.
    pub name: String,
    /// How many of the others stand before it in the list.
    pub place: usize,
    /// How one scene changes into another.
    pub transition: TransitionSettings,
    /// The others, in order.
    #[serde(rename = "other", skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<NamedScene>,
}

/// A scene that is not on air: none of its sources is open.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NamedScene {
    /// What it is called; no other scene has that name.
    pub name: String,
    /// What it shows.
    pub scene: Scene,
}

/// How one scene changes into another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TransitionSettings {
    /// At once, or mixed.
    pub kind: TransitionKind,
    /// How long a fade takes: milliseconds, 50 to 5000.
    pub ms: u32,
}

/// At once, or mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransitionKind {
    /// From one picture to the next.
    Cut,
    /// One goes as the other comes.
    #[default]
    Fade,
}

impl TransitionSettings {
    /// From one picture to the next.
    pub const CUT: Self = Self {
        kind: TransitionKind::Cut,
        ms: 300,
    };

    /// One goes as the other comes, in `ms` milliseconds.
    pub const fn fade(ms: u32) -> Self {
        Self {
            kind: TransitionKind::Fade,
            ms,
        }
    }

    /// How long it takes; zero for a cut.
    pub fn length(self) -> Duration {
        match self.kind {
            TransitionKind::Cut => Duration::ZERO,
            TransitionKind::Fade => Duration::from_millis(self.ms.into()),
        }
    }
}

impl Default for TransitionSettings {
    fn default() -> Self {
        Self::fade(300)
    }
}

impl Default for SceneList {
    fn default() -> Self {
        Self {
            name: "Scene 1".to_owned(),
            place: 0,
            transition: TransitionSettings::default(),
            others: Vec::new(),
        }
    }
}

/// Longest name, in characters.
const LONGEST: usize = 60;

impl SceneList {
    /// Where the scene on air stands among all.
    pub fn on_air(&self) -> usize {
        self.place.min(self.others.len())
    }

    /// The names of all scenes, in order.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.others.iter().map(|s| s.name.as_str()).collect();
        names.insert(self.on_air(), &self.name);
        names
    }

    /// `base` if no scene has that name, else with the first free number behind it.
    pub fn free_name(&self, base: &str) -> String {
        let names = self.names();
        let numbered = |n: usize| format!("{base} {n}");
        let mut all = std::iter::once(base.to_owned()).chain((2..).map(numbered));
        all.find(|name| !names.contains(&name.as_str()))
            .unwrap_or_default()
    }

    /// The scene that is on air is another one than before, not the same with another name.
    pub fn is_switch(&self, before: &Self) -> bool {
        let has = |list: &Self, name: &str| list.others.iter().any(|s| s.name == name);
        self.name != before.name && (has(self, &before.name) || has(before, &self.name))
    }

    pub(super) fn problems(&self, out: &mut Vec<FieldError>) {
        check_range(out, "scenes.transition.ms", self.transition.ms, 50, 5000);
        let fields = (0..self.others.len()).map(|n| format!("scenes.other[{n}].name"));
        let fields: Vec<_> = std::iter::once("scenes.name".to_owned())
            .chain(fields)
            .collect();
        let others = self.others.iter().map(|s| &s.name);
        let names: Vec<_> = std::iter::once(&self.name).chain(others).collect();
        for (n, (field, name)) in fields.iter().zip(&names).enumerate() {
            if let Some(reason) = wrong_name(name, &names[..n]) {
                out.push(FieldError::new(field, reason));
            }
        }
    }
}

fn wrong_name(name: &str, before: &[&String]) -> Option<String> {
    if name.trim().is_empty() {
        return Some("a scene needs a name".to_owned());
    }
    if name.chars().count() > LONGEST || name.chars().any(char::is_control) {
        return Some(format!(
            "a name has at most {LONGEST} characters, on one line"
        ));
    }
    let taken = before.iter().any(|other| *other == name);
    taken.then(|| format!("two scenes are called {name:?}"))
}

/// The list of scenes as a person sees it: numbers are places in it, from 0; one that is not there changes nothing.
impl Settings {
    /// Changes the list as a whole: all scenes, and which is on air.
    fn with_scenes(&mut self, change: impl FnOnce(&mut Vec<NamedScene>, &mut usize)) {
        let mut on_air = self.scenes.on_air();
        let mut all = std::mem::take(&mut self.scenes.others);
        let name = std::mem::take(&mut self.scenes.name);
        let scene = std::mem::take(&mut self.scene);
        all.insert(on_air, NamedScene { name, scene });
        change(&mut all, &mut on_air);
        // a change leaves at least one scene
        on_air = on_air.min(all.len().saturating_sub(1));
        let NamedScene { name, scene } = all.remove(on_air);
        self.scene = scene;
        self.scenes.name = name;
        self.scenes.place = on_air;
        self.scenes.others = all;
    }

    /// Puts another scene on air.
    pub fn switch_scene(&mut self, to: usize) {
        self.with_scenes(|all, on_air| {
            if to < all.len() {
                *on_air = to;
            }
        });
    }

    /// Puts the scene of that name on air; false when there is none.
    pub fn switch_scene_to(&mut self, name: &str) -> bool {
        let found = self.scenes.names().iter().position(|n| *n == name);
        if let Some(to) = found {
            self.switch_scene(to);
        }
        found.is_some()
    }

    /// Adds a scene at the end of the list, under a name that is free.
    pub fn add_scene(&mut self, name: &str, scene: Scene) {
        let name = self.scenes.free_name(name);
        self.scenes.others.push(NamedScene { name, scene });
    }

    /// Puts a copy behind a scene.
    pub fn duplicate_scene(&mut self, of: usize) {
        let Some(name) = self.scenes.names().get(of).map(|n| (*n).to_owned()) else {
            return;
        };
        let name = self.scenes.free_name(&name);
        self.with_scenes(|all, on_air| {
            let scene = all[of].scene.clone();
            all.insert(of + 1, NamedScene { name, scene });
            *on_air += usize::from(*on_air > of);
        });
    }

    /// Takes a scene away; the last one stays. In place of the one on air comes the next.
    pub fn remove_scene(&mut self, index: usize) {
        self.with_scenes(|all, on_air| {
            if all.len() > 1 && index < all.len() {
                all.remove(index);
                *on_air -= usize::from(*on_air > index);
            }
        });
    }

    /// Moves a scene within the list.
    pub fn move_scene(&mut self, from: usize, to: usize) {
        self.with_scenes(|all, on_air| {
            if from < all.len() && to < all.len() {
                let scene = all.remove(from);
                all.insert(to, scene);
                *on_air = match *on_air {
                    at if at == from => to,
                    at if from < at && at <= to => at - 1,
                    at if to <= at && at < from => at + 1,
                    at => at,
                };
            }
        });
    }

    /// Calls a scene something else; false when that cannot be its name.
    pub fn rename_scene(&mut self, index: usize, name: &str) -> bool {
        let name = name.trim().to_owned();
        let names = self.scenes.names().into_iter().enumerate();
        let others: Vec<_> = names
            .filter(|(n, _)| *n != index)
            .map(|(_, other)| other.to_owned())
            .collect();
        if wrong_name(&name, &others.iter().collect::<Vec<_>>()).is_some() {
            return false;
        }
        self.with_scenes(|all, _| {
            if let Some(scene) = all.get_mut(index) {
                scene.name = name;
            }
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::capture::SourceSpec;
    use crate::render::scene::Layer;
    use crate::settings::file;

    fn scenes(names: &[&str], on_air: usize) -> Settings {
        let mut settings = Settings::default();
        names[0].clone_into(&mut settings.scenes.name);
        for name in &names[1..] {
            settings.add_scene(name, Scene::default());
        }
        settings.switch_scene(on_air);
        settings
    }

    fn list(settings: &Settings) -> String {
        let names = settings.scenes.names().into_iter().enumerate();
        let on_air = settings.scenes.on_air();
        let marked = names.map(|(n, name)| {
            if n == on_air {
                format!("[{name}]")
            } else {
                name.to_owned()
            }
        });
        marked.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_list_is_changed_as_asked_and_the_scene_on_air_stays() {
        let mut s = scenes(&["a", "b", "c"], 1);
        assert_eq!(list(&s), "a [b] c");
        s.switch_scene(7);
        assert_eq!(list(&s), "a [b] c");
        s.move_scene(0, 2);
        assert_eq!(list(&s), "[b] c a");
        s.move_scene(0, 1);
        assert_eq!(list(&s), "c [b] a");
        s.move_scene(2, 0);
        assert_eq!(list(&s), "a c [b]");
        s.duplicate_scene(0);
        assert_eq!(list(&s), "a a 2 c [b]");
        s.duplicate_scene(3);
        assert_eq!(list(&s), "a a 2 c [b] b 2");
        s.remove_scene(0);
        assert_eq!(list(&s), "a 2 c [b] b 2");
        s.remove_scene(2);
        assert_eq!(list(&s), "a 2 c [b 2]");
        assert!(s.switch_scene_to("c") && !s.switch_scene_to("nothing"));
        assert_eq!(list(&s), "a 2 [c] b 2");
        assert!(
            s.rename_scene(1, " 游戏 ") && !s.rename_scene(0, "游戏") && !s.rename_scene(0, " ")
        );
        assert_eq!(list(&s), "a 2 [游戏] b 2");
        for _ in 0..5 {
            s.remove_scene(0);
        }
        assert_eq!(list(&s), "[b 2]");
        assert_eq!(s.problems(), []);
    }

    #[test]
    fn each_scene_keeps_what_it_shows() {
        let mut s = scenes(&["a", "b"], 0);
        assert_eq!(s.scene.layers.len(), 1);
        s.switch_scene(1);
        assert_eq!(s.scene.layers.len(), 0);
        s.scene.layers.push(Layer::new(SourceSpec::Test {}));
        s.scene.layers.push(Layer::new(SourceSpec::Test {}));
        s.switch_scene(0);
        assert_eq!(s.scene.layers.len(), 1);
        let text = toml::to_string_pretty(&s).unwrap();
        let mut read = file::parse(&text, Path::new("settings.toml")).unwrap();
        assert_eq!(read, s, "{text}");
        read.switch_scene(1);
        assert_eq!(read.scene.layers.len(), 2);
    }

    #[test]
    fn a_switch_is_told_from_a_new_name() {
        let old = scenes(&["a", "b"], 0);
        let mut new = old.clone();
        assert!(new.rename_scene(0, "x"));
        assert!(!new.scenes.is_switch(&old.scenes));
        let mut new = old.clone();
        new.switch_scene(1);
        assert!(new.scenes.is_switch(&old.scenes));
        let mut new = old.clone();
        new.remove_scene(0);
        assert!(new.scenes.is_switch(&old.scenes));
    }

    #[test]
    fn wrong_names_and_older_files() {
        let read = |text: &str| file::parse(text, Path::new("settings.toml"));
        let old = read("[[scene.layer]]\nsource = { kind = \"test\" }").unwrap();
        assert_eq!(list(&old), "[Scene 1]");
        for (text, want) in [
            ("[scenes]\nname = \"\"", "scenes.name"),
            (
                "[scenes]\nname = \"a\"\n[[scenes.other]]\nname = \"a\"",
                "scenes.other[0].name",
            ),
            (
                "[[scenes.other]]\nname = \"b\"\n[[scenes.other.scene.layer]]\nopacity = 7.0\nsource = { kind = \"test\" }",
                "scenes.other[0].scene.layer[0].opacity",
            ),
            ("[scenes.transition]\nms = 1", "scenes.transition.ms"),
        ] {
            let message = read(text).unwrap_err().to_string();
            assert!(message.contains(want), "{message}");
        }
    }
}
