//! How long the answer and the way to the ledger take, at a steady rate.
//!
//! Open loop: each event has its moment, and its latency is counted from that moment, whether
//! the sender was late or not. Everything (Kafka, Postgres, the services, the sender) runs on
//! this machine.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use serde_json::json;

use super::Part;
use crate::demo::stage::{FIRST_SECRET, Stage};
use crate::stripe::{API_VERSION, Faults, signature_header};

/// p99 of the answer must stay below this.
pub(super) const ANSWER_FLOOR_MS: f64 = 50.0;
/// p99 of first delivery → applied must stay below this.
pub(super) const APPLIED_FLOOR_MS: f64 = 1_000.0;
/// Events sent before the clock counts.
const WARM_UP: u64 = 500;

/// The part's settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    /// Events a second.
    pub(super) rate: u64,
    /// Seconds.
    pub(super) seconds: u64,
}

struct Sent {
    id: String,
    due_ms: i64,
    answered_after: Duration,
    status: u16,
}

#[derive(QueryableByName)]
struct Applied {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = BigInt)]
    at_ms: i64,
}

impl Answer {
    /// Sends payments at a steady rate and prints both latencies beside their floors.
    ///
    /// # Errors
    /// When something could not be started, or not everything was applied.
    pub(super) async fn run(self) -> anyhow::Result<Part> {
        let stage = tokio::task::spawn_blocking(|| Stage::set(11, Faults::default())).await??;
        println!(
            "{} events/s for {} s, everything on this machine",
            self.rate, self.seconds
        );
        warm_up(&stage, self.rate).await?;
        let found = load(&stage, "b", self.rate, self.seconds).await?;
        let part = report(self, &found);
        tokio::task::spawn_blocking(move || drop(stage)).await?;
        Ok(part)
    }
}

/// p50 and p99 of one load, milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Latencies {
    pub(super) events: usize,
    pub(super) answer_ms: (f64, f64),
    pub(super) applied_ms: (f64, f64),
}

impl Latencies {
    pub(super) fn keeps_floors(&self) -> bool {
        self.answer_ms.1 < ANSWER_FLOOR_MS && self.applied_ms.1 < APPLIED_FLOOR_MS
    }
}

/// Events before the clock counts.
///
/// # Errors
/// When they could not be sent.
pub(super) async fn warm_up(stage: &Stage, rate: u64) -> anyhow::Result<()> {
    let url = format!("{}/webhooks/stripe", stage.ingestor.url());
    send(&url, "w", rate, WARM_UP).await.map(drop)
}

/// Sends payments whose ids begin with `label` at a steady rate, and waits until all are applied.
///
/// # Errors
/// When one was not answered 200, or was not applied within a minute.
pub(super) async fn load(
    stage: &Stage,
    label: &'static str,
    rate: u64,
    seconds: u64,
) -> anyhow::Result<Latencies> {
    let url = format!("{}/webhooks/stripe", stage.ingestor.url());
    let count = rate.saturating_mul(seconds);
    let sent = send(&url, label, rate, count).await?;
    if let Some(one) = sent.iter().find(|one| one.status != 200) {
        bail!("event {} was answered {}", one.id, one.status);
    }
    let database = stage.database.clone();
    let expected = usize::try_from(count)?;
    let applied =
        tokio::task::spawn_blocking(move || applied(&database, label, expected)).await??;
    Ok(latencies(&sent, &applied))
}

