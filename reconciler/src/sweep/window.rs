//! One window: list → barrier → compare → repair → record, in this order.

use std::fmt;

use chrono::SecondsFormat;
use shared::diffs::{Comparison, Finding};
use shared::ids::{AccountId, EventId};
use shared::kafka::producer::EventLog;
use shared::windows::{self, Rules, Window};

use super::inspect::{Keep, Listed};
use super::{Engine, SweepError};
use crate::barrier::Lag;
use crate::evidence::{self, Circumstances};
use crate::store::ledger;
use crate::store::sweeps::{self, Counts, Kind, NewFinding, Outcome, Repair};
use crate::stripe::StripeError;
use crate::stripe::walk::WalkError;

/// How often one event is published before a person has to look: a processor that answers neither
/// with a row nor with a dead letter will not do so the next time.
const MAX_REPAIRS: i64 = 3;

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
}

impl Report {
    /// The window is done: its end may be the next one's begin.
    pub fn is_done(&self) -> bool {
        match self.outcome {
            Outcome::Complete | Outcome::Repaired => true,
            Outcome::Open | Outcome::Failed => false,
        }
    }

    /// One line for the log, loud where somebody may have to act.
    pub fn log(&self) {
        let (outcome, counts) = (self.outcome.as_str(), self.counts);
        if counts.missing == 0 && self.is_done() {
            tracing::debug!(outcome, listed = counts.listed, "window swept");
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
        match self.lag {
            Some(lag) => write!(f, "  the processor is {} records behind", lag.records),
            None => Ok(()),
        }
    }
}

impl<L: EventLog> Engine<L> {
    /// Sweeps from the tail's cursor up to `lag` before Stripe's now, window by window, moving the
    /// cursor behind each that is done; ends early at one that is not. Empty: nothing was due.
    ///
    /// # Errors
    /// [`SweepError`]; the cursor stands before whatever was not done.
    pub async fn tail(&self, account: Option<&AccountId>) -> Result<Vec<Report>, SweepError> {
        let rules = Rules {
            lag: self.reader.limits.lag_s,
            overlap: self.reader.limits.overlap_s,
            span: self.reader.limits.span_s,
        };
        let mut reports = Vec::new();
        // Taken once: a pass has an end, also where each window takes longer than a second.
        let now = self.reader.client.now().await?;
        loop {
            let owner = account.cloned();
            let cursor = self
                .reader
                .store
                .run("cursor", move |connection| {
                    sweeps::cursor(connection, owner.as_ref())
                })
                .await?;
            let Some(planned) = windows::next_tail(cursor, now, rules) else {
                return Ok(reports);
            };
            let swept = self
                .sweep(Kind::Tail, account, planned.window, planned.aged_out)
                .await?;
            let done = swept.iter().all(Report::is_done);
            reports.extend(swept);
            if !done {
                return Ok(reports);
            }
        }
    }

