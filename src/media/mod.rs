//! The vocabulary every stage speaks: time, frames, sound blocks, encoded packets, and the small carriers between
//! stages (latest slot, audio ring, buffer pool). No threads, and no I/O but [`disk`]; depends on no other module.
#![warn(clippy::cast_possible_truncation)]

pub mod audio;
pub mod color;
pub mod disk;
pub mod packet;
pub mod parameter_sets;
pub mod playback;
pub mod pool;
pub mod ring;
pub mod slot;
pub mod time;
pub mod video;

/// Names one opened source for as long as the engine runs. Several layers may show the same source.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct SourceId(pub u32);

impl std::fmt::Display for SourceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What to do about a runtime error. Every runtime error enum answers it with an exhaustive `match`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// Try the same thing again after the backoff delay.
    Retry,
    /// Close and open the object again at once.
    Rebuild,
    /// Use the next candidate (another encoder, the default device).
    Fallback,
    /// Nothing that the program can do by itself helps; tell the user.
    GiveUp,
}
