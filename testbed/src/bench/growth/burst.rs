//! A fixed burst of events over new and old bookings: the processor's rate and the time of its batches.
//!
//! Half of the events make new bookings, three events each. The other half refunds a part of old
//! payments, drawn evenly from the whole year. The topic is filled first; then a processor reads it.
//! Growth leaves in memory what it wrote last. So a first burst is shown and has no floor; then memory
//! is given what batches look up, as in a server that has been in service for a while.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Integer, Text};
use rdkafka::producer::{BaseRecord, Producer as _};
use serde_json::{Value, json};

use super::figures::{Figure, ms};
use super::seeds::AMOUNT;
use super::{generate, middle, now_s, shown};
use crate::bench::drain::{Bed, Drain, Number, PATIENCE, median, rate, send};
use crate::stripe::API_VERSION;
use crate::testing::{Recorder, Timings};

/// Bursts whose median rate counts.
const RUNS: usize = 3;
/// Events of a new booking.
const STEPS: u64 = 3;
/// Statements that are printed of a burst.
const LONGEST: usize = 12;
/// The name of a batch's transaction.
const BATCH: &str = "apply_batch";

#[derive(QueryableByName)]
struct Token {
    #[diesel(sql_type = Text)]
    token: String,
}

/// The servers of bursts, and their size.
pub(super) struct Bursts<'a> {
    pub(super) bed: &'a Bed,
    pub(super) drain: &'a Drain,
    /// Events of one burst.
    pub(super) events: u64,
}

impl Bursts<'_> {
    /// The median rate of some bursts, and the time of a batch in one more. `size`: the number of the
    /// size, which keeps ids apart.
    ///
    /// # Errors
    /// Not everything was applied.
    pub(super) fn measure(&self, size: usize) -> anyhow::Result<Vec<Figure>> {
        let url = self.drain.url_as("bookend_processor");
        let cold = self.once(&format!("{size}xcold"), url)?;
        println!("  burst, right after the growth: {cold:>9.0} events/s");
        let mut conn = PgConnection::establish(&self.drain.url)?;
        let read = generate::warm(&mut conn)? / 1_048_576;
        println!("  {read} MiB of what batches look up are in memory");
        let mut rates = Vec::new();
        for run in 0..RUNS {
            let url = self.drain.url_as("bookend_processor");
            let rate = self.once(&format!("{size}x{run}"), url)?;
            println!("  burst {}: {rate:>9.0} events/s", run.saturating_add(1));
            rates.push(rate);
        }
        let recorder = Recorder::to(&self.drain.url);
        let url = recorder.url(&self.drain.url_as("bookend_processor"));
        self.once(&format!("{size}x{RUNS}"), url)?;
        let timings = recorder.take_timings();
        print_longest(&timings);
        let batches = timings.transactions.get(BATCH);
        let batches = batches.map(Vec::as_slice).unwrap_or_default();
        if batches.is_empty() {
            bail!("no transaction is called {BATCH}");
        }
        Ok(vec![
            Figure::shown("processor, events applied right after the growth", cold),
            Figure::rate("processor, events applied", median(&mut rates)),
            Figure::time("processor, median batch", ms(middle(batches))),
        ])
    }

    fn once(&self, label: &str, url: String) -> anyhow::Result<f64> {
        let mut conn = PgConnection::establish(&self.drain.url)?;
        let sent = self.fill(&mut conn, label)?;
        let mut processor = self.drain.start_at(self.bed, url)?;
        let which = range(label);
        applied(&mut conn, sent, &which)?;
        let rate = rate(&mut conn, sent, &which)?;
        processor.terminate()?;
        Ok(rate)
    }

    /// Sends a burst; returns how many events it has.
    fn fill(&self, conn: &mut PgConnection, label: &str) -> anyhow::Result<u64> {
        let half = self.events / 2;
        let old: Vec<Token> = sql_query("SELECT token FROM growth.draw($1)")
            .bind::<Integer, _>(i32::try_from(half)?)
            .load(conn)?;
        let (producer, now) = (self.drain.producer()?, now_s());
        let mut sent = 0_u64;
        let mut put = |key: &str, body: &Value| {
            sent = sent.saturating_add(1);
            let (key, body) = (key.to_owned(), body.to_string());
            let record = BaseRecord::to(&self.drain.events);
            send(&producer, record.key(&key).payload(&body))
        };
        let mut old = (0_u64..).zip(&old);
        for number in 0..half / STEPS {
            let token = format!("{label}n{number}");
            for step in 0..STEPS {
                put(&format!("bk_{token}"), &fresh(label, &token, step, now))?;
                if let Some((at, Token { token })) = old.next() {
                    put(&format!("bk_{token}"), &refund(label, at, token, now))?;
                }
            }
        }
        for (at, Token { token }) in old {
            put(&format!("bk_{token}"), &refund(label, at, token, now))?;
        }
        producer
            .flush(PATIENCE)
            .context("the topic was not filled")?;
        Ok(sent)
    }

    /// Sends a few events while services run, and registers a booking.
    ///
    /// # Errors
    /// They were not applied.
    pub(super) fn trickle(&self, label: &str) -> anyhow::Result<()> {
        let mut conn = PgConnection::establish(&self.drain.url)?;
        let sent = self.fill(&mut conn, label)?;
        sql_query("SELECT register_booking($1, 5000, 'eur')")
            .bind::<Text, _>(format!("bk_{label}n0"))
            .execute(&mut conn)?;
        applied(&mut conn, sent, &range(label))
    }
}

