//! One window: list → barrier → compare → repair → record → prove, in this order.
//!
//! Invariants: nothing is listed while the processor is behind (a backlog costs no call), and
//! nothing compared before it has passed what was in the log after listing; what was published is
//! compared again as soon as it is applied, so that the certificate tells the end and not the
//! beginning.

use std::fmt;

use chrono::SecondsFormat;
use shared::diffs::Comparison;
use shared::ids::AccountId;
use shared::kafka::producer::EventLog;
use shared::windows::Window;

use super::inspect::{Keep, Listed};
use super::note::Noted;
use super::{Engine, SweepError};
use crate::barrier::Lag;
use crate::store::certificates;
use crate::store::sweeps::{self, Counts, Kind, Outcome, Repair};

/// What to sweep.
#[derive(Debug, Clone)]
pub struct Order {
    pub kind: Kind,
    /// `None`: our own.
    pub account: Option<AccountId>,
    pub window: Window,
    /// Seconds before it that can no longer be listed.
    pub hole: Option<Window>,
    /// The approved plan that is carried out: its events may be published.
    pub plan: Option<String>,
}

/// How one sweep ended.
#[derive(Debug, Clone)]
pub struct Report {
    pub window: Window,
    pub outcome: Outcome,
    pub counts: Counts,
    /// What differed when it was compared; `None` when it came to no comparison.
    pub comparison: Option<Comparison>,
    /// Set when the processor had not caught up.
    pub lag: Option<Lag>,
    /// The plan that a person has to approve, when it was too much for one sweep.
    pub plan: Option<String>,
}

impl Report {
    /// The window is done: its end may be the next one's begin.
    pub fn is_done(&self) -> bool {
        match self.outcome {
            // What waits in a plan is no longer this sweep's.
            Outcome::Complete | Outcome::Repaired | Outcome::Planned => true,
            Outcome::Open | Outcome::Failed => false,
        }
    }

    /// One line for the log, loud where somebody may have to act.
    pub fn log(&self) {
        let (outcome, counts) = (self.outcome.as_str(), self.counts);
        if counts.missing == 0 && self.is_done() {
            tracing::debug!(outcome, listed = counts.listed, "window swept");
        } else if let Some(plan) = &self.plan {
            tracing::error!(
                plan,
                missing = counts.missing,
                "more is missing than one pass may publish; a person must approve the plan"
            );
        } else {
            tracing::warn!(
                outcome,
                listed = counts.listed,
                missing = counts.missing,
                repaired = counts.repaired,
                lag = self.lag.map(|lag| lag.records),
                "window swept"
            );
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |seconds| crate::store::at(seconds).to_rfc3339_opts(SecondsFormat::Secs, true);
        write!(
            f,
            "[{}, {})  {}  listed {}  missing {}  repaired {}",
            time(self.window.from()),
            time(self.window.to()),
            self.outcome.as_str(),
            self.counts.listed,
            self.counts.missing,
            self.counts.repaired,
        )?;
        if let Some(lag) = self.lag {
            write!(f, "  the processor is {} records behind", lag.records)?;
        }
        if let Some(plan) = &self.plan {
            write!(
                f,
                "  too many for one sweep: nothing was published; look at it with \
                 `bookend sweep repair --plan {plan}`"
            )?;
        }
        Ok(())
    }
}

impl<L: EventLog> Engine<L> {
    /// Sweeps one window with the cap of one pass; see [`Self::sweep_within`].
    ///
    /// # Errors
    /// [`SweepError`].
    pub async fn sweep(
        &self,
        kind: Kind,
        account: Option<&AccountId>,
        window: Window,
        hole: Option<Window>,
    ) -> Result<Vec<Report>, SweepError> {
        let order = Order {
            kind,
            account: account.cloned(),
            window,
            hole,
            plan: None,
        };
        let mut left = match kind {
            // A person asked for all there is.
            Kind::Backfill => usize::MAX,
            _ => self.reader.limits.repair_cap,
        };
        Ok(self.sweep_within(order, &mut left).await?.0)
    }

    /// Sweeps one window, in parts where it holds more events than one sweep may; stops at the
    /// first that is not done. `left`: what may still be published, and what is left of it then.
    /// Returns also what was listed last, for those who learn from it.
    ///
    /// # Errors
    /// [`SweepError`]; sweeps that came before are done and recorded.
    pub async fn sweep_within(
        &self,
        order: Order,
        left: &mut usize,
    ) -> Result<(Vec<Report>, Option<Listed>), SweepError> {
        let (mut reports, mut last, mut next) = (Vec::new(), None, Some(order));
        while let Some(order) = next.take() {
            let (report, listed) = self.sweep_one(&order, *left).await?;
            *left = left.saturating_sub(report.counts.repaired);
            let done = report.is_done();
            reports.push(report);
            let Some(listed) = listed else { break };
            next = listed.rest.filter(|_rest| done).map(|window| Order {
                window,
                hole: None,
                ..order
            });
            last = Some(listed);
        }
        Ok((reports, last))
    }

    async fn sweep_one(
        &self,
        order: &Order,
        left: usize,
    ) -> Result<(Report, Option<Listed>), SweepError> {
        let (owner, kind, window) = (order.account.clone(), order.kind, order.window);
        let sweep = self
            .reader
            .store
            .run("begin_sweep", move |connection| {
                sweeps::begin(connection, kind, owner.as_ref(), window)
            })
            .await?;
        let outcome = self.swept_unless_refused(sweep, order, left).await;
        if let Err(error) = &outcome {
            let told = shared::error::chain(error);
            let failed = move |connection: &mut _| {
                let nothing = Counts::default();
                sweeps::finish(connection, sweep, Outcome::Failed, nothing, Some(&told))
            };
            // The first error tells more than this one, should it fail too.
            drop(self.reader.store.run("fail_sweep", failed).await);
        }
        outcome
    }

