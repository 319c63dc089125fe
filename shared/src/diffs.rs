//! What differs between Stripe's list of events and the ledger, for one window.
//!
//! Keeps: the result depends on the two sets alone, not on their order or on copies; a window is
//! *complete* exactly when both hold the same ids, whatever became of the events; *drift* is
//! everything that somebody has to look at.
//!
//! Leaves out: fetching either side, and the question whether the log still holds records that
//! nobody applied yet (the barrier, which must be passed before anything is compared).

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::ids::EventId;

/// What became of an event in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Disposition {
    Applied,
    NoChange,
    Ignored,
    Parked,
    Dead,
}

impl Disposition {
    /// The disposition that the ledger's column names, or `None` for a word this version doesn't
    /// know.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "applied" => Some(Self::Applied),
            "no_change" => Some(Self::NoChange),
            "ignored" => Some(Self::Ignored),
            "parked" => Some(Self::Parked),
            "dead" => Some(Self::Dead),
            _ => None,
        }
    }
}

/// One row of the ledger, as far as a comparison needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    pub id: EventId,
    pub disposition: Disposition,
    /// When the record was received, in seconds since 1970: how long a parked one has waited.
    pub received_at: i64,
}

/// One difference. Each names the event it is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// Stripe lists it, the ledger has no row: it has to be published.
    Missing(EventId),
    /// The ledger has it, Stripe's list does not.
    Unlisted(EventId),
    /// In the ledger, given up on.
    Dead(EventId),
    /// In the ledger, waiting behind a blocked booking longer than its limit.
    ParkedTooLong(EventId),
}

impl Finding {
    /// The event it is about.
    pub fn event_id(&self) -> &EventId {
        match self {
            Self::Missing(id) | Self::Unlisted(id) | Self::Dead(id) | Self::ParkedTooLong(id) => id,
        }
    }
}

/// The outcome for one window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Every difference, sorted; at most one of each kind for an id.
    pub findings: Vec<Finding>,
    pub stripe: IdSet,
    pub ledger: IdSet,
}

impl Comparison {
    /// Both sides hold the same ids, whatever the disposition.
    pub fn is_complete(&self) -> bool {
        self.stripe == self.ledger
    }

    /// Somebody has to act: an id is missing on either side, or an event waits or was given up.
    pub fn has_drift(&self) -> bool {
        !self.findings.is_empty()
    }
}

/// A set of ids in two figures, for the certificate: how many, and a hash that tells two sets apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdSet {
    pub count: usize,
    /// SHA-256, lower-case hex, over the sorted distinct ids, each followed by a line feed.
    pub hash: String,
}

impl IdSet {
    fn of<'a>(ids: impl Iterator<Item = &'a EventId>) -> Self {
        let (mut count, mut hash) = (0, Sha256::new());
        for id in ids {
            hash.update(id.as_str().as_bytes());
            hash.update(b"\n");
            count += 1;
        }
        Self {
            count,
            hash: hex::encode(hash.finalize()),
        }
    }
}

/// Compares the ids that Stripe lists for a window with the ledger's rows of that window.
/// `parked_before`: a parked event received before this second (since 1970) has waited too long.
/// Order and copies in either argument change nothing.
pub fn compare(listed: &[EventId], ledger: &[LedgerRow], parked_before: i64) -> Comparison {
    let listed: BTreeSet<&EventId> = listed.iter().collect();
    let rows: BTreeMap<&EventId, &LedgerRow> = ledger.iter().map(|row| (&row.id, row)).collect();
    let missing = listed
        .iter()
        .filter(|id| !rows.contains_key(*id))
        .map(|id| Finding::Missing((*id).clone()));
    let unlisted = rows
        .keys()
        .filter(|id| !listed.contains(*id))
        .map(|id| Finding::Unlisted((*id).clone()));
    let stuck = rows.values().filter_map(|row| stuck(row, parked_before));
    let mut findings: Vec<Finding> = missing.chain(unlisted).chain(stuck).collect();
    findings.sort();
    Comparison {
        findings,
        stripe: IdSet::of(listed.iter().copied()),
        ledger: IdSet::of(rows.keys().copied()),
    }
}

