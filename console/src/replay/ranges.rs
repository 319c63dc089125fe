//! From what was asked for to offsets: which range of each partition is read.
//!
//! Pure. Invariants: a range lies within the log as it was first seen, and below our progress; so
//! a replay never reads what it publishes, nor what will be applied anyway. Whatever differs from
//! what was asked for is told.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::start::Start;

/// What is known of one partition at the first look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// First offset that is there.
    pub(crate) first: i64,
    /// One past the last.
    pub(crate) end: i64,
    /// First offset that is not applied; none: no processor has ever owned it.
    pub(crate) next_offset: Option<i64>,
    /// First record that is not older than the asked start; none: all are older.
    pub(crate) at_start: Option<i64>,
    /// First record that is not older than the asked end; none: all are older, or none was asked.
    pub(crate) at_until: Option<i64>,
}

/// What is read of one partition: `from` inclusive, `to` exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Range {
    pub(crate) partition: i32,
    pub(crate) from: i64,
    pub(crate) to: i64,
}

/// What was done otherwise than asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Note {
    /// The asked offset lies outside of the log, which begins or ends at `used`.
    Clamped {
        partition: i32,
        asked: i64,
        used: i64,
    },
    /// Nothing of it was ever applied, so there is nothing to count back from.
    NoProgress { partition: i32 },
    /// The file names a partition that the topic does not have.
    NoPartition { partition: i32 },
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Clamped {
                partition,
                asked,
                used,
            } if used > asked => write!(
                f,
                "partition {partition}: the log begins at {used}, not at the asked {asked}; \
                 what is older is in the ledger only (--source ledger)"
            ),
            Self::Clamped {
                partition,
                asked,
                used,
            } => write!(
                f,
                "partition {partition}: the log ends at {used}, before the asked {asked}"
            ),
            Self::NoProgress { partition } => write!(
                f,
                "partition {partition}: nothing was ever applied, so there is nothing to go back from"
            ),
            Self::NoPartition { partition } => {
                write!(f, "partition {partition}: there is no such partition")
            }
        }
    }
}

/// What is read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges {
    /// By partition; none is empty.
    pub(crate) ranges: Vec<Range>,
    pub(crate) notes: Vec<Note>,
    /// Records of the asked range that are not applied yet: they will be anyway.
    pub(crate) not_applied: i64,
}

/// Works out what is read of each partition.
pub(crate) fn ranges(start: &Start, looks: &BTreeMap<i32, Look>) -> Ranges {
    let mut found = Ranges::default();
    if let Start::Offsets(asked) = start {
        let strange = asked.keys().filter(|number| !looks.contains_key(number));
        found
            .notes
            .extend(strange.map(|partition| Note::NoPartition {
                partition: *partition,
            }));
    }
    for (partition, look) in looks {
        let partition = *partition;
        let Some(asked) = asked(start, partition, look) else {
            if matches!(start, Start::Back(_)) {
                found.notes.push(Note::NoProgress { partition });
            }
            continue;
        };
        let used = asked.clamp(look.first, look.end.max(look.first));
        if used != asked {
            found.notes.push(Note::Clamped {
                partition,
                asked,
                used,
            });
        }
        let end = look.at_until.unwrap_or(look.end).min(look.end);
        let applied = look.next_offset.unwrap_or(look.first);
        let to = end.min(applied);
        let left = end.saturating_sub(used.max(applied)).max(0);
        found.not_applied = found.not_applied.saturating_add(left);
        if used < to {
            found.ranges.push(Range {
                partition,
                from: used,
                to,
            });
        }
    }
    found
}

/// The asked offset; none: this partition is not read.
fn asked(start: &Start, partition: i32, look: &Look) -> Option<i64> {
    match start {
        Start::Earliest => Some(look.first),
        Start::Offset(offset) => Some(*offset),
        Start::Back(count) => look
            .next_offset
            .map(|next| next.saturating_sub(*count).max(0)),
        Start::Since(_) => Some(look.at_start.unwrap_or(look.end)),
        Start::Offsets(asked) => asked.get(&partition).copied(),
    }
}

/// The youngest ledger row of a partition whose record is no longer in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) offset: i64,
    pub(crate) received_at: DateTime<Utc>,
}

/// Whether the log no longer has all that was asked for of a partition, but the ledger has more.
/// `--to-earliest` asks for what the log has, whatever that is.
pub(crate) fn lacks(start: &Start, partition: i32, look: &Look, lost: Option<Lost>) -> bool {
    let Some(lost) = lost else { return false };
    match start {
        Start::Earliest => false,
        Start::Since(at) => lost.received_at >= *at,
        Start::Offset(_) | Start::Back(_) | Start::Offsets(_) => {
            asked(start, partition, look).is_some_and(|asked| lost.offset >= asked)
        }
    }
}

