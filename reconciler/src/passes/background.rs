//! What may take all day: the deep sweep, the sender's state, the figures that alerts watch.

use std::collections::HashMap;
use std::time::Duration;

use shared::ids::AccountId;
use shared::kafka::producer::EventLog;
use tracing::Instrument;

use super::accounts::Swept;
use super::go_on;
use crate::budget;
use crate::config::Config;
use crate::metrics::{Figures, Metrics, finding_kinds};
use crate::store::certificates::CompleteUpTo;
use crate::store::{budget as calls, certificates, plans, sender, sweeps};
use crate::sweep::{Engine, SweepError};

/// Pause between two looks whether a deep sweep is due.
const DEEP_LOOK: Duration = Duration::from_secs(60);
/// Pause between two counts of calls against the allowance: transactions are counted in the ledger.
const COUNT_EVERY: u32 = 60;

/// A piece of each account's pass in turn, until none is due.
pub(super) async fn deeps<L: EventLog>(config: &Config, engine: &Engine<L>, metrics: &Metrics) {
    let mut left: HashMap<Option<AccountId>, usize> = HashMap::new();
    let mut swept = Swept::new();
    loop {
        let Some(accounts) = swept.read(config, engine, metrics).await else {
            return;
        };
        let mut due = false;
        for account in &accounts {
            let cap = left
                .entry(account.clone())
                .or_insert(engine.reader.limits.repair_cap);
            let span = tracing::info_span!(
                "deep_sweep",
                account = account.as_ref().map(tracing::field::display)
            );
            let step = async {
                match engine.deep_begun(account.as_ref()).await? {
                    true => {
                        engine
                            .deep_step(account.as_ref(), config.deep_interval, cap)
                            .await
                    }
                    false => Ok(None),
                }
            };
            let outcome = step.instrument(span).await;
            if outcome.as_ref().is_err_and(SweepError::is_lost) {
                return;
            }
            let Some(Some(reports)) = go_on(metrics, "deep", outcome) else {
                continue;
            };
            due |= reports.iter().all(crate::sweep::window::Report::is_done);
            for report in &reports {
                metrics.swept(sweeps::Kind::Deep, report);
                report.log();
            }
        }
        if !due {
            tokio::time::sleep(DEEP_LOOK.min(config.deep_interval)).await;
        }
    }
}

pub(super) async fn senders<L: EventLog>(config: &Config, engine: &Engine<L>, metrics: &Metrics) {
    loop {
        let span = tracing::info_span!("sender");
        let looked = engine.look_at_endpoints(config.endpoint_url.clone());
        let outcome = looked.instrument(span).await;
        if outcome.as_ref().is_err_and(SweepError::is_lost) {
            return;
        }
        let _looked = go_on(metrics, "sender", outcome);
        tokio::time::sleep(config.sender_interval).await;
    }
}

/// Findings whose evidence was not all there yet.
pub(super) async fn classes<L: EventLog>(config: &Config, engine: &Engine<L>, metrics: &Metrics) {
    loop {
        tokio::time::sleep(config.sweep_interval).await;
        let span = tracing::info_span!("classify");
        let outcome = engine.classify().instrument(span).await;
        if outcome.as_ref().is_err_and(SweepError::is_lost) {
            return;
        }
        if let Some(classified) = go_on(metrics, "classify", outcome).filter(|count| *count > 0) {
            tracing::info!(classified, "findings got their class");
        }
    }
}

/// What alerts watch, read from where it is kept.
pub(super) async fn figures<L: EventLog>(config: &Config, engine: &Engine<L>, metrics: &Metrics) {
    let (mut round, mut swept, mut holder) = (0, Swept::new(), String::new());
    loop {
        let Some(accounts) = swept.read(config, engine, metrics).await else {
            return;
        };
        let judged = engine.judge_accounts(&accounts).await;
        let _judged = go_on(metrics, "accounts", judged.map_err(SweepError::from));
        let read = engine.reader.store.run("figures", move |connection| {
            sender::forget_others(connection, &accounts)?;
            Ok(Figures {
                complete_up_to: certificates::complete_up_to(connection, &accounts)?,
                open_plans: plans::open_count(connection)?,
                open_findings: sweeps::open_counts(connection, &finding_kinds())?,
                alarms: sender::standing(connection)?,
            })
        });
        if let Some(figures) = go_on(metrics, "figures", read.await.map_err(SweepError::from)) {
            metrics.figures(&figures);
            if let Some(all) = figures.complete_up_to {
                report_holder(&all, &mut holder);
            }
        }
        if round % COUNT_EVERY == 0 {
            count_calls(engine, metrics).await;
        }
        round += 1;
        tokio::time::sleep(config.sweep_interval.max(Duration::from_secs(1))).await;
    }
}

/// Logs which connected account holds "complete up to" back, when it is another one than before.
fn report_holder(all: &CompleteUpTo, last: &mut String) {
    if all.held_back_by != *last {
        last.clone_from(&all.held_back_by);
        tracing::info!(
            stripe.account = all.held_back_by,
            complete_up_to = all.at,
            "this account is complete up to the earliest second of all"
        );
    }
}

/// Calls of 30 days against what Stripe allows for as many transactions.
async fn count_calls<L: EventLog>(engine: &Engine<L>, metrics: &Metrics) {
    let used = engine.reader.store.run("calls_used", calls::used).await;
    let Some(used) = go_on(metrics, "figures", used.map_err(SweepError::from)) else {
        return;
    };
    let allowed = budget::allowance(used.transactions);
    metrics.calls(used.calls, allowed);
    if used.calls > allowed {
        tracing::warn!(
            calls = used.calls,
            allowed,
            "more reads in 30 days than Stripe allows for so many transactions"
        );
    }
}
