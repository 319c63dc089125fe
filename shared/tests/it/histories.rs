//! Ten thousand made-up histories, in any order and with copies, fold to what the model of Stripe
//! ends with, field by field; and how seldom Stripe must be asked.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use shared::envelope::{decode, decode_observation};
use shared::folding::{Member, ObjectState, fold_booking, read_event, read_observation};
use testbed::histories::{Expected, History, Mix, history};

const SEED: u64 = 5;
type Folded = BTreeMap<String, ObjectState>;

fn fold<'a>(bodies: impl IntoIterator<Item = &'a Vec<u8>>) -> Folded {
    let mut objects = Folded::new();
    for body in bodies {
        let decoded = decode(body).unwrap();
        let (object, snapshot) = read_event(&decoded).object.unwrap();
        objects
            .entry(object.id.to_string())
            .or_default()
            .join(snapshot);
    }
    objects
}

/// How often a processor that applies event by event would ask Stripe.
fn asked<'a>(bodies: impl IntoIterator<Item = &'a Vec<u8>>) -> usize {
    let mut objects = Folded::new();
    let mut doubts = BTreeSet::new();
    for body in bodies {
        let decoded = decode(body).unwrap();
        let (object, snapshot) = read_event(&decoded).object.unwrap();
        let state = objects.entry(object.id.to_string()).or_default();
        state.join(snapshot);
        doubts.extend(state.tie_fingerprint());
    }
    doubts.len()
}

/// What the reconciler would do about objects in doubt: retrieve them, later.
fn ask_stripe(objects: &mut Folded, history: &History) -> usize {
    let mut asked = 0;
    for truth in &history.truth {
        let id = truth["id"].as_str().unwrap_or_default();
        let Some(state) = objects.get_mut(id) else {
            continue;
        };
        if state.winner().unwrap().settled {
            continue;
        }
        asked += 1;
        let body = truth.to_string().into_bytes();
        let observed = decode_observation(&body).unwrap();
        let (_, snapshot) = read_observation(&observed, "obs_1", 1_900_000_000)
            .object
            .unwrap();
        state.join(snapshot);
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

fn assert_true(number: u64, objects: &Folded, history: &History) {
    for Expected { id, fields } in &history.expected {
        let winner = objects.get(id).unwrap().winner().unwrap();
        assert!(winner.settled, "history {number}: {id} is in doubt");
        let folded = serde_json::to_value(&winner.snapshot.fields).unwrap();
        for (field, wanted) in fields {
            let found = folded.pointer(field).unwrap_or(&Value::Null);
            assert_eq!(
                found,
                wanted,
                "history {number}: {id} {field}\n{}",
                life(history, id)
            );
        }
    }
    let Some(wanted) = &history.booking else {
        return;
    };
    let members: Vec<Member<'_>> = objects
        .iter()
        .filter_map(|(id, state)| Member::of(id, state))
        .collect();
    let view = fold_booking(None, &members, false).unwrap();
    assert_eq!(view.status.as_str(), wanted.status, "history {number}");
    assert_eq!(view.amount_paid, wanted.amount_paid, "history {number}");
    assert_eq!(
        view.amount_refunded, wanted.amount_refunded,
        "history {number}"
    );
    assert!(
        view.refetch.is_empty(),
        "history {number}: charge and refunds differ"
    );
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
}

fn run(mix: Mix, count: u64) -> Figures {
    let mut figures = Figures::default();
    for number in 0..count {
        let history = history(SEED, number, mix);
        let bodies: Vec<Vec<u8>> = history
            .events
            .iter()
            .map(|event| event.to_string().into_bytes())
            .collect();
        let in_order = asked(&bodies);
        figures.histories += 1;
        figures.events += bodies.len();
        figures.with_burst += usize::from(history.has_burst);
        figures.with_tie += usize::from(history.has_tie);
        figures.asked_in_order += in_order;
        let mut random = StdRng::seed_from_u64(number);
        let mut first = None;
        for order in 0..3 {
            let mut delivered = bodies.clone();
            for _copy in 0..bodies.len() / 3 {
                delivered.push(bodies[random.random_range(0..bodies.len())].clone());
            }
            delivered.shuffle(&mut random);
            let mut objects = fold(&delivered);
            let before = first.get_or_insert_with(|| objects.clone());
            assert_eq!(before, &objects, "history {number}: order {order} mattered");
            let left = ask_stripe(&mut objects, &history);
            if order == 0 {
                figures.asked_at_the_end += left;
                figures.asked_without_tie += if history.has_tie { 0 } else { left + in_order };
            }
            assert_true(number, &objects, &history);
        }
    }
    figures
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * f64::from(u32::try_from(part).unwrap()) / f64::from(u32::try_from(whole).unwrap())
}

#[test]
fn ten_thousand_histories_in_any_order_end_as_stripe_says() {
    let groups = [
        (Mix::Natural, 7_000),
        (Mix::Bursts, 2_000),
        (Mix::Ties, 1_500),
    ];
    println!(
        "group    histories  events  with bursts  with ties  asked (in order)  asked (at the end)  asked without a tie"
    );
    let all = groups.map(|(mix, count)| {
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
    let sum = |of: fn(&Figures) -> usize| all.iter().map(of).sum::<usize>();
    assert!(sum(|it| it.histories) >= 10_000);
    assert!(percent(sum(|it| it.with_burst), sum(|it| it.histories)) >= 20.0);
    assert!(percent(sum(|it| it.with_tie), sum(|it| it.histories)) >= 5.0);
    assert_eq!(sum(|it| it.asked_without_tie), 0);
    assert!(
        percent(all[0].asked_in_order, all[0].events) <= 1.0,
        "natural mix"
    );
}
