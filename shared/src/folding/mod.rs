//! From events to objects to bookings, so that order cannot matter.
//!
//! Pure. The construction, in four steps:
//!
//! 1. An event is read as a [`Snapshot`] of its object: typed fields, Stripe's `created` second,
//!    the event's id, and (from `previous_attributes`) what the fields were just before.
//! 2. Snapshots are *partially ordered*: B dominates A if B lies in a later phase of the object's
//!    life ([`phases`]), or in the same phase at a later second. That relation is transitive and
//!    never circular.
//! 3. An object's state ([`ObjectState`]) is the set of snapshots that none dominates. Joining is
//!    union, then dropping the dominated: commutative, associative and idempotent *because* the
//!    relation is a strict partial order. So any order and any number of copies give the same
//!    set, and which of its members counts (`winner`) is a function of the set.
//! 4. Money ([`money::divide`]): the payments of objects that are tied together are divided into
//!    shares, each of one booking or of none.
//! 5. A booking ([`fold_booking`]) is a function of its registration and its shares.
//!
//! Two snapshots of one second that neither explain each other are *incomparable*: the object is
//! unsettled, its booking uncertain, and Stripe is asked what is true. An observation then
//! settles it, by the same join.
//!
//! Deliberately absent: amounts merged by `max`, ranking states by number, ordering by arrival
//! or by event id. Each of them is wrong in a case that Stripe documents.

mod booking;
pub mod change;
mod columns;
pub mod details;
mod fields;
pub mod graph;
mod kept;
pub mod money;
mod object;
pub mod phases;
mod readings;
pub mod rebuild;
mod shown;
pub mod values;

pub use booking::{
    BookingView, CurrencyAmounts, FoldError, MAX_BOOKING_PAYMENTS, Registration, Status,
    fold_booking,
};
pub use columns::Columns;
pub use fields::{Fields, Told};
pub use kept::KeptReading;
pub use object::{Marks, ObjectState, Snapshot, Winner};
pub use readings::{Link, Reading, read_event, read_observation};
pub use shown::{Shown, TOO_MANY};

/// Version of these rules: kept with every disposition and transition they decided.
///
/// 2: a text with a lone surrogate, or a number beyond every float, spoils its own field and no
/// longer the whole object; setup intents and payments of invoices have phases;
/// money in an unreadable currency confirms no registered booking.
///
/// 3: what the projections show is part of a snapshot; an event `….deleted` deletes its object;
/// every payment and line of an invoice counts, not the first alone; a subscription's newest
/// invoice and, in old versions, a payment's invoice are links.
///
/// 4: money is divided into shares and follows its payment; the claim that counts is the latest one
/// that an object makes; released authorizations are no refunds; invoices, subscriptions and
/// credit notes are folded; ownership has a direction, so renewals pay no booking.
pub const FOLD_VERSION: i32 = 4;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod properties;
