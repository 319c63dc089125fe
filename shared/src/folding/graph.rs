//! Which booking an object belongs to: a function of the links and claims seen so far.
//!
//! Pure. Invariant: the answer depends on the *set* of links and claims, never on the order
//! they were learned in, and both only grow. So it is the same whichever event came first.
//!
//! The rule: an object's own claims decide (registered before own metadata, then the earliest
//! by Stripe's `created`, then by event id). An object without one takes the least claim among
//! its nearest linked objects that have any; a refund thus follows its charge, not the other
//! charge of the same payment intent.

use std::collections::{BTreeMap, BTreeSet};

/// Rank of a claim that the booking application registered.
pub const REGISTERED: i16 = 0;
/// Rank of a claim in an object's own metadata.
pub const OWN_METADATA: i16 = 1;

/// An object: connected account (empty: our own) and Stripe's id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Connected account; empty for our own.
    pub account: String,
    /// Stripe's object id.
    pub id: String,
}

/// One claim, ordered by strength: rank, then time, then source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredClaim {
    /// 0 registered, 1 own metadata.
    pub rank: i16,
    /// Seconds since 1970.
    pub at: i64,
    /// Event, observation or registration.
    pub source_id: String,
    /// The claimed booking.
    pub booking_id: String,
}

/// Links and claims of the objects a batch touches, complete for each object in it.
#[derive(Debug, Default, Clone)]
pub struct Graph {
    links: BTreeMap<Key, BTreeSet<Key>>,
    claims: BTreeMap<Key, BTreeMap<i16, StoredClaim>>,
}

impl Graph {
    /// Adds a link (both ways); whether it is new.
    pub fn link(&mut self, from: &Key, to: &Key) -> bool {
        let new = self
            .links
            .entry(from.clone())
            .or_default()
            .insert(to.clone());
        self.links
            .entry(to.clone())
            .or_default()
            .insert(from.clone());
        new
    }

    /// Adds a claim; whether it is now the least of its rank.
    pub fn claim(&mut self, object: &Key, claim: StoredClaim) -> bool {
        let ranks = self.claims.entry(object.clone()).or_default();
        match ranks.get(&claim.rank) {
            Some(held) if *held <= claim => false,
            Some(_) | None => {
                ranks.insert(claim.rank, claim);
                true
            }
        }
    }

    /// The objects linked to this one, directly.
    pub fn neighbours(&self, object: &Key) -> impl Iterator<Item = &Key> {
        self.links.get(object).into_iter().flatten()
    }

    /// Every object reachable over links, this one included.
    #[must_use]
    pub fn component(&self, object: &Key) -> BTreeSet<Key> {
        let mut seen = BTreeSet::from([object.clone()]);
        let mut frontier = vec![object.clone()];
        while let Some(next) = frontier.pop() {
            for neighbour in self.neighbours(&next) {
                if seen.insert(neighbour.clone()) {
                    frontier.push(neighbour.clone());
                }
            }
        }
        seen
    }

    /// The booking this object belongs to. `eligible(account, booking)` says whether a claim by
    /// an object of that account may count for that booking.
    pub fn resolve(
        &self,
        object: &Key,
        eligible: &dyn Fn(&str, &str) -> bool,
    ) -> Option<&StoredClaim> {
        let mut seen = BTreeSet::from([object]);
        let mut level = vec![object];
        while !level.is_empty() {
            let least = level.iter().filter_map(|key| self.own(key, eligible)).min();
            if least.is_some() {
                return least;
            }
            let mut next = Vec::new();
            for key in level {
                next.extend(
                    self.neighbours(key)
                        .filter(|neighbour| seen.insert(neighbour)),
                );
            }
            level = next;
        }
        None
    }

    /// Every booking that any object here claims.
    #[must_use]
    pub fn claimed_bookings(&self) -> BTreeSet<String> {
        self.claims
            .values()
            .flat_map(|ranks| ranks.values().map(|claim| claim.booking_id.clone()))
            .collect()
    }

