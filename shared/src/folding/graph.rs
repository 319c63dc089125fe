//! Which objects are tied together: every link ever seen.
//!
//! Pure. Invariant: the graph is a set of links that only grows. Whose money an object is, is
//! decided by [`super::money`], from the kinds of both ends.

use std::collections::{BTreeMap, BTreeSet};

/// An object: connected account (empty: our own) and Stripe's id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Connected account; empty for our own.
    pub account: String,
    /// Stripe's object id.
    pub id: String,
}

/// Links of the objects a batch touches, complete for each object in it.
#[derive(Debug, Default, Clone)]
pub struct Graph {
    links: BTreeMap<Key, BTreeSet<Key>>,
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

    /// The objects linked to this one, directly.
    pub fn neighbours<'s>(&'s self, object: &Key) -> impl Iterator<Item = &'s Key> + use<'s> {
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
}
