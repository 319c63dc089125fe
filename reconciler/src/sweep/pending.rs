//! Bookings that wait or are held longer than they should, and lapsed authorizations: ask Stripe what
//! became of their objects, so that a seat that nobody will pay becomes free.
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
use crate::store::bookings::{self, Subject, Waiting};
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
        let (late, subjects) = self
            .reader
            .store
            .run("bookings_waiting", move |connection| {
                let late = bookings::waiting(connection, age, &skip, limit)?;
                let subjects = bookings::subjects(connection, &late, limit)?;
                Ok((late, subjects))
            })
            .await?;
        for one in reached(&late, &subjects, limit) {
            looks.looked(&one.id, one.stamp, Instant::now(), limits.pending_after);
        }
        let retrieved = self.retrieve_all(subjects).await?;
        self.look_at(Kind::Pending, retrieved).await
    }
}

/// The bookings that this pass looks at: where the objects reached the limit, those behind the last
/// of them have their turn in the next pass.
fn reached<'a>(late: &'a [Waiting], subjects: &[Subject], limit: i64) -> &'a [Waiting] {
    let full = usize::try_from(limit).is_ok_and(|limit| subjects.len() >= limit);
    let last = subjects.last().filter(|_last| full);
    let at = last.and_then(|last| late.iter().position(|one| one.id == last.booking_id));
    match at {
        Some(at) => late.get(..=at).unwrap_or(late),
        None => late,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bookings_behind_the_last_object_within_the_limit_are_left_to_the_next_pass() {
        let late = ["A", "B", "C"].map(|id| Waiting {
            id: id.to_owned(),
            stamp: 2,
            held: false,
        });
        let subject = |booking: &str| Subject {
            booking_id: booking.to_owned(),
            account: String::new(),
            object_id: "pi_1".to_owned(),
            object_type: "payment_intent".to_owned(),
        };
        let subjects = [subject("A"), subject("B")];
        assert_eq!(reached(&late, &subjects, 2).len(), 2);
        assert_eq!(reached(&late, &subjects, 3).len(), 3);
        assert_eq!(reached(&late, &[], 2).len(), 3, "they have no object");
    }
}
