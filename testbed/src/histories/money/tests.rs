//! Invariants of the generator itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::SCENARIOS;
use crate::histories::expected::{number, text};
use crate::histories::{Amounts, History, Mix, history};

const SEED: u64 = 19;
const COUNT: u64 = 2_000;

fn all() -> impl Iterator<Item = History> {
    let mixes = [Mix::Natural, Mix::Bursts, Mix::Ties];
    (0..COUNT)
        .zip(mixes.into_iter().cycle())
        .map(|(n, mix)| history(SEED, n, mix))
}

fn named(scenario: &'static str) -> Vec<History> {
    all().filter(|one| one.scenario == scenario).collect()
}

fn of_kind<'a>(history: &'a History, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    history
        .truth
        .iter()
        .filter(move |object| text(object, "object") == kind)
}

fn sum(history: &History, of: fn(&Amounts) -> i64) -> i64 {
    let all = history.bookings.iter();
    all.flat_map(|one| std::iter::once(&one.amounts).chain(one.others.values()))
        .map(of)
        .sum()
}

/// Money of objects of a kind that belongs to no booking.
fn unassigned(history: &History, prefixes: &[&str]) -> i64 {
    let all = history.unassigned.iter();
    all.filter(|(id, _)| prefixes.iter().any(|prefix| id.starts_with(prefix)))
        .map(|(_, amount)| amount)
        .sum()
}

#[test]
fn all_money_captured_at_stripe_belongs_to_one_booking_or_to_none() {
    for (n, history) in all().enumerate() {
        let intents: i64 = of_kind(&history, "payment_intent")
            .map(|one| number(one, "amount_received"))
            .sum();
        let alone: i64 = of_kind(&history, "charge")
            .filter(|one| one["payment_intent"].is_null() && one["source_transfer"].is_null())
            .map(|one| number(one, "amount_captured"))
            .sum();
        let booked = sum(&history, |one| {
            one.paid - one.settled_elsewhere - one.from_balance
        });
        let none = unassigned(&history, &["pi_", "ch_"]);
        assert_eq!(
            intents + alone,
            booked + none,
            "history {n}: {}",
            history.scenario
        );
    }
}

#[test]
fn all_money_given_back_belongs_to_one_booking_or_to_none() {
    for (n, history) in all().enumerate() {
        let refunds: i64 = of_kind(&history, "refund")
            .filter(|one| ["pending", "succeeded"].contains(&text(one, "status").as_str()))
            .map(|one| number(one, "amount"))
            .sum();
        let outside: i64 = of_kind(&history, "credit_note")
            .map(|one| number(one, "out_of_band_amount"))
            .sum();
        let given_up: BTreeSet<String> = of_kind(&history, "payment_intent")
            .filter(|one| ["succeeded", "canceled"].contains(&text(one, "status").as_str()))
            .map(|one| text(one, "id"))
            .collect();
        let released: i64 = of_kind(&history, "charge")
            .filter(|one| history.old_version && given_up.contains(&text(one, "payment_intent")))
            .filter(|_| history.scenario != "payment" && history.scenario != "lost_capture")
            .map(|one| number(one, "amount") - number(one, "amount_captured"))
            .sum();
        let booked = sum(&history, |one| one.refunded) + unassigned(&history, &["re_"]);
        assert_eq!(
            refunds + outside - released,
            booked,
            "history {n}: {}",
            history.scenario
        );
    }
}

#[test]
fn all_disputed_money_belongs_to_one_booking_or_to_none() {
    for (n, history) in all().enumerate() {
        let disputes: i64 = of_kind(&history, "dispute")
            .filter(|one| {
                ["needs_response", "under_review", "lost"].contains(&text(one, "status").as_str())
            })
            .map(|one| number(one, "amount"))
            .sum();
        let booked = sum(&history, |one| one.disputed + one.lost) + unassigned(&history, &["dp_"]);
        assert_eq!(disputes, booked, "history {n}: {}", history.scenario);
    }
}

#[test]
fn a_net_amount_is_what_came_less_what_went() {
    for history in all() {
        let amounts = history.bookings.iter().map(|one| &one.amounts);
        for one in amounts {
            let gone = one.refunded + one.disputed + one.lost + one.credited;
            assert_eq!(one.net, one.paid - gone, "{}", history.scenario);
        }
    }
}

#[test]
fn every_scenario_occurs_among_the_first_two_thousand() {
    let seen: Vec<&str> = all().map(|one| one.scenario).collect();
    for name in SCENARIOS {
        assert!(seen.contains(name), "{name}");
    }
    let money = seen.iter().filter(|name| SCENARIOS.contains(name)).count();
    assert!(
        (700..900).contains(&money),
        "{money} of {COUNT} are money lives"
    );
}

#[test]
fn every_scenario_is_played_in_both_shapes() {
    let mut seen: BTreeMap<&str, BTreeSet<bool>> = BTreeMap::new();
    for number in 0..3 * COUNT {
        let history = history(SEED, number, Mix::Natural);
        seen.entry(history.scenario)
            .or_default()
            .insert(history.old_version);
    }
    for name in SCENARIOS {
        // Only the shape since basil has an intent for two invoices.
        let shapes = if *name == "intent_for_two" { 1 } else { 2 };
        assert_eq!(seen.get(name).map(BTreeSet::len), Some(shapes), "{name}");
    }
}

