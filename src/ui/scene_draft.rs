//! What the window does with scenes and layers, and the fields of what is being edited there.

use std::path::PathBuf;

use super::draft::{CORNER, Draft, is_camera};
use super::scene_text::{SceneWords, scene_words};
use crate::capture::still::ColorSettings;
use crate::capture::{SourceSpec, file_spec};
use crate::engine::command::Command;
use crate::media::color::Color;
use crate::render::overlay::Watermark;
use crate::render::overlay::spec::{Anchor, Content, TextSettings};
use crate::render::scene::{Layer, Placement, Scene};

/// Fields of scenes and layers.
#[derive(Debug, Default)]
pub struct SceneDraft {
    /// The scene that is being renamed, with what is typed.
    pub renaming: Option<(usize, String)>,
    /// What was typed cannot be its name.
    pub name_wrong: bool,
    /// The layer whose place and opacity are shown, from the lowest.
    pub layer: Option<usize>,
    /// The field for a file is open.
    pub adding_file: bool,
    /// What is typed there.
    pub path: String,
    /// There is no file where it points.
    pub path_missing: bool,
    /// Where the slider of a film is while it is dragged, in milliseconds.
    pub seeking: Option<u64>,
}

/// What a person does to a scene or a layer in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListChange {
    /// Towards the beginning of the list.
    Earlier,
    /// Towards its end.
    Later,
    /// Another one like it.
    Duplicate,
    /// Away with it.
    Delete,
}

impl Draft {
    /// Words of scenes and layers.
    pub const fn scene_words(&self) -> &'static SceneWords {
        scene_words(self.language)
    }

    /// Puts another scene on air.
    pub fn switch_scene(&mut self, to: usize, commands: &mut Vec<Command>) {
        let name = self
            .settings
            .scenes
            .names()
            .get(to)
            .map(|n| (*n).to_owned());
        let Some(name) = name.filter(|_| to != self.settings.scenes.on_air()) else {
            return;
        };
        self.settings.switch_scene(to);
        self.other_scene();
        let transition = None;
        commands.push(Command::SwitchScene { name, transition });
    }

    /// Adds a scene of one source; shows it at once unless viewers would see it.
    pub fn add_scene(&mut self, seen: bool, commands: &mut Vec<Command>) {
        let number = self.settings.scenes.names().len() + 1;
        let name = format!("{} {number}", self.scene_words().scene_new);
        let scene = Scene {
            layers: vec![Layer::new(SourceSpec::Test {})],
            ..Scene::default()
        };
        self.settings.add_scene(&name, scene);
        if !seen {
            let last = self.settings.scenes.names().len() - 1;
            self.settings.switch_scene(last);
            self.other_scene();
        }
        self.apply(commands);
    }

    /// Changes the list of scenes.
    pub fn change_scenes(&mut self, at: usize, change: ListChange, commands: &mut Vec<Command>) {
        let count = self.settings.scenes.names().len();
        match change {
            ListChange::Earlier => self.settings.move_scene(at, at.saturating_sub(1)),
            ListChange::Later => self.settings.move_scene(at, (at + 1).min(count - 1)),
            ListChange::Duplicate => self.settings.duplicate_scene(at),
            ListChange::Delete => {
                let shown = at == self.settings.scenes.on_air();
                self.settings.remove_scene(at);
                if shown {
                    self.other_scene();
                }
            }
        }
        self.scene.renaming = None;
        self.apply(commands);
    }

    /// Takes the typed name; false when it cannot be one.
    pub fn finish_renaming(&mut self, commands: &mut Vec<Command>) {
        let Some((at, name)) = self.scene.renaming.clone() else {
            return;
        };
        self.scene.name_wrong = !self.settings.rename_scene(at, &name);
        if !self.scene.name_wrong {
            self.scene.renaming = None;
            self.apply(commands);
        }
    }

    /// The fields are those of the scene that is on air now.
    fn other_scene(&mut self) {
        self.scene = SceneDraft::default();
        self.watermark.choose(&self.settings.scene.watermarks, 0);
        self.file_missing = false;
        self.file_path = match self.source() {
            Some(SourceSpec::File(file)) => file.path.display().to_string(),
            _ => String::new(),
        };
    }

    /// Puts a source above all others: a camera into the corner, anything else over the whole picture.
    pub fn add_layer(&mut self, source: SourceSpec, commands: &mut Vec<Command>) {
        let layers = &mut self.settings.scene.layers;
        let mut layer = Layer::new(source);
        if is_camera(&layer.source) && !layers.is_empty() {
            layer.placement = CORNER;
        }
        layers.push(layer);
        self.scene.layer = Some(layers.len() - 1);
        self.apply(commands);
    }

    /// Puts a plain colour above all others.
    pub fn add_color_layer(&mut self, commands: &mut Vec<Command>) {
        let color = ColorSettings {
            color: Color([0x20, 0x40, 0x80, 0xff]),
        };
        self.add_layer(SourceSpec::Color(color), commands);
    }

    /// Adds a line of text, to be edited under the watermarks.
    pub fn add_text(&mut self, commands: &mut Vec<Command>) {
        let text = self.text().watermark_new_text.to_owned();
        let watermarks = &mut self.settings.scene.watermarks;
        watermarks.push(Watermark {
            content: Content::Text(TextSettings {
                text,
                ..TextSettings::default()
            }),
            ..Watermark::default()
        });
        let last = watermarks.len() - 1;
        self.watermark.choose(&self.settings.scene.watermarks, last);
        self.apply(commands);
    }

    /// Adds the file in the field.
    pub fn add_file_layer(&mut self, commands: &mut Vec<Command>) {
        let path = PathBuf::from(self.scene.path.trim());
        self.scene.path_missing = !path.exists();
        if !self.scene.path_missing {
            self.add_layer(file_spec(path), commands);
            self.scene.adding_file = false;
            self.scene.path.clear();
        }
    }

    /// Changes the layers; earlier in their list is nearer to the viewer.
    pub fn change_layers(&mut self, at: usize, change: ListChange, commands: &mut Vec<Command>) {
        let layers = &mut self.settings.scene.layers;
        let Some(layer) = layers.get(at).cloned() else {
            return;
        };
        let to = match change {
            ListChange::Earlier => (at + 1).min(layers.len() - 1),
            ListChange::Later => at.saturating_sub(1),
            ListChange::Duplicate => {
                layers.insert(at + 1, layer);
                at + 1
            }
            ListChange::Delete => {
                layers.remove(at);
                self.scene.layer = None;
                return self.apply(commands);
            }
        };
        if matches!(change, ListChange::Earlier | ListChange::Later) {
            layers.swap(at, to);
        }
        self.scene.layer = Some(to);
        self.apply(commands);
    }
}

