//! One object's state: the snapshots that none dominates, and which of them counts.
//!
//! Pure. Invariant: `join` is commutative, associative and idempotent, so the state is a
//! function of the *set* of snapshots it was told. `winner` and `tie_fingerprint` are functions
//! of the state alone. Nothing is ever dropped because of when it came.

mod antichain;
mod marks;
mod ties;

use serde::{Deserialize, Serialize};

use super::fields::Fields;
use super::phases::{Phase, later, phase};
use antichain::Antichain;
pub use marks::Marks;
pub(super) use marks::{Capture, ListedPayments};

/// What one event or observation says an object was like.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Snapshot {
    /// The second it is about, since 1970: the event's `created`, or the retrieval's by Stripe's
    /// clock.
    pub at: i64,
    /// The event or observation that says so.
    pub source_id: String,
    /// It was retrieved, not sent.
    pub observed: bool,
    /// It is the event of the object's entering its phase, which happens once: anything else of
    /// that phase and second came after.
    #[serde(alias = "creation")]
    pub entry: bool,
    /// What it was like.
    pub fields: Fields,
    /// What it was like just before, where the event tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Fields>,
    /// Facts beside it that no later snapshot takes back. The state keeps them, the set does not.
    #[serde(skip)]
    pub marks: Marks,
}

impl Snapshot {
    fn phase(&self) -> Phase {
        phase(&self.fields)
    }

    /// Whether `other` makes this one irrelevant.
    fn is_dominated_by(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.phase(), other.phase());
        later(&self.fields.kind, &mine, &theirs) || (mine == theirs && self.at < other.at)
    }

    /// Says the same about the same second.
    fn is_copy_of(&self, other: &Self) -> bool {
        (
            self.at,
            self.observed,
            self.entry,
            &self.fields,
            &self.before,
        ) == (
            other.at,
            other.observed,
            other.entry,
            &other.fields,
            &other.before,
        )
    }

    fn shares_second_and_phase(&self, other: &Self) -> bool {
        self.at == other.at && self.phase() == other.phase()
    }
}

/// All that matters of what an object's events and observations said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ObjectState {
    /// Undominated snapshots.
    #[serde(flatten)]
    current: Antichain,
    /// The undominated among those that name a booking; none: they are the current ones if all of
    /// these name one, else there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    naming: Option<Box<Antichain>>,
    /// The latest observation, dominated or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    observation: Option<Box<Snapshot>>,
    /// Monotone facts.
    #[serde(skip_serializing_if = "Marks::is_empty")]
    marks: Marks,
}

/// The snapshot that counts.
#[derive(Debug, Clone, Copy)]
pub struct Winner<'a> {
    /// It.
    pub snapshot: &'a Snapshot,
    /// false: only provisional, because snapshots are incomparable.
    pub settled: bool,
}

impl ObjectState {
    /// Takes one snapshot in.
    pub fn join(&mut self, mut snapshot: Snapshot) {
        let marks = std::mem::take(&mut snapshot.marks);
        self.marks.join(&marks);
        self.marks.name(snapshot.fields.booking.as_deref());
        if snapshot.observed
            && self
                .observation
                .as_deref()
                .is_none_or(|held| *held < snapshot)
        {
            self.observation = Some(Box::new(snapshot.clone()));
        }
        let names = snapshot.fields.booking.is_some();
        if names && self.naming.is_none() && self.all_name_one() {
            // As long as every snapshot names a booking, both sets are the same.
            self.current.insert(snapshot);
            return;
        }
        let mut naming = self.naming_set();
        if names {
            naming.insert(snapshot.clone());
        }
        self.current.insert(snapshot);
        self.keep_naming(naming);
    }

    /// Takes in everything another state was told.
    pub fn merge(&mut self, other: &Self) {
        let mut naming = self.naming_set();
        naming.merge(&other.naming_set());
        self.current.merge(&other.current);
        self.keep_naming(naming);
        self.marks.join(&other.marks);
        if let Some(theirs) = &other.observation
            && self.observation.as_ref().is_none_or(|held| held < theirs)
        {
            self.observation = Some(theirs.clone());
        }
    }

    fn all_name_one(&self) -> bool {
        self.current.all().all(|it| it.fields.booking.is_some())
    }

    fn naming_set(&self) -> Antichain {
        match &self.naming {
            Some(naming) => (**naming).clone(),
            None if self.all_name_one() => self.current.clone(),
            None => Antichain::default(),
        }
    }

