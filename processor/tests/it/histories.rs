//! Made-up histories through the real log and the real database, shuffled and with copies, with
//! the reconciler's part (retrieving what is in doubt) played here.

use std::collections::BTreeMap;

use diesel::{QueryableByName, RunQueryDsl, sql_query};
use serde_json::Value;
use shared::envelope::{decode, decode_observation};
use shared::folding::ObjectState;
use shared::ids::AccountId;
use shared::kafka::headers::{RecordHeaders, RecordKind, Source};
use shared::routing::{observation_key, record_key};
use testbed::histories::{Expected, History, Input, Mix, history};
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

/// Every event that is delivered at all, one in three twice, in an order that has nothing to do with time.
fn delivered(histories: &[History]) -> Vec<(String, Vec<u8>)> {
    let mut records = Vec::new();
    let events = histories.iter().flat_map(delivered_of);
    for (n, event) in events.enumerate() {
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

fn delivered_of(history: &History) -> impl Iterator<Item = &Value> {
    let events = history.events.iter().enumerate();
    let come = events.filter(|(index, _)| !history.lost.contains(index));
    come.map(|(_, event)| event)
}

/// What the application and operators put in: registrations before anything came, decisions as
/// their commands leave them.
fn put_in(harness: &Harness, histories: &[History]) {
    for history in histories {
        for booking in &history.bookings {
            let Some(wanted) = &booking.registered else {
                continue;
            };
            let text = |it: &Option<String>| {
                it.as_ref()
                    .map_or("NULL".to_owned(), |text| format!("'{text}'"))
            };
            let covers = if wanted.covers_subscription {
                "subscription"
            } else {
                "first"
            };
            harness.execute(&format!(
                "SELECT register_booking('{}', {}, '{}', {}, {}, '{covers}')",
                booking.id,
                wanted.amount,
                wanted.currency,
                text(&wanted.payment_intent),
                text(&wanted.account),
            ));
        }
        for (n, input) in history.inputs.iter().enumerate() {
            let action = format!("act_{n:032}");
            let sql = match input {
                Input::Assign {
                    object, booking, ..
                } => {
                    let account = history.accounts.get(object);
                    let account = account.map_or("", String::as_str);
                    let booking = booking
                        .as_ref()
                        .map_or("NULL".to_owned(), |it| format!("'{it}'"));
                    format!(
                        "INSERT INTO assignments (account, object_id, action_id, booking_id) \
                         VALUES ('{account}', '{object}', '{action}', {booking})"
                    )
                }
                Input::Amend {
                    booking, amount, ..
                } => format!(
                    "INSERT INTO amendments (booking_id, action_id, kind, amount, currency) \
                     SELECT booking_id, '{action}', 'amend', {amount}, currency FROM registrations \
                     WHERE booking_id = '{booking}'"
                ),
            };
            harness.execute(&sql);
        }
    }
}

fn observe(harness: &Harness, account: &str, id: &str, truth: &Value) {
    let account = AccountId::parse(account).ok();
    let body = truth.to_string().into_bytes();
    let observed = decode_observation(&body).unwrap();
    let headers = RecordHeaders {
        ce_id: format!("obs_{id}"),
        record: RecordKind::Observation,
        source: Source::Refetch,
        observed_at: Some(OBSERVED_AT),
        account: account.as_ref().map(ToString::to_string),
        ..RecordHeaders::default()
    };
    harness
        .producer
        .append_raw_blocking(
            &harness.topics.events,
            observation_key(account.as_ref(), &observed).as_str(),
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
    put_in(&harness, &histories);
    publish_all(&harness, &delivered(&histories));
    let events: usize = histories.iter().map(|one| delivered_of(one).count()).sum();
    let events = i64::try_from(events).unwrap();
    harness.eventually_number(
        events,
        "SELECT count(*) FROM events WHERE record_kind = 'event'",
    );
    observe_unreported(&harness, &histories);
    let truths: BTreeMap<&str, &Value> = histories
        .iter()
        .flat_map(|one| &one.truth)
        .map(|truth| (truth["id"].as_str().unwrap_or_default(), truth))
        .collect();
    let unsettled = "SELECT id, account AS text FROM objects WHERE NOT settled";
    eventually(PATIENCE, "nothing is in doubt", || {
        let doubted = rows(&harness, unsettled);
        for (id, account) in &doubted {
            observe(&harness, account, id, truths[id.as_str()]);
        }
        doubted.is_empty()
    });
    // What was asked twice at once came once.
    let asked =
        harness.number("SELECT count(DISTINCT object_id) FROM refetches WHERE reason = 'tie'");
    println!("{events} events, {asked} objects to be retrieved");
    assert!(asked > 0);
    assert_objects(&harness, &histories);
    assert_conserved(&harness, &histories);
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

/// What no event reports is retrieved, as the reconciler would.
fn observe_unreported(harness: &Harness, histories: &[History]) {
    let mut asked = 0;
    for history in histories {
        for truth in &history.truth {
            let id = truth["id"].as_str().unwrap_or_default();
            if history.to_observe.contains(id) {
                let account = history.accounts.get(id).map_or("", String::as_str);
                observe(harness, account, id, truth);
                asked += 1;
            }
        }
    }
    let seen = "SELECT count(*) FROM events WHERE record_kind = 'observation'";
    eventually(PATIENCE, "what no event reports is observed", || {
        harness.number(seen) >= asked
    });
}

/// For each payment the sum of its shares is what Stripe took.
fn assert_conserved(harness: &Harness, histories: &[History]) {
    let shares = rows(
        harness,
        "SELECT object_id AS id, sum(captured) || ' ' || \
           coalesce(sum(captured) FILTER (WHERE booking_id = ''), 0) AS text \
         FROM object_shares GROUP BY object_id",
    );
    for history in histories {
        for truth in &history.truth {
            if truth["object"] != "payment_intent" || truth["status"] != "succeeded" {
                continue;
            }
            let id = truth["id"].as_str().unwrap_or_default();
            let nobodys = history.unassigned.get(id).copied().unwrap_or(0);
            let wanted = format!("{} {nobodys}", truth["amount_received"]);
            assert_eq!(shares[id], wanted, "{id} of {}", history.scenario);
        }
    }
}

fn assert_bookings(harness: &Harness, histories: &[History]) {
    let shown = rows(
        harness,
        "SELECT id, concat_ws(' ', status, amount_paid, amount_refunded, amount_authorized, \
           amount_in_flight, amount_settled_elsewhere, amount_from_balance, amount_credited, \
           amount_refund_pending_action, amount_disputed, amount_lost, amount_net) AS text \
         FROM bookings WHERE version > 0",
    );
    for history in histories {
        for wanted in &history.bookings {
            let it = &wanted.amounts;
            let line = format!(
                "{} {} {} {} {} {} {} {} {} {} {} {}",
                wanted.status,
                it.paid,
                it.refunded,
                it.authorized,
                it.in_flight,
                it.settled_elsewhere,
                it.from_balance,
                it.credited,
                it.refund_pending_action,
                it.disputed,
                it.lost,
                it.net
            );
            // A booking that was only named, and that nothing belongs to, has no row.
            let nothing = "pending 0 0 0 0 0 0 0 0 0 0 0".to_owned();
            let found = shown.get(&wanted.id).unwrap_or(&nothing);
            assert_eq!(found, &line, "{} of {}", wanted.id, history.scenario);
        }
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
