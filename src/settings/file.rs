//! Settings on disk: TOML at the platform's place, written atomically, never destroyed by a bad value in it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::{FieldError, Settings};

/// Why settings could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system says no.
    #[error("cannot {doing} the settings file {}", path.display())]
    Io {
        /// "read" or "write".
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// Not TOML; the text says where.
    #[error("the settings file {} is not valid TOML: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, column and reason.
        message: String,
    },
    /// Unknown fields, wrong values.
    #[error("the settings file {} has wrong values: {}", path.display(), list(problems))]
    Fields {
        /// The file.
        path: PathBuf,
        /// All of them.
        problems: Vec<FieldError>,
    },
}

fn list(problems: &[FieldError]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

/// Where the settings lie: `~/.config/kaibo/settings.toml` on Linux, the like elsewhere. `None` without a home.
pub fn default_path() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "kaibo")
        .map(|dirs| dirs.config_dir().join("settings.toml"))
}

/// Reads settings; what the file leaves out has its default. `Ok(None)` when there is no file.
pub fn load(path: &Path) -> Result<Option<Settings>, FileError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(FileError::Io {
                doing: "read",
                path: path.to_owned(),
                source,
            });
        }
    };
    parse(&text, path).map(Some)
}

/// Reads settings out of TOML text; `path` is for messages.
pub fn parse(text: &str, path: &Path) -> Result<Settings, FileError> {
    let fields = |problems| FileError::Fields {
        path: path.to_owned(),
        problems,
    };
    let table: toml::Table = text
        .parse()
        .map_err(|e: toml::de::Error| FileError::Syntax {
            path: path.to_owned(),
            message: e.to_string(),
        })?;
    let settings: Settings = serde_path_to_error::deserialize(table).map_err(|e| {
        let field = e.path().to_string();
        let reason = e.inner().message().to_owned();
        fields(vec![FieldError { field, reason }])
    })?;
    let problems = settings.problems();
    if problems.is_empty() {
        Ok(settings)
    } else {
        Err(fields(problems))
    }
}

