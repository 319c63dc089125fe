//! The refetches that the processor asks for: retrieve one object, publish what Stripe answered.
//!
//! Invariants: one call answers all wishes about one object that its answer is late enough for; a wish
//! is done only when the log acknowledged its observation; an answer that is too early to decide the tie is not published but asked for
//! again; what can never succeed is marked so with its reason.
//!
//! Deliberately absent: the barrier. An observation is dated, so a backlog can't make it wrong.

use std::collections::BTreeSet;
use std::time::Duration;

use shared::clock::{Clock, SystemClock};
use shared::ids::{AccountId, ObjectId};
use shared::kafka::headers::Source;
use shared::kafka::producer::{AppendError, EventLog};

use super::{Engine, SweepError};
use crate::publish;
use crate::store::refetches::{self, Answer, Refetch};
use crate::store::refusals;
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

/// Whether Stripe let us ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// The wishes are marked, whatever came of them.
    Answered,
    /// It refused the account: all wishes about it have failed.
    Refused,
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

    /// Stripe's word, where it refused the account itself.
    fn refusal(&self) -> Option<&StripeError> {
        match self {
            Self::Stripe(error) => Some(error).filter(|error| error.is_account_refused()),
            Self::NoPath(_)
            | Self::BadId
            | Self::Malformed(_)
            | Self::Undated
            | Self::TooEarly
            | Self::Append(_) => None,
        }
    }
}

impl<L: EventLog> Engine<L> {
    /// Carries out the wishes that are due, one object after the other.
    ///
    /// # Errors
    /// [`SweepError::Store`]; wishes not marked are carried out again, which changes nothing.
    pub async fn refetch(&self) -> Result<Refetched, SweepError> {
        // The second in doubt is Stripe's, and so is the clock that tells whether it has passed,
        // where it is known: no call is made for it.
        let known = self.reader.client.known_now();
        let now = known.unwrap_or_else(|| SystemClock.now().timestamp());
        let pause = self.reader.limits.refetch_pause.as_secs().saturating_add(1);
        let pause = Duration::from_secs(pause).as_secs_f64();
        let (refused, due) = self
            .reader
            .store
            .run("refetches_due", move |connection| {
                let refused = refusals::fail_refetches(connection)?;
                Ok((refused, refetches::due(connection, now, pause, BATCH)?))
            })
            .await?;
        let mut figures = Refetched {
            failed: refused,
            ..Refetched::default()
        };
        // Of an account that refuses us in this pass the others have failed with the first.
        let mut gone = BTreeSet::new();
        for wishes in by_object(due) {
            let account = wishes.first().map(|wish| wish.account.clone());
            if account.as_ref().is_some_and(|it| gone.contains(it)) {
                figures.failed += wishes.len();
                continue;
            }
            if self.answer(&wishes, &mut figures).await? == Asked::Refused {
                gone.extend(account);
            }
        }
        Ok(figures)
    }

    /// One call for all wishes about one object, and the mark of each.
    async fn answer(
        &self,
        wishes: &[Refetch],
        figures: &mut Refetched,
    ) -> Result<Asked, SweepError> {
        // The latest second in doubt: an answer that is late enough for it is for all.
        let Some(latest) = wishes.iter().max_by_key(|wish| wish.tied_at) else {
            return Ok(Asked::Answered);
        };
        let error = match self.carry_out(latest).await {
            Ok(answer) => {
                figures.done += self.mark_done(wishes.to_vec(), answer).await?;
                return Ok(Asked::Answered);
            }
            Err(error) => error,
        };
        if let (Ok(account), Some(refusal)) = (AccountId::parse(&latest.account), error.refusal()) {
            self.note_refusal(&account, refusal).await?;
            figures.failed += wishes.len();
            return Ok(Asked::Refused);
        }
        let (told, permanent) = (shared::error::chain(&error), error.is_permanent());
        tracing::warn!(
            object.id = latest.object_id,
            permanent,
            error = told,
            "refetch failed"
        );
        match permanent {
            true => figures.failed += wishes.len(),
            false => figures.later += wishes.len(),
        }
        let wishes = wishes.to_vec();
        self.reader
            .store
            .run("refetch_mark", move |connection| {
                if permanent {
                    return refetches::failed(connection, &wishes, &told);
                }
                for wish in &wishes {
                    let pause = pause_before(wish.attempts);
                    refetches::later(connection, wish.id, pause, &told)?;
                }
                Ok(())
            })
            .await?;
        Ok(Asked::Answered)
    }

    /// Marks what an observation answered; how many wishes that were.
    async fn mark_done(&self, wishes: Vec<Refetch>, answer: Answer) -> Result<usize, SweepError> {
        let mark = move |connection: &mut _| {
            if let Some(wish) = wishes.iter().find(|wish| !wish.account.is_empty()) {
                refusals::lift(connection, &wish.account)?;
            }
            refetches::done(connection, &wishes, &answer)
        };
        Ok(self.reader.store.run("refetch_mark", mark).await?)
    }

    /// Returns the observation that was acknowledged.
    async fn carry_out(&self, wish: &Refetch) -> Result<Answer, WishError> {
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
        Ok(Answer {
            id: made.id,
            observed_at,
        })
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
