//! Fields of the watermark being edited: what is typed and not yet, or no more, what the settings say.

use crate::render::overlay::Watermark;
use crate::render::overlay::spec::Content;

/// Fields of the watermark being edited.
#[derive(Debug, Default)]
pub struct WatermarkDraft {
    /// Which one, from 0.
    pub chosen: usize,
    /// Text field; goes into the settings while it is one that can be filled in.
    pub text: String,
    /// Why the text is not: said below the field.
    pub problem: Option<String>,
    /// Image file field.
    pub path: String,
    /// Field of the file that the text is taken from.
    pub text_file: String,
    /// Time zone field; goes into the settings while there is such a zone.
    pub zone: String,
    /// Why there is none: said below the field.
    pub zone_problem: Option<String>,
    /// What is looked for among the fonts.
    pub font: String,
    /// The button to remove it was clicked.
    pub remove: bool,
}

impl WatermarkDraft {
    /// Fills the fields with those of watermark `index`.
    pub fn choose(&mut self, watermarks: &[Watermark], index: usize) {
        *self = Self {
            chosen: index,
            ..Self::default()
        };
        match watermarks.get(index).map(|w| &w.content) {
            Some(Content::Text(text)) => {
                text.text.clone_into(&mut self.text);
                text.time_zone.clone_into(&mut self.zone);
                let file = text.file.as_ref();
                self.text_file = file.map_or_else(String::new, |f| f.display().to_string());
            }
            Some(Content::Image(image)) => self.path = image.path.display().to_string(),
            None => {}
        }
    }
}
