//! The snapshots that none of their set dominates, and which of them counts.
//!
//! Pure. Invariant: `insert` and `merge` are commutative, associative and idempotent, so the set is
//! a function of the snapshots that went in. `winner` is a function of the set alone.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::ties::{explained, observed_last, only};
use super::{Snapshot, Winner};

/// Snapshots of one phase and second that are told apart. A second with more is "too many":
/// incomparable until something later dominates it.
const MAX_TIES: usize = 16;

/// Undominated snapshots.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Antichain {
    /// Sorted.
    pub(super) members: Vec<Snapshot>,
    /// Seconds that had too many ties: one stand-in each, the greatest by content.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    crowded: Vec<Snapshot>,
}

impl Antichain {
    /// Takes in everything another one holds.
    pub(super) fn merge(&mut self, other: &Self) {
        for crowd in &other.crowded {
            self.crowd(crowd.clone());
        }
        for member in &other.members {
            self.insert(member.clone());
        }
    }

    /// Takes one snapshot in.
    pub(super) fn insert(&mut self, snapshot: Snapshot) {
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

    pub(super) fn all(&self) -> impl Iterator<Item = &Snapshot> {
        self.members.iter().chain(&self.crowded)
    }

    /// Whether it was told nothing yet.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    /// The snapshot that counts; none for an empty set.
    #[must_use]
    pub(super) fn winner(&self) -> Option<Winner<'_>> {
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
    pub(super) fn tie_fingerprint(&self) -> Option<String> {
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
}
