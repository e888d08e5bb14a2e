//! Which encoders work on this machine: each candidate is opened with the real settings and given pictures in a child
//! process of our own program, because drivers crash and hang. All children run at the same time, none longer than
//! [`Prober::limit`]; what they found is kept by driver, FFmpeg and settings ([`cache`]).
//!
//! Runs on the thread that calls, and waits: at most the limit and a little.

pub mod cache;
pub mod child;
#[cfg_attr(unix, path = "os_unix.rs")]
#[cfg_attr(not(unix), path = "os_other.rs")]
mod os;
mod picture;
mod reason;

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::candidate::{self, Candidate, Capabilities, Place, VideoCodec};
use super::settings::{VideoEncoderSettings, VideoFormat};
use super::{EncodeError, in_words};

/// The subcommand of our program that [`child::run`]s.
pub const SUBCOMMAND: &str = "probe-encoder";

/// How often the children are looked at.
const POLL: Duration = Duration::from_millis(5);
/// Longest time of a child on a machine that is so busy that even libx264's takes long.
const BUSY_LIMIT: Duration = Duration::from_secs(15);
/// How long a killed child may take to be gone before it is left to the system.
const REAP: Duration = Duration::from_millis(200);
/// Most bytes of a child's words that are read.
const WORDS: u64 = 64 * 1024;

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Names the program that understands [`SUBCOMMAND`]; `main` names itself. A program that never does so (a test, an
/// example) probes nothing unless it makes a [`Prober`] by itself. The first name counts.
pub fn use_program(program: PathBuf) {
    PROGRAM.set(program).ok(); // named already
}

/// How to probe.
#[derive(Debug, Clone)]
pub struct Prober {
    /// A `kaibo` program.
    pub program: PathBuf,
    /// Added to the environment of the children.
    pub env: Vec<(String, OsString)>,
    /// Longest time of a child.
    pub limit: Duration,
    /// File of results; `None` probes every time and keeps nothing.
    pub cache: Option<PathBuf>,
}

impl Prober {
    /// A prober that asks this program, in its usual limits.
    pub fn new(program: PathBuf) -> Self {
        Self {
            program,
            env: Vec::new(),
            limit: Duration::from_millis(3500),
            cache: None,
        }
    }

    /// The one of this process with its cache; `None` where no [program was named](use_program).
    pub fn of_this_program() -> Option<Self> {
        Some(Self {
            cache: cache::default_path(),
            ..Self::new(PROGRAM.get()?.clone())
        })
    }

    /// What is known of all candidates for these settings, without starting anything.
    pub fn known(&self, settings: &VideoEncoderSettings, format: VideoFormat) -> Option<Reports> {
        cache::load(self.cache.as_deref()?, &cache::key(settings, format))
    }

    /// Takes what is known, or probes all candidates and keeps the result.
    pub fn reports(&self, settings: &VideoEncoderSettings, format: VideoFormat) -> Reports {
        match self.known(settings, format) {
            Some(known) => known,
            None => self.again(settings, format),
        }
    }

    /// Probes all candidates and keeps the result.
    pub fn again(&self, settings: &VideoEncoderSettings, format: VideoFormat) -> Reports {
        let reports = self.probe(settings, format);
        if let Some(path) = &self.cache
            && reports.iter().all(|r| r.outcome.is_lasting())
            && let Err(error) = cache::store(path, cache::key(settings, format), &reports)
        {
            tracing::debug!(%error, "what was found out about encoders is not kept");
        }
        reports
    }

    /// Probes all candidates now.
    pub fn probe(&self, settings: &VideoEncoderSettings, format: VideoFormat) -> Reports {
        let begun: Vec<_> = candidate::all()
            .map(|c| (c, self.begin(c, settings, format)))
            .collect();
        let began = Instant::now();
        let mut begun = begun;
        // The one that no driver can hold up goes first: how long it takes tells how busy the machine is, and on a busy
        // one a slow child is no hanging driver.
        let measure = candidate::processor().name;
        begun.sort_by_key(|(c, _)| c.name != measure);
        let mut limit = self.limit;
        let mut reports = Vec::new();
        for (c, begun) in begun {
            let outcome = match begun {
                Begun::Decided(outcome) => outcome,
                Begun::Running(running) if c.name == measure => {
                    let outcome = running.finish(c, began + BUSY_LIMIT);
                    limit = limit.max(began.elapsed() * 2).min(BUSY_LIMIT);
                    outcome
                }
                Begun::Running(running) => running.finish(c, began + limit),
            };
            reports.push(EncoderReport::new(c, outcome));
        }
        let place = |r: &EncoderReport| candidate::all().position(|c| c.name == r.name);
        reports.sort_by_key(place);
        reports
    }

    /// Decides what can be decided here, and starts a child for the rest.
    fn begin(&self, c: &Candidate, settings: &VideoEncoderSettings, format: VideoFormat) -> Begun {
        let no = |why, reason: String| Begun::Decided(Outcome::Unusable { why, reason });
        if let Err(e) = super::ffmpeg::init() {
            return no(Why::Failed, in_words(&e));
        }
        if ffmpeg_next::encoder::find_by_name(c.ffmpeg).is_none() {
            let reason = format!("this FFmpeg was built without it{}", c.hint);
            return no(Why::NotBuilt, reason);
        }
        let settings = settings.for_candidate(c);
        if let Err(EncodeError::Setting { field, reason }) = settings.validate() {
            return no(Why::Refused, format!("{field}: {reason}"));
        }
        let request = child::Request { settings, format };
        match Running::start(self, &request) {
            Ok(running) => Begun::Running(running),
            Err(e) => no(
                Why::Failed,
                format!("cannot start {}: {e}", self.program.display()),
            ),
        }
    }
}

enum Begun {
    Decided(Outcome),
    Running(Running),
}

/// What was found out about every candidate, best first.
pub type Reports = Vec<EncoderReport>;

/// What was found out about one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EncoderReport {
    /// Name for the settings.
    pub name: String,
    /// Usable or not.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// How a probe ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Outcome {
    /// Pictures went in and packets came out.
    Works(Measured),
    /// It cannot be used now.
    Unusable {
        /// For programs.
        why: Why,
        /// For people.
        reason: String,
    },
}