#[test]
fn every_status_and_many_findings_occur() {
    let bookings: Vec<_> = all().flat_map(|one| one.bookings).collect();
    let statuses: BTreeSet<&str> = bookings.iter().map(|one| one.status).collect();
    let wanted = [
        "amount_mismatch",
        "authorized",
        "canceled",
        "confirmed",
        "disputed",
        "partially_refunded",
        "payment_failed",
        "pending",
        "processing",
        "refunded",
        "requires_action",
    ];
    assert_eq!(statuses, BTreeSet::from(wanted));
    let findings: BTreeSet<&str> = bookings
        .iter()
        .flat_map(|one| one.findings.clone())
        .collect();
    let wanted = [
        "claim_changed",
        "claim_removed",
        "claims_differ",
        "foreign_claim",
        "lost_twice",
        "overlapping_payment",
        "paid_twice",
        "release_unproven",
        "shared_refund",
    ];
    assert_eq!(findings, BTreeSet::from(wanted));
}

#[test]
fn a_history_is_the_same_each_time() {
    for n in 0..300 {
        let (one, other) = (history(SEED, n, Mix::Bursts), history(SEED, n, Mix::Bursts));
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
    }
}

#[test]
fn a_void_makes_a_refund_in_the_old_shape_only() {
    for history in named("authorization_voided") {
        let refunds = of_kind(&history, "refund").count();
        assert_eq!(refunds, usize::from(history.old_version));
        assert_eq!(history.bookings[0].status, "canceled");
        assert_eq!(history.bookings[0].amounts, Amounts::default());
    }
}

#[test]
fn an_invoice_paid_in_cash_says_so_in_the_old_shape_and_must_be_retrieved_in_the_new() {
    for history in named("out_of_band") {
        let paid = history
            .events
            .iter()
            .find(|one| one["type"] == "invoice.paid")
            .unwrap();
        let object = &paid["data"]["object"];
        let old = history.old_version;
        assert_eq!(object["paid_out_of_band"] == true, old);
        assert_eq!(object["amount_paid"] == 0, old);
        assert!(object.get("payments").is_none());
        let truth = of_kind(&history, "invoice").next().unwrap();
        assert_eq!(truth["payments"]["has_more"], false);
        assert!(history.to_observe.contains(&text(truth, "id")));
        assert_eq!(
            history.bookings[0].amounts.settled_elsewhere,
            number(truth, "total")
        );
    }
}

#[test]
fn an_intent_and_its_invoice_are_tied_by_the_way_of_each_shape() {
    for history in named("renewals") {
        let ties = of_kind(&history, "invoice_payment").count();
        assert_eq!(ties == 0, history.old_version);
        let intents = history
            .events
            .iter()
            .filter(|one| one["type"] == "payment_intent.succeeded");
        for event in intents {
            assert_eq!(
                event["data"]["object"]["invoice"].is_string(),
                history.old_version
            );
        }
        let lines = history
            .events
            .iter()
            .filter(|one| one["type"] == "invoice.paid");
        for event in lines {
            let line = &event["data"]["object"]["lines"]["data"][0];
            assert_eq!(line["type"] == "subscription", history.old_version);
        }
    }
}

#[test]
fn renewals_never_touch_the_booking() {
    for history in named("renewals") {
        let [booking] = history.bookings.as_slice() else {
            panic!("one booking")
        };
        assert_eq!((booking.status, booking.payments), ("confirmed", 1));
        assert!(!history.unassigned.is_empty());
    }
}

#[test]
fn nothing_private_to_the_generator_is_sent_or_returned() {
    for history in all() {
        for value in history.events.iter().chain(&history.truth) {
            assert!(!value.to_string().contains('~'), "{value}");
        }
    }
}

#[test]
fn lost_events_inputs_and_observations_name_things_that_exist() {
    for history in all() {
        let ids: BTreeSet<String> = history
            .truth
            .iter()
            .map(crate::histories::expected::id_of)
            .collect();
        assert!(history.lost.iter().all(|at| *at < history.events.len()));
        assert!(history.to_observe.is_subset(&ids), "{}", history.scenario);
        assert!(
            history.unassigned.keys().all(|id| ids.contains(id)),
            "{}",
            history.scenario
        );
        assert!(
            history.accounts.keys().all(|id| ids.contains(id)),
            "{}",
            history.scenario
        );
    }
}

#[test]
fn ties_are_rare_in_money_lives_where_few_things_happen_at_once() {
    let lives = (0..COUNT).map(|n| history(SEED, n, Mix::Natural));
    let (mut money, mut tied) = (0, 0);
    for life in lives.filter(|life| SCENARIOS.contains(&life.scenario)) {
        money += 1;
        tied += usize::from(life.has_tie);
    }
    assert!(tied * 20 < money, "{tied} of {money}");
}
