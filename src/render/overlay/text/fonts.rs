//! Fonts: the system's, found by name, or a file; and for what a font lacks, the next best one that has it. Overlay
//! thread.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use fontdb::{Database, Family, ID, Query, Source, Style, Weight};
use harfrust::ShaperData;
use parking_lot::Mutex;
use skrifa::raw::TableProvider as _;
use skrifa::{FontRef, MetadataProvider as _};
use unicode_properties::emoji::{EmojiStatus, UnicodeEmoji as _};

use crate::media::disk::{open_regular, read_start};

/// What is left when the system has no font at all: ASCII and the name. Licence: assets/fonts/OFL.txt.
const BUILT_IN: &[u8] = include_bytes!("../../../../assets/fonts/NotoSansSC-Bold-subset.otf");

/// Taken when no font is asked for; the first that is there.
const DEFAULTS: [&str; 9] = [
    "Noto Sans CJK SC",
    "PingFang SC",
    "Microsoft YaHei",
    "Source Han Sans SC",
    "Noto Sans SC",
    "Noto Sans",
    "Helvetica Neue",
    "DejaVu Sans",
    "Arial",
];

/// Emoji fonts, best first.
const EMOJI: [&str; 5] = [
    "Noto Color Emoji",
    "Apple Color Emoji",
    "Segoe UI Emoji",
    "Twemoji Mozilla",
    "Noto Emoji",
];

/// Asked, in this order, for what the chosen font lacks, before all others: simplified Chinese before Japanese and
/// Korean, else the shape of Han characters would be that of whichever font comes first.
const FALLBACKS: [&str; 22] = [
    "Noto Sans CJK SC",
    "PingFang SC",
    "Microsoft YaHei",
    "Source Han Sans SC",
    "Noto Sans SC",
    "WenQuanYi Micro Hei",
    "Noto Sans CJK JP",
    "Hiragino Sans",
    "Yu Gothic",
    "Noto Sans CJK KR",
    "Apple SD Gothic Neo",
    "Malgun Gothic",
    "Noto Sans",
    "Segoe UI",
    "DejaVu Sans",
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
    "Noto Sans Thai",
    "Noto Sans Devanagari",
    "Segoe UI Symbol",
    "Noto Sans Symbols",
    "Noto Sans Symbols 2",
];

/// Bytes of a font's file; the largest collections of Chinese fonts have some 200 million.
const LONGEST_FILE: u64 = 512 << 20;
/// Clusters that are remembered.
const MOST_FOUND: usize = 10_000;

/// A font ready for shaping and drawing.
pub(super) struct Face {
    /// Tables, for bitmaps and colour.
    pub(super) tables: FontRef<'static>,
    /// Outlines; `None` for fonts of bitmaps only.
    pub(super) outlines: Option<rusttype::Font<'static>>,
    shaper: ShaperData,
    /// Units per em.
    pub(super) em: f32,
    /// Above the baseline, in em.
    pub(super) ascent: f32,
    /// Below the baseline, in em; positive.
    pub(super) descent: f32,
    /// Upper and lower end of the letters themselves, without the room that some fonts (Chinese ones above all) have above
    /// them: what a box is drawn about. In em from the baseline, both positive.
    pub(super) body: [f32; 2],
}

impl fmt::Debug for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Face(em={})", self.em)
    }
}

impl Face {
    fn load(bytes: &'static [u8], index: u32) -> Option<Self> {
        let tables = FontRef::from_index(bytes, index).ok()?;
        let metrics = tables.metrics(
            skrifa::instance::Size::unscaled(),
            skrifa::instance::LocationRef::default(),
        );
        // OpenType specification, head table; rusttype and the sizes of coloured glyphs divide by it
        if !(16..=16_384).contains(&metrics.units_per_em) {
            return None;
        }
        let em = f32::from(metrics.units_per_em);
        let [ascent, descent] = [metrics.ascent / em, -metrics.descent / em];
        let body = tables.os2().map_or([ascent, descent], |os2| {
            let [top, bottom] = [os2.s_typo_ascender(), -os2.s_typo_descender()];
            [f32::from(top) / em, f32::from(bottom) / em]
        });
        Some(Self {
            outlines: rusttype::Font::try_from_bytes_and_index(bytes, index),
            shaper: ShaperData::new(&tables),
            em,
            ascent,
            descent,
            body: [body[0].clamp(0.5, 1.2), body[1].clamp(0.1, 0.6)],
            tables,
        })
    }