/// Why an encoder cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// FFmpeg lacks it.
    NotBuilt,
    /// It cannot do what the settings ask for.
    Refused,
    /// No device, or no driver for it.
    NoDevice,
    /// The driver is older than FFmpeg needs.
    DriverTooOld,
    /// Others use all of it.
    SessionLimit,
    /// Something else went wrong.
    Failed,
    /// The driver took its process down.
    Crashed,
    /// The driver did not come back.
    Hung,
}

/// What a probe measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Milliseconds from opening it to its first packet.
    pub first_ms: f32,
    /// Milliseconds of wall time a picture, with these settings.
    pub picture_ms: f32,
    /// Milliseconds of processor time a picture, by preset, for encoders on the processor with preset "auto".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub presets: Vec<PresetCost>,
}

/// What a preset costs here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PresetCost {
    /// Its name.
    pub preset: String,
    /// Milliseconds of processor time a picture.
    pub cpu_ms: f32,
}

impl Outcome {
    /// It will be the same at the next start.
    const fn is_lasting(&self) -> bool {
        !matches!(
            self,
            Self::Unusable {
                why: Why::SessionLimit | Why::Hung | Why::Failed,
                ..
            }
        )
    }
}

impl EncoderReport {
    fn new(c: &Candidate, outcome: Outcome) -> Self {
        Self {
            name: c.name.to_owned(),
            outcome,
        }
    }

    /// It can be used.
    pub const fn works(&self) -> bool {
        matches!(self.outcome, Outcome::Works(_))
    }
}

