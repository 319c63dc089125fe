//! Fills an empty system: the events of the last 30 days, then the objects older than that.
//!
//! Invariants: what is noted as done was acknowledged by the log, so that a backfill that was killed
//! anywhere goes on where it stood and publishes at most one page twice; after each piece and page
//! it waits until the processor has applied them, so that live traffic never queues behind it; it
//! publishes within a rate of its own.
//!
//! Deliberately absent: objects that Stripe no longer lists (deleted customers), and what changed
//! in objects younger than 30 days without an event: samples find that.

pub mod command;
mod events;
mod lists;
pub mod patience;

use std::fmt;

use shared::ids::AccountId;
use shared::kafka::producer::EventLog;

use crate::barrier::Lag;
use crate::store::StoreError;
use crate::stripe::StripeError;
use crate::stripe::collections::ALL;
use crate::sweep::{Engine, SweepError};
use patience::{Patience, Verdict};

/// Why a backfill ended early. Run again, it goes on where it stood.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    #[error("a sweep broke off")]
    Sweep(#[from] SweepError),
    #[error("the processor does not catch up: it is {} records behind", .0.records)]
    Behind(Lag),
    #[error("{collection} can't be listed to the end")]
    List {
        collection: &'static str,
        #[source]
        cause: StripeError,
    },
    #[error("not everything was acknowledged: {0}")]
    Refused(String),
    #[error("the window was not done: {0}")]
    Window(String),
}

impl From<StoreError> for BackfillError {
    fn from(error: StoreError) -> Self {
        Self::Sweep(error.into())
    }
}

impl From<StripeError> for BackfillError {
    fn from(error: StripeError) -> Self {
        Self::Sweep(error.into())
    }
}

/// What was read of one list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    pub collection: &'static str,
    /// Objects published from it, by all runs.
    pub objects: i64,
}

/// What one account was filled with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filled {
    /// Events that Stripe listed, in this run.
    pub listed: usize,
    /// Events published, in this run.
    pub events: usize,
    pub lists: Vec<List>,
}

impl fmt::Display for Filled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "events  listed {}  published {}",
            self.listed, self.events
        )?;
        for list in &self.lists {
            writeln!(f, "{}  published {}", list.collection, list.objects)?;
        }
        Ok(())
    }
}

impl<L: EventLog> Engine<L> {
    /// Fills one account. `since`: objects created before that second are left out. `say` is told
    /// how it goes.
    ///
    /// # Errors
    /// [`BackfillError`].
    pub async fn fill(
        &self,
        account: Option<&AccountId>,
        since: Option<i64>,
        say: &impl Fn(String),
    ) -> Result<Filled, BackfillError> {
        let mut filled = self.fill_events(account, say).await?;
        let edge = shared::windows::oldest_listed(self.reader.client.now().await?);
        for collection in ALL {
            let objects = self
                .fill_list(account, collection, since, edge, say)
                .await?;
            filled.lists.push(List {
                collection: collection.name,
                objects,
            });
        }
        self.begin_tail(account).await?;
        Ok(filled)
    }

    /// Waits until the processor has applied all that lies in the log.
    async fn caught_up(&self) -> Result<(), BackfillError> {
        let mut patience = Patience::default();
        loop {
            let behind = self.reader.barrier.wait(&self.reader.store).await;
            let Some(lag) = behind.map_err(SweepError::from)? else {
                return Ok(());
            };
            match patience.judge(lag) {
                Verdict::Again => {}
                Verdict::GiveUp => return Err(BackfillError::Behind(lag)),
            }
        }
    }
}