/// Left free between a small layer and the edge of the picture, as a share of it.
const MARGIN: f32 = 0.02;

/// Where a layer lies, in the words of the panel: one of nine places, and its size.
pub fn place_of(placement: &Placement) -> (Anchor, f32) {
    let third = |from: f32, length: f32| {
        let free = 1.0 - length;
        match () {
            () if free < 0.01 || (from - free / 2.0).abs() < free / 4.0 => 1,
            () if from < free / 2.0 => 0,
            () => 2,
        }
    };
    let column = third(placement.x, placement.width);
    let row = third(placement.y, placement.height);
    (
        Anchor::ALL[row * 3 + column],
        placement.width.max(placement.height),
    )
}

/// Puts a layer there, keeping its shape.
pub fn put(placement: &mut Placement, anchor: Anchor, size: f32) {
    let scale = size / placement.width.max(placement.height).max(0.001);
    placement.width *= scale;
    placement.height *= scale;
    let at = |cell: u8, length: f32| {
        let margin = MARGIN.min((1.0 - length).max(0.0) / 2.0);
        match cell {
            0 => margin,
            1 => (1.0 - length) / 2.0,
            _ => 1.0 - length - margin,
        }
    };
    let [column, row] = anchor.cell();
    placement.x = at(column, placement.width);
    placement.y = at(row, placement.height);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_where_it_was_put() {
        for anchor in Anchor::ALL {
            for size in [0.1, 0.25, 0.6, 0.9] {
                let mut placement = Placement::default();
                put(&mut placement, anchor, size);
                let (found, as_large) = place_of(&placement);
                assert_eq!(found, anchor, "{size}");
                assert!((as_large - size).abs() < 1e-4);
                assert!(placement.x >= 0.0 && placement.x + placement.width <= 1.0001);
            }
        }
        assert_eq!(place_of(&CORNER).0, Anchor::BottomRight);
        let mut whole = CORNER;
        put(&mut whole, Anchor::TopLeft, 1.0);
        assert!(whole.x.abs() < 1e-4 && (whole.width - 1.0).abs() < 1e-4);
    }
}