/// A report with what is known of the encoder anyhow; for lists.
#[derive(Debug, Serialize)]
pub struct Listed<'a> {
    /// Name for the settings.
    pub name: &'static str,
    /// What a person calls it.
    pub title: &'static str,
    /// What it makes.
    pub codec: VideoCodec,
    /// Where it runs.
    pub place: Place,
    /// What it was found to be.
    #[serde(flatten)]
    pub outcome: &'a Outcome,
    /// What it can do.
    pub capabilities: Capabilities,
}

/// The reports with names and capabilities.
pub fn listed(reports: &[EncoderReport]) -> Vec<Listed<'_>> {
    let with = |report: &'_ EncoderReport| candidate::find(&report.name);
    reports
        .iter()
        .filter_map(|report| Some((report, with(report)?)))
        .map(|(report, c)| Listed {
            name: c.name,
            title: c.title,
            codec: c.codec,
            place: c.place,
            outcome: &report.outcome,
            capabilities: c.capabilities,
        })
        .collect()
}

/// A child at work. Its words go into files without names, so that no full pipe can hold it up.
struct Running {
    child: Child,
    out: File,
    err: File,
}

impl Running {
    fn start(prober: &Prober, request: &child::Request) -> std::io::Result<Self> {
        let text = serde_json::to_string(request).map_err(std::io::Error::other)?;
        let (out, err) = (tempfile::tempfile()?, tempfile::tempfile()?);
        let mut command = Command::new(&prober.program);
        os::without_window(&mut command);
        let child = command
            .arg(SUBCOMMAND)
            .arg(text)
            // a driver that crashes leaves its environment in the system's journal
            .env_remove("KAIBO_URL")
            .env_remove("KAIBO_ALSO")
            .env_remove("KAIBO_PROXY")
            .env_remove("KAIBO_KEY")
            .envs(prober.env.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(err.try_clone()?)
            .spawn()?;
        Ok(Self { child, out, err })
    }

    fn finish(mut self, c: &Candidate, deadline: Instant) -> Outcome {
        let unusable = |why, reason| Outcome::Unusable { why, reason };
        let status = match self.wait(deadline) {
            Ok(Some(status)) => status,
            Ok(None) => {
                self.kill();
                let what = match c.place {
                    Place::Hardware => "its driver hangs: it did not answer, so it is left alone",
                    Place::Processor => {
                        "no answer in time, the machine is too busy: try again later"
                    }
                };
                return unusable(Why::Hung, what.to_owned());
            }
            Err(e) => return unusable(Why::Failed, format!("it could not be watched: {e}")),
        };
        let log = read(&mut self.err);
        let answer = serde_json::from_str(&read(&mut self.out)).ok();
        match answer {
            Some(child::Answer::Works(measured)) if status.success() => Outcome::Works(measured),
            Some(child::Answer::Failed(error)) => {
                let (why, reason) = reason::explain(c, &error, &log);
                unusable(why, reason)
            }
            None if os::was_told_to_end(status) => {
                let what = "it was ended from outside: try again later";
                unusable(Why::Failed, what.to_owned())
            }
            Some(child::Answer::Works(_)) | None => {
                let how = os::how_it_ended(status);
                let what = format!(
                    "its driver crashed ({how}), so it is left alone: update the graphics driver"
                );
                unusable(Why::Crashed, what)
            }
        }
    }

    /// Its end; `None` when it is past the deadline.
    fn wait(&mut self, deadline: Instant) -> std::io::Result<Option<ExitStatus>> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(POLL);
        }
    }

    fn kill(&mut self) {
        self.child.kill().ok(); // it may have ended just now
        // one that sits in its driver may not even die; it is not waited for then
        if !matches!(self.wait(Instant::now() + REAP), Ok(Some(_))) {
            tracing::warn!(pid = self.child.id(), "a stuck probe was left behind");
        }
    }
}

fn read(file: &mut File) -> String {
    let mut bytes = Vec::new();
    let done = file
        .rewind()
        .and_then(|()| file.take(WORDS).read_to_end(&mut bytes));
    if let Err(error) = done {
        tracing::debug!(%error, "a probe's words could not be read");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
