//! The seed bookings: small payments in a few stories, applied by the real processor. Every generated
//! booking is a copy of one of them (see `generate.sql`, which knows their ids and seconds).

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text};
use rdkafka::producer::{BaseRecord, Producer as _};
use serde_json::{Value, json};

use crate::bench::drain::{Bed, Drain, Number, PATIENCE, send};
use crate::stack::postgres::execute;
use crate::stripe::API_VERSION;

/// The first second of every seed.
const BASE: i64 = 1_700_000_100;
/// Each story's status at its end, in the order of their numbers.
const STATUSES: &str = "confirmed processing partially_refunded canceled confirmed confirmed";
/// The amount of every payment, in cents.
pub(super) const AMOUNT: i64 = 5_000;

/// An object of a booking: its kind, and what only it has.
struct Object(&'static str, Value);

/// One event of a story: its second, its type, its object.
type Step = (i64, &'static str, Object);

/// Publishes the seeds, and waits until they are applied and their booking events are sent.
///
/// # Errors
/// The processor does not start, or a seed does not end as its story says.
pub(super) fn plant(bed: &Bed, drain: &Drain) -> anyhow::Result<()> {
    let producer = drain.producer()?;
    let mut processor = drain.start(bed)?;
    let mut sent = 0_usize;
    for story in 0..6 {
        register(drain, story)?;
    }
    let mut conn = PgConnection::establish(&drain.url)?;
    let folded = "SELECT count(*) AS n FROM bookings WHERE id LIKE 'bk\\_S%'";
    until(&mut conn, 6, folded)?;
    for story in 0..6 {
        for (number, step) in (1..).zip(steps(story)) {
            let body = event(story, number, step).to_string();
            let record = BaseRecord::to(&drain.events);
            let key = format!("bk_{}", token(story));
            send(&producer, record.key(&key).payload(&body))?;
            sent = sent.saturating_add(1);
        }
    }
    producer
        .flush(PATIENCE)
        .context("the seeds were not sent")?;
    let applied = "SELECT count(*) AS n FROM events WHERE applied_at IS NOT NULL";
    until(&mut conn, i64::try_from(sent)?, applied)?;
    let unsent = "SELECT (count(*) = 0)::int::bigint AS n FROM outbox WHERE published_at IS NULL";
    until(&mut conn, 1, unsent)?;
    processor.terminate()?;
    check(&mut conn)
}

#[derive(QueryableByName)]
struct Statuses {
    #[diesel(sql_type = Nullable<Text>)]
    all: Option<String>,
    #[diesel(sql_type = BigInt)]
    held: i64,
}

/// The seeds ended as their stories say: all copies do.
fn check(conn: &mut PgConnection) -> anyhow::Result<()> {
    let found: Statuses = sql_query(
        "SELECT string_agg(status, ' ' ORDER BY id) AS all, count(hold) AS held FROM bookings",
    )
    .get_result(conn)?;
    let findings: Number =
        sql_query("SELECT count(*) AS n FROM findings WHERE closed_at IS NULL").get_result(conn)?;
    ensure!(
        found.all.as_deref() == Some(STATUSES) && found.held == 0 && findings.n == 0,
        "the seeds are {:?}, {} held, with {} findings; wanted {STATUSES}",
        found.all,
        found.held,
        findings.n
    );
    Ok(())
}

/// Waits until the number is as wanted.
fn until(conn: &mut PgConnection, wanted: i64, sql: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let row: Number = sql_query(sql).get_result(conn)?;
        if row.n == wanted {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("not {wanted} within {PATIENCE:?}: {sql}")
}

fn token(story: usize) -> String {
    format!("S{story}SEED")
}

fn account(story: usize) -> Option<&'static str> {
    match story {
        4 => Some("acct_growth1"),
        5 => Some("acct_growth2"),
        _ => None,
    }
}

fn register(drain: &Drain, story: usize) -> anyhow::Result<()> {
    let (token, amount) = (token(story), AMOUNT);
    let account = account(story).map_or_else(|| "NULL".to_owned(), |id| format!("'{id}'"));
    execute(
        &drain.url,
        &format!("SELECT register_booking('bk_{token}', {amount}, 'eur', 'pi_{token}', {account})"),
    )?;
    Ok(())
}

fn event(story: usize, number: usize, (second, kind, Object(object, fields)): Step) -> Value {
    let token = token(story);
    let mut object = object_of(&token, object);
    if let (Some(all), Value::Object(more)) = (object.as_object_mut(), fields) {
        all.extend(more);
    }
    let mut event = json!({
        "id": format!("evt_{token}_{number}"), "object": "event", "api_version": API_VERSION,
        "created": BASE + second, "livemode": false, "type": kind, "pending_webhooks": 1,
        "request": {"id": null}, "data": {"object": object},
    });
    if let (Some(all), Some(account)) = (event.as_object_mut(), account(story)) {
        all.insert("account".to_owned(), json!(account));
    }
    event
}

fn object_of(token: &str, kind: &str) -> Value {
    let metadata = json!({"booking_id": format!("bk_{token}")});
    let (intent, charge) = (format!("pi_{token}"), format!("ch_{token}"));
    match kind {
        "payment_intent" => json!({
            "id": intent, "object": kind, "amount": AMOUNT, "amount_received": 0,
            "currency": "eur", "metadata": metadata, "livemode": false,
        }),
        "charge" => json!({
            "id": charge, "object": kind, "amount": AMOUNT, "amount_captured": AMOUNT, "paid": true,
            "amount_refunded": 0, "captured": true, "currency": "eur", "status": "succeeded",
            "payment_intent": intent, "metadata": metadata, "livemode": false,
        }),
        "refund" => json!({
            "id": format!("re_{token}"), "object": kind, "amount": 1_000, "currency": "eur",
            "status": "succeeded", "charge": charge, "payment_intent": intent, "metadata": {},
        }),
        _ => json!({
            "id": format!("cs_{token}"), "object": kind, "mode": "payment", "status": "complete",
            "payment_status": "paid", "amount_total": AMOUNT, "currency": "eur",
            "payment_intent": intent, "metadata": metadata, "livemode": false,
        }),
    }
}

fn intent(status: &str) -> Object {
    Object("payment_intent", json!({"status": status}))
}

fn charge(fields: Value) -> Object {
    Object("charge", fields)
}

fn steps(story: usize) -> Vec<Step> {
    let attempt = intent("requires_payment_method");
    let mut steps = vec![(0, "payment_intent.created", attempt)];
    match story {
        1 => steps = vec![(0, "payment_intent.processing", intent("processing"))],
        3 => {
            let failed = intent("requires_payment_method");
            steps.push((20, "payment_intent.payment_failed", failed));
            steps.push((50, "payment_intent.canceled", intent("canceled")));
        }
        _ => {
            let paid = json!({"status": "succeeded", "amount_received": AMOUNT});
            let paid = Object("payment_intent", paid);
            let session = Object("checkout.session", json!({}));
            let updated = |key: &str, value: &str| charge(json!({key: value}));
            steps.extend([
                (30, "payment_intent.succeeded", paid),
                (30, "charge.succeeded", charge(json!({}))),
                (
                    31,
                    "charge.updated",
                    updated("receipt_email", "a@b.example"),
                ),
                (32, "checkout.session.completed", session),
                (33, "charge.updated", updated("receipt_number", "1")),
                (34, "charge.updated", updated("description", "a night")),
                (
                    40,
                    "charge.updated",
                    updated("balance_transaction", "txn_1"),
                ),
            ]);
        }
    }
    if story == 2 {
        let refunded = json!({"amount_refunded": 1_000});
        steps.push((60, "refund.created", Object("refund", json!({}))));
        steps.push((61, "charge.refunded", charge(refunded)));
    }
    steps
}