/// Writes settings: into a new file beside the old one, then in its place, so that a crash or a full disk leaves the
/// old one whole. A file that [`load`] refuses is kept under another name first.
pub fn save(settings: &Settings, path: &Path) -> Result<(), FileError> {
    let failed = |source| FileError::Io {
        doing: "write",
        path: path.to_owned(),
        source,
    };
    let dir = path.parent().unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(dir).map_err(failed)?;
    if load(path).is_err() {
        std::fs::rename(path, unused_name(path)).map_err(failed)?;
    }
    let text = toml::to_string_pretty(settings).map_err(|e| failed(std::io::Error::other(e)))?;
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(failed)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.as_file().sync_all())
        .map_err(failed)?;
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// `settings.broken.toml`, `settings.broken-2.toml` ...: the first that is not taken.
fn unused_name(path: &Path) -> PathBuf {
    (1..)
        .map(|n| {
            path.with_extension(if n == 1 {
                "broken.toml".to_owned()
            } else {
                format!("broken-{n}.toml")
            })
        })
        .find(|p| !p.exists())
        .expect("a number is free")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::video::Resolution;
    use crate::render::filter::{FilterSpec, MOST_FILTERS};

    fn read(text: &str) -> Result<Settings, FileError> {
        parse(text, Path::new("show.toml"))
    }

    #[test]
    fn defaults_survive_a_round_trip() {
        let text = toml::to_string_pretty(&Settings::default()).unwrap();
        assert_eq!(read(&text).unwrap(), Settings::default(), "{text}");
        assert_eq!(read("").unwrap(), Settings::default());
    }

    #[test]
    fn filters_are_good_as_they_are_added_and_not_too_many() {
        let mut settings = Settings::default();
        for (_, spec) in FilterSpec::kinds() {
            settings.scene.filters.push(spec);
        }
        assert_eq!(settings.problems(), []);
        let (_, one) = FilterSpec::kinds().remove(0);
        settings.scene.layers[0].filters = vec![one.clone(); MOST_FILTERS];
        assert_eq!(settings.problems(), []);
        settings.scene.layers[0].filters.push(one);
        let problems = settings.problems();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].field, "scene.layer[0].filter");
        assert!(problems[0].reason.contains("16"), "{}", problems[0]);
    }

    #[test]
    fn wrong_values_name_the_field_and_the_range() {
        for (text, wants) in [
            ("[video]\nfps = 500", vec!["video.fps", "1 and 240"]),
            (
                "[video]\nsize = \"big\"",
                vec!["video.size", "WIDTHxHEIGHT"],
            ),
            ("[video]\nsize = \"641x480\"", vec!["video.size", "even"]),
            (
                "[encoder]\nbitrat_kbps = 1",
                vec!["encoder", "bitrat_kbps", "bitrate_kbps"],
            ),
            (
                "[encoder]\nbitrate_kbps = 5",
                vec!["encoder.bitrate_kbps", "100", "100000"],
            ),
            (
                "[encoder]\npreset = \"warp\"",
                vec!["encoder.preset", "veryfast"],
            ),
            (
                "[audio]\ngain_db = 99.0",
                vec!["audio.sound[0].mix.gain_db", "-60", "20"],
            ),
            (
                "[stream]\nurl = \"http://x/y\"",
                vec!["stream.url", "rtmp://"],
            ),
            (
                "[stream]\nurl = \"rtmp://x/app/abc\"",
                vec!["stream.url", "KAIBO_KEY"],
            ),
            (
                "[[scene.layer]]\nsource = { kind = \"test\" }\nopacity = 3.0",
                vec!["scene.layer[0].opacity", "0 and 1"],
            ),
            (
                "[[scene.layer]]\nsource = { kind = \"tset\" }",
                vec!["scene.layer", "tset", "screen"],
            ),
            (
                "[[scene.layer]]\nsource = { kind = \"test\" }\n[[scene.layer.filter]]\nkind = \"beauty\"\n\
                 [[scene.layer.filter]]\nkind = \"color\"\ncontrast = nan",
                vec!["scene.layer[0].filter[1].contrast", "NaN", "0 and 2"],
            ),
            (
                "[[scene.filter]]\nkind = \"pixelate\"\nsquare = 1e9",
                vec!["scene.filter[0].square", "0.5 and 20"],
            ),
            (
                "[[scene.watermark]]\nmargin_x = 70.0",
                vec!["scene.watermark[0].margin_x", "0 and 50"],
            ),
            (
                "[[scene.watermark]]\n[scene.watermark.content]\nkind = \"text\"\ncolor = \"red\"",
                vec!["scene.watermark", "red", "#ffcc00"],
            ),
            (
                "[[scene.watermark]]\n[scene.watermark.content]\nkind = \"text\"\ncolour = \"#ffffff\"",
                vec!["scene.watermark", "colour", "outline"],
            ),
            (
                "[[scene.watermark]]\n[scene.watermark.content]\nkind = \"text\"\ntext = \"{tme}\"",
                vec!["scene.watermark[0].content.text", "{tme}", "{date}"],
            ),
            ("[video", vec!["line 1"]),
        ] {
            let message = read(text).unwrap_err().to_string();
            for want in wants {
                assert!(
                    message.contains(want),
                    "{text:?} gave {message:?}, which lacks {want:?}"
                );
            }
        }
    }

    #[test]
    fn a_broken_file_is_kept_aside_when_new_settings_are_saved() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub").join("settings.toml");
        let mut settings = Settings::default();
        save(&settings, &path).unwrap();
        assert_eq!(load(&path).unwrap(), Some(settings.clone()));
        std::fs::write(&path, "[video]\nfps = 999\n").unwrap();
        assert!(load(&path).is_err());
        settings.video.size = Resolution::new(640, 360);
        save(&settings, &path).unwrap();
        assert_eq!(load(&path).unwrap(), Some(settings));
        let kept = std::fs::read_to_string(path.with_extension("broken.toml")).unwrap();
        assert!(kept.contains("999"));
    }

    #[test]
    fn a_file_that_is_no_text_is_kept_aside_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("settings.toml");
        for (n, bytes) in [b"\xff\xfe[video]".to_vec(), b"\x80\x81".to_vec()]
            .into_iter()
            .enumerate()
        {
            std::fs::write(&path, &bytes).unwrap();
            let error = load(&path).unwrap_err();
            assert!(error.to_string().contains("cannot read"), "{error}");
            save(&Settings::default(), &path).unwrap();
            assert_eq!(load(&path).unwrap(), Some(Settings::default()));
            let kept = ["broken.toml", "broken-2.toml"][n];
            assert_eq!(std::fs::read(path.with_extension(kept)).unwrap(), bytes);
        }
    }
}
