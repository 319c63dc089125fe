#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

//! Order cannot matter: every permutation of a booking's events up to six, and shuffles with
//! copies and splits of longer histories, fold to the same objects and the same booking.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::rebuild::{HumanInputs, LedgerReading, Rebuild};
use super::*;
use crate::envelope::decode;

type Folded = BTreeMap<String, ObjectState>;

fn event(id: usize, at: i64, kind: &str, object: &Value, previous: &Value) -> Vec<u8> {
    let mut object = object.clone();
    object["object"] = kind.into();
    json!({
        "id": format!("evt_{id:03}"), "object": "event", "type": format!("{kind}.updated"), "created": at,
        "data": {"object": object, "previous_attributes": previous},
    })
    .to_string()
    .into_bytes()
}

fn fold<'a>(bodies: impl IntoIterator<Item = &'a Vec<u8>>) -> Folded {
    let mut objects = Folded::new();
    for body in bodies {
        let decoded = decode(body).unwrap();
        if let Some((object, snapshot)) = read_event(&decoded).object {
            objects
                .entry(object.id.to_string())
                .or_default()
                .join(snapshot);
        }
    }
    objects
}

/// What the booking of everything that was told shows.
fn booking<'a>(bodies: impl IntoIterator<Item = &'a Vec<u8>>) -> Option<Shown> {
    let mut rebuild = Rebuild::default();
    for body in bodies {
        let decoded = decode(body).unwrap();
        rebuild.tell(&LedgerReading {
            source_id: decoded.envelope.id.to_string(),
            at: decoded.envelope.created,
            reading: read_event(&decoded),
            ..LedgerReading::default()
        });
    }
    let human = HumanInputs::default();
    let rebuilt = rebuild.finish(&human, &BTreeSet::new(), money::Policy::default());
    rebuilt.bookings.get("b").cloned().and_then(Result::ok)
}

/// A day in the life: several objects, several events in one second, a legal exception at the
/// end.
fn story() -> Vec<Vec<u8>> {
    let intent = |status: &str, received: i64| json!({"id": "pi_1", "status": status, "amount": 900, "amount_received": received, "currency": "eur", "metadata": {"booking_id": "b"}});
    let charge = |refunded: i64| json!({"id": "ch_1", "status": "succeeded", "captured": true, "amount": 900, "amount_captured": 900, "amount_refunded": refunded, "currency": "eur", "payment_intent": "pi_1"});
    let refund = |status: &str| json!({"id": "re_1", "status": status, "amount": 900, "currency": "eur", "charge": "ch_1"});
    vec![
        event(
            1,
            10,
            "payment_intent",
            &intent("processing", 0),
            &json!({"status": "requires_action"}),
        ),
        event(
            2,
            10,
            "payment_intent",
            &intent("succeeded", 900),
            &json!({"status": "processing", "amount_received": 0}),
        ),
        event(3, 10, "charge", &charge(0), &Value::Null),
        event(
            4,
            20,
            "charge",
            &charge(900),
            &json!({"amount_refunded": 0}),
        ),
        event(
            5,
            20,
            "refund",
            &refund("succeeded"),
            &json!({"status": "pending"}),
        ),
        event(
            6,
            30,
            "refund",
            &refund("failed"),
            &json!({"status": "succeeded"}),
        ),
    ]
}

fn permutations(items: &[Vec<u8>]) -> Vec<Vec<Vec<u8>>> {
    if items.len() <= 1 {
        return vec![items.to_vec()];
    }
    (0..items.len())
        .flat_map(|index| {
            let mut rest = items.to_vec();
            let first = rest.remove(index);
            permutations(&rest).into_iter().map(move |mut tail| {
                tail.insert(0, first.clone());
                tail
            })
        })
        .collect()
}

#[test]
fn every_permutation_of_six_events_folds_to_the_same_booking() {
    let story = story();
    let expected = fold(&story);
    let shown = booking(&story);
    assert_eq!(shown.as_ref().unwrap().status, "confirmed");
    let all = permutations(&story);
    assert_eq!(all.len(), 720);
    for order in all {
        let folded = fold(&order);
        assert_eq!(folded, expected);
        assert_eq!(booking(&order), shown);
    }
}

/// Any statuses at any seconds, legal or not: even nonsense must not depend on order.
fn histories() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let step = (0..3_usize, 0..7_usize, 0..4_i64, 0..3_i64, any::<bool>());
    proptest::collection::vec(step, 1..24).prop_map(|steps| {
        steps
            .into_iter()
            .enumerate()
            .map(|(n, (object, status, at, amount, with_previous))| {
                let kinds = [
                    ("payment_intent", "pi_1", ["requires_action", "processing", "requires_payment_method", "succeeded", "canceled", "new_one", "requires_capture"]),
                    ("charge", "ch_1", ["pending", "succeeded", "failed", "succeeded", "pending", "new_one", "succeeded"]),
                    ("refund", "re_1", ["pending", "succeeded", "failed", "canceled", "requires_action", "new_one", "succeeded"]),
                ];
                let (kind, id, statuses) = kinds[object];
                let value = json!({"id": id, "status": statuses[status], "amount": amount, "amount_received": amount, "amount_captured": amount, "amount_refunded": amount, "captured": amount > 0, "currency": "eur", "charge": (kind == "refund").then_some("ch_1"), "payment_intent": (kind == "charge").then_some("pi_1"), "metadata": {"booking_id": (kind == "payment_intent").then_some("b")}});
                let previous = if with_previous { json!({"status": statuses[(status + 1) % 7]}) } else { Value::Null };
                event(n, at, kind, &value, &previous)
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn shuffles_with_copies_fold_to_the_same_state(
        (history, shuffled) in histories().prop_flat_map(|history| {
            let twice = [history.clone(), history.clone()].concat();
            (Just(history), Just(twice).prop_shuffle())
        })
    ) {
        let expected = fold(&history);
        let folded = fold(&shuffled);
        prop_assert_eq!(&folded, &expected);
        prop_assert_eq!(booking(&shuffled), booking(&history));
    }

    #[test]
    fn parts_that_are_folded_apart_merge_to_the_whole(history in histories(), cut in any::<prop::sample::Index>()) {
        let (left, right) = history.split_at(cut.index(history.len()));
        let (mut one, mut other) = (fold(left), fold(right));
        let (left, right) = (one.clone(), other.clone());
        for (id, state) in &right {
            one.entry(id.clone()).or_default().merge(state);
        }
        for (id, state) in &left {
            other.entry(id.clone()).or_default().merge(state);
        }
        prop_assert_eq!(&one, &fold(&history));
        prop_assert_eq!(&other, &one);
    }

    #[test]
    fn a_state_survives_being_stored(history in histories()) {
        for state in fold(&history).values() {
            let text = serde_json::to_string(state).unwrap();
            let back: ObjectState = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&back, state);
        }
    }
}