    /// Ready to shape.
    pub(super) fn shaper(&self) -> harfrust::Shaper<'_> {
        self.shaper.shaper(&self.tables).build()
    }

    /// It has a glyph for every character of the cluster that is to be seen.
    fn covers(&self, cluster: &str) -> bool {
        covers(&self.tables, cluster)
    }
}

fn covers(tables: &FontRef<'_>, cluster: &str) -> bool {
    let map = tables.charmap();
    cluster
        .chars()
        .filter(|c| !is_invisible(*c))
        .all(|c| map.map(c).is_some_and(|g| g.to_u32() != 0))
}

/// Joiners, variation selectors and controls: they steer the shaping and have no glyph of their own.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{e0020}'..='\u{e007f}' | '\u{e0100}'..='\u{e01ef}' | '\u{00ad}')
        || c.is_control()
}

/// The cluster is to be shown in colour: by its nature, or because a selector asks for it (UTS #51).
pub(super) fn is_emoji(cluster: &str) -> bool {
    let mut chars = cluster.chars();
    let Some(first) = chars.next() else {
        return false;
    };
    let coloured = match first.emoji_status() {
        EmojiStatus::EmojiPresentation
        | EmojiStatus::EmojiPresentationAndModifierBase
        | EmojiStatus::EmojiPresentationAndEmojiComponent
        | EmojiStatus::EmojiPresentationAndModifierAndEmojiComponent => true,
        _ => cluster.contains(['\u{fe0f}', '\u{20e3}']),
    };
    coloured && !cluster.contains('\u{fe0e}')
}

/// The family was asked for and is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FontError {
    /// No font of that name.
    #[error("the font {0:?} is not installed: another one is used")]
    NotInstalled(String),
    /// A file that is no font.
    #[error("{} is no font that can be used: another one is used", .0.display())]
    NoFont(PathBuf),
}

/// All fonts of the system, loaded as they are needed.
pub(in crate::render) struct Fonts {
    db: Database,
    built_in: Vec<ID>,
    files: HashMap<PathBuf, Vec<ID>>,
    faces: HashMap<ID, Option<Arc<Face>>>,
    /// What stands in for a cluster that the chosen font lacks.
    found: HashMap<(String, bool), Option<ID>>,
}

impl fmt::Debug for Fonts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fonts({} faces)", self.db.len())
    }
}

impl Fonts {
    /// Lists the fonts of the system: some 10 to 100 ms.
    pub(in crate::render) fn of_system() -> Self {
        let mut fonts = Self::built_in();
        fonts.db.load_system_fonts();
        fonts
    }

    /// Only the font in the program.
    pub(in crate::render) fn built_in() -> Self {
        let mut db = Database::new();
        let built_in = db
            .load_font_source(Source::Binary(Arc::new(BUILT_IN)))
            .to_vec();
        Self {
            db,
            built_in,
            files: HashMap::new(),
            faces: HashMap::new(),
            found: HashMap::new(),
        }
    }

