//! Subscriptions, invoices, customers, payouts and accounts, told as a person would: event by
//! event, with the rows after each. Then backwards and twice: the last rows must be the same.

mod billing;
mod connect;
mod objects;

use serde_json::Value;

use crate::harness::{Harness, event};

/// 2026-09-21T14:13:20Z, in seconds since 1970.
pub(crate) const DAY_0: i64 = 1_790_000_000;
pub(crate) const DAY: i64 = 86_400;

/// One event and what the tables show after it: a question in SQL and its answer as text.
pub(crate) struct Step {
    says: &'static str,
    day: i64,
    event_type: &'static str,
    object: Value,
    previous: Value,
    shows: &'static [(&'static str, &'static str)],
}

pub(crate) fn step(
    says: &'static str,
    (day, event_type): (i64, &'static str),
    (object, previous): (Value, Value),
    shows: &'static [(&'static str, &'static str)],
) -> Step {
    Step {
        says,
        day,
        event_type,
        object,
        previous,
        shows,
    }
}

fn body(number: usize, step: &Step, account: Option<&str>) -> Vec<u8> {
    let at = DAY_0 + step.day * DAY;
    let body = event(
        &format!("evt_{number}"),
        at,
        step.event_type,
        step.object.clone(),
        step.previous.clone(),
    );
    let Some(account) = account else { return body };
    let mut value: Value = serde_json::from_slice(&body).unwrap();
    value["account"] = account.into();
    value.to_string().into_bytes()
}

/// All rows that a reader can see, in a fixed order, without the times of writing.
const EVERYTHING: &[&str] = &[
    "SELECT coalesce(json_agg(r ORDER BY id), '[]') FROM (SELECT to_jsonb(s) - 'updated_at' AS r, id FROM subscriptions s) t",
    "SELECT coalesce(json_agg(r ORDER BY id), '[]') FROM (SELECT to_jsonb(s) - 'updated_at' AS r, id FROM invoices s) t",
    "SELECT coalesce(json_agg(r ORDER BY id), '[]') FROM (SELECT to_jsonb(s) - 'updated_at' AS r, id FROM customers s) t",
    "SELECT coalesce(json_agg(r ORDER BY id), '[]') FROM (SELECT to_jsonb(s) - 'updated_at' AS r, id FROM payouts s) t",
    "SELECT coalesce(json_agg(r ORDER BY id), '[]') FROM (SELECT to_jsonb(s) - 'updated_at' AS r, id FROM accounts s) t",
    "SELECT coalesce(json_agg(r ORDER BY source_id, item_id), '[]') FROM (SELECT to_jsonb(s) - 'updated_at' AS r, source_id, item_id FROM entitlements s) t",
];

fn everything(harness: &Harness) -> Vec<Option<String>> {
    EVERYTHING.iter().map(|sql| harness.text(sql)).collect()
}

/// Tells a story forwards, looking after each event; then backwards and twice elsewhere.
pub(crate) fn tell(story: &[Step], account: Option<&str>) -> Harness {
    let harness = Harness::new();
    let service = harness.start();
    for (number, step) in story.iter().enumerate() {
        harness.publish(&body(number, step, account));
        let seen = i64::try_from(number + 1).unwrap();
        harness.eventually_number(seen, "SELECT count(*) FROM events");
        for (question, answer) in step.shows {
            let found = harness.text(question).unwrap_or_else(|| "-".to_owned());
            assert_eq!(&found, answer, "after \"{}\": {question}", step.says);
        }
    }
    drop(service);
    let backwards = Harness::new();
    let _service = backwards.start();
    for _twice in 0..2 {
        for (number, step) in story.iter().enumerate().rev() {
            backwards.publish(&body(number, step, account));
        }
    }
    let copies = i64::try_from(story.len()).unwrap();
    backwards.eventually_number(copies, "SELECT coalesce(sum(copies), 0) FROM events");
    assert_eq!(everything(&backwards), everything(&harness));
    assert!(crate::schema::assert_all_fit(&harness) > 0);
    harness
}
