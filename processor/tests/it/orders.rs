//! Events of one booking on several partitions and in every order.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testbed::testing::eventually;

use crate::harness::{Harness, PATIENCE, event, intent};
use crate::publishing::publish_all;

const PAIRS: usize = 10_000;
const START: i64 = 1_790_000_000;

fn session(n: usize) -> Vec<u8> {
    let object = json!({
        "id": format!("cs_{n}"), "object": "checkout.session", "status": "complete",
        "payment_status": "paid", "amount_total": 500, "currency": "eur",
        "payment_intent": format!("pi_{n}"), "metadata": {"booking_id": format!("b-{n}")},
    });
    let id = format!("evt_cs_{n}");
    event(
        &id,
        START,
        "checkout.session.completed",
        object,
        Value::Null,
    )
}

fn charge(n: usize) -> Value {
    json!({
        "id": format!("ch_{n}"), "object": "charge", "status": "succeeded", "amount": 500,
        "amount_captured": 500, "amount_refunded": 0, "captured": true, "paid": true,
        "currency": "eur", "payment_intent": format!("pi_{n}"), "metadata": {},
    })
}

/// What a session is tied to, without a word of the booking.
fn tied(n: usize, which: u64) -> Vec<u8> {
    if which.is_multiple_of(2) {
        let id = format!("evt_ch_{n}");
        event(&id, START, "charge.succeeded", charge(n), Value::Null)
    } else {
        let object = intent(&format!("pi_{n}"), None, "succeeded", 500);
        let id = format!("evt_pi_{n}");
        event(&id, START, "payment_intent.succeeded", object, Value::Null)
    }
}

/// A fixed sequence (Knuth's MMIX generator), so that a failure can be seen again.
struct Sequence(u64);

impl Sequence {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
}

#[test]
fn ten_thousand_pairs_that_meet_on_different_partitions_end_with_their_bookings() {
    let harness = Harness::new();
    let (one, two) = (harness.start(), harness.start());
    let mut sequence = Sequence(4);
    let mut records = Vec::with_capacity(2 * PAIRS);
    for n in 0..PAIRS {
        let mut pair = [
            (format!("b-{n}"), session(n)),
            (format!("payment_intent:pi_{n}"), tied(n, sequence.next())),
        ];
        if sequence.next().is_multiple_of(2) {
            pair.reverse();
        }
        records.extend(pair);
    }
    let began = Instant::now();
    publish_all(&harness, &records);
    eventually(Duration::from_secs(120), "all are applied", || {
        harness.number("SELECT count(*) FROM events WHERE disposition = 'applied'")
            == i64::try_from(2 * PAIRS).unwrap()
    });
    println!("{PAIRS} pairs in {:?}", began.elapsed());
    for (wanted, sql) in [
        (
            0,
            "SELECT count(*) FROM objects WHERE booking_id IS DISTINCT FROM 'b-' || split_part(id, '_', 2)",
        ),
        (
            PAIRS,
            "SELECT count(*) FROM bookings WHERE id ~ '^b-[0-9]+$'",
        ),
        (
            0,
            "SELECT count(*) FROM bookings WHERE status <> 'confirmed' OR amount_paid <> 500",
        ),
        (0, "SELECT count(*) FROM dead_letters"),
    ] {
        assert_eq!(harness.number(sql), i64::try_from(wanted).unwrap(), "{sql}");
    }
    for service in [&one, &two] {
        let (_, metrics) = service.get("/metrics").unwrap();
        for line in metrics
            .lines()
            .filter(|line| line.starts_with("bookend_retries"))
        {
            println!("{line}");
        }
    }
}

/// A booking's life in six events: an attempt that needs action, its payment, the charge, a
/// refund, a dispute opened and won.
fn life(n: usize) -> [Vec<u8>; 6] {
    let of = |which: usize, at: i64, event_type: &str, object: Value| {
        event(
            &format!("evt_{n}_{which}"),
            START + at,
            event_type,
            object,
            Value::Null,
        )
    };
    let (pi, ch, booking) = (format!("pi_{n}"), format!("ch_{n}"), format!("b-{n}"));
    let dispute = |status: &str| {
        json!({"id": format!("dp_{n}"), "object": "dispute", "status": status, "amount": 500,
               "currency": "eur", "charge": ch, "payment_intent": pi, "metadata": {}})
    };
    let refund = json!({"id": format!("re_{n}"), "object": "refund", "status": "succeeded",
        "amount": 200, "currency": "eur", "charge": ch, "payment_intent": pi, "metadata": {}});
    let acting = intent(&pi, Some(&booking), "requires_action", 500);
    let paid = intent(&pi, Some(&booking), "succeeded", 500);
    [
        of(0, 0, "payment_intent.requires_action", acting),
        of(1, 1, "payment_intent.succeeded", paid),
        of(2, 1, "charge.succeeded", charge(n)),
        of(3, 2, "refund.created", refund),
        of(4, 3, "charge.dispute.created", dispute("needs_response")),
        of(5, 4, "charge.dispute.closed", dispute("won")),
    ]
}

/// Every order of 0..6.
fn permutations() -> Vec<Vec<usize>> {
    (0..6).fold(vec![Vec::new()], |orders, next| {
        let mut longer = Vec::new();
        for order in &orders {
            for at in 0..=order.len() {
                let mut one = order.clone();
                one.insert(at, next);
                longer.push(one);
            }
        }
        longer
    })
}

#[test]
fn all_720_orders_of_six_events_end_in_the_same_rows() {
    let harness = Harness::new();
    let orders = permutations();
    assert_eq!(orders.len(), 720);
    // One key each: what is told in an order is applied in that order.
    let records: Vec<(String, Vec<u8>)> = orders
        .iter()
        .enumerate()
        .flat_map(|(n, order)| {
            let life = life(n);
            let one = |which: &usize| (format!("order-{n}"), life[*which].clone());
            order.iter().map(one).collect::<Vec<_>>()
        })
        .collect();
    // 45 whole orders for each of the 16 senders.
    publish_all(&harness, &records);
    let _processor = harness.start();
    eventually(PATIENCE, "all are applied", || {
        harness.number("SELECT count(*) FROM events") == 720 * 6
            && harness.number("SELECT count(*) FROM bookings WHERE version > 0") == 720
    });
    harness.eventually_number(
        12,
        "SELECT count(*) FROM partition_progress WHERE next_offset > 0",
    );
    let alike = "SELECT count(DISTINCT (status, amount, currency, amount_paid, amount_refunded, \
                 hold)) FROM bookings";
    assert_eq!(harness.number(alike), 1);
    assert_eq!(harness.status("b-0").as_deref(), Some("partially_refunded"));
    for (wanted, sql) in [
        (720 * 4, "SELECT count(*) FROM objects"),
        (4, "SELECT count(DISTINCT (type, status)) FROM objects"),
        (
            0,
            "SELECT count(*) FROM objects WHERE booking_id IS DISTINCT FROM 'b-' || split_part(id, '_', 2)",
        ),
        // The charge was told before its refund was made, and not after: they agree in every order.
        (0, "SELECT count(*) FROM refetches"),
        (0, "SELECT count(*) FROM dead_letters"),
    ] {
        assert_eq!(harness.number(sql), wanted, "{sql}");
    }
}
