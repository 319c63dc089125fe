//! The refetches that the processor asks for: retrieve one object, publish what Stripe answered.
//!
//! Invariants: one call answers all wishes about one object that are due; a wish is done only when the log acknowledged its
//! observation; an answer that is too early to decide the tie is not published but asked for
//! again; what can never succeed is marked so with its reason.
//!
//! Deliberately absent: the barrier. An observation is dated, so a backlog can't make it wrong.

use std::time::Duration;

use shared::clock::{Clock, SystemClock};
use shared::ids::{AccountId, ObjectId};
use shared::kafka::headers::Source;
use shared::kafka::producer::{AppendError, EventLog};

use super::{Engine, SweepError};
use crate::publish;
use crate::store::refetches::{self, Refetch};
use crate::stripe::{StripeError, objects};

/// Wishes taken at once.
const BATCH: i64 = 50;
/// First pause before a wish is tried again; doubles up to [`RETRY_CAP`].
const RETRY_BASE: Duration = Duration::from_secs(2);
const RETRY_CAP: Duration = Duration::from_secs(600);

/// The figures of one pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refetched {
    pub done: usize,
    pub later: usize,
    pub failed: usize,
}

/// Why one wish was not carried out.
#[derive(Debug, thiserror::Error)]
enum WishError {
    #[error("{0} can't be retrieved by its id")]
    NoPath(String),
    #[error("the object's or account's id is not one")]
    BadId,
    #[error("Stripe did not give the object")]
    Stripe(#[from] StripeError),
    #[error("Stripe's answer is no object")]
    Malformed(#[source] shared::envelope::Malformed),
    #[error("Stripe's answer has no date, so it decides nothing")]
    Undated,
    #[error("the answer is not later than the second in doubt")]
    TooEarly,
    #[error("the observation was not acknowledged")]
    Append(#[from] AppendError),
}

impl WishError {
    fn is_permanent(&self) -> bool {
        match self {
            Self::NoPath(_) | Self::BadId => true,
            Self::Stripe(error) => error.is_permanent(),
            Self::Malformed(_) | Self::Undated | Self::TooEarly | Self::Append(_) => false,
        }
    }
}

impl<L: EventLog> Engine<L> {
    /// Carries out the wishes that are due, one object after the other.
    ///
    /// # Errors
    /// [`SweepError::Store`]; wishes not marked are carried out again, which changes nothing.
    pub async fn refetch(&self) -> Result<Refetched, SweepError> {
        let mut due = self
            .reader
            .store
            .run("refetches_due", |connection| {
                refetches::due(connection, BATCH)
            })
            .await?;
        let mut figures = Refetched::default();
        if due.is_empty() {
            return Ok(figures);
        }
        // The second in doubt is Stripe's, and so is the clock that tells whether it has passed,
        // where it is known: no call is made for it.
        let known = self.reader.client.known_now();
        let now = known.unwrap_or_else(|| SystemClock.now().timestamp());
        let pause = self.reader.limits.refetch_pause.as_secs().saturating_add(1);
        let pause = i64::try_from(pause).unwrap_or(i64::MAX);
        due.retain(|wish| wish.tied_at.timestamp().saturating_add(pause) <= now);
        for wishes in by_object(due) {
            self.answer(&wishes, &mut figures).await?;
        }
        Ok(figures)
    }

    /// One call for all wishes about one object, and the mark of each.
    async fn answer(&self, wishes: &[Refetch], figures: &mut Refetched) -> Result<(), SweepError> {
        // The latest second in doubt: an answer that is late enough for it is for all.
        let Some(latest) = wishes.iter().max_by_key(|wish| wish.tied_at) else {
            return Ok(());
        };
        let outcome = self.carry_out(latest).await;
        let failure = outcome.as_ref().err().map(|error| {
            let told = shared::error::chain(error);
            let permanent = error.is_permanent();
            tracing::warn!(
                object.id = latest.object_id,
                permanent,
                error = told,
                "refetch failed"
            );
            (told, permanent)
        });
        for wish in wishes {
            let (id, attempts) = (wish.id, wish.attempts);
            let (observation, failure) = (outcome.as_ref().ok().cloned(), failure.clone());
            match &failure {
                None => figures.done += 1,
                Some((_, true)) => figures.failed += 1,
                Some((_, false)) => figures.later += 1,
            }
            self.reader
                .store
                .run("refetch_mark", move |connection| match failure {
                    None => refetches::done(connection, id, &observation.unwrap_or_default()),
                    Some((told, true)) => refetches::failed(connection, id, &told),
                    Some((told, false)) => {
                        refetches::later(connection, id, pause_before(attempts), &told)
                    }
                })
                .await?;
        }
        Ok(())
    }

    /// Returns the id of the observation that was acknowledged.
    async fn carry_out(&self, wish: &Refetch) -> Result<String, WishError> {
        let object = ObjectId::parse(&wish.object_id).map_err(|_refused| WishError::BadId)?;
        let account = match wish.account.as_str() {
            "" => None,
            named => Some(AccountId::parse(named).map_err(|_refused| WishError::BadId)?),
        };
        let address = objects::address(&wish.object_type, &object)
            .ok_or_else(|| WishError::NoPath(wish.object_type.clone()))?;
        let reply = objects::retrieve(&self.reader.client, &address, account.as_ref()).await?;
        let observed_at = reply.sent_at.ok_or(WishError::Undated)?;
        if observed_at <= wish.tied_at.timestamp() {
            return Err(WishError::TooEarly);
        }
        let made = publish::observation(
            self.publisher.topic(),
            account.as_ref(),
            reply.body,
            observed_at,
            Source::Refetch,
            SystemClock.now(),
        )
        .map_err(WishError::Malformed)?;
        self.publisher.publish(made.record).await?;
        Ok(made.id)
    }
}

/// Wishes by the object they are about, each object at the place of its first wish.
fn by_object(due: Vec<Refetch>) -> Vec<Vec<Refetch>> {
    let mut groups: Vec<Vec<Refetch>> = Vec::new();
    for wish in due {
        let same = |group: &&mut Vec<Refetch>| {
            group.first().is_some_and(|first| {
                (&first.account, &first.object_id) == (&wish.account, &wish.object_id)
            })
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(wish),
            None => groups.push(vec![wish]),
        }
    }
    groups
}

/// Seconds before the next attempt, after `attempts` that failed.
fn pause_before(attempts: i32) -> f64 {
    let doublings = u32::try_from(attempts).unwrap_or(0).min(16);
    RETRY_BASE
        .saturating_mul(2u32.saturating_pow(doublings))
        .min(RETRY_CAP)
        .as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wish_that_fails_is_tried_less_and_less_often() {
        assert_eq!(
            [-1, 0, 1, 5, 99, i32::MAX].map(pause_before),
            [2.0, 2.0, 4.0, 64.0, 600.0, 600.0]
        );
    }
}
