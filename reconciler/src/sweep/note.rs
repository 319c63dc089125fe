//! Writing down what differs, before anything is done about it.
//!
//! Invariant: nothing is published that has no finding (but by a backfill, whose events nobody ever
//! had); a finding that is open is not written twice.

use std::collections::HashMap;

use shared::diffs::{Comparison, Finding};
use shared::ids::EventId;
use shared::kafka::producer::EventLog;
use shared::windows::Window;

use super::attempts::Attempts;
use super::inspect::Listed;
use super::window::Order;
use super::{Engine, SweepError};
use crate::evidence::{self, Circumstances};
use crate::repair::{self, Decision, Known};
use crate::store::holes;
use crate::store::plans::{self, NewPlan};
use crate::store::sweeps::{self, Kind, NewFinding};

/// What was written down.
#[derive(Debug, Default)]
pub(super) struct Noted {
    /// What is to be published, each with its finding's row.
    pub(super) publish: Vec<(i64, EventId)>,
    /// How many are missing in all.
    pub(super) missing: usize,
    /// The plan that they wait in, when they are too many.
    pub(super) plan: Option<String>,
}

impl<L: EventLog> Engine<L> {
    /// Writes down every difference, with its class, and decides what is published.
    pub(super) async fn note(
        &self,
        sweep: i64,
        order: &Order,
        listed: &Listed,
        attempts: Option<Attempts>,
        comparison: &Comparison,
        left: usize,
    ) -> Result<Noted, SweepError> {
        let missing = missing_of(comparison);
        if order.kind == Kind::Backfill {
            let publish = missing.iter().map(|id| (0, id.clone())).collect();
            return Ok(Noted {
                publish,
                missing: missing.len(),
                plan: None,
            });
        }
        let known = self.known_of(&missing, order.plan.clone()).await?;
        let decision = repair::decide(&missing, &known, left);
        let rows = self.findings(order, listed, attempts, comparison).await?;
        let (owner, settled) = (order.account.clone(), ids_of(listed));
        let window = listed.window;
        let (cap, carried_out) = (left, order.plan.clone());
        let findings = comparison.findings.clone();
        let (plan, publish) = self
            .reader
            .store
            .run("note_findings", move |connection| {
                sweeps::close_settled(connection, &settled)?;
                let ids = sweeps::find(connection, sweep, owner.as_ref(), &rows)?;
                let row_of: HashMap<&EventId, i64> =
                    findings.iter().map(Finding::event_id).zip(ids).collect();
                let rows_of = |wanted: Vec<EventId>| -> Vec<(i64, EventId)> {
                    let with_row = |id: EventId| Some((*row_of.get(&id)?, id));
                    wanted.into_iter().filter_map(with_row).collect()
                };
                match decision {
                    Decision::Publish(wanted) => Ok((None, rows_of(wanted))),
                    Decision::Plan(wanted) => {
                        let new = NewPlan {
                            sweep,
                            account: owner.as_ref(),
                            window,
                            missing: wanted.len(),
                            cap,
                        };
                        if let Some(plan) = carried_out {
                            plans::supersede(connection, &plan)?;
                        }
                        let plan = plans::open(connection, &new)?;
                        let rows: Vec<i64> =
                            rows_of(wanted).into_iter().map(|(row, _)| row).collect();
                        plans::assign(connection, &plan, &rows)?;
                        Ok((Some(plan), Vec::new()))
                    }
                }
            })
            .await?;
        Ok(Noted {
            publish,
            missing: missing.len(),
            plan,
        })
    }

    /// What is on record about the missing events. `carried_out`: the plan whose own events are
    /// not held back.
    async fn known_of(
        &self,
        missing: &[EventId],
        carried_out: Option<String>,
    ) -> Result<Known, SweepError> {
        if missing.is_empty() {
            return Ok(Known::default());
        }
        let asked = missing.to_vec();
        Ok(self
            .reader
            .store
            .run("known_repairs", move |connection| {
                Ok(Known {
                    repaired: sweeps::times_repaired(connection, &asked)?,
                    planned: plans::waiting(connection, &asked, carried_out.as_deref())?,
                })
            })
            .await?)
    }

    /// One row for each difference of the comparison, in its order, then those about lost seconds.
    async fn findings(
        &self,
        order: &Order,
        listed: &Listed,
        attempts: Option<Attempts>,
        comparison: &Comparison,
    ) -> Result<Vec<NewFinding>, SweepError> {
        let topic = self.publisher.topic().to_owned();
        let holes = match comparison.findings.is_empty() {
            true => Vec::new(),
            false => {
                let all = move |connection: &mut _| holes::all(connection, &topic);
                self.reader.store.run("log_holes", all).await?
            }
        };
        let attempts = attempts.unwrap_or_default();
        let answers = self.answers(listed, &attempts, comparison).await?;
        let row = |finding: &Finding| {
            let event = listed.unknown.get(finding.event_id());
            let created = event.map(|event| event.created);
            let held =
                |hole: &&holes::Hole| created.is_some_and(|at| hole.from <= at && at < hole.to);
            let around = Circumstances {
                created,
                asked_at: listed.asked_at,
                pending_webhooks: event.and_then(|event| event.pending_webhooks),
                hole: holes.iter().find(held).map(|hole| hole.id),
                delivered: attempts.of(finding.event_id()),
                endpoints: event
                    .and_then(|event| attempts.endpoints_for(&event.raw, event.created)),
                answers: answers.get(finding.event_id()).copied(),
            };
            NewFinding {
                verdict: evidence::classify(finding, around),
                event_id: Some(finding.event_id().clone()),
                object_id: None,
                booking_id: None,
            }
        };
        let mut rows: Vec<NewFinding> = comparison.findings.iter().map(row).collect();
        let lost = [order.hole, listed.aged_out];
        rows.extend(lost.into_iter().flatten().map(lost_seconds));
        Ok(rows)
    }
}

fn lost_seconds(gone: Window) -> NewFinding {
    NewFinding {
        verdict: evidence::aged_out(gone.from(), gone.to()),
        event_id: None,
        object_id: None,
        booking_id: None,
    }
}

fn missing_of(comparison: &Comparison) -> Vec<EventId> {
    let missing = |finding: &Finding| match finding {
        Finding::Missing(id) => Some(id.clone()),
        Finding::Unlisted(_) | Finding::Dead(_) | Finding::ParkedTooLong(_) => None,
    };
    comparison.findings.iter().filter_map(missing).collect()
}

fn ids_of(listed: &Listed) -> Vec<EventId> {
    listed.ids.iter().map(|(id, _)| id.clone()).collect()
}
