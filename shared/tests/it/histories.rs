//! Made-up histories, in any order and with copies, fold to what the model of Stripe ends with:
//! objects and bookings field by field, every unit of money in one share; and how seldom Stripe
//! must be asked.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use shared::folding::graph::Key;
use shared::folding::money::Policy;
use shared::folding::rebuild::{HumanInputs, LedgerReading, Rebuild, Rebuilt};
use shared::folding::{CurrencyAmounts, FoldError, Shown};
use testbed::histories::{Amounts, Booking, Expected, History, Input, Mix, history};

use crate::told::{captured, event, observation, registered};

const SEED: u64 = 5;
/// By Stripe's clock, later than anything in a history.
const OBSERVED_AT: i64 = 1_900_000_000;
const POLICY: Policy = Policy {
    require_registration: false,
    client_reference: false,
    report_unassigned: false,
};

/// What people put in, the last of each.
pub(crate) fn human(history: &History) -> HumanInputs {
    let mut human = HumanInputs::default();
    for booking in &history.bookings {
        let Some(wanted) = &booking.registered else {
            continue;
        };
        let (id, mut held) = registered(&booking.id, wanted.amount, &wanted.currency);
        held.account = wanted.account.clone().unwrap_or_default();
        held.registration.covers_subscription = wanted.covers_subscription;
        for account in [held.account.clone(), String::new()] {
            let intent = wanted.payment_intent.clone();
            let key = intent.map(|id| Key { account, id });
            human.intents.extend(key.map(|key| (key, id.clone())));
        }
        human.registered.insert(id, held);
    }
    for input in &history.inputs {
        match input {
            Input::Assign {
                object, booking, ..
            } => {
                let account = history.accounts.get(object).cloned().unwrap_or_default();
                let key = Key {
                    account,
                    id: object.clone(),
                };
                human.assignments.insert(key, booking.clone());
            }
            Input::Amend {
                booking, amount, ..
            } => {
                if let Some(held) = human.registered.get_mut(booking) {
                    held.registration.amount = *amount;
                }
            }
        }
    }
    human
}

fn readings(history: &History) -> Vec<LedgerReading> {
    let events = history.events.iter().enumerate();
    events
        .filter(|(index, _)| !history.lost.contains(index))
        .map(|(_, body)| event(body))
        .collect()
}

fn told(readings: &[LedgerReading]) -> Rebuild {
    let mut rebuild = Rebuild::default();
    for said in readings {
        rebuild.tell(said);
    }
    rebuild
}

fn finished(rebuild: &Rebuild, human: &HumanInputs) -> Rebuilt {
    rebuild.finish(human, &BTreeSet::new(), POLICY)
}

/// How often a processor that applies event by event would ask Stripe about a tie.
fn asked(readings: &[LedgerReading]) -> usize {
    let mut rebuild = Rebuild::default();
    let mut doubts = BTreeSet::new();
    for said in readings {
        rebuild.tell(said);
        if let Some((object, _)) = &said.reading.object {
            let key = Key {
                account: said.account.clone(),
                id: object.id.to_string(),
            };
            doubts.extend(rebuild.state(&key).and_then(|it| it.tie_fingerprint()));
        }
    }
    doubts.len()
}

/// What the reconciler would do: retrieve what is in doubt and what no event reports.
fn ask_stripe(rebuild: &mut Rebuild, history: &History) -> usize {
    let mut asked = 0;
    for truth in &history.truth {
        let id = truth["id"].as_str().unwrap_or_default();
        let account = history.accounts.get(id).cloned().unwrap_or_default();
        let key = Key {
            account: account.clone(),
            id: id.to_owned(),
        };
        let state = rebuild.state(&key);
        let is_doubted = state
            .and_then(|it| it.winner())
            .is_some_and(|winner| !winner.settled);
        asked += usize::from(is_doubted);
        if is_doubted || history.to_observe.contains(id) {
            rebuild.tell(&observation(&account, truth, OBSERVED_AT));
        }
    }
    asked
}

/// The events of one object, for a failure's message.
fn life(history: &History, id: &str) -> String {
    let mut lines = String::new();
    for event in &history.events {
        if event["data"]["object"]["id"] == id {
            lines += &format!(
                "{} {} {} previous {}\n",
                event["id"], event["created"], event["type"], event["data"]["previous_attributes"]
            );
        }
    }
    lines
}

/// What a history was, for a failure's message.
fn story(number: u64, history: &History) -> String {
    let mut text = format!(
        "history {number}, {}, {} version\n",
        history.scenario,
        if history.old_version { "old" } else { "new" }
    );
    if option_env!("STORY").is_some() {
        for event in &history.events {
            text += &format!(
                "{} {} {} prev {}\n",
                event["created"],
                event["type"],
                event["data"]["object"],
                event["data"]["previous_attributes"]
            );
        }
    }
    text
}