/// First offsets of a start that names offsets, for the ledger, which has no bounds to clamp to.
/// None: it names none, and all partitions are read.
pub(crate) fn first_offsets(
    start: &Start,
    looks: &BTreeMap<i32, Look>,
) -> Option<BTreeMap<i32, i64>> {
    match start {
        Start::Earliest | Start::Since(_) => None,
        Start::Offset(_) | Start::Back(_) => Some(
            looks
                .iter()
                .filter_map(|(partition, look)| Some((*partition, asked(start, *partition, look)?)))
                .collect(),
        ),
        Start::Offsets(asked) => Some(asked.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Look = Look {
        first: 100,
        end: 200,
        next_offset: Some(180),
        at_start: None,
        at_until: None,
    };

    fn one(start: &Start, look: Look) -> Ranges {
        ranges(start, &BTreeMap::from([(3, look)]))
    }

    fn range(found: &Ranges) -> Option<(i64, i64)> {
        found.ranges.first().map(|range| (range.from, range.to))
    }

    #[test]
    fn reading_begins_where_kafkas_tool_would_begin() {
        for (start, from) in [
            (Start::Earliest, 100),
            (Start::Offset(150), 150),
            (Start::Back(30), 150),
            (Start::Offsets(BTreeMap::from([(3, 170)])), 170),
        ] {
            let found = one(&start, LOOK);
            assert_eq!(range(&found), Some((from, 180)), "{start:?}");
            assert_eq!(found.notes, [], "{start:?}");
        }
        let at_start = Some(120);
        let since = one(
            &Start::Since(DateTime::UNIX_EPOCH),
            Look { at_start, ..LOOK },
        );
        assert_eq!(range(&since), Some((120, 180)));
    }

    #[test]
    fn what_is_not_applied_yet_is_left_out_and_counted() {
        let found = one(&Start::Earliest, LOOK);
        assert_eq!((range(&found), found.not_applied), (Some((100, 180)), 20));
        let beyond = one(&Start::Offset(190), LOOK);
        assert_eq!((range(&beyond), beyond.not_applied), (None, 10));
        let never = one(
            &Start::Earliest,
            Look {
                next_offset: None,
                ..LOOK
            },
        );
        assert_eq!((range(&never), never.not_applied), (None, 100));
    }

    #[test]
    fn an_offset_out_of_range_is_clamped_and_that_is_said() {
        let below = one(&Start::Offset(7), LOOK);
        assert_eq!(range(&below), Some((100, 180)));
        assert!(
            below
                .notes
                .iter()
                .any(|note| note.to_string().contains("begins at 100"))
        );
        let above = one(&Start::Offset(999), LOOK);
        assert_eq!(range(&above), None);
        assert!(
            above
                .notes
                .iter()
                .any(|note| note.to_string().contains("ends at 200"))
        );
        assert_eq!(range(&one(&Start::Back(5_000), LOOK)), Some((100, 180)));
    }

    #[test]
    fn going_back_needs_progress_to_go_back_from() {
        let never = Look {
            next_offset: None,
            ..LOOK
        };
        let found = one(&Start::Back(5), never);
        assert_eq!(found.notes, [Note::NoProgress { partition: 3 }]);
        assert_eq!(range(&found), None);
    }

    #[test]
    fn a_file_reads_only_the_partitions_that_it_names() {
        let found = one(&Start::Offsets(BTreeMap::from([(9, 1)])), LOOK);
        assert_eq!(found.notes, [Note::NoPartition { partition: 9 }]);
        assert_eq!(range(&found), None);
    }

    #[test]
    fn reading_ends_at_the_asked_time_or_at_the_end_first_seen() {
        let until = |at_until| range(&one(&Start::Earliest, Look { at_until, ..LOOK }));
        assert_eq!(until(Some(110)), Some((100, 110)));
        assert_eq!(until(Some(100)), None);
        assert_eq!(until(None), Some((100, 180)));
    }

    #[test]
    fn a_log_shorter_than_progress_or_empty_selects_nothing_it_does_not_have() {
        let shorter = Look { end: 150, ..LOOK };
        assert_eq!(range(&one(&Start::Earliest, shorter)), Some((100, 150)));
        let empty = Look { first: 200, ..LOOK };
        assert_eq!(range(&one(&Start::Offset(0), empty)), None);
        assert_eq!(
            range(&one(&Start::Since(DateTime::UNIX_EPOCH), empty)),
            None
        );
    }

    #[test]
    fn the_log_lacks_what_only_the_ledger_has() {
        let at = DateTime::from_timestamp(1_000, 0).unwrap_or_default();
        let lost = Some(Lost {
            offset: 90,
            received_at: at,
        });
        assert!(lacks(&Start::Offset(90), 3, &LOOK, lost));
        assert!(!lacks(&Start::Offset(91), 3, &LOOK, lost));
        assert!(lacks(&Start::Back(95), 3, &LOOK, lost));
        assert!(lacks(&Start::Since(at), 3, &LOOK, lost));
        let later = DateTime::from_timestamp(1_001, 0).unwrap_or_default();
        assert!(!lacks(&Start::Since(later), 3, &LOOK, lost));
        assert!(!lacks(&Start::Earliest, 3, &LOOK, lost));
        assert!(!lacks(&Start::Offset(0), 3, &LOOK, None));
    }
}
