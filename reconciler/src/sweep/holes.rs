//! Sweeps what the log has lost: for each hole, the span in which what it held was created.
//!
//! Invariant: a hole is marked as swept only after every account's sweep of its span is done; one
//! that breaks off is swept again. An account that Stripe refuses keeps no hole open: when it answers
//! again, its deep sweep covers the span. The seconds are Stripe's, cut to what it still lists.

use shared::ids::AccountId;
use shared::kafka::producer::EventLog;
use shared::windows;

use super::window::Report;
use super::{Engine, SweepError};
use crate::store::holes::{self, Hole};
use crate::store::sweeps::Kind;

/// What became of the oldest hole.
#[derive(Debug)]
pub enum Swept {
    /// There is none.
    None,
    /// Its span is not far enough in the past, or not all of it is done: it is looked at again, after
    /// the others.
    Later(Hole, Vec<Report>),
    /// It is covered.
    Done(Hole, Vec<Report>),
}

impl<L: EventLog> Engine<L> {
    /// Sweeps the next hole that no sweep has covered; `after`: the one that was tried last. An account
    /// that fails keeps neither the other accounts nor the other holes waiting.
    ///
    /// # Errors
    /// [`SweepError`] when our own database is away.
    pub async fn hole(
        &self,
        topic: &str,
        accounts: &[Option<AccountId>],
        after: i64,
    ) -> Result<Swept, SweepError> {
        let store = &self.reader.store;
        let topic = topic.to_owned();
        let next = store
            .run("next_hole", move |connection| {
                holes::next(connection, &topic, after)
            })
            .await?;
        let Some(hole) = next else {
            return Ok(Swept::None);
        };
        let now = self.reader.client.now().await?;
        let lag_s = self.reader.limits.lag_s;
        let mut reports = Vec::new();
        if hole.to > now.saturating_sub(lag_s) {
            return Ok(Swept::Later(hole, reports));
        }
        let mut all = true;
        // None: Stripe lists nothing of it any more, and nobody can tell what it held.
        if let Some(window) = windows::clip(Some(hole.from), Some(hole.to), now, lag_s) {
            for account in accounts {
                let swept = self.sweep(Kind::Hole, account.as_ref(), window, None).await;
                match swept {
                    Ok(swept) => {
                        all &= swept.iter().all(Report::is_done)
                            || self.is_refused(account.as_ref()).await?;
                        reports.extend(swept);
                    }
                    Err(error) if error.is_lost() => return Err(error),
                    Err(error) => {
                        all &= self.is_refused(account.as_ref()).await?;
                        tracing::warn!(
                            hole = hole.id,
                            account = account.as_ref().map(tracing::field::display),
                            error = %shared::error::chain(&error),
                            "a hole is not swept for this account"
                        );
                    }
                }
            }
        }
        if !all {
            return Ok(Swept::Later(hole, reports));
        }
        store
            .run("hole_swept", move |connection| {
                holes::swept(connection, hole.id)
            })
            .await?;
        Ok(Swept::Done(hole, reports))
    }
}