async fn send(url: &str, label: &str, rate: u64, count: u64) -> anyhow::Result<Vec<Sent>> {
    let client = reqwest::Client::builder().build()?;
    let pause = Duration::from_secs(1)
        .checked_div(u32::try_from(rate)?)
        .context("rate")?;
    let started = Instant::now();
    let wall = chrono::DateTime::<chrono::Utc>::from(now()).timestamp_millis();
    let mut requests = Vec::new();
    for number in 0..count {
        let due = pause.saturating_mul(u32::try_from(number)?);
        tokio::time::sleep_until((started + due).into()).await;
        let (client, url) = (client.clone(), url.to_owned());
        let id = format!("evt_{label}{number}");
        let body = body(&id, label, number);
        requests.push(tokio::spawn(async move {
            let seconds = chrono::DateTime::<chrono::Utc>::from(now()).timestamp();
            let signature = signature_header(&[FIRST_SECRET], seconds, body.as_bytes(), false);
            let answer = client
                .post(url)
                .header("stripe-signature", signature)
                .body(body)
                .send()
                .await;
            let status = answer.map_or(0, |answer| answer.status().as_u16());
            let due_ms = wall.saturating_add(i64::try_from(due.as_millis()).unwrap_or(i64::MAX));
            Sent {
                id,
                due_ms,
                answered_after: started.elapsed().saturating_sub(due),
                status,
            }
        }));
    }
    let mut sent = Vec::with_capacity(requests.len());
    for request in requests {
        sent.push(request.await?);
    }
    Ok(sent)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures the wall clock"
)]
fn now() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

/// About 2.5 KB, as a payment intent's event is.
fn body(id: &str, label: &str, number: u64) -> String {
    json!({
        "id": id, "object": "event", "api_version": API_VERSION, "created": 1_790_000_000, "livemode": false,
        "type": "payment_intent.succeeded", "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null},
        "data": {"object": {
            "id": format!("pi_{label}{number}"), "object": "payment_intent", "status": "succeeded",
            "amount": 5_000, "amount_received": 5_000, "currency": "eur",
            "metadata": {"booking_id": format!("{label}-{number}")}, "description": "x".repeat(2_000),
        }},
    })
    .to_string()
}

/// When each was applied; waits until all are.
fn applied(url: &str, label: &str, expected: usize) -> anyhow::Result<Vec<Applied>> {
    let mut connection = PgConnection::establish(url)?;
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let rows: Vec<Applied> = sql_query(
            "SELECT id, (extract(epoch FROM applied_at) * 1000)::bigint AS at_ms FROM events \
             WHERE applied_at IS NOT NULL AND id LIKE 'evt\\_' || $1 || '%' \
             AND id NOT LIKE 'evt\\_vol\\_%'",
        )
        .bind::<Text, _>(label)
        .load(&mut connection)?;
        if rows.len() >= expected {
            return Ok(rows);
        }
        if Instant::now() > deadline {
            bail!(
                "only {} of {expected} events were applied within 60 s",
                rows.len()
            );
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn latencies(sent: &[Sent], applied: &[Applied]) -> Latencies {
    let at: std::collections::BTreeMap<&str, i64> = applied
        .iter()
        .map(|row| (row.id.as_str(), row.at_ms))
        .collect();
    let mut answers: Vec<f64> = sent
        .iter()
        .map(|one| one.answered_after.as_secs_f64() * 1_000.0)
        .collect();
    let mut ways: Vec<f64> = sent
        .iter()
        .filter_map(|one| i32::try_from(at.get(one.id.as_str())?.saturating_sub(one.due_ms)).ok())
        .map(f64::from)
        .collect();
    Latencies {
        events: sent.len(),
        answer_ms: (percentile(&mut answers, 50), percentile(&mut answers, 99)),
        applied_ms: (percentile(&mut ways, 50), percentile(&mut ways, 99)),
    }
}

fn report(args: Answer, found: &Latencies) -> Part {
    let (answer, way) = (found.answer_ms, found.applied_ms);
    println!(
        "answer                     p50 {:>7.1} ms   p99 {:>7.1} ms   floor {ANSWER_FLOOR_MS} ms",
        answer.0, answer.1
    );
    println!(
        "first delivery → applied   p50 {:>7.1} ms   p99 {:>7.1} ms   floor {APPLIED_FLOOR_MS} ms",
        way.0, way.1
    );
    let passed = found.keeps_floors();
    let result = json!({
        "rate_per_s": args.rate, "seconds": args.seconds, "events": found.events, "passed": passed,
        "answer_ms": {"p50": answer.0, "p99": answer.1, "floor_p99": ANSWER_FLOOR_MS},
        "applied_ms": {"p50": way.0, "p99": way.1, "floor_p99": APPLIED_FLOOR_MS},
    });
    Part {
        name: "answer",
        passed,
        result,
    }
}

fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = values.len().saturating_mul(percent) / 100;
    values
        .get(index.min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}
