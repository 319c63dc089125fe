//! Made-up histories through the real log and the real database, shuffled and with copies, with
//! the reconciler's part (retrieving what is in doubt) played here.

use std::collections::BTreeMap;

use diesel::{QueryableByName, RunQueryDsl, sql_query};
use serde_json::Value;
use shared::envelope::{decode, decode_observation};
use shared::folding::ObjectState;
use shared::kafka::headers::{RecordHeaders, RecordKind, Source};
use shared::routing::{observation_key, record_key};
use testbed::histories::{Expected, History, Mix, history};
use testbed::testing::eventually;

use crate::harness::{Harness, PATIENCE};
use crate::publishing::publish_all;

const OF_EACH_MIX: u64 = 120;
const SEED: u64 = 99;
/// By Stripe's clock, later than anything in a history.
const OBSERVED_AT: i64 = 1_900_000_000;

fn all() -> Vec<History> {
    let mixes = [Mix::Natural, Mix::Bursts, Mix::Ties];
    // Numbers are part of every id: no two histories share an object.
    (0..)
        .zip(mixes)
        .flat_map(|(n, mix)| {
            (n * OF_EACH_MIX..(n + 1) * OF_EACH_MIX).map(move |number| history(SEED, number, mix))
        })
        .collect()
}

/// Every event, one in three twice, in an order that has nothing to do with time.
fn delivered(histories: &[History]) -> Vec<(String, Vec<u8>)> {
    let mut records = Vec::new();
    for (n, event) in histories.iter().flat_map(|one| &one.events).enumerate() {
        let body = event.to_string().into_bytes();
        let key = record_key(&body, decode(&body).as_ref())
            .as_str()
            .to_owned();
        for copy in 0..=usize::from(n % 3 == 0) {
            let place = (n * 2 + copy).wrapping_mul(2_654_435_761) % 1_000_003;
            records.push((place, key.clone(), body.clone()));
        }
    }
    records.sort();
    records
        .into_iter()
        .map(|(_, key, body)| (key, body))
        .collect()
}

fn observe(harness: &Harness, id: &str, truth: &Value) {
    let body = truth.to_string().into_bytes();
    let observed = decode_observation(&body).unwrap();
    let headers = RecordHeaders {
        ce_id: format!("obs_{id}"),
        record: RecordKind::Observation,
        source: Source::Refetch,
        observed_at: Some(OBSERVED_AT),
        ..RecordHeaders::default()
    };
    harness
        .producer
        .append_raw_blocking(
            &harness.topics.events,
            observation_key(None, &observed).as_str(),
            &body,
            headers.to_kafka(),
        )
        .unwrap();
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = diesel::sql_types::Text)]
    id: String,
    #[diesel(sql_type = diesel::sql_types::Text)]
    text: String,
}

fn rows(harness: &Harness, sql: &str) -> BTreeMap<String, String> {
    let rows: Vec<Row> = sql_query(sql).load(&mut harness.sql()).unwrap();
    rows.into_iter().map(|row| (row.id, row.text)).collect()
}

#[test]
fn hundreds_of_histories_shuffled_over_the_real_log_end_as_stripe_says() {
    let histories = all();
    let harness = Harness::new();
    let _processor = harness.start();
    publish_all(&harness, &delivered(&histories));
    let events: usize = histories.iter().map(|one| one.events.len()).sum();
    let events = i64::try_from(events).unwrap();
    harness.eventually_number(events, "SELECT count(*) FROM events");
    let truths: BTreeMap<&str, &Value> = histories
        .iter()
        .flat_map(|one| &one.truth)
        .map(|truth| (truth["id"].as_str().unwrap_or_default(), truth))
        .collect();
    let unsettled = "SELECT id, id AS text FROM objects WHERE NOT settled";
    eventually(PATIENCE, "nothing is in doubt", || {
        let doubted = rows(&harness, unsettled);
        for id in doubted.keys() {
            observe(&harness, id, truths[id.as_str()]);
        }
        doubted.is_empty()
    });
    // What was asked twice at once came once.
    let asked =
        harness.number("SELECT count(DISTINCT object_id) FROM refetches WHERE reason = 'tie'");
    println!("{events} events, {asked} objects to be retrieved");
    assert!(asked > 0);
    assert_objects(&harness, &histories);
    assert_bookings(&harness, &histories);
    assert_projections(&harness);
    assert_eq!(
        harness.number("SELECT count(*) FROM bookings WHERE hold IS NOT NULL"),
        0
    );
    crate::schema::assert_all_fit(&harness);
}

fn assert_objects(harness: &Harness, histories: &[History]) {
    let states = rows(
        harness,
        "SELECT id, state::text AS text FROM objects WHERE version > 0",
    );
    for Expected { id, fields } in histories.iter().flat_map(|one| &one.expected) {
        let state: ObjectState = serde_json::from_str(&states[id]).unwrap();
        let folded = serde_json::to_value(&state.winner().unwrap().snapshot.fields).unwrap();
        for (field, wanted) in fields {
            assert_eq!(
                folded.pointer(field).unwrap_or(&Value::Null),
                wanted,
                "{id} {field}"
            );
        }
    }
}

fn assert_bookings(harness: &Harness, histories: &[History]) {
    let shown = rows(
        harness,
        "SELECT id, status || ' ' || amount_paid || ' ' || amount_refunded AS text FROM bookings",
    );
    for wanted in histories.iter().filter_map(|one| one.booking.as_ref()) {
        let line = format!(
            "{} {} {}",
            wanted.status, wanted.amount_paid, wanted.amount_refunded
        );
        assert_eq!(shown[&wanted.id], line, "{}", wanted.id);
    }
}

/// The rows that a billing product reads say what the objects say.
fn assert_projections(harness: &Harness) {
    for (table, kind) in [
        ("subscriptions", "subscription"),
        ("invoices", "invoice"),
        ("payouts", "payout"),
    ] {
        let differ = format!(
            "SELECT count(*) FROM objects o LEFT JOIN {table} p USING (account, id) WHERE o.type = '{kind}' AND o.version > 0 AND o.status IS DISTINCT FROM p.status"
        );
        assert_eq!(harness.number(&differ), 0, "{table}");
        assert!(harness.number(&format!("SELECT count(*) FROM {table} WHERE settled")) > 0);
    }
    let open = "SELECT count(*) FROM entitlements e JOIN subscriptions s ON s.account = e.account AND s.id = e.source_id WHERE e.active <> (s.status IN ('trialing', 'active', 'past_due'))";
    assert_eq!(harness.number(open), 0);
}
