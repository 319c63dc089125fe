//! The deep sweep: everything that Stripe still lists, once a day, piece by piece.
//!
//! Invariants: a piece is behind the cursor only when it is done; a pass that was interrupted goes on
//! where it stood, also in another process.

use std::time::Duration;

use shared::ids::AccountId;
use shared::kafka::producer::EventLog;
use shared::windows::{self, Pass};

use super::window::{Order, Report};
use super::{Engine, SweepError};
use crate::store::sweeps::Kind;
use crate::store::{certificates, cursors};

impl<L: EventLog> Engine<L> {
    /// Whether an account's passes have begun. The tail, which begins at the edge of what Stripe
    /// lists, is the first of them: until it has caught up there is nothing to do twice. Where what it
    /// went through is not proven (it repaired, or it was here before there were proofs), they begin
    /// at once.
    ///
    /// # Errors
    /// [`SweepError`].
    pub async fn deep_begun(&self, account: Option<&AccountId>) -> Result<bool, SweepError> {
        let limits = &self.reader.limits;
        let overlap_s = limits.overlap_s;
        let caught_up = limits.lag_s.saturating_add(overlap_s);
        let now = self.reader.client.now().await?;
        let owner = account.cloned();
        let begun = move |connection: &mut _| {
            if cursors::pass(connection, Kind::Deep, owner.as_ref())?.is_some() {
                return Ok(true);
            }
            let Some(tail) = cursors::tail(connection, owner.as_ref())? else {
                return Ok(false);
            };
            if now.saturating_sub(tail) > caught_up {
                return Ok(false);
            }
            let proven = certificates::proven(connection, owner.as_ref())?;
            if proven.is_none_or(|proven| proven.to < tail.saturating_sub(overlap_s)) {
                return Ok(true);
            }
            let pass = Pass {
                position: tail,
                target: tail,
            };
            cursors::note_pass(connection, Kind::Deep, owner.as_ref(), pass)?;
            Ok(false)
        };
        Ok(self.reader.store.run("deep_begun", begun).await?)
    }

    /// Sweeps the next piece of an account's pass; `None`: none is due. `every`: from the end of one
    /// pass's span to the end of the next one's. `left`: what the pass may still publish.
    ///
    /// # Errors
    /// [`SweepError`]; the piece is swept again.
    pub async fn deep_step(
        &self,
        account: Option<&AccountId>,
        every: Duration,
        left: &mut usize,
    ) -> Result<Option<Vec<Report>>, SweepError> {
        let (store, limits) = (&self.reader.store, &self.reader.limits);
        let owner = account.cloned();
        let pass = store
            .run("deep_pass", move |connection| {
                cursors::pass(connection, Kind::Deep, owner.as_ref())
            })
            .await?;
        let now = self.reader.client.now().await?;
        let every = i64::try_from(every.as_secs()).unwrap_or(i64::MAX);
        let Some(piece) = windows::next_piece(pass, now, limits.lag_s, limits.span_s, every) else {
            return Ok(None);
        };
        if pass.is_none_or(|pass| pass.position >= pass.target) {
            *left = limits.repair_cap;
        }
        if let Some(gone) = piece.aged_out {
            // The tail, which has been there, says what of it was never proven.
            tracing::warn!(
                from = gone.from(),
                to = gone.to(),
                "the deep sweep came too late for a span"
            );
        }
        let order = Order {
            kind: Kind::Deep,
            account: account.cloned(),
            window: piece.window,
            hole: None,
            plan: None,
        };
        let (reports, _listed) = self.sweep_within(order, left).await?;
        if reports.iter().all(Report::is_done) {
            let (owner, to) = (account.cloned(), piece.window.to());
            let pass = Pass {
                position: to,
                ..piece.pass
            };
            store
                .run("deep_done", move |connection| {
                    cursors::note_pass(connection, Kind::Deep, owner.as_ref(), pass)
                })
                .await?;
        }
        Ok(Some(reports))
    }
}
