//! What must not wait: the tail, waiting bookings, refetches, holes in the log, approved plans.

use std::collections::HashMap;

use shared::clock::{Clock, SystemClock};
use shared::ids::AccountId;
use shared::kafka::producer::EventLog;
use tracing::Instrument;

use super::accounts::Swept;
use super::go_on;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::store::plans::Progress;
use crate::store::{cursors, sweeps};
use crate::sweep::holes;
use crate::sweep::tail::{Memory, Step};
use crate::sweep::window::Report;
use crate::sweep::{Engine, SweepError};

pub(super) async fn tails<L: EventLog>(config: &Config, engine: &Engine<L>, metrics: &Metrics) {
    let (mut memory, mut left) = (Memory::default(), HashMap::new());
    let mut swept = Swept::new();
    loop {
        let Some(accounts) = swept.read(config, engine, metrics).await else {
            return;
        };
        match turn(config, engine, metrics, &mut memory, &mut left, accounts).await {
            Turn::Lost => return,
            Turn::More => {}
            Turn::Done => tokio::time::sleep(config.sweep_interval).await,
        }
    }
}

/// What one window for each account brought.
enum Turn {
    /// Some account has another.
    More,
    Done,
    /// The lock is lost.
    Lost,
}

/// What each account's pass may still publish.
type Left = HashMap<Option<AccountId>, usize>;

/// One window of each account, by the clock as it is now: nobody waits for another's backlog.
async fn turn<L: EventLog>(
    config: &Config,
    engine: &Engine<L>,
    metrics: &Metrics,
    memory: &mut Memory,
    left: &mut Left,
    accounts: Vec<Option<AccountId>>,
) -> Turn {
    let limits = &engine.reader.limits;
    let mut more = false;
    for account in accounts {
        let span = tracing::info_span!(
            "tail_sweep",
            account = account.as_ref().map(tracing::field::display)
        );
        let cap = left.entry(account.clone()).or_insert(limits.repair_cap);
        let step = async {
            let now = engine.reader.client.now().await?;
            engine.tail_step(account.as_ref(), now, cap, memory).await
        };
        let outcome = step.instrument(span).await;
        if outcome.as_ref().is_err_and(SweepError::is_lost) {
            return Turn::Lost;
        }
        let step = go_on(metrics, "tail", outcome);
        judge(config, engine, metrics, account.as_ref(), step.as_ref()).await;
        if step.is_some_and(|step| step.more) {
            more = true;
        } else {
            left.remove(&account);
        }
    }
    let now = engine
        .reader
        .client
        .known_now()
        .unwrap_or_else(|| SystemClock.now().timestamp());
    metrics.lag(memory.lateness.lag(now, limits.lag_s, limits.overlap_s));
    if more { Turn::More } else { Turn::Done }
}

/// Says what one window brought (`None`: it broke off), and how the sender stands.
async fn judge<L: EventLog>(
    config: &Config,
    engine: &Engine<L>,
    metrics: &Metrics,
    account: Option<&AccountId>,
    step: Option<&Step>,
) {
    for report in step.iter().flat_map(|step| &step.reports) {
        metrics.swept(sweeps::Kind::Tail, report);
        report.log();
    }
    if let Some(seconds) = step.and_then(|step| step.late) {
        tracing::info!(
            seconds,
            "an event was listed late; windows end further in the past"
        );
    }
    // Also where Stripe does not answer: then its clock is not known, and ours must do.
    let known = engine.reader.client.known_now();
    let now = known.unwrap_or_else(|| SystemClock.now().timestamp());
    let heard = step.map(|step| &step.heard);
    let judged = engine
        .judge_tail(account, heard, now, config.silence_after)
        .await;
    if let Err(error) = judged {
        tracing::warn!(error = %shared::error::chain(&error), "the sender was not judged");
    }
    if account.is_none() {
        let cursor = engine
            .reader
            .store
            .run("cursor", |connection| cursors::tail(connection, None))
            .await;
        if let Ok(Some(cursor)) = cursor {
            metrics.cursor(now.saturating_sub(cursor));
        }
    }
}

pub(super) async fn pendings<L: EventLog>(config: &Config, engine: &Engine<L>, metrics: &Metrics) {
    loop {
        tokio::time::sleep(config.sweep_interval).await;
        let span = tracing::info_span!("pending_sweep");
        let outcome = engine.pending().instrument(span).await;
        if outcome.as_ref().is_err_and(SweepError::is_lost) {
            return;
        }
        if let Some(looked) = go_on(metrics, "pending", outcome) {
            metrics.looked(looked);
            if looked.differing > 0 {
                tracing::info!(
                    differing = looked.differing,
                    events = looked.events,
                    observations = looked.observations,
                    "waiting bookings put right"
                );
            }
        }
    }
}

/// What the log lost before it was applied is asked of Stripe, once for each hole.
pub(super) async fn holes<L: EventLog>(config: &Config, engine: &Engine<L>, metrics: &Metrics) {
    let (mut tried, mut swept) = (0, Swept::new());
    loop {
        tokio::time::sleep(config.sweep_interval).await;
        let Some(accounts) = swept.read(config, engine, metrics).await else {
            return;
        };
        let topic = &config.topic;
        let span = tracing::info_span!("hole_sweep");
        let outcome = engine.hole(topic, &accounts, tried).instrument(span).await;
        if outcome.as_ref().is_err_and(SweepError::is_lost) {
            return;
        }
        match go_on(metrics, "hole", outcome) {
            None | Some(holes::Swept::None) => {}
            Some(holes::Swept::Later(hole, reports)) => {
                tried = hole.id;
                reports.iter().for_each(Report::log);
            }
            Some(holes::Swept::Done(hole, reports)) => {
                for report in &reports {
                    metrics.swept(sweeps::Kind::Hole, report);
                    report.log();
                }
                tracing::warn!(
                    hole = hole.id,
                    from = hole.from,
                    to = hole.to,
                    "what the log had lost was swept"
                );
            }
        }
    }
}

/// What a person approved is carried out, one plan after the other.
pub(super) async fn plans<L: EventLog>(config: &Config, engine: &Engine<L>, metrics: &Metrics) {
    loop {
        let span = tracing::info_span!("plan");
        let outcome = engine.plan().instrument(span).await;
        if outcome.as_ref().is_err_and(SweepError::is_lost) {
            return;
        }
        match go_on(metrics, "plan", outcome) {
            None | Some(None) => {}
            Some(Some((plan, Progress::Done))) => tracing::info!(plan, "the plan is carried out"),
            Some(Some((plan, Progress::Failed(why)))) => {
                tracing::error!(plan, why, "the plan can't be carried out");
            }
            Some(Some((plan, Progress::Waits(why)))) => tracing::warn!(plan, why, "the plan waits"),
        }
        tokio::time::sleep(config.sweep_interval).await;
    }
}

pub(super) async fn refetches<L: EventLog>(config: &Config, engine: &Engine<L>, metrics: &Metrics) {
    loop {
        let span = tracing::info_span!("refetch");
        let outcome = engine.refetch().instrument(span).await;
        if outcome.as_ref().is_err_and(SweepError::is_lost) {
            return;
        }
        if let Some(figures) = go_on(metrics, "refetch", outcome) {
            metrics.refetched(figures);
        }
        tokio::time::sleep(config.refetch_interval).await;
    }
}
