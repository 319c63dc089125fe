//! The events of the last 30 days, piece by piece, oldest first.

use shared::ids::AccountId;
use shared::kafka::producer::EventLog;
use shared::windows::{self, Pass};

use super::patience::{Patience, Verdict};
use super::{BackfillError, Filled};
use crate::store::cursors;
use crate::store::sweeps::Kind;
use crate::sweep::Engine;
use crate::sweep::window::Report;

impl<L: EventLog> Engine<L> {
    /// Sweeps whatever of the pass is not done yet.
    pub(super) async fn fill_events(
        &self,
        account: Option<&AccountId>,
        say: &impl Fn(String),
    ) -> Result<Filled, BackfillError> {
        let (mut filled, mut patience) = (Filled::default(), Patience::default());
        let (lag, span) = (self.reader.limits.lag_s, self.reader.limits.span_s);
        loop {
            let pass = self.backfill_pass(account).await?;
            let now = self.reader.client.now().await?;
            // There is one pass: what comes after it is the tail's.
            let Some(piece) = windows::next_piece(pass, now, lag, span, i64::MAX) else {
                return Ok(filled);
            };
            if let Some(gone) = piece.aged_out {
                say(format!(
                    "events of {} seconds aged out before they were read; their objects are read from the lists",
                    gone.seconds()
                ));
            }
            let reports = self
                .sweep(Kind::Backfill, account, piece.window, None)
                .await?;
            for report in &reports {
                filled.listed = filled.listed.saturating_add(report.counts.listed);
                filled.events = filled.events.saturating_add(report.counts.repaired);
                say(report.to_string());
            }
            match reports.iter().find(|report| !report.is_done()) {
                None => {
                    let to = piece.window.to();
                    self.note_backfill(account, to, piece.pass).await?;
                    self.caught_up().await?;
                    patience = Patience::default();
                }
                Some(open) => judge(open, &mut patience)?,
            }
        }
    }

    async fn backfill_pass(
        &self,
        account: Option<&AccountId>,
    ) -> Result<Option<Pass>, BackfillError> {
        let owner = account.cloned();
        let store = &self.reader.store;
        Ok(store
            .run("backfill_pass", move |connection| {
                cursors::pass(connection, Kind::Backfill, owner.as_ref())
            })
            .await?)
    }

    async fn note_backfill(
        &self,
        account: Option<&AccountId>,
        position: i64,
        pass: Pass,
    ) -> Result<(), BackfillError> {
        let (owner, pass) = (account.cloned(), Pass { position, ..pass });
        let store = &self.reader.store;
        Ok(store
            .run("backfill_noted", move |connection| {
                cursors::note_pass(connection, Kind::Backfill, owner.as_ref(), pass)
            })
            .await?)
    }

    /// The tail goes on where the pass ended, unless it has been somewhere already.
    pub(super) async fn begin_tail(
        &self,
        account: Option<&AccountId>,
    ) -> Result<(), BackfillError> {
        let Some(pass) = self.backfill_pass(account).await? else {
            return Ok(());
        };
        let owner = account.cloned();
        let store = &self.reader.store;
        Ok(store
            .run("begin_tail", move |connection| {
                if cursors::tail(connection, owner.as_ref())?.is_none() {
                    cursors::move_tail(connection, owner.as_ref(), pass.target)?;
                }
                Ok(())
            })
            .await?)
    }
}

/// Whether a piece that is not done is swept again.
fn judge(open: &Report, patience: &mut Patience) -> Result<(), BackfillError> {
    let Some(lag) = open.lag else {
        return Err(BackfillError::Window(open.to_string()));
    };
    match patience.judge(lag) {
        Verdict::Again => Ok(()),
        Verdict::GiveUp => Err(BackfillError::Behind(lag)),
    }
}
