//! Sweeps what the log has lost: for each hole, the span in which what it held was created.
//!
//! Invariant: a hole is marked as swept only after every account's sweep of its span is done; one
//! that breaks off is swept again. The seconds are Stripe's, cut to what it still lists.

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
    /// Its span is not far enough in the past, or not all of it is done: it is looked at again.
    Later(Vec<Report>),
    /// It is covered.
    Done(Hole, Vec<Report>),
}

impl<L: EventLog> Engine<L> {
    /// Sweeps the oldest hole that no sweep has covered.
    ///
    /// # Errors
    /// [`SweepError`]; it is then swept again.
    pub async fn hole(
        &self,
        topic: &str,
        accounts: &[Option<AccountId>],
    ) -> Result<Swept, SweepError> {
        let store = &self.reader.store;
        let topic = topic.to_owned();
        let next = store
            .run("next_hole", move |connection| {
                holes::next(connection, &topic)
            })
            .await?;
        let Some(hole) = next else {
            return Ok(Swept::None);
        };
        let now = self.reader.client.now().await?;
        let lag_s = self.reader.limits.lag_s;
        let mut reports = Vec::new();
        if hole.to > now.saturating_sub(lag_s) {
            return Ok(Swept::Later(reports));
        }
        // None: Stripe lists nothing of it any more, and nobody can tell what it held.
        if let Some(window) = windows::clip(Some(hole.from), Some(hole.to), now, lag_s) {
            for account in accounts {
                let swept = self
                    .sweep(Kind::Hole, account.as_ref(), window, None)
                    .await?;
                let done = swept.iter().all(Report::is_done);
                reports.extend(swept);
                if !done {
                    return Ok(Swept::Later(reports));
                }
            }
        }
        store
            .run("hole_swept", move |connection| {
                holes::swept(connection, hole.id)
            })
            .await?;
        Ok(Swept::Done(hole, reports))
    }
}