fn objects_differ(rebuilt: &Rebuilt, history: &History) -> Vec<String> {
    let mut wrong = Vec::new();
    for Expected { id, fields } in &history.expected {
        let account = history.accounts.get(id).cloned().unwrap_or_default();
        let key = Key {
            account,
            id: id.clone(),
        };
        let state = &rebuilt.objects[&key].state;
        let winner = state.winner().unwrap();
        if !winner.settled {
            wrong.push(format!("{id} is in doubt"));
        }
        let folded = serde_json::to_value(&winner.snapshot.fields).unwrap();
        for (field, wanted) in fields {
            let found = folded.pointer(field).unwrap_or(&Value::Null);
            if found != wanted {
                let life = life(history, id);
                wrong.push(format!("{id} {field}: {found} for {wanted}\n{life}"));
            }
        }
    }
    wrong
}

fn amounts(wanted: &Amounts) -> CurrencyAmounts {
    CurrencyAmounts {
        amount_paid: wanted.paid,
        amount_refunded: wanted.refunded,
        amount_authorized: wanted.authorized,
        amount_in_flight: wanted.in_flight,
        amount_settled_elsewhere: wanted.settled_elsewhere,
        amount_from_balance: wanted.from_balance,
        amount_credited: wanted.credited,
        amount_refund_pending_action: wanted.refund_pending_action,
        amount_disputed: wanted.disputed,
        amount_lost: wanted.lost,
        amount_net: wanted.net,
        payments: 0,
    }
}

/// `status`, amounts and other currencies that differ, in words.
fn booking_differs(found: Option<&Result<Shown, FoldError>>, wanted: &Booking) -> Option<String> {
    let empty = Shown {
        status: "pending".to_owned(),
        ..Shown::default()
    };
    let shown = match found {
        None => &empty,
        Some(Ok(shown)) => shown,
        Some(Err(error)) => return Some(error.to_string()),
    };
    let mut right = Shown {
        status: wanted.status.to_owned(),
        amounts: CurrencyAmounts {
            payments: wanted.payments,
            ..amounts(&wanted.amounts)
        },
        ..shown.clone()
    };
    let elsewhere = shown.other_currencies.values().map(|it| it.payments);
    right.amounts.payments -= elsewhere.sum::<i64>();
    let others: BTreeMap<String, CurrencyAmounts> = shown
        .other_currencies
        .iter()
        .map(|(code, it)| (code.clone(), CurrencyAmounts { payments: 0, ..*it }))
        .collect();
    let wanted_others: BTreeMap<String, CurrencyAmounts> = wanted
        .others
        .iter()
        .map(|(code, it)| (code.clone(), amounts(it)))
        .collect();
    if *shown == right && others == wanted_others {
        return None;
    }
    Some(format!(
        "{}\n found  {} {:?} {:?}\n wanted {} {:?} {:?}",
        wanted.id, shown.status, shown.amounts, others, right.status, right.amounts, wanted_others
    ))
}

/// Each unit that Stripe took lies in one share, and what belongs to no booking is listed.
fn not_conserved(rebuilt: &Rebuilt, history: &History) -> Vec<String> {
    let shares = captured(rebuilt);
    let mut wrong = Vec::new();
    for truth in &history.truth {
        if truth["object"] != "payment_intent" || truth.get("deleted").is_some() {
            continue;
        }
        let id = truth["id"].as_str().unwrap();
        let received = truth["amount_received"].as_i64().unwrap_or(0);
        let (sum, nobodys) = shares.get(id).copied().unwrap_or_default();
        let wanted = history.unassigned.get(id).copied().unwrap_or(0);
        if (truth["status"] == "succeeded" && sum != received) || nobodys != wanted {
            wrong.push(format!(
                "{id}: shares of {sum} for {received}, {nobodys} of nobody's for {wanted}"
            ));
        }
    }
    wrong
}

const COMPARED: &[&str] = &[
    "claims_differ",
    "claim_changed",
    "claim_removed",
    "foreign_claim",
    "paid_twice",
    "lost_twice",
    "overlapping_payment",
    "shared_refund",
    "release_unproven",
];

fn findings_differ(rebuilt: &Rebuilt, history: &History) -> Option<String> {
    let compared = |kind: &&str| COMPARED.contains(kind);
    let found = rebuilt.findings.iter().map(|it| it.kind);
    let found: BTreeSet<&str> = found.filter(compared).collect();
    let wanted = history.bookings.iter().flat_map(|it| &it.findings);
    let wanted: BTreeSet<&str> = wanted.copied().filter(compared).collect();
    (found != wanted).then(|| format!("findings {found:?} for {wanted:?}"))
}

