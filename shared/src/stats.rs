//! What an ingestor tells of itself once a minute: how many requests ended in which way.
//!
//! Keeps: an instance's records are consecutive (each begins where the one before it ended), a
//! quiet minute is told, too, and the last one of an orderly stop says that it is the last. So
//! whoever reads them knows for which seconds he knows all. A record that may not have arrived is
//! told again under the same number with a later end: of several with one number the longest counts.
//!
//! Leaves out: what was in the requests, the clock, and how a record travels. Times are whole
//! seconds since 1970; a request of the very second in which a record ends may be counted by it or
//! by the next.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The version of the shape.
pub const VERSION: u8 = 1;

/// Longest pause between two records of an instance, in seconds.
pub const LONGEST_INTERVAL_S: i64 = 60;

/// Counts by how a request ended.
pub type Counts = BTreeMap<String, u64>;

/// What the sender of a request was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// 200: the event is stored.
    Stored,
    /// 4xx: sending it again as it is will not help.
    Refused,
    /// 503: to be sent again.
    Unavailable,
}

/// Every way in which a request ends: a closed set.
pub const LABELS: [(&str, Answered); 12] = [
    ("ok", Answered::Stored),
    ("no_header", Answered::Refused),
    ("bad_header", Answered::Refused),
    ("empty_body", Answered::Refused),
    ("hmac_mismatch", Answered::Refused),
    ("ts_too_old", Answered::Refused),
    ("ts_future", Answered::Refused),
    ("too_large", Answered::Refused),
    ("body_timeout", Answered::Refused),
    ("body_broken", Answered::Refused),
    ("overloaded", Answered::Unavailable),
    ("publish_failed", Answered::Unavailable),
];

/// One record of the topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// [`VERSION`].
    pub v: u8,
    /// Which process tells it; no two ever have the same.
    pub instance: String,
    /// Its number among the instance's records, from 0.
    pub seq: u64,
    /// First second.
    pub from: i64,
    /// The second after the last, and the next record's first.
    pub to: i64,
    /// Whether the instance has stopped in order and will tell no more.
    #[serde(rename = "final")]
    pub last: bool,
    /// How many requests ended in which way.
    pub counts: Counts,
}

/// Why a record cannot be relied on.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Not this shape.
    #[error("not a record of counts")]
    Shape(#[from] serde_json::Error),
    /// A version that we do not know.
    #[error("version {0} is unknown")]
    Version(u8),
    /// It ends before it begins, or nobody tells it.
    #[error("its span or its instance makes no sense")]
    Nonsense,
    /// A way to end that we do not know: it could be a refusal.
    #[error("a count's label is unknown")]
    Label,
}

impl Stats {
    /// Reads a record's value.
    ///
    /// # Errors
    /// [`Unreadable`]: its counts are unknown.
    pub fn read(value: &[u8]) -> Result<Self, Unreadable> {
        let stats: Self = serde_json::from_slice(value)?;
        if stats.v != VERSION {
            return Err(Unreadable::Version(stats.v));
        }
        if stats.to < stats.from || stats.instance.is_empty() {
            return Err(Unreadable::Nonsense);
        }
        let known = |label: &String| LABELS.iter().any(|(name, _)| name == label);
        if !stats.counts.keys().all(known) {
            return Err(Unreadable::Label);
        }
        Ok(stats)
    }

