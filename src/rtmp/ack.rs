//! A server's acknowledgements as one running total. Numbers in, totals out; pure.

/// Where servers' counters are known to wrap: Twitch; SRS and nginx-rtmp; the specification.
const MODULI: [u64; 3] = [1 << 31, 0xF000_0000, 1 << 32];

/// Makes a total that never goes back out of a counter that wraps, nobody knows where.
///
/// On a step back the counter has wrapped if one of the known places fits with what was sent. If none does it was set
/// back to zero (or counts from the last acknowledgement, as rml_rtmp's sessions do), and all of it is new. The total
/// never passes what was sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct AckCounter {
    last: u64,
    total: u64,
}

impl AckCounter {
    /// The total after the server said `value`, when `sent` bytes have been sent in all.
    pub fn update(&mut self, value: u32, sent: u64) -> u64 {
        let value = u64::from(value);
        let room = sent.saturating_sub(self.total);
        let new = if value >= self.last {
            value - self.last
        } else {
            MODULI
                .iter()
                .filter(|&&modulus| modulus > self.last)
                .map(|modulus| modulus - self.last + value)
                .find(|&new| new <= room)
                .unwrap_or(value)
        };
        self.last = value;
        self.total += new.min(room);
        self.total
    }

    /// Bytes acknowledged so far.
    pub const fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_of_all_servers_go_on_counting() {
        for modulus in MODULI {
            let mut acks = AckCounter::default();
            let mut sent = 0;
            for _ in 0..40_000 {
                sent += 1_000_000;
                let value = u32::try_from(sent % modulus).unwrap();
                assert_eq!(acks.update(value, sent), sent, "wraps at {modulus}");
            }
        }
    }

    #[test]
    fn a_reset_counts_on_from_where_it_was() {
        let mut acks = AckCounter::default();
        assert_eq!(acks.update(5_000, 6_000), 5_000);
        assert_eq!(acks.update(1_000, 6_500), 6_000, "set back to zero");
        assert_eq!(
            acks.update(1_000, 6_500),
            6_000,
            "the same again is no news"
        );
        assert_eq!(acks.update(2_000, 7_500), 7_000);
    }

    #[test]
    fn a_liar_is_not_believed_beyond_what_was_sent() {
        let mut acks = AckCounter::default();
        assert_eq!(acks.update(u32::MAX, 100), 100);
        assert_eq!(acks.update(u32::MAX, 200), 100);
        assert_eq!(acks.total(), 100);
    }
}