    /// The font that `name` means: a family, a file, or a good one when empty. Always one, and why it is another.
    pub(super) fn choose(
        &mut self,
        name: &str,
        bold: bool,
        italic: bool,
    ) -> (Arc<Face>, Option<FontError>) {
        let name = name.trim();
        let mut error = None;
        let mut chosen = None;
        if is_path(name) {
            chosen = self.file(Path::new(name));
            if chosen.is_none() {
                error = Some(FontError::NoFont(name.into()));
            }
        } else if !name.is_empty() {
            chosen = self.family(&[name], bold, italic);
            if chosen.is_none() {
                error = Some(FontError::NotInstalled(name.to_owned()));
            }
        }
        let chosen = chosen
            .or_else(|| self.family(&DEFAULTS, bold, italic))
            .or_else(|| self.db.faces().next().map(|f| f.id));
        let face = chosen.and_then(|id| self.face(id)).unwrap_or_else(|| {
            let built_in = self.built_in.first().copied();
            built_in
                .and_then(|id| self.face(id))
                .expect("the font in the program is read by the tests")
        });
        (face, error)
    }

    /// A font that shows `cluster`: `preferred` if it can, else the best other one; `None` when the system has none.
    pub(super) fn for_cluster(
        &mut self,
        cluster: &str,
        preferred: &Arc<Face>,
        bold: bool,
    ) -> Option<Arc<Face>> {
        let emoji = is_emoji(cluster);
        if !emoji && preferred.covers(cluster) {
            return Some(Arc::clone(preferred));
        }
        let key = (cluster.to_owned(), bold);
        let id = match self.found.get(&key) {
            Some(known) => *known,
            None => {
                let id = self.search(cluster, emoji, bold);
                if self.found.len() >= MOST_FOUND {
                    self.found.clear(); // a text file that is always another one
                }
                self.found.insert(key, id);
                id
            }
        };
        let face = id.and_then(|id| self.face(id));
        face.or_else(|| preferred.covers(cluster).then(|| Arc::clone(preferred)))
    }

    fn search(&self, cluster: &str, emoji: bool, bold: bool) -> Option<ID> {
        let lists: [&[&str]; 2] = if emoji {
            [&EMOJI, &FALLBACKS]
        } else {
            [&FALLBACKS, &EMOJI]
        };
        for name in lists.into_iter().flatten() {
            let id = self.family(&[name], bold, false);
            if let Some(id) = id.filter(|id| self.has(*id, cluster)) {
                return Some(id);
            }
        }
        // any other one, upright and of a like weight first
        let weight = i32::from(if bold { 700_u16 } else { 400 });
        let mut others: Vec<_> = self
            .db
            .faces()
            .filter(|f| !is_last_resort(&f.post_script_name))
            .map(|f| {
                let distance = (i32::from(f.weight.0) - weight).abs();
                (f.style != Style::Normal, f.monospaced, distance, f.id)
            })
            .collect();
        others.sort_by_key(|(italic, mono, distance, _)| (*italic, *mono, *distance));
        others
            .into_iter()
            .map(|(.., id)| id)
            .find(|id| self.has(*id, cluster))
    }

    fn has(&self, id: ID, cluster: &str) -> bool {
        if let Some(Some(face)) = self.faces.get(&id) {
            return face.covers(cluster);
        }
        let covered = self.db.with_face_data(id, |bytes, index| {
            FontRef::from_index(bytes, index).is_ok_and(|tables| covers(&tables, cluster))
        });
        covered.unwrap_or(false)
    }

    fn family(&self, names: &[&str], bold: bool, italic: bool) -> Option<ID> {
        let families: Vec<_> = names.iter().map(|name| Family::Name(name)).collect();
        self.db.query(&Query {
            families: &families,
            weight: if bold { Weight::BOLD } else { Weight::NORMAL },
            style: if italic { Style::Italic } else { Style::Normal },
            ..Query::default()
        })
    }

    fn file(&mut self, path: &Path) -> Option<ID> {
        let ids = match self.files.get(path) {
            Some(ids) => ids,
            None => {
                let ids = match open_regular(path) {
                    Ok((_, length)) if length <= LONGEST_FILE => {
                        let source = Source::File(path.to_owned());
                        self.db.load_font_source(source).to_vec()
                    }
                    _ => Vec::new(),
                };
                self.files.entry(path.to_owned()).or_insert(ids)
            }
        };
        ids.first().copied()
    }

