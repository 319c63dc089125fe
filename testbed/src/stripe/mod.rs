//! A fake Stripe: the API paths that Bookend reads, the webhooks that it receives, and the truth
//! to judge it by.
//!
//! Invariant: it has its own state machines, signing and statuses, and imports nothing of the
//! services: an error in theirs can't hide behind the same error here. One seed makes a run
//! repeatable. It deliberately takes no payments: stories are planned, not asked for over the API.

mod api;
pub mod cli;
mod clock;
mod conductor;
mod config;
mod delivery;
mod endpoints;
mod faults;
mod handle;
mod history;
mod inner;
mod model;
pub(crate) mod random;
mod server;
mod signing;
mod stats;
mod story;
mod truth;
pub mod volume;
mod world;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use conductor::{Order, When};
pub use config::{DeliveryPolicy, FakeConfig};
pub use faults::{ApiFault, Cut, Duplicate, Fate, Faults};
pub use handle::{Control, NewObjectEvent};
pub use model::API_VERSION;
pub use server::{Fake, FakeError, FakeHandle};
pub use signing::signature_header;
pub use stats::{Delivery, Stats};
pub use story::{Booking, Story};
pub use truth::{Amounts, BookingTruth, Truth};

/// A panic in another thread of the fake must not hide its own message behind a poisoned lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
