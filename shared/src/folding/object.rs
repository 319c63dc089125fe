//! One object's state: the snapshots that none dominates, and which of them counts.
//!
//! Pure. Invariant: `join` is commutative, associative and idempotent, so the state is a
//! function of the *set* of snapshots it was told. `winner` and `tie_fingerprint` are functions
//! of the state alone. Nothing is ever dropped because of when it came.

mod ties;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::fields::Fields;
use super::phases::{Phase, later, phase};
use ties::{explained, observed_last, only};

/// Most snapshots of one phase and second that are told apart. A second with more is "too
/// many": incomparable until something later dominates it.
const MAX_TIES: usize = 16;

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
    /// Undominated snapshots, sorted.
    members: Vec<Snapshot>,
    /// Seconds that had too many ties: one stand-in each, the greatest by content.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    crowded: Vec<Snapshot>,
    /// The latest observation, dominated or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    observation: Option<Box<Snapshot>>,
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
    pub fn join(&mut self, snapshot: Snapshot) {
        if snapshot.observed
            && self
                .observation
                .as_deref()
                .is_none_or(|held| *held < snapshot)
        {
            self.observation = Some(Box::new(snapshot.clone()));
        }
        self.insert(snapshot);
    }

    /// Takes in everything another state was told.
    pub fn merge(&mut self, other: &Self) {
        for crowd in &other.crowded {
            self.crowd(crowd.clone());
        }
        for member in &other.members {
            self.insert(member.clone());
        }
        if let Some(theirs) = &other.observation
            && self.observation.as_ref().is_none_or(|held| held < theirs)
        {
            self.observation = Some(theirs.clone());
        }
    }

    fn insert(&mut self, snapshot: Snapshot) {
        if self.all().any(|held| snapshot.is_dominated_by(held)) {
            return;
        }
        self.members.retain(|held| !held.is_dominated_by(&snapshot));
        self.crowded.retain(|held| !held.is_dominated_by(&snapshot));
        if self
            .crowded
            .iter()
            .any(|crowd| crowd.shares_second_and_phase(&snapshot))
        {
            self.crowd(snapshot);
            return;
        }
        if let Some(held) = self
            .members
            .iter_mut()
            .find(|held| held.is_copy_of(&snapshot))
        {
            if snapshot.source_id < held.source_id {
                held.source_id = snapshot.source_id;
            }
            self.members.sort_unstable();
            return;
        }
        let ties = self
            .members
            .iter()
            .filter(|held| held.shares_second_and_phase(&snapshot))
            .count();
        if ties >= MAX_TIES {
            self.crowd(snapshot);
            return;
        }
        self.members.push(snapshot);
        self.members.sort_unstable();
    }

    /// Turns this snapshot's second and phase into a crowd, or adds to it. Its stand-in is the
    /// greatest by content, without its source, so that it depends on the set alone.
    fn crowd(&mut self, snapshot: Snapshot) {
        if self.all().any(|held| snapshot.is_dominated_by(held)) {
            return;
        }
        let mut together = vec![snapshot];
        let first = together.first().cloned();
        let Some(first) = first else { return };
        for list in [&mut self.members, &mut self.crowded] {
            list.retain(|held| !held.is_dominated_by(&first));
            let (same, rest) = std::mem::take(list)
                .into_iter()
                .partition(|held| held.shares_second_and_phase(&first));
            *list = rest;
            let same: Vec<Snapshot> = same;
            together.extend(same);
        }
        for one in &mut together {
            one.source_id = String::new();
        }
        self.crowded.extend(together.into_iter().max());
        self.crowded.sort_unstable();
    }

    fn all(&self) -> impl Iterator<Item = &Snapshot> {
        self.members.iter().chain(&self.crowded)
    }

    /// The events and observations that what it holds is from; those of crowded seconds are
    /// not known any more.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.all()
            .chain(self.observation.as_deref())
            .map(|snapshot| snapshot.source_id.as_str())
            .filter(|id| !id.is_empty())
    }

    /// Whether it was told nothing yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    /// The snapshot that counts; none for a state that was told nothing.
    #[must_use]
    pub fn winner(&self) -> Option<Winner<'_>> {
        let provisional = self
            .all()
            .max_by_key(|member| (member.at, &member.source_id, *member))?;
        let all: Vec<&Snapshot> = self.all().collect();
        let settled = if self.crowded.is_empty() {
            only(&all)
                .or_else(|| explained(&all))
                .or_else(|| observed_last(&all))
        } else {
            observed_last(&all)
        };
        Some(settled.map_or(
            Winner {
                snapshot: provisional,
                settled: false,
            },
            |snapshot| Winner {
                snapshot,
                settled: true,
            },
        ))
    }

    /// Names the doubt, if there is one: the same for the same incomparable snapshots, 64 hex
    /// digits. One refetch for each distinct one is enough.
    #[must_use]
    pub fn tie_fingerprint(&self) -> Option<String> {
        if self.winner()?.settled {
            return None;
        }
        let mut hash = Sha256::new();
        for member in self.all() {
            hash.update(format!(
                "{}\n{}\n{:?}\n",
                member.at,
                member.source_id,
                member.phase()
            ));
        }
        Some(hex::encode(hash.finalize()))
    }

    /// The latest observation lies in an *earlier* phase than the winner: the read was stale, or
    /// our phases lack an edge. The winner stays; somebody should look.
    #[must_use]
    pub fn is_observation_behind(&self) -> bool {
        let (Some(seen), Some(winner)) = (&self.observation, self.winner()) else {
            return false;
        };
        seen.at > winner.snapshot.at
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
}
