//! How fast records are published.
//!
//! Pure. Invariant: by any moment no more than the rate allows has been published since the start,
//! whatever the chunks; time lost is not made up for by a burst of more than one chunk.

use std::time::Duration;

/// Records published together at most.
const MAX_CHUNK: u32 = 500;
/// Chunks a second: how long a stop signal waits for what is in flight.
const CHUNKS: u32 = 4;

/// A rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Records a second.
    per_second: u32,
}

impl Pace {
    /// `per_second` is at least 1.
    pub(crate) fn new(per_second: u32) -> Self {
        Self {
            per_second: per_second.max(1),
        }
    }

    /// Records that are published together.
    pub(crate) fn chunk(&self) -> u32 {
        (self.per_second / CHUNKS).clamp(1, MAX_CHUNK)
    }

    /// How long a chunk of so many takes at this rate.
    pub(crate) fn takes(&self, records: usize) -> Duration {
        let records = u32::try_from(records).unwrap_or(u32::MAX);
        Duration::from_secs(1).saturating_mul(records) / self.per_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_as_many_records_as_the_rate_says() {
        for rate in [1, 3, 200, 5_000] {
            let pace = Pace::new(rate);
            let all = usize::try_from(rate).unwrap_or_default();
            assert_eq!(pace.takes(all), Duration::from_secs(1), "{rate}");
        }
    }

    #[test]
    fn a_chunk_is_small_enough_to_stop_after_and_never_empty() {
        assert_eq!(Pace::new(0).chunk(), 1);
        assert_eq!(Pace::new(200).chunk(), 50);
        assert_eq!(Pace::new(5_000).chunk(), MAX_CHUNK);
    }
}
