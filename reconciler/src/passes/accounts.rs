//! The accounts that a loop sweeps, read anew for each turn.

use shared::ids::AccountId;
use shared::kafka::producer::EventLog;

use super::go_on;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::parts;
use crate::sweep::{Engine, SweepError};

/// One loop's accounts, our own (`None`) first.
pub(super) struct Swept {
    known: Vec<Option<AccountId>>,
}

impl Swept {
    /// Our own account alone, until the others are read.
    pub(super) fn new() -> Self {
        Self { known: vec![None] }
    }

    /// The accounts as they are now; where they can't be read, as they were: our own account is swept
    /// in any case. `None`: the lock is lost.
    pub(super) async fn read<L: EventLog>(
        &mut self,
        config: &Config,
        engine: &Engine<L>,
        metrics: &Metrics,
    ) -> Option<Vec<Option<AccountId>>> {
        let read = parts::accounts(config, &engine.reader.store).await;
        let read = read.map_err(SweepError::from);
        if read.as_ref().is_err_and(SweepError::is_lost) {
            return None;
        }
        if let Some(accounts) = go_on(metrics, "accounts", read) {
            self.known = accounts;
        }
        Some(self.known.clone())
    }
}