fn differences(rebuilt: &Rebuilt, history: &History) -> Vec<String> {
    let bookings = history.bookings.iter();
    let bookings = bookings.filter_map(|it| booking_differs(rebuilt.bookings.get(&it.id), it));
    objects_differ(rebuilt, history)
        .into_iter()
        .chain(bookings)
        .chain(not_conserved(rebuilt, history))
        .chain(findings_differ(rebuilt, history))
        .collect()
}

#[derive(Default)]
struct Figures {
    histories: usize,
    events: usize,
    with_burst: usize,
    with_tie: usize,
    asked_in_order: usize,
    asked_at_the_end: usize,
    asked_without_tie: usize,
    wrong: BTreeMap<&'static str, Vec<String>>,
}

fn run(mix: Mix, count: u64) -> Figures {
    let mut figures = Figures::default();
    for number in 0..count {
        let history = history(SEED, number, mix);
        let human = human(&history);
        let readings = readings(&history);
        let in_order = asked(&readings);
        figures.histories += 1;
        figures.events += readings.len();
        figures.with_burst += usize::from(history.has_burst);
        figures.with_tie += usize::from(history.has_tie);
        figures.asked_in_order += in_order;
        let mut random = StdRng::seed_from_u64(number);
        let mut first: Option<Rebuilt> = None;
        for order in 0..3 {
            let mut delivered = readings.clone();
            for _copy in 0..readings.len() / 3 {
                delivered.push(readings[random.random_range(0..readings.len())].clone());
            }
            delivered.shuffle(&mut random);
            let mut rebuild = told(&delivered);
            let before = finished(&rebuild, &human);
            let same = first.get_or_insert_with(|| before.clone());
            assert_eq!(
                same.objects, before.objects,
                "history {number}: order {order}"
            );
            assert_eq!(
                same.shares, before.shares,
                "history {number}: order {order}"
            );
            assert_eq!(
                same.bookings, before.bookings,
                "history {number}: order {order}"
            );
            assert_eq!(
                same.findings, before.findings,
                "history {number}: order {order}"
            );
            let left = ask_stripe(&mut rebuild, &history);
            if order == 0 {
                figures.asked_at_the_end += left;
                figures.asked_without_tie += if history.has_tie { 0 } else { left + in_order };
            }
            let wrong = differences(&finished(&rebuild, &human), &history);
            if !wrong.is_empty() && order == 0 {
                let told = format!("{}{}", story(number, &history), wrong.join("\n"));
                figures
                    .wrong
                    .entry(history.scenario)
                    .or_default()
                    .push(told);
            }
        }
    }
    figures
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * f64::from(u32::try_from(part).unwrap()) / f64::from(u32::try_from(whole).unwrap())
}

/// The groups, and how many histories of each: many more by `make histories` than beside all
/// other tests.
fn groups() -> [(Mix, u64); 3] {
    let many = option_env!("HISTORIES").and_then(|it| it.parse().ok());
    let all: u64 = many.unwrap_or(6_000);
    [
        (Mix::Natural, all * 70 / 105),
        (Mix::Bursts, all * 20 / 105),
        (Mix::Ties, all * 15 / 105),
    ]
}

#[test]
fn thousands_of_histories_in_any_order_end_as_stripe_says() {
    println!(
        "group    histories  events  with bursts  with ties  asked (in order)  asked (at the end)  asked without a tie"
    );
    let all = groups().map(|(mix, count)| {
        let it = run(mix, count);
        println!(
            "{:8} {:9} {:7} {:11.1}% {:9.1}% {:16.2}% {:18.2}% {:20}",
            format!("{mix:?}"),
            it.histories,
            it.events,
            percent(it.with_burst, it.histories),
            percent(it.with_tie, it.histories),
            percent(it.asked_in_order, it.events),
            percent(it.asked_at_the_end, it.events),
            it.asked_without_tie,
        );
        it
    });
    for (scenario, wrong) in all.iter().flat_map(|it| &it.wrong) {
        println!(
            "{scenario}: {} wrong, the first:\n{}",
            wrong.len(),
            wrong[0]
        );
    }
    assert!(all.iter().all(|it| it.wrong.is_empty()), "see above");
    let sum = |of: fn(&Figures) -> usize| all.iter().map(of).sum::<usize>();
    assert!(sum(|it| it.histories) >= 5_900);
    assert!(percent(sum(|it| it.with_burst), sum(|it| it.histories)) >= 20.0);
    assert!(percent(sum(|it| it.with_tie), sum(|it| it.histories)) >= 5.0);
    assert_eq!(sum(|it| it.asked_without_tie), 0);
    assert!(
        percent(all[0].asked_in_order, all[0].events) <= 1.0,
        "natural mix"
    );
}
