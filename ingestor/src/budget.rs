//! Memory for events on their way: bodies that are read, and records that the producer holds.
//!
//! Invariant: what is charged never exceeds the budget; a charge lives until the client of Kafka
//! has reported on the record, which may be after the request was answered. A body is charged as
//! it arrives, not as it is announced: who announces much and sends little holds little.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use shared::kafka::producer::Held;

/// Charged for each request beside its body: headers, key, and what clients keep for each record.
pub const PER_REQUEST: usize = 2 * 1024;

/// A body up to this size is a usual one. What lies beyond it, of all bodies together, has only
/// half of the budget: a few strangers with large bodies that stall leave room for everybody else.
pub const USUAL_BODY: usize = 64 * 1024;

/// Bytes that may be held at once; copies share them.
#[derive(Debug, Clone)]
pub struct Budget {
    room: Arc<Room>,
    bytes: usize,
}

/// What is free. Nobody waits for it: there is room at once, or there is none.
#[derive(Debug)]
struct Room {
    free: AtomicUsize,
    /// Of these, for what lies beyond [`USUAL_BODY`].
    large: AtomicUsize,
}

/// Bytes that are held; given back when dropped.
#[derive(Debug)]
pub struct Charge {
    room: Arc<Room>,
    held: usize,
    large: usize,
}

impl Budget {
    /// So many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let room = Room {
            free: AtomicUsize::new(bytes),
            large: AtomicUsize::new(bytes / 2),
        };
        Self {
            room: Arc::new(room),
            bytes,
        }
    }

    /// Charges one more request; none: there is no room.
    #[must_use]
    pub fn open(&self) -> Option<Charge> {
        take(&self.room.free, PER_REQUEST).then(|| Charge {
            room: Arc::clone(&self.room),
            held: PER_REQUEST,
            large: 0,
        })
    }

    /// Bytes that are held.
    #[must_use]
    pub fn held(&self) -> usize {
        let free = self.room.free.load(Ordering::Relaxed);
        self.bytes.saturating_sub(free)
    }
}

/// Whether there was room for these bytes, which is taken then.
fn take(free: &AtomicUsize, bytes: usize) -> bool {
    let left = |free: usize| free.checked_sub(bytes);
    bytes == 0
        || free
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, left)
            .is_ok()
}

fn give_back(free: &AtomicUsize, bytes: usize) {
    if bytes > 0 {
        free.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Charge {
    /// Charges `bytes` more of a body, of which `before` bytes are charged; false: there is no room,
    /// and nothing changed.
    #[must_use]
    pub fn grow(&mut self, before: usize, bytes: usize) -> bool {
        let after = before.saturating_add(bytes);
        let beyond = after.saturating_sub(before.max(USUAL_BODY));
        if !take(&self.room.large, beyond) {
            return false;
        }
        if !take(&self.room.free, bytes) {
            give_back(&self.room.large, beyond);
            return false;
        }
        self.held = self.held.saturating_add(bytes);
        self.large = self.large.saturating_add(beyond);
        true
    }

    /// As what travels with a record: it is verified now, and no stranger's any more.
    #[must_use]
    pub fn into_held(mut self) -> Held {
        give_back(&self.room.large, std::mem::take(&mut self.large));
        Arc::new(self)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        give_back(&self.room.large, self.large);
        give_back(&self.room.free, self.held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_given_back_and_never_exceeds_the_budget() {
        let budget = Budget::new(3 * PER_REQUEST);
        let mut first = budget.open().unwrap();
        assert!(first.grow(0, PER_REQUEST));
        let second = budget.open().unwrap();
        assert!(budget.open().is_none() && !first.grow(PER_REQUEST, 1));
        assert_eq!(budget.held(), 3 * PER_REQUEST);
        let held = first.into_held();
        drop(second);
        assert_eq!(budget.held(), 2 * PER_REQUEST);
        drop(held);
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn a_body_that_finds_no_room_holds_no_place_among_the_large_ones() {
        const LARGE: usize = 1024 * 1024;
        let budget = Budget::new(4 * LARGE);
        let mut usual = Vec::new();
        while let Some(mut charge) = budget.open() {
            if !charge.grow(0, USUAL_BODY) {
                break;
            }
            usual.push(charge);
        }
        // There is a place among the large ones, and no room for it.
        for _ in 0..100 {
            let mut large = budget.open().unwrap();
            assert!(!large.grow(0, LARGE));
        }
        drop(usual);
        assert_eq!(budget.held(), 0);
        let mut large = budget.open().unwrap();
        assert!(
            large.grow(0, 2 * LARGE),
            "places among the large ones leaked"
        );
    }

    #[test]
    fn large_bodies_leave_half_of_the_budget_to_all_others() {
        const LARGE: usize = 1024 * 1024;
        let budget = Budget::new(8 * LARGE);
        let mut large: Vec<Charge> = Vec::new();
        loop {
            let mut charge = budget.open().unwrap();
            if !charge.grow(0, LARGE) {
                break;
            }
            large.push(charge);
        }
        assert_eq!(large.len(), 4);
        let mut usual = budget.open().unwrap();
        assert!(usual.grow(0, USUAL_BODY) && !usual.grow(USUAL_BODY, LARGE));
        // A verified one gives its place among the large ones back, not its bytes.
        let held = large.pop().unwrap().into_held();
        let mut next = budget.open().unwrap();
        assert!(next.grow(0, LARGE));
        drop(held);
    }
}
