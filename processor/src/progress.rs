//! Where to begin reading a partition: our own progress compared with the log's two ends.
//!
//! Pure. Invariant: no range of the log is ever left out in silence; what is gone is named.

/// What the first read of a partition must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Read on at this offset.
    At(i64),
    /// The log begins after our progress: `[from, to)` is gone unread. Record it, read on at `to`.
    Hole {
        /// First offset that is gone.
        from: i64,
        /// First offset that is still there.
        to: i64,
    },
    /// The log ends before our progress: it was recreated, or lost its tail. Record it and read
    /// the log again from `restart`, which dedupe makes harmless.
    Shorter {
        /// The log's end.
        end: i64,
        /// Our progress.
        next: i64,
        /// The log's first offset.
        restart: i64,
    },
}

/// Compares `next` (first offset not applied) with the log's `[low, high)`.
///
/// Offsets are Kafka's; `high` is the offset after the last record (fetched as "high
/// watermark"). Source: Kafka protocol, ListOffsets.
#[must_use]
pub const fn start(next: i64, low: i64, high: i64) -> Start {
    if next < low {
        Start::Hole {
            from: next,
            to: low,
        }
    } else if next > high {
        Start::Shorter {
            end: high,
            next,
            restart: low,
        }
    } else {
        Start::At(next)
    }
}

/// The range that a restored database has forgotten, or none: `next` is its progress, `reached` the
/// greatest offset that was ever told as applied (the group's committed offset, or what this process
/// remembers), `high` the log's end. Kafka is told only after Postgres committed, so progress behind
/// it is from another time. One beyond the log's end is about a log that was made anew.
#[must_use]
pub const fn forgotten(next: i64, reached: i64, high: i64) -> Option<(i64, i64)> {
    if next < reached && reached <= high {
        Some((next, reached))
    } else {
        None
    }
}

/// What one record's offset means when `expected` is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// The record that is due.
    Due,
    /// Already applied: read again after a seek.
    Repeated,
    /// Offsets on this topic are contiguous (no compaction, no transactions), so a jump means
    /// that `[from, to)` was deleted before we read it.
    Jump {
        /// First offset that is gone.
        from: i64,
        /// The offset that arrived.
        to: i64,
    },
}

/// Compares an arriving offset with the one that is due.
#[must_use]
pub const fn arrival(expected: i64, offset: i64) -> Arrival {
    if offset < expected {
        Arrival::Repeated
    } else if offset > expected {
        Arrival::Jump {
            from: expected,
            to: offset,
        }
    } else {
        Arrival::Due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_inside_the_log_is_where_reading_begins() {
        assert_eq!(start(5, 0, 9), Start::At(5));
        assert_eq!(start(9, 0, 9), Start::At(9));
        assert_eq!(start(0, 0, 0), Start::At(0));
    }

    #[test]
    fn a_log_that_begins_after_our_progress_is_a_hole() {
        assert_eq!(start(5, 7, 9), Start::Hole { from: 5, to: 7 });
        assert_eq!(start(5, 9, 9), Start::Hole { from: 5, to: 9 });
    }

    #[test]
    fn a_log_that_ends_before_our_progress_is_read_again() {
        assert_eq!(
            start(5, 0, 3),
            Start::Shorter {
                end: 3,
                next: 5,
                restart: 0
            }
        );
    }

    #[test]
    fn progress_behind_what_was_told_is_a_restored_database() {
        assert_eq!(forgotten(5, 8, 9), Some((5, 8)));
        assert_eq!(forgotten(5, 5, 9), None);
        assert_eq!(forgotten(5, 3, 9), None);
        assert_eq!(forgotten(0, 1_000_000, 9), None);
    }

    #[test]
    fn a_jump_is_a_hole_and_a_step_back_a_repetition() {
        assert_eq!(arrival(5, 5), Arrival::Due);
        assert_eq!(arrival(5, 4), Arrival::Repeated);
        assert_eq!(arrival(5, 8), Arrival::Jump { from: 5, to: 8 });
    }
}