    /// The objects that claim this booking.
    #[must_use]
    pub fn claimants(&self, booking: &str) -> BTreeSet<Key> {
        self.claims
            .iter()
            .filter(|(_, ranks)| ranks.values().any(|claim| claim.booking_id == booking))
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// Whether this object claims this booking, at any rank.
    #[must_use]
    pub fn claims_booking(&self, object: &Key, booking: &str) -> bool {
        self.claims
            .get(object)
            .is_some_and(|ranks| ranks.values().any(|claim| claim.booking_id == booking))
    }

    fn own(&self, key: &Key, eligible: &dyn Fn(&str, &str) -> bool) -> Option<&StoredClaim> {
        self.claims
            .get(key)?
            .values()
            .find(|claim| eligible(&key.account, &claim.booking_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> Key {
        Key {
            account: String::new(),
            id: id.to_owned(),
        }
    }

    fn claim(rank: i16, at: i64, booking: &str) -> StoredClaim {
        StoredClaim {
            rank,
            at,
            source_id: format!("evt_{at}"),
            booking_id: booking.to_owned(),
        }
    }

    fn booking<'a>(graph: &'a Graph, id: &str) -> Option<&'a str> {
        graph
            .resolve(&key(id), &|_, _| true)
            .map(|claim| claim.booking_id.as_str())
    }

    #[test]
    fn a_dispute_without_metadata_finds_its_booking_over_the_charge() {
        let mut graph = Graph::default();
        graph.link(&key("dp"), &key("ch"));
        graph.link(&key("ch"), &key("pi"));
        assert_eq!(booking(&graph, "dp"), None);
        graph.claim(&key("pi"), claim(1, 5, "b"));
        assert_eq!(booking(&graph, "dp"), Some("b"));
    }

    #[test]
    fn own_metadata_beats_what_is_derived_and_registered_beats_both() {
        let mut graph = Graph::default();
        graph.link(&key("ch"), &key("pi"));
        graph.claim(&key("pi"), claim(1, 1, "from_pi"));
        graph.claim(&key("ch"), claim(1, 9, "own"));
        assert_eq!(booking(&graph, "ch"), Some("own"));
        graph.claim(&key("ch"), claim(0, 99, "registered"));
        assert_eq!(booking(&graph, "ch"), Some("registered"));
    }

    #[test]
    fn the_earliest_claim_wins_whichever_arrives_first() {
        let (early, late) = (claim(1, 3, "early"), claim(1, 7, "late"));
        for order in [[&early, &late], [&late, &early]] {
            let mut graph = Graph::default();
            for one in order {
                graph.claim(&key("pi"), one.clone());
            }
            assert_eq!(booking(&graph, "pi"), Some("early"));
        }
    }

    #[test]
    fn the_same_link_or_claim_again_changes_nothing() {
        let mut graph = Graph::default();
        assert!(graph.link(&key("a"), &key("b")));
        assert!(!graph.link(&key("a"), &key("b")));
        assert!(graph.claim(&key("a"), claim(1, 1, "x")));
        assert!(!graph.claim(&key("a"), claim(1, 1, "x")));
    }

    #[test]
    fn a_claim_that_is_not_eligible_is_no_claim() {
        let mut graph = Graph::default();
        let foreign = Key {
            account: "acct_1".into(),
            id: "pi".into(),
        };
        graph.claim(&foreign, claim(1, 1, "ours"));
        assert!(
            graph
                .resolve(&foreign, &|account, _| account.is_empty())
                .is_none()
        );
    }

    #[test]
    fn a_ring_of_links_ends() {
        let mut graph = Graph::default();
        graph.link(&key("a"), &key("b"));
        graph.link(&key("b"), &key("c"));
        graph.link(&key("c"), &key("a"));
        assert_eq!(booking(&graph, "a"), None);
        assert_eq!(graph.component(&key("a")).len(), 3);
    }
}
