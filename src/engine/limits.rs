//! Which links bind the shared video encoder: the first destination's, or the slowest of all. Decisions of the outputs in
//! (on the network runtime), limits of the encoder out.

use parking_lot::Mutex;

use crate::encode::stage::EncoderControl;
use crate::output::adapt::Decision;

/// What the outputs of one stream want of the encoder that they share.
#[derive(Debug, Default)]
pub(super) struct Limits(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Outputs that have a say, with what their links allow at present.
    wishes: Vec<(u32, Option<Decision>)>,
    /// A file is being written, whose pictures are to keep one size.
    keeps_size: bool,
}

impl Limits {
    /// The output has a say from now on.
    pub(super) fn admit(&self, id: u32) {
        let mut inner = self.0.lock();
        // what it has said holds until it says something else
        if inner.wishes.iter().all(|(i, _)| *i != id) {
            inner.wishes.push((id, None));
        }
    }

    /// The output has no say any more: late words of it bind nobody.
    pub(super) fn dismiss(&self, id: u32, control: &EncoderControl) {
        let mut inner = self.0.lock();
        inner.wishes.retain(|(i, _)| *i != id);
        inner.apply(control);
    }

    /// What the output's link allows. Ignored of one that has no say.
    pub(super) fn tell(&self, id: u32, decision: Option<Decision>, control: &EncoderControl) {
        let mut inner = self.0.lock();
        let Some(wish) = inner.wishes.iter_mut().find(|(i, _)| *i == id) else {
            return;
        };
        wish.1 = decision;
        inner.apply(control);
    }

    /// Whether the size has to stay as it is.
    pub(super) fn keep_size(&self, keep: bool, control: &EncoderControl) {
        let mut inner = self.0.lock();
        inner.keeps_size = keep;
        inner.apply(control);
    }
}

impl Inner {
    /// Holding the lock, so that of two words the later one counts.
    fn apply(&self, control: &EncoderControl) {
        let told = self.wishes.iter().filter_map(|(_, wish)| *wish);
        let least = told.min_by_key(|d| d.bitrate);
        control.set_limit(least.map(|d| d.bitrate));
        // where the size has to stay, fewer pictures are all that is left
        let fewer = |d: Decision| d.half_rate || d.half_size && self.keeps_size;
        control.set_half_rate(least.is_some_and(fewer));
        control.set_half_size(least.is_some_and(|d| d.half_size) && !self.keeps_size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::packet::Bitrate;
    use crate::output::adapt::Reason;

    fn decision(kbps: u32) -> Option<Decision> {
        Some(Decision {
            bitrate: Bitrate::from_kbps(kbps),
            half_rate: kbps < 500,
            half_size: kbps < 250,
            reason: Reason::Holding,
            capacity: None,
            delay_ms: 0,
        })
    }

    #[test]
    fn the_slowest_of_those_that_have_a_say_binds_the_encoder() {
        let (limits, control) = (
            Limits::default(),
            EncoderControl::new(Bitrate::from_kbps(2500)),
        );
        let kbps = |control: &EncoderControl| control.bitrate().kbps();
        limits.tell(1, decision(300), &control);
        assert_eq!(kbps(&control), 2500, "not admitted");
        limits.admit(1);
        limits.admit(2);
        limits.tell(1, decision(2000), &control);
        limits.tell(2, decision(200), &control);
        assert_eq!(kbps(&control), 200);
        assert!(control.half_rate() && control.half_size());
        limits.keep_size(true, &control);
        assert!(!control.half_size(), "a recording goes on");
        limits.tell(2, None, &control);
        assert_eq!(kbps(&control), 2000, "a lost link binds nobody");
        limits.tell(2, decision(400), &control);
        limits.dismiss(2, &control);
        assert_eq!(kbps(&control), 2000);
        limits.tell(2, decision(100), &control);
        assert_eq!(kbps(&control), 2000, "a late word");
        limits.dismiss(1, &control);
        assert_eq!(kbps(&control), 2500);
    }
}
