//! Memory for events on their way: bodies that are read, and records that the producer holds.
//!
//! Invariant: what is charged never exceeds the budget; a charge lives until the client of Kafka
//! has reported on the record, which may be after the request was answered. A body is charged as
//! it arrives, not as it is announced: who announces much and sends little holds little.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Charged for each request beside its body: headers, key, and what clients keep for each record.
pub const PER_REQUEST: usize = 2 * 1024;

/// Bytes that may be held at once; copies share them.
#[derive(Debug, Clone)]
pub struct Budget {
    free: Arc<Semaphore>,
    bytes: usize,
}

/// Bytes that are held; given back when dropped.
#[derive(Debug)]
pub struct Charge(OwnedSemaphorePermit);

impl Budget {
    /// So many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let bytes = bytes.min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(bytes)),
            bytes,
        }
    }

    /// Charges one more request; none: there is no room.
    #[must_use]
    pub fn open(&self) -> Option<Charge> {
        self.take(PER_REQUEST).map(Charge)
    }

    /// Bytes that are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.bytes.saturating_sub(self.free.available_permits())
    }

    fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).ok()?;
        Arc::clone(&self.free).try_acquire_many_owned(bytes).ok()
    }
}

impl Charge {
    /// Charges more; false: there is no room, and nothing changed.
    #[must_use]
    pub fn grow(&mut self, budget: &Budget, bytes: usize) -> bool {
        budget.take(bytes).map(|more| self.0.merge(more)).is_some()
    }

    /// As what travels with a record.
    #[must_use]
    pub fn into_held(self) -> Arc<OwnedSemaphorePermit> {
        Arc::new(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_given_back_and_never_exceeds_the_budget() {
        let budget = Budget::new(3 * PER_REQUEST);
        let mut first = budget.open().unwrap();
        assert!(first.grow(&budget, PER_REQUEST));
        let second = budget.open().unwrap();
        assert!(budget.open().is_none() && !first.grow(&budget, 1));
        assert_eq!(budget.held(), 3 * PER_REQUEST);
        let held = first.into_held();
        drop(second);
        assert_eq!(budget.held(), 2 * PER_REQUEST);
        drop(held);
        assert_eq!(budget.held(), 0);
    }
}
