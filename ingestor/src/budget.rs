//! Memory for events on their way: bodies that are read, and records that the producer holds.
//!
//! Invariant: what is charged never exceeds the budget; a charge lives until the client of Kafka
//! has reported on the record, which may be after the request was answered. A body is charged as
//! it arrives, not as it is announced: who announces much and sends little holds little.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Charged for each request beside its body: headers, key, and what clients keep for each record.
pub const PER_REQUEST: usize = 2 * 1024;

/// A body up to this size is a usual one. What lies beyond it, of all bodies together, has only
/// half of the budget: a few strangers with large bodies that stall leave room for everybody else.
pub const USUAL_BODY: usize = 64 * 1024;

/// Bytes that may be held at once; copies share them.
#[derive(Debug, Clone)]
pub struct Budget {
    free: Arc<Semaphore>,
    /// Of these, for what lies beyond [`USUAL_BODY`].
    large: Arc<Semaphore>,
    bytes: usize,
}

/// Bytes that are held; given back when dropped.
#[derive(Debug)]
pub struct Charge {
    held: OwnedSemaphorePermit,
    large: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// So many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let bytes = bytes.min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(bytes)),
            large: Arc::new(Semaphore::new(bytes / 2)),
            bytes,
        }
    }

    /// Charges one more request; none: there is no room.
    #[must_use]
    pub fn open(&self) -> Option<Charge> {
        take(&self.free, PER_REQUEST).map(|held| Charge { held, large: None })
    }

    /// Bytes that are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.bytes.saturating_sub(self.free.available_permits())
    }
}

fn take(from: &Arc<Semaphore>, bytes: usize) -> Option<OwnedSemaphorePermit> {
    let bytes = u32::try_from(bytes).ok()?;
    Arc::clone(from).try_acquire_many_owned(bytes).ok()
}

impl Charge {
    /// Charges more of a body, of which `before` bytes are charged; false: there is no room, and
    /// nothing changed.
    #[must_use]
    pub fn grow(&mut self, budget: &Budget, before: usize, bytes: usize) -> bool {
        let after = before.saturating_add(bytes);
        let beyond = after.saturating_sub(before.max(USUAL_BODY));
        let (Some(more), Some(large)) = (take(&budget.free, bytes), take(&budget.large, beyond))
        else {
            return false;
        };
        self.held.merge(more);
        match &mut self.large {
            Some(held) => held.merge(large),
            None if beyond > 0 => self.large = Some(large),
            None => {}
        }
        true
    }

    /// As what travels with a record: it is verified now, and no stranger's any more.
    #[must_use]
    pub fn into_held(self) -> Arc<OwnedSemaphorePermit> {
        Arc::new(self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_given_back_and_never_exceeds_the_budget() {
        let budget = Budget::new(3 * PER_REQUEST);
        let mut first = budget.open().unwrap();
        assert!(first.grow(&budget, 0, PER_REQUEST));
        let second = budget.open().unwrap();
        assert!(budget.open().is_none() && !first.grow(&budget, PER_REQUEST, 1));
        assert_eq!(budget.held(), 3 * PER_REQUEST);
        let held = first.into_held();
        drop(second);
        assert_eq!(budget.held(), 2 * PER_REQUEST);
        drop(held);
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn large_bodies_leave_half_of_the_budget_to_all_others() {
        const LARGE: usize = 1024 * 1024;
        let budget = Budget::new(8 * LARGE);
        let mut large: Vec<Charge> = Vec::new();
        loop {
            let mut charge = budget.open().unwrap();
            if !charge.grow(&budget, 0, LARGE) {
                break;
            }
            large.push(charge);
        }
        assert_eq!(large.len(), 4);
        let mut usual = budget.open().unwrap();
        assert!(usual.grow(&budget, 0, USUAL_BODY) && !usual.grow(&budget, USUAL_BODY, LARGE));
        // A verified one gives its place among the large ones back, not its bytes.
        let held = large.pop().unwrap().into_held();
        let mut next = budget.open().unwrap();
        assert!(next.grow(&budget, 0, LARGE));
        drop(held);
    }
}