/// The statements that take the most of a burst, each with the median of its runs.
fn print_longest(timings: &Timings) {
    let mut all: Vec<(&String, &Vec<Duration>)> = timings.statements.iter().collect();
    all.sort_by_key(|(_, took)| std::cmp::Reverse(took.iter().sum::<Duration>()));
    for (sql, took) in all.into_iter().take(LONGEST) {
        let (runs, median) = (took.len(), ms(middle(took)));
        println!("  {median:>9.2} ms, {runs:>4} times: {}", shown(sql));
    }
}

/// A condition for the events of a burst.
fn range(label: &str) -> String {
    // '`' is the character after '_'.
    format!(
        "id >= 'evt_burst{label}_' AND id < 'evt_burst{label}`' AND created > now() - interval '1 day'"
    )
}

/// Waits until so many of these events are applied.
fn applied(conn: &mut PgConnection, wanted: u64, which: &str) -> anyhow::Result<()> {
    let wanted = i64::try_from(wanted)?;
    let sql = format!("SELECT count(*) AS n FROM events WHERE applied_at IS NOT NULL AND {which}");
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let row: Number = sql_query(&sql).get_result(conn)?;
        if row.n >= wanted {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    bail!("not all of {wanted} events were applied within {PATIENCE:?}")
}

/// A step in the life of a new booking's payment.
fn fresh(label: &str, token: &str, step: u64, now: i64) -> Value {
    let (kind, status, received) = match step {
        0 => ("created", "requires_payment_method", 0),
        1 => ("processing", "processing", 0),
        _ => ("succeeded", "succeeded", AMOUNT),
    };
    let second = now.saturating_add(i64::try_from(step).unwrap_or(0));
    let object = json!({
        "id": format!("pi_{token}"), "object": "payment_intent", "status": status,
        "amount": AMOUNT, "amount_received": received, "currency": "eur", "livemode": false,
        "metadata": {"booking_id": format!("bk_{token}")}, "description": "x".repeat(2_000),
    });
    let id = format!("evt_burst{label}_{token}_{step}");
    event(&id, &format!("payment_intent.{kind}"), second, &object)
}

/// A part of an old payment is given back.
fn refund(label: &str, number: u64, token: &str, now: i64) -> Value {
    let object = json!({
        "id": format!("ch_{token}"), "object": "charge", "status": "succeeded", "amount": AMOUNT,
        "amount_captured": AMOUNT, "amount_refunded": 1_000, "paid": true, "captured": true,
        "currency": "eur", "payment_intent": format!("pi_{token}"), "livemode": false,
        "metadata": {"booking_id": format!("bk_{token}")}, "description": "x".repeat(2_000),
    });
    let id = format!("evt_burst{label}_old{number}");
    event(&id, "charge.refunded", now, &object)
}

/// About 2.5 KB, as Stripe's are.
fn event(id: &str, kind: &str, second: i64, object: &Value) -> Value {
    json!({
        "id": id, "object": "event", "api_version": API_VERSION, "created": second,
        "livemode": false, "type": kind, "pending_webhooks": 1,
        "request": {"id": null, "idempotency_key": null}, "data": {"object": object},
    })
}