/// What a row that lies in the ledger still lacks, if anything.
fn stuck(row: &LedgerRow, parked_before: i64) -> Option<Finding> {
    match row.disposition {
        Disposition::Dead => Some(Finding::Dead(row.id.clone())),
        Disposition::Parked if row.received_at < parked_before => {
            Some(Finding::ParkedTooLong(row.id.clone()))
        }
        Disposition::Parked
        | Disposition::Applied
        | Disposition::NoChange
        | Disposition::Ignored => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use proptest::prelude::*;

    fn id(text: &str) -> EventId {
        EventId::parse(text).unwrap()
    }

    fn row(text: &str, disposition: Disposition) -> LedgerRow {
        LedgerRow {
            id: id(text),
            disposition,
            received_at: 1_000,
        }
    }

    #[test]
    fn equal_sets_are_complete_and_free_of_drift() {
        let found = compare(
            &[id("evt_b"), id("evt_a")],
            &[
                row("evt_a", Disposition::Applied),
                row("evt_b", Disposition::NoChange),
            ],
            0,
        );
        assert!(found.is_complete() && !found.has_drift());
        assert_eq!(found.stripe.count, 2);
    }

    #[test]
    fn two_empty_sides_are_complete() {
        assert!(compare(&[], &[], 0).is_complete());
    }

    #[test]
    fn listed_event_without_a_row_is_missing() {
        let found = compare(
            &[id("evt_a"), id("evt_b")],
            &[row("evt_b", Disposition::Applied)],
            0,
        );
        assert_eq!(found.findings, [Finding::Missing(id("evt_a"))]);
        assert!(!found.is_complete());
    }

    #[test]
    fn row_that_stripe_does_not_list_breaks_completeness() {
        let found = compare(&[], &[row("evt_a", Disposition::Applied)], 0);
        assert_eq!(found.findings, [Finding::Unlisted(id("evt_a"))]);
        assert!(!found.is_complete());
    }

    #[test]
    fn ignored_event_is_fine() {
        assert!(
            !compare(
                &[id("evt_a")],
                &[row("evt_a", Disposition::Ignored)],
                i64::MAX
            )
            .has_drift()
        );
    }

    #[test]
    fn dead_event_is_drift_but_not_a_gap() {
        let found = compare(&[id("evt_a")], &[row("evt_a", Disposition::Dead)], 0);
        assert_eq!(found.findings, [Finding::Dead(id("evt_a"))]);
        assert!(found.is_complete() && found.has_drift());
    }

    #[test]
    fn parked_event_is_drift_only_past_its_limit() {
        let parked = [row("evt_a", Disposition::Parked)];
        assert!(!compare(&[id("evt_a")], &parked, 1_000).has_drift());
        assert!(compare(&[id("evt_a")], &parked, 1_001).has_drift());
    }

    #[test]
    fn same_count_of_other_ids_has_another_hash() {
        let found = compare(&[id("evt_a")], &[row("evt_b", Disposition::Applied)], 0);
        assert_eq!(found.stripe.count, found.ledger.count);
        assert_ne!(found.stripe.hash, found.ledger.hash);
        assert_eq!(found.findings.len(), 2);
    }

    #[test]
    fn every_disposition_word_of_the_ledger_is_known_and_no_other() {
        for word in ["applied", "no_change", "ignored", "parked", "dead"] {
            assert!(Disposition::parse(word).is_some(), "{word}");
        }
        assert_eq!(Disposition::parse("Applied"), None);
    }

    fn ids() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(0u8..40, 0..40)
    }

    proptest! {
        #[test]
        fn missing_is_exactly_listed_minus_ledger(remote in ids(), local in ids()) {
            let listed: Vec<EventId> = remote.iter().map(|n| id(&format!("evt_{n}"))).collect();
            let rows: Vec<LedgerRow> =
                local.iter().map(|n| row(&format!("evt_{n}"), Disposition::Applied)).collect();
            let found = compare(&listed, &rows, 0);
            let missing: BTreeSet<EventId> = found.findings.iter()
                .filter(|f| matches!(f, Finding::Missing(_)))
                .map(|f| f.event_id().clone()).collect();
            let expected: BTreeSet<EventId> = remote.iter().filter(|n| !local.contains(n))
                .map(|n| id(&format!("evt_{n}"))).collect();
            prop_assert_eq!(&missing, &expected);
            let same: bool = remote.iter().collect::<BTreeSet<_>>() == local.iter().collect();
            prop_assert_eq!(found.is_complete(), same);
        }

        #[test]
        fn order_and_copies_change_nothing(remote in ids(), local in ids()) {
            let listed: Vec<EventId> = remote.iter().map(|n| id(&format!("evt_{n}"))).collect();
            let rows: Vec<LedgerRow> =
                local.iter().map(|n| row(&format!("evt_{n}"), Disposition::Parked)).collect();
            let twice: Vec<EventId> = listed.iter().rev().chain(&listed).cloned().collect();
            let turned: Vec<LedgerRow> = rows.iter().rev().chain(&rows).cloned().collect();
            prop_assert_eq!(compare(&listed, &rows, 2_000), compare(&twice, &turned, 2_000));
        }
    }
}