    fn face(&mut self, id: ID) -> Option<Arc<Face>> {
        let Self { db, faces, .. } = self;
        let load = || {
            let (source, index) = db.face_source(id)?;
            let bytes = bytes_of(&source)?;
            Face::load(bytes, index).map(Arc::new)
        };
        faces.entry(id).or_insert_with(load).clone()
    }
}

/// The bytes of a font, for as long as the program runs: the fonts in use are few, are used again and again, and outlive
/// every list of them.
fn bytes_of(source: &Source) -> Option<&'static [u8]> {
    static FILES: LazyLock<Mutex<HashMap<PathBuf, &'static [u8]>>> = LazyLock::new(Mutex::default);
    let Source::File(path) = source else {
        return Some(BUILT_IN); // the only one that is no file
    };
    if let Some(bytes) = FILES.lock().get(path) {
        return Some(bytes);
    }
    let bytes: &'static [u8] = Box::leak(read_start(path, LONGEST_FILE).ok()?.into_boxed_slice());
    FILES.lock().insert(path.clone(), bytes);
    Some(bytes)
}

fn is_path(name: &str) -> bool {
    let ending = Path::new(name).extension();
    name.contains(['/', '\\'])
        || ending.is_some_and(|e| {
            ["ttf", "otf", "ttc", "otc"]
                .iter()
                .any(|known| e.eq_ignore_ascii_case(known))
        })
}

/// Fonts that have a box for every character.
fn is_last_resort(name: &str) -> bool {
    name.contains("LastResort") || name.contains("AdobeBlank")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_font_in_the_program_is_always_there() {
        let mut fonts = Fonts::built_in();
        let (face, error) = fonts.choose("", true, false);
        assert!(error.is_none() && face.covers("Kaibo 开播 12:34"));
        assert!(face.ascent > 0.5 && face.descent > 0.0, "{face:?}");
        let (other, error) = fonts.choose("No Such Font", true, false);
        assert!(other.covers("A"));
        assert!(error.unwrap().to_string().contains("No Such Font"));
        let (_, error) = fonts.choose("/no/such.ttf", true, false);
        assert!(error.unwrap().to_string().contains("/no/such.ttf"));
        assert!(fonts.for_cluster("🎉", &face, true).is_none());
        assert!(fonts.for_cluster("A", &face, true).is_some());
    }

    #[test]
    fn a_file_can_be_the_font() {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/fonts/NotoSansSC-Bold-subset.otf");
        let mut fonts = Fonts::built_in();
        let (face, error) = fonts.choose(&path.display().to_string(), false, false);
        assert_eq!(error, None);
        assert!(face.covers("开播"));
    }

    #[test]
    fn a_font_with_an_impossible_em_is_none() {
        let with_em = |em: u16| {
            let mut bytes = BUILT_IN.to_vec();
            let record = bytes.windows(4).position(|w| w == b"head").unwrap();
            let place: [u8; 4] = bytes[record + 8..record + 12].try_into().unwrap();
            let head = u32::from_be_bytes(place) as usize;
            bytes[head + 18..head + 20].copy_from_slice(&em.to_be_bytes());
            Face::load(Box::leak(bytes.into_boxed_slice()), 0)
        };
        assert!(with_em(1000).is_some());
        assert!(with_em(1).is_none() && with_em(0).is_none() && with_em(16_385).is_none());
    }

    #[test]
    fn emoji_are_told_from_text() {
        for emoji in [
            "🎉",
            "❤\u{fe0f}",
            "👍🏽",
            "🇨🇳",
            "1\u{fe0f}\u{20e3}",
            "👩\u{200d}🚀",
        ] {
            assert!(is_emoji(emoji), "{emoji}");
        }
        for text in ["A", "1", "开", "❤", "♥\u{fe0e}", "©", "→", ""] {
            assert!(!is_emoji(text), "{text}");
        }
    }
}
