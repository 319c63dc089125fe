//! What an erasure does to each thing that holds a person's data, and what still lies in Kafka.
//!
//! Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::ledger::erase::Held;

/// What becomes of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fate {
    /// Its payload is blanked.
    Erased,
    /// It waits in a booking's queue: it is not applied yet.
    Parked,
    /// A dead letter of it waits for a decision.
    Undecided,
}

impl Fate {
    /// In words.
    pub(super) const fn told(self) -> &'static str {
        match self {
            Self::Erased => "erased",
            Self::Parked => "stays: it is parked (bookend parked release or skip, then again)",
            Self::Undecided => {
                "stays: its dead letter is open (bookend dead resolve or ignore, then again)"
            }
        }
    }
}

/// What becomes of it.
pub(super) fn fate(held: &Held) -> Fate {
    match (held.is_open, held.disposition.as_deref()) {
        (true, _) => Fate::Undecided,
        (false, Some("parked")) => Fate::Parked,
        (false, Some(_) | None) => Fate::Erased,
    }
}

/// Records of one topic that hold the person's data, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct InKafka {
    pub(super) topic: String,
    /// Records that the topic may still hold.
    pub(super) records: usize,
    /// When the last of them has left it; none: the topic keeps them for ever, or was not reached.
    pub(super) until: Option<DateTime<Utc>>,
}

/// Per topic what it may still hold. `kept`: each topic's retention, milliseconds; none: for ever,
/// or unknown.
pub(super) fn in_kafka(
    held: &[Held],
    kept: &BTreeMap<String, Option<i64>>,
    now: DateTime<Utc>,
) -> Vec<InKafka> {
    let mut topics: BTreeMap<&str, InKafka> = BTreeMap::new();
    for one in held {
        let kept = kept.get(&one.topic).copied().flatten();
        let until = kept
            .and_then(TimeDelta::try_milliseconds)
            .and_then(|kept| one.received_at.checked_add_signed(kept));
        if until.is_some_and(|until| until <= now) {
            continue;
        }
        let topic = topics.entry(&one.topic).or_insert_with(|| InKafka {
            topic: one.topic.clone(),
            records: 0,
            until,
        });
        topic.records += 1;
        topic.until = topic.until.max(until);
    }
    topics.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(disposition: Option<&str>, is_open: bool, received: i64) -> Held {
        Held {
            subject: "evt_1".to_owned(),
            letter: None,
            event_type: "charge.succeeded".to_owned(),
            object_id: None,
            disposition: disposition.map(str::to_owned),
            is_open,
            topic: "stripe.events".to_owned(),
            partition: 0,
            offset: 7,
            received_at: DateTime::from_timestamp(received, 0).unwrap(),
        }
    }

    #[test]
    fn nothing_is_erased_that_still_has_to_be_applied_or_decided() {
        for done in ["applied", "no_change", "ignored", "dead"] {
            assert_eq!(fate(&held(Some(done), false, 0)), Fate::Erased, "{done}");
        }
        assert_eq!(fate(&held(None, false, 0)), Fate::Erased);
        assert_eq!(fate(&held(Some("parked"), false, 0)), Fate::Parked);
        assert_eq!(fate(&held(Some("dead"), true, 0)), Fate::Undecided);
        assert_eq!(fate(&held(None, true, 0)), Fate::Undecided);
    }

    #[test]
    fn a_topic_holds_a_record_until_its_retention_has_passed() {
        let kept = |ms| BTreeMap::from([("stripe.events".to_owned(), ms)]);
        let rows = [held(None, false, 100), held(None, false, 200)];
        let now = DateTime::from_timestamp(1_150, 0).unwrap();
        let told = in_kafka(&rows, &kept(Some(1_000_000)), now);
        let until = DateTime::from_timestamp(1_200, 0);
        assert_eq!((told[0].records, told[0].until), (1, until));
        let later = DateTime::from_timestamp(1_300, 0).unwrap();
        assert_eq!(in_kafka(&rows, &kept(Some(1_000_000)), later), []);
        let told = in_kafka(&rows, &kept(None), now);
        assert_eq!((told[0].records, told[0].until), (2, None));
    }
}