    fn keep_naming(&mut self, naming: Antichain) {
        let is_implied = if self.all_name_one() {
            naming == self.current
        } else {
            naming.is_empty()
        };
        self.naming = (!is_implied).then(|| Box::new(naming));
    }

    /// The events and observations that what it holds is from; those of crowded seconds are
    /// not known any more.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        let naming = self.naming.iter().flat_map(|naming| naming.all());
        self.current
            .all()
            .chain(naming)
            .chain(self.observation.as_deref())
            .map(|snapshot| snapshot.source_id.as_str())
            .filter(|id| !id.is_empty())
    }

    /// Whether it was told nothing yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.current.is_empty()
    }

    /// The snapshot that counts; none for a state that was told nothing.
    #[must_use]
    pub fn winner(&self) -> Option<Winner<'_>> {
        self.current.winner()
    }

    /// The booking that the object's own metadata names: that of the winner among the snapshots
    /// that name one. A snapshot without a booking id says nothing about it.
    #[must_use]
    pub fn claim(&self) -> Option<&str> {
        let winner = match &self.naming {
            Some(naming) => naming.winner(),
            None if self.all_name_one() => self.current.winner(),
            None => None,
        };
        winner?.snapshot.fields.booking.as_deref()
    }

    /// What no later snapshot takes back.
    #[must_use]
    pub const fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Names the doubt, if there is one: the same for the same incomparable snapshots, 64 hex
    /// digits. One refetch for each distinct one is enough.
    #[must_use]
    pub fn tie_fingerprint(&self) -> Option<String> {
        self.current.tie_fingerprint()
    }

    /// The latest observation lies in an *earlier* phase than the winner: the read was stale, or
    /// our phases lack an edge. The winner stays; somebody should look. A phase that only an
    /// event's type tells is never seen by an observation.
    #[must_use]
    pub fn is_observation_behind(&self) -> bool {
        let (Some(seen), Some(winner)) = (&self.observation, self.winner()) else {
            return false;
        };
        winner.snapshot.fields.told.is_none()
            && seen.at > winner.snapshot.at
            && later(&seen.fields.kind, &seen.phase(), &winner.snapshot.phase())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn intent(status: &str) -> Fields {
        Fields {
            kind: "payment_intent".into(),
            status: Some(status.into()),
            ..Fields::default()
        }
    }

    fn event(id: &str, at: i64, status: &str, before: Option<&str>) -> Snapshot {
        Snapshot {
            at,
            source_id: id.into(),
            observed: false,
            entry: false,
            fields: intent(status),
            before: before.map(intent),
            marks: Marks::default(),
        }
    }

    fn observation(at: i64, status: &str) -> Snapshot {
        Snapshot {
            observed: true,
            ..event("obs_1", at, status, None)
        }
    }

    fn folded(snapshots: &[Snapshot]) -> ObjectState {
        let mut state = ObjectState::default();
        for snapshot in snapshots {
            state.join(snapshot.clone());
        }
        state
    }

    fn shown(state: &ObjectState) -> (String, bool) {
        let winner = state.winner().unwrap();
        (
            winner.snapshot.fields.status.clone().unwrap(),
            winner.settled,
        )
    }

    #[test]
    fn a_late_earlier_phase_undoes_nothing_whatever_its_time() {
        let state = folded(&[
            event("evt_2", 10, "succeeded", None),
            event("evt_1", 99, "processing", None),
        ]);
        assert_eq!(shown(&state), ("succeeded".into(), true));
    }

    #[test]
    fn within_a_phase_the_later_second_counts() {
        let state = folded(&[
            event("evt_2", 11, "requires_action", None),
            event("evt_1", 10, "processing", None),
        ]);
        assert_eq!(shown(&state), ("requires_action".into(), true));
    }

    #[test]
    fn within_a_second_the_one_that_explains_the_other_counts() {
        let a = event(
            "evt_9",
            10,
            "requires_action",
            Some("requires_payment_method"),
        );
        let b = event("evt_1", 10, "processing", Some("requires_action"));
        for order in [[a.clone(), b.clone()], [b, a]] {
            assert_eq!(shown(&folded(&order)), ("processing".into(), true));
        }
    }

    #[test]
    fn a_change_that_explains_nothing_may_have_come_last() {
        let back = event("evt_1", 10, "requires_action", None);
        let left = event("evt_2", 10, "processing", Some("requires_action"));
        assert!(!shown(&folded(&[back.clone(), left.clone()])).1);
        // Unless nothing can lie before it.
        let made = Snapshot {
            entry: true,
            ..back
        };
        assert_eq!(shown(&folded(&[made, left])), ("processing".into(), true));
    }

    #[test]
    fn a_missing_middle_link_is_a_doubt_until_it_comes() {
        let a = event(
            "evt_a",
            10,
            "requires_confirmation",
            Some("requires_payment_method"),
        );
        let b = event(
            "evt_b",
            10,
            "requires_action",
            Some("requires_confirmation"),
        );
        let c = event("evt_c", 10, "processing", Some("requires_action"));
        let mut state = folded(&[a, c]);
        assert!(!shown(&state).1);
        assert!(state.tie_fingerprint().is_some());
        state.join(b);
        assert_eq!(shown(&state), ("processing".into(), true));
        assert_eq!(state.tie_fingerprint(), None);
    }

    #[test]
    fn the_creation_loses_to_anything_of_its_second() {
        let created = Snapshot {
            entry: true,
            ..event("evt_z", 10, "requires_payment_method", None)
        };
        let state = folded(&[event("evt_a", 10, "processing", None), created]);
        assert_eq!(shown(&state), ("processing".into(), true));
    }

    #[test]
    fn an_observation_settles_what_lies_before_it_and_nothing_of_its_own_second() {
        let tie = [
            event("evt_a", 10, "processing", None),
            event("evt_b", 10, "requires_action", None),
        ];
        let mut state = folded(&tie);
        state.join(observation(10, "requires_action"));
        assert!(!shown(&state).1);
        state.join(observation(12, "requires_action"));
        assert_eq!(shown(&state), ("requires_action".into(), true));
    }

    #[test]
    fn what_excludes_each_other_is_settled_by_looking() {
        let mut state = folded(&[
            event("evt_a", 10, "succeeded", None),
            event("evt_b", 11, "canceled", None),
        ]);
        assert_eq!(shown(&state), ("canceled".into(), false));
        state.join(observation(20, "succeeded"));
        assert_eq!(shown(&state), ("succeeded".into(), true));
    }

    #[test]
    fn an_observation_behind_the_winner_changes_nothing_and_is_told() {
        let state = folded(&[
            event("evt_a", 10, "succeeded", None),
            observation(20, "processing"),
        ]);
        assert_eq!(shown(&state), ("succeeded".into(), true));
        assert!(state.is_observation_behind());
    }

    #[test]
    fn a_second_with_too_many_ties_is_a_doubt_whatever_came_first() {
        let ties: Vec<Snapshot> = (0..40)
            .map(|n| {
                let mut one = event(&format!("evt_{n}"), 10, "processing", None);
                one.fields.amount = Some(n);
                one
            })
            .collect();
        let mut backwards = ties.clone();
        backwards.reverse();
        let (one, two) = (folded(&ties), folded(&backwards));
        assert_eq!(one, two);
        assert!(!shown(&one).1);
        let mut later = one;
        later.join(event("evt_later", 11, "requires_action", None));
        assert_eq!(shown(&later), ("requires_action".into(), true));
    }

    fn naming(id: &str, at: i64, booking: Option<&str>) -> Snapshot {
        let mut one = event(id, at, "processing", None);
        one.fields.booking = booking.map(Into::into);
        one
    }

    #[test]
    fn a_snapshot_without_a_booking_takes_no_claim_back() {
        let told = [
            naming("evt_1", 10, Some("a")),
            naming("evt_2", 20, Some("b")),
            naming("evt_3", 30, None),
        ];
        let mut backwards = told.clone();
        backwards.reverse();
        let (one, two) = (folded(&told), folded(&backwards));
        assert_eq!(one, two);
        assert_eq!(one.claim(), Some("b"), "the latest that names one");
        assert_eq!(one.winner().unwrap().snapshot.fields.booking, None);
        let named: Vec<&str> = one.marks().bookings().collect();
        assert_eq!(named, ["a", "b"]);
        let text = serde_json::to_string(&one).unwrap();
        let back: ObjectState = serde_json::from_str(&text).unwrap();
        assert_eq!(back, one);
        assert_eq!(folded(&told[2..]).claim(), None);
    }
}