    /// Sweeps one window, in halves where it holds more events than one sweep may; stops at the
    /// first that is not done. `hole`: seconds before it that can no longer be listed.
    ///
    /// # Errors
    /// [`SweepError`]; sweeps that came before are done and recorded.
    pub async fn sweep(
        &self,
        kind: Kind,
        account: Option<&AccountId>,
        window: Window,
        hole: Option<Window>,
    ) -> Result<Vec<Report>, SweepError> {
        let (mut todo, mut reports, mut hole) = (vec![window], Vec::new(), hole);
        while let Some(window) = todo.pop() {
            match self.sweep_one(kind, account, window, hole).await {
                Ok(report) => {
                    hole = None;
                    let done = report.is_done();
                    reports.push(report);
                    if !done {
                        break;
                    }
                }
                Err(SweepError::Stripe(StripeError::Walk(error @ WalkError::TooMany { .. }))) => {
                    let Some(earlier) = window.earlier_half() else {
                        return Err(StripeError::Walk(error).into());
                    };
                    todo.extend(Window::new(earlier.to(), window.to()));
                    todo.push(earlier);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(reports)
    }

    async fn sweep_one(
        &self,
        kind: Kind,
        account: Option<&AccountId>,
        window: Window,
        hole: Option<Window>,
    ) -> Result<Report, SweepError> {
        let owner = account.cloned();
        let sweep = self
            .reader
            .store
            .run("begin_sweep", move |connection| {
                sweeps::begin(connection, kind, owner.as_ref(), window)
            })
            .await?;
        let outcome = self.swept(sweep, kind, account, window, hole).await;
        if let Err(error) = &outcome {
            let told = shared::error::chain(error);
            // The first error tells more than this one, should it fail too.
            drop(
                self.reader
                    .store
                    .run("fail_sweep", move |connection| {
                        sweeps::finish(
                            connection,
                            sweep,
                            Outcome::Failed,
                            Counts::default(),
                            Some(&told),
                        )
                    })
                    .await,
            );
        }
        outcome
    }

    async fn swept(
        &self,
        sweep: i64,
        kind: Kind,
        account: Option<&AccountId>,
        window: Window,
        hole: Option<Window>,
    ) -> Result<Report, SweepError> {
        let listed = self.reader.list(account, window, Keep::Unknown).await?;
        let _guard = self.repair_lock().await?;
        let listed_count = listed.ids.len();
        if let Some(lag) = self.reader.barrier.wait(&self.reader.store).await? {
            return self.left_open(sweep, window, listed_count, lag).await;
        }
        let now = self.reader.client.now().await?;
        let comparison = self.reader.compare(account, &listed, now).await?;
        let (findings, missing) = self
            .note(sweep, account, &listed, hole, &comparison)
            .await?;
        let (repairs, refused) = self.repair(account, &listed, findings).await;
        let counts = Counts {
            listed: listed_count,
            missing,
            repaired: repairs.len(),
        };
        let outcome = match (missing, &refused) {
            (0, _) => Outcome::Complete,
            (_, None) => Outcome::Repaired,
            (_, Some(_)) => Outcome::Failed,
        };
        let report = Report {
            window,
            outcome,
            counts,
            comparison: Some(comparison),
            lag: None,
        };
        self.record(sweep, kind, account, &listed, &report, (repairs, refused))
            .await?;
        Ok(report)
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
        })
    }

    /// Writes down every difference; returns the missing events that are to be published with
    /// their findings' ids, and how many are missing in all.
    async fn note(
        &self,
        sweep: i64,
        account: Option<&AccountId>,
        listed: &Listed,
        hole: Option<Window>,
        comparison: &Comparison,
    ) -> Result<(Vec<(i64, EventId)>, usize), SweepError> {
        let missing: Vec<EventId> = comparison
            .findings
            .iter()
            .filter_map(|finding| match finding {
                Finding::Missing(id) => Some(id.clone()),
                Finding::Unlisted(_) | Finding::Dead(_) | Finding::ParkedTooLong(_) => None,
            })
            .collect();
        let topic = self.publisher.topic().to_owned();
        let since = listed.window.from();
        let asked = missing.clone();
        let (hole_since, repaired) = self
            .reader
            .store
            .run("gather_evidence", move |connection| {
                Ok((
                    ledger::has_hole_since(connection, &topic, since)?,
                    sweeps::times_repaired(connection, &asked)?,
                ))
            })
            .await?;
        let mut rows: Vec<NewFinding> = comparison
            .findings
            .iter()
            .map(|finding| {
                let event = listed.unknown.get(finding.event_id());
                let around = Circumstances {
                    pending_webhooks: event.and_then(|event| event.pending_webhooks),
                    hole_since,
                };
                NewFinding {
                    verdict: evidence::classify(finding, around),
                    event_id: Some(finding.event_id().clone()),
                    object_id: None,
                    booking_id: None,
                }
            })
            .collect();
        rows.extend(
            [hole, listed.aged_out]
                .into_iter()
                .flatten()
                .map(|gone| NewFinding {
                    verdict: evidence::aged_out(gone.from(), gone.to()),
                    event_id: None,
                    object_id: None,
                    booking_id: None,
                }),
        );
        let (owner, settled) = (account.cloned(), listed.ids.clone());
        let ids = self
            .reader
            .store
            .run("note_findings", move |connection| {
                sweeps::close_settled(connection, &settled)?;
                sweeps::find(connection, sweep, owner.as_ref(), &rows)
            })
            .await?;
        let tried_in_vain = |id: &EventId| {
            repaired
                .get(id.as_str())
                .is_some_and(|times| *times >= MAX_REPAIRS)
        };
        let publish = comparison
            .findings
            .iter()
            .zip(ids)
            .filter(|(finding, _)| matches!(finding, Finding::Missing(_)))
            .map(|(finding, row)| (row, finding.event_id().clone()))
            .filter(|(_, id)| !tried_in_vain(id))
            .collect();
        Ok((publish, missing.len()))
    }

    /// Publishes what is missing. Returns what was acknowledged, and why the rest was not.
    async fn repair(
        &self,
        account: Option<&AccountId>,
        listed: &Listed,
        findings: Vec<(i64, EventId)>,
    ) -> (Vec<Repair>, Option<String>) {
        let events = findings
            .iter()
            .filter_map(|(row, id)| Some((*row, listed.unknown.get(id)?)))
            .collect();
        self.publisher.events(account, events).await
    }

    /// One transaction: where the repairs lie, the certificate, the cursor, the sweep's end.
    async fn record(
        &self,
        sweep: i64,
        kind: Kind,
        account: Option<&AccountId>,
        listed: &Listed,
        report: &Report,
        (repairs, refused): (Vec<Repair>, Option<String>),
    ) -> Result<(), SweepError> {
        let (owner, window, report) = (account.cloned(), listed.window, report.clone());
        self.reader
            .store
            .run("record_sweep", move |connection| {
                sweeps::repaired(connection, &repairs)?;
                if let Some(comparison) = &report.comparison {
                    sweeps::certify(connection, owner.as_ref(), window, comparison)?;
                }
                if kind == Kind::Tail && report.is_done() {
                    sweeps::move_cursor(connection, owner.as_ref(), window.to())?;
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
}