    /// As a record's value.
    ///
    /// # Errors
    /// None in practice: the shape has no value that JSON lacks.
    pub fn write(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// How many requests were answered so.
    #[must_use]
    pub fn answered(&self, how: Answered) -> u64 {
        LABELS
            .iter()
            .filter(|(_, answered)| *answered == how)
            .filter_map(|(label, _)| self.counts.get(*label))
            .fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// What one instance has told already. It decides what the next record says.
#[derive(Debug, Clone)]
pub struct Teller {
    instance: String,
    seq: u64,
    from: i64,
    told: Counts,
}

impl Teller {
    /// An instance that begins to count at `now` with nothing counted.
    #[must_use]
    pub fn new(instance: String, now: i64) -> Self {
        Self {
            instance,
            seq: 0,
            from: now,
            told: Counts::new(),
        }
    }

    /// The next record, when `counted` is what was counted since the beginning. Until it is
    /// [`Teller::acknowledged`] the next one tells all of it again.
    #[must_use]
    pub fn next(&self, counted: &Counts, now: i64, last: bool) -> Stats {
        let untold = |(label, count): (&String, &u64)| {
            let told = self.told.get(label).copied().unwrap_or(0);
            (label.clone(), count.saturating_sub(told))
        };
        Stats {
            v: VERSION,
            instance: self.instance.clone(),
            seq: self.seq,
            from: self.from,
            // A clock that was put back makes no span end before it begins.
            to: now.max(self.from),
            last,
            counts: counted.iter().map(untold).collect(),
        }
    }

    /// The broker has `stats`, which was made of `counted`.
    pub fn acknowledged(&mut self, stats: &Stats, counted: Counts) {
        self.seq = stats.seq.saturating_add(1);
        self.from = stats.to;
        self.told = counted;
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "tests fail by panicking"
    )]
    use super::*;

    fn counts(ok: u64, refused: u64) -> Counts {
        Counts::from([("ok".into(), ok), ("hmac_mismatch".into(), refused)])
    }

    #[test]
    fn what_is_written_is_read() {
        let stats = Teller::new("a".into(), 5).next(&counts(3, 2), 9, true);
        let value = stats.write().unwrap();
        let text = String::from_utf8(value.clone()).unwrap();
        assert!(text.contains(r#""final":true"#), "{text}");
        assert_eq!(Stats::read(&value).unwrap(), stats);
        assert_eq!(stats.answered(Answered::Refused), 2);
        assert_eq!(stats.answered(Answered::Unavailable), 0);
    }

    #[test]
    fn what_cannot_be_relied_on_is_not_read() {
        let good = r#"{"v":1,"instance":"a","seq":0,"from":1,"to":2,"final":false,"counts":{}}"#;
        assert!(Stats::read(good.as_bytes()).is_ok());
        for (part, other) in [
            (r#""v":1"#, r#""v":2"#),
            (r#""to":2"#, r#""to":0"#),
            (r#""a""#, r#""""#),
            ("{}", r#"{"a_new_refusal":1}"#),
            ("{}", r#"{"ok":-1}"#),
            (r#""seq":0,"#, ""),
        ] {
            let bad = good.replace(part, other);
            assert!(Stats::read(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Stats::read(b"\xff").is_err());
    }

    #[test]
    fn records_are_consecutive_and_tell_each_request_once() {
        let mut teller = Teller::new("a".into(), 100);
        let first = teller.next(&counts(3, 0), 160, false);
        teller.acknowledged(&first, counts(3, 0));
        let second = teller.next(&counts(5, 1), 220, true);
        assert_eq!((first.seq, first.from, first.to), (0, 100, 160));
        assert_eq!((second.seq, second.from, second.to), (1, 160, 220));
        assert_eq!(second.counts, counts(2, 1));
        assert!(second.last && !first.last);
    }

    #[test]
    fn counts_that_were_not_acknowledged_are_carried_into_a_longer_record() {
        let teller = Teller::new("a".into(), 100);
        let lost = teller.next(&counts(3, 0), 160, false);
        let next = teller.next(&counts(4, 2), 220, false);
        assert_eq!((next.seq, next.from, next.to), (lost.seq, 100, 220));
        assert_eq!(next.counts, counts(4, 2));
    }

    #[test]
    fn a_quiet_minute_is_told_with_zeros() {
        let mut teller = Teller::new("a".into(), 100);
        let first = teller.next(&counts(3, 1), 160, false);
        teller.acknowledged(&first, counts(3, 1));
        assert_eq!(teller.next(&counts(3, 1), 220, false).counts, counts(0, 0));
    }

    #[test]
    fn a_clock_that_is_put_back_makes_no_span_end_before_it_begins() {
        let teller = Teller::new("a".into(), 100);
        let stats = teller.next(&counts(0, 0), 40, false);
        assert_eq!((stats.from, stats.to), (100, 100));
    }
}