    /// Sweeps one window; with what was listed, where it came to a comparison.
    pub(super) async fn swept(
        &self,
        sweep: i64,
        order: &Order,
        left: usize,
    ) -> Result<(Report, Option<Listed>), SweepError> {
        let account = order.account.as_ref();
        let (barrier, store) = (&self.reader.barrier, &self.reader.store);
        if let Some(lag) = barrier.wait(store).await? {
            return Ok((self.left_open(sweep, order.window, 0, lag).await?, None));
        }
        let listed = self
            .reader
            .list(account, order.window, Keep::Unknown)
            .await?;
        // Asked before the log's ends are read: what was acknowledged by then lies before them.
        let attempts = match order.kind {
            Kind::Backfill => None,
            _ => Some(self.reader.attempts(account, &listed).await?),
        };
        let guard = self.repair_lock().await?;
        let count = listed.ids.len();
        if let Some(lag) = barrier.wait(store).await? {
            return Ok((
                self.left_open(sweep, listed.window, count, lag).await?,
                None,
            ));
        }
        let now = self.reader.client.now().await?;
        let comparison = self.reader.compare(account, &listed, now).await?;
        let noted = self
            .note(sweep, order, &listed, attempts, &comparison, left)
            .await?;
        let (repairs, refused) = self.repair(account, &listed, &noted).await;
        let counts = Counts {
            listed: count,
            missing: noted.missing,
            repaired: repairs.len(),
        };
        let report = Report {
            window: listed.window,
            outcome: outcome(&noted, refused.is_some()),
            counts,
            comparison: Some(comparison),
            lag: None,
            plan: noted.plan.clone(),
        };
        self.record(sweep, order, &report, (repairs, refused))
            .await?;
        drop(guard);
        if report.outcome == Outcome::Repaired {
            match self.prove(account, &listed).await {
                Ok(()) => {}
                Err(error) if error.is_lost() => return Err(error),
                // What was done is on record; a later sweep's certificate tells the end.
                Err(error) => {
                    tracing::warn!(error = %shared::error::chain(&error), "the repair was not compared again");
                }
            }
        }
        Ok((report, Some(listed)))
    }

    async fn left_open(
        &self,
        sweep: i64,
        window: Window,
        listed: usize,
        lag: Lag,
    ) -> Result<Report, SweepError> {
        let counts = Counts {
            listed,
            ..Counts::default()
        };
        let why = format!(
            "the processor is {} records behind on {} partitions",
            lag.records, lag.partitions
        );
        self.reader
            .store
            .run("leave_sweep_open", move |connection| {
                sweeps::finish(connection, sweep, Outcome::Open, counts, Some(&why))
            })
            .await?;
        Ok(Report {
            window,
            outcome: Outcome::Open,
            counts,
            comparison: None,
            lag: Some(lag),
            plan: None,
        })
    }

    /// Publishes what is missing. Returns what was acknowledged, and why the rest was not.
    async fn repair(
        &self,
        account: Option<&AccountId>,
        listed: &Listed,
        noted: &Noted,
    ) -> (Vec<Repair>, Option<String>) {
        let events = noted
            .publish
            .iter()
            .filter_map(|(row, id)| Some((*row, listed.unknown.get(id)?)))
            .collect();
        self.publisher.events(account, events).await
    }

    /// One transaction: where the repairs lie, the certificate, the sweep's end.
    async fn record(
        &self,
        sweep: i64,
        order: &Order,
        report: &Report,
        (repairs, refused): (Vec<Repair>, Option<String>),
    ) -> Result<(), SweepError> {
        let (owner, report) = (order.account.clone(), report.clone());
        let oldest = oldest_proven(self.reader.client.now().await?);
        let noted = order.kind != Kind::Backfill;
        self.reader
            .store
            .run("record_sweep", move |connection| {
                if noted {
                    sweeps::repaired(connection, &repairs)?;
                }
                if let Some(comparison) = &report.comparison {
                    let account = owner.as_ref();
                    certificates::issue(connection, account, report.window, comparison, oldest)?;
                }
                sweeps::finish(
                    connection,
                    sweep,
                    report.outcome,
                    report.counts,
                    refused.as_deref(),
                )
            })
            .await?;
        Ok(())
    }

    /// Compares once more what was listed, as soon as the processor has applied what was published;
    /// where it does not in time, a later sweep's certificate tells.
    async fn prove(&self, account: Option<&AccountId>, listed: &Listed) -> Result<(), SweepError> {
        let behind = self.reader.barrier.wait(&self.reader.store).await?;
        if behind.is_some() {
            return Ok(());
        }
        let now = self.reader.client.now().await?;
        let comparison = self.reader.compare(account, listed, now).await?;
        let (owner, window) = (account.cloned(), listed.window);
        let oldest = oldest_proven(now);
        self.reader
            .store
            .run("prove_window", move |connection| {
                certificates::issue(connection, owner.as_ref(), window, &comparison, oldest)
            })
            .await?;
        Ok(())
    }
}

/// Where a proof may begin: a little after the edge of what is listed for certain, because what we
/// know of Stripe's clock may be a second or two older than when the window was cut.
fn oldest_proven(now: i64) -> i64 {
    shared::windows::oldest_listed(now).saturating_add(60)
}

fn outcome(noted: &Noted, refused: bool) -> Outcome {
    match (noted.missing, &noted.plan, refused) {
        (0, _, _) => Outcome::Complete,
        (_, Some(_), _) => Outcome::Planned,
        (_, None, false) => Outcome::Repaired,
        (_, None, true) => Outcome::Failed,
    }
}
