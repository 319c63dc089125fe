//! What must not wait: the tail, waiting bookings, refetches, holes in the log, approved plans.

use shared::ids::AccountId;
use shared::kafka::producer::EventLog;
use tracing::Instrument;

use super::go_on;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::parts;
use crate::store::plans::Progress;
use crate::store::{cursors, sweeps};
use crate::sweep::holes::Swept;
use crate::sweep::pending::Looks;
use crate::sweep::tail::{Memory, Step};
use crate::sweep::window::Report;
use crate::sweep::{Engine, SweepError};

pub(super) async fn tails<L: EventLog>(config: &Config, engine: &Engine<L>, metrics: &Metrics) {
    let mut memory = Memory::default();
    loop {
        let accounts = match parts::accounts(config, &engine.reader.store).await {
            Ok(accounts) => accounts,
            Err(error) => {
                let lost = go_on::<()>(metrics, "accounts", Err(error.into()));
                debug_assert!(lost.is_none());
                return;
            }
        };
        if !round(config, engine, metrics, &mut memory, accounts).await {
            return;
        }
        tokio::time::sleep(config.sweep_interval).await;
    }
}

/// One pass over all accounts, a window of each in turn until none has more. `false`: the lock is
/// lost.
async fn round<L: EventLog>(
    config: &Config,
    engine: &Engine<L>,
    metrics: &Metrics,
    memory: &mut Memory,
    accounts: Vec<Option<AccountId>>,
) -> bool {
    let now = match go_on(
        metrics,
        "clock",
        engine.reader.client.now().await.map_err(SweepError::from),
    ) {
        Some(now) => now,
        None => return true,
    };
    let cap = engine.reader.limits.repair_cap;
    let mut turn: Vec<(Option<AccountId>, usize)> =
        accounts.into_iter().map(|account| (account, cap)).collect();
    while !turn.is_empty() {
        let mut next = Vec::new();
        for (account, mut left) in turn {
            let span = tracing::info_span!(
                "tail_sweep",
                account = account.as_ref().map(tracing::field::display)
            );
            let stepping = engine.tail_step(account.as_ref(), now, &mut left, memory);
            let outcome = stepping.instrument(span).await;
            if outcome.as_ref().is_err_and(SweepError::is_lost) {
                return false;
            }
            let Some(step) = go_on(metrics, "tail", outcome) else {
                continue;
            };
            told(config, engine, metrics, account.as_ref(), &step).await;
            if step.more {
                next.push((account, left));
            }
        }
        turn = next;
    }
    metrics.lag(memory.lateness.lag(
        now,
        engine.reader.limits.lag_s,
        engine.reader.limits.overlap_s,
    ));
    true
}

/// Says what one window brought.
async fn told<L: EventLog>(
    config: &Config,
    engine: &Engine<L>,
    metrics: &Metrics,
    account: Option<&AccountId>,
    step: &Step,
) {
    for report in &step.reports {
        metrics.swept(sweeps::Kind::Tail, report);
        report.log();
    }
    if let Some(seconds) = step.late {
        tracing::info!(
            seconds,
            "an event was listed late; windows end further in the past"
        );
    }
    let Ok(now) = engine.reader.client.now().await else {
        return;
    };
    let heard = (!step.reports.is_empty()).then_some(&step.heard);
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
    let mut looks = Looks::default();
    loop {
        tokio::time::sleep(config.sweep_interval).await;
        let span = tracing::info_span!("pending_sweep");
        let outcome = engine.pending(&mut looks).instrument(span).await;
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
    loop {
        tokio::time::sleep(config.sweep_interval).await;
        let Ok(accounts) = parts::accounts(config, &engine.reader.store).await else {
            // The other passes say so.
            continue;
        };
        let topic = &config.topic;
        let span = tracing::info_span!("hole_sweep");
        let outcome = engine.hole(topic, &accounts).instrument(span).await;
        if outcome.as_ref().is_err_and(SweepError::is_lost) {
            return;
        }
        match go_on(metrics, "hole", outcome) {
            None | Some(Swept::None) => {}
            Some(Swept::Later(reports)) => reports.iter().for_each(Report::log),
            Some(Swept::Done(hole, reports)) => {
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
