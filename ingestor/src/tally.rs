//! How many requests ended in which way since the process began.
//!
//! Keeps: each answered request is counted once; counting waits for nobody and cannot fail.
//! Leaves out: spans of time. Whoever tells the counts remembers what was told.

use std::sync::atomic::{AtomicU64, Ordering};

use shared::stats::{Counts, LABELS};

/// A counter for each label of [`LABELS`].
#[derive(Debug, Default)]
pub struct Tally([AtomicU64; LABELS.len()]);

impl Tally {
    /// One more request ended so.
    pub fn count(&self, label: &str) {
        for ((name, _), counter) in LABELS.iter().zip(&self.0) {
            if *name == label {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// All counts so far, zeros included.
    #[must_use]
    pub fn read(&self) -> Counts {
        let pairs = LABELS.iter().zip(&self.0);
        pairs
            .map(|((name, _), counter)| ((*name).to_owned(), counter.load(Ordering::Relaxed)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_label_has_a_counter_of_its_own_and_zeros_are_told() {
        let tally = Tally::default();
        tally.count("ok");
        tally.count("ok");
        tally.count("overloaded");
        let counts = tally.read();
        assert_eq!(counts.len(), LABELS.len());
        assert_eq!(
            (counts["ok"], counts["overloaded"], counts["ts_future"]),
            (2, 1, 0)
        );
    }
}
