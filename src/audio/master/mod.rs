//! What happens to the mix: ducking between its inputs, then loudness and the limiter on their sum. On the audio thread.

mod ducking;
mod limiter;
mod loudness;
mod settings;
mod true_peak;

pub(super) use self::ducking::Ducking;
pub(super) use self::limiter::{LOOKAHEAD, Limiter};
pub use self::loudness::Loudness;
pub(super) use self::loudness::LoudnessMeter;
pub use self::settings::{DuckingSettings, LimiterSettings, LoudnessSettings, MasterSettings};

/// The processors of the mix.
#[derive(Default)]
pub(super) struct Master {
    pub(super) ducking: Ducking,
    pub(super) limiter: Limiter,
    pub(super) loudness: LoudnessMeter,
}

impl Master {
    /// Begins to move to other values.
    pub(super) fn set(&mut self, settings: &MasterSettings) {
        let settings = settings.clamped();
        self.ducking.set(&settings.ducking);
        self.limiter.set(&settings.limiter);
        self.loudness.set(&settings.loudness);
    }
}
