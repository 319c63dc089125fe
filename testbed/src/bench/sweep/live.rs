//! The live path alone, and beside a sweep of thirty days within its budget.

use serde_json::json;

use super::run::Ground;
use super::{BUDGET, Verdict, thirty_days};
use crate::bench::answer::{ANSWER_FLOOR_MS, APPLIED_FLOOR_MS, Latencies, load, warm_up};
use crate::demo::stage::Stage;
use crate::services::Service;
use crate::stack::url::with;
use crate::stripe::Faults;
use crate::stripe::volume::{VolumeServer, fill};

/// More than a sweep within its budget can read while the load lasts.
const EVENTS: u64 = 200_000;

/// Measures both and prints them.
pub(super) async fn beside_a_sweep(rate: u64, seconds: u64) -> anyhow::Result<Verdict> {
    let volume = thirty_days(EVENTS);
    let (stage, stripe) = tokio::task::spawn_blocking(move || {
        let stage = Stage::set(12, Faults::default())?;
        fill(&stage.database, volume, "stripe.events", &[])?;
        anyhow::Ok((stage, VolumeServer::start(volume)?))
    })
    .await??;
    warm_up(&stage, rate).await?;
    let alone = load(&stage, "b", rate, seconds).await?;
    let mut sweep = start(&stage, &stripe, (volume.from, volume.to))?;
    let beside = load(&stage, "s", rate, seconds).await?;
    let (swept, lasted) = (stripe.pages().len(), sweep.is_running());
    tokio::task::spawn_blocking(move || {
        drop(sweep);
        drop(stage);
    })
    .await?;
    println!("live, {rate} events/s        p99 alone   p99 beside a sweep ({swept} pages)");
    let line = |what: &str, alone: f64, beside: f64, floor: f64| {
        println!("{what:<26} {alone:>7.1} ms   {beside:>7.1} ms   floor {floor} ms");
    };
    line(
        "answer",
        alone.answer_ms.1,
        beside.answer_ms.1,
        ANSWER_FLOOR_MS,
    );
    line(
        "first delivery → applied",
        alone.applied_ms.1,
        beside.applied_ms.1,
        APPLIED_FLOOR_MS,
    );
    let passed = beside.keeps_floors() && lasted && swept > 0;
    Ok(Verdict {
        passed,
        result: json!({
            "rate_per_s": rate, "seconds": seconds, "calls_per_s": BUDGET, "pages": swept,
            "sweep_lasted": lasted, "passed": passed,
            "alone": figures(&alone), "beside": figures(&beside),
        }),
    })
}

fn start(stage: &Stage, stripe: &VolumeServer, span: (i64, i64)) -> anyhow::Result<Service> {
    let dir = stage.secrets.parent().unwrap_or(&stage.secrets);
    let ground = Ground {
        dir,
        brokers: stage.kafka.brokers(),
        topic: "stripe.events",
        database: with(&stage.database, Some("bookend_reconciler"), "bookend"),
        postgres: stage.postgres.pid(),
        stripe,
    };
    ground.start(span.0, span.1, BUDGET)
}

fn figures(found: &Latencies) -> serde_json::Value {
    json!({
        "answer_ms": {"p50": found.answer_ms.0, "p99": found.answer_ms.1, "floor_p99": ANSWER_FLOOR_MS},
        "applied_ms": {"p50": found.applied_ms.0, "p99": found.applied_ms.1, "floor_p99": APPLIED_FLOOR_MS},
    })
}
