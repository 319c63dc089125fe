//! The tail: what happened since the last sweep, behind a cursor, window by window.
//!
//! Invariants: the cursor moves only behind windows that are done; how far in the past a window ends
//! follows how late events really appear.

use shared::ids::{AccountId, EventId};
use shared::kafka::producer::EventLog;
use shared::windows::{self, Rules};

use super::window::{Order, Report};
use super::{Engine, SweepError};
use crate::lateness::Lateness;
use crate::store::sweeps::Kind;
use crate::store::{cursors, ledger};

/// How long ago an event may have been created to tell whether events arrive, in seconds: what came
/// before the endpoint did is no silence.
const HEARD_S: i64 = 3_600;

/// What sweeps of the tail learn from one pass to the next.
#[derive(Debug, Default)]
pub struct Memory {
    pub lateness: Lateness<Option<AccountId>>,
}

/// One step of the tail.
#[derive(Debug, Default)]
pub struct Step {
    pub reports: Vec<Report>,
    /// More windows are due.
    pub more: bool,
    /// Set when an event appeared late: by so many seconds at least.
    pub late: Option<i64>,
    pub heard: Heard,
}

/// Whether what Stripe lists also arrives by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// Events listed.
    pub listed: usize,
    /// Of these, the number that came by webhook, first or as a copy.
    pub arrived: usize,
    /// `created` of the oldest and newest listed, in seconds since 1970.
    pub span: Option<(i64, i64)>,
    /// An event of the other mode that was listed.
    pub other_mode: Option<EventId>,
}

impl<L: EventLog> Engine<L> {
    /// Sweeps from the tail's cursor up to `lag` before Stripe's now, window by window, moving the
    /// cursor behind each that is done; ends early at one that is not. Empty: nothing was due.
    ///
    /// # Errors
    /// [`SweepError`]; the cursor stands before whatever was not done.
    pub async fn tail(&self, account: Option<&AccountId>) -> Result<Vec<Report>, SweepError> {
        // Taken once: a pass has an end, also where each window takes longer than a second.
        let now = self.reader.client.now().await?;
        let mut left = self.reader.limits.repair_cap;
        let (mut reports, mut memory) = (Vec::new(), Memory::default());
        loop {
            let step = self.tail_step(account, now, &mut left, &mut memory).await?;
            reports.extend(step.reports);
            if !step.more {
                return Ok(reports);
            }
        }
    }

    /// Sweeps the tail's next window of a pass that began at `now`.
    ///
    /// # Errors
    /// As [`Self::tail`].
    pub async fn tail_step(
        &self,
        account: Option<&AccountId>,
        now: i64,
        left: &mut usize,
        memory: &mut Memory,
    ) -> Result<Step, SweepError> {
        let (store, limits) = (&self.reader.store, &self.reader.limits);
        let rules = Rules {
            lag: memory.lateness.lag(now, limits.lag_s, limits.overlap_s),
            overlap: limits.overlap_s,
            span: limits.span_s,
        };
        let owner = account.cloned();
        let cursor = store
            .run("cursor", move |connection| {
                cursors::tail(connection, owner.as_ref())
            })
            .await?;
        let Some(planned) = windows::next_tail(cursor, now, rules) else {
            return Ok(Step::default());
        };
        let order = Order {
            kind: Kind::Tail,
            account: account.cloned(),
            window: planned.window,
            hole: planned.aged_out,
            plan: None,
        };
        let (reports, listed) = self.sweep_within(order, left).await?;
        let done = reports.iter().all(Report::is_done);
        if done {
            let (owner, to) = (account.cloned(), planned.window.to());
            store
                .run("move_cursor", move |connection| {
                    cursors::move_tail(connection, owner.as_ref(), to)
                })
                .await?;
        }
        let mut step = Step {
            reports,
            more: done && planned.window.to() < now.saturating_sub(rules.lag),
            ..Step::default()
        };
        if let Some(listed) = listed {
            let recent = listed.asked_at.saturating_sub(HEARD_S);
            let late: Vec<(EventId, i64)> = listed
                .ids
                .iter()
                .filter(|(_, created)| *created >= recent)
                .cloned()
                .collect();
            step.heard = self.heard(&late, listed.other_mode).await?;
            let account = account.cloned();
            let (window, asked) = (listed.window, listed.asked_at);
            step.late = memory.lateness.learn(account, window, asked, &listed.ids);
        }
        Ok(step)
    }

    async fn heard(
        &self,
        ids: &[(EventId, i64)],
        other_mode: Option<EventId>,
    ) -> Result<Heard, SweepError> {
        let created = || ids.iter().map(|(_, created)| *created);
        let asked: Vec<EventId> = ids.iter().map(|(id, _)| id.clone()).collect();
        let arrived = match asked.is_empty() {
            true => 0,
            false => {
                let arrived = move |connection: &mut _| ledger::arrived(connection, &asked);
                self.reader.store.run("arrived", arrived).await?
            }
        };
        Ok(Heard {
            listed: ids.len(),
            arrived: usize::try_from(arrived).unwrap_or(0),
            span: created().min().zip(created().max()),
            other_mode,
        })
    }
}
