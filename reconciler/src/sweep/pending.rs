//! Bookings that wait or are held longer than they should: ask Stripe what became of their objects.
//!
//! An event can fail to exist, so a complete list of events proves nothing about a booking
//! (<https://docs.stripe.com/events/manage-webhook-endpoints>).
//!
//! Invariant: a booking that stays as it is is asked about less and less often.
//!
//! Deliberately absent: the comparing and what follows from it ([`super::look`]), and payments that
//! no event and no registration ever named.

use std::time::Instant;

use shared::kafka::producer::EventLog;

pub use super::look::Looked;
pub use super::looks::Looks;
use super::{Engine, SweepError};
use crate::store::bookings;
use crate::store::sweeps::Kind;

impl<L: EventLog> Engine<L> {
    /// Looks at the bookings that have waited, or were held, too long.
    ///
    /// # Errors
    /// [`SweepError`]; what was published is acknowledged or will be found again.
    pub async fn pending(&self, looks: &mut Looks) -> Result<Looked, SweepError> {
        let limits = &self.reader.limits;
        let (age, limit) = (limits.pending_after.as_secs_f64(), limits.pending_batch);
        let skip = looks.too_recent(Instant::now());
        let late = self
            .reader
            .store
            .run("bookings_waiting", move |connection| {
                bookings::waiting(connection, age, &skip, limit)
            })
            .await?;
        for one in &late {
            looks.looked(&one.booking_id, Instant::now(), limits.pending_after);
        }
        let retrieved = self.retrieve_all(late).await?;
        self.look_at(Kind::Pending, retrieved).await
    }
}
