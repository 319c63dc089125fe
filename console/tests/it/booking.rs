//! `booking show`.

use crate::fixture::{Event, Ledger};

/// A registration, a charge that was applied before anybody knew whose it was, a payment, then a copy that changed nothing, then one event that was given up on.
fn seeded() -> Ledger {
    let mut ledger = Ledger::new();
    ledger.execute(
        r#"INSERT INTO bookings (id, status, amount, currency, amount_paid, hold, version, updated_by)
           VALUES ('bk_1', 'confirmed', 5000, 'eur', 5000, 'uncertain', 2, 'test');
           INSERT INTO registrations (booking_id, amount, currency, registered_at, folded_at)
           VALUES ('bk_1', 5000, 'eur', now(), now());
           INSERT INTO objects (id, type, status, amount, currency, settled, booking_id, updated_by)
           VALUES ('pi_1', 'payment_intent', 'succeeded', 5000, 'eur', false, 'bk_1', 'test'),
                  ('ch_1', 'charge', 'succeeded', 5000, 'eur', true, 'bk_1', 'test'),
                  ('pi_2', 'payment_intent', 'succeeded', 1, 'eur', true, 'bk_2', 'test');
           INSERT INTO refetches (object_id, object_type, fingerprint, reason, tied_at)
           VALUES ('pi_1', 'payment_intent', 'f', 'tie', now());
           INSERT INTO booking_transitions
               (booking_id, version, cause_kind, cause_id, from_status, to_status, before, after,
                fold_version)
           VALUES ('bk_1', 1, 'registration', 'bk_1', NULL, 'pending', NULL, '{}', 1),
                  ('bk_1', 2, 'event', 'evt_paid', 'pending', 'confirmed', '{}', '{}', 1)"#,
    );
    let rows = [
        ("evt_early", Some("ch_1"), None, "applied"),
        ("evt_paid", Some("pi_1"), Some("bk_1"), "applied"),
        ("evt_old", Some("pi_1"), Some("bk_1"), "no_change"),
        ("evt_dead", Some("pi_1"), Some("bk_1"), "dead"),
        ("evt_foreign", Some("pi_2"), Some("bk_2"), "applied"),
    ];
    for (id, object, booking, disposition) in rows {
        ledger.event(&Event {
            id,
            object,
            booking,
            disposition,
            ..Event::default()
        });
    }
    ledger.execute(
        r#"INSERT INTO dead_letters (event_id, payload, payload_sha256, key, topic, partition,
               "offset", stage, error_class, error, attempts, first_failed_at, last_failed_at)
           VALUES ('evt_dead', 'x', decode(repeat('00', 32), 'hex'), 'bk_1', 'stripe.events', 1, 2,
               'apply', 'business', 'amount out of range', 1, now(), now())"#,
    );
    ledger
}

#[test]
fn a_booking_is_shown_with_every_event_and_its_effect_in_order() {
    let ledger = seeded();
    let json = ledger
        .bookend(&["booking", "show", "bk_1", "-o", "json"])
        .json();
    let told: Vec<(Option<&str>, &str)> = json["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| {
            (
                step["event"]["id"].as_str(),
                step["effect"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (None, "new: pending"),
            (Some("evt_early"), "its object changed, the booking did not"),
            (Some("evt_paid"), "pending → confirmed"),
            (Some("evt_old"), "no change"),
            (Some("evt_dead"), "given up on (apply): amount out of range"),
        ]
    );
    assert_eq!(json["booking"]["hold"], "uncertain");
    assert_eq!(json["refetches"][0]["object_id"], "pi_1");
    assert_eq!(json["objects"].as_array().unwrap().len(), 2);
}

#[test]
fn a_booking_reads_as_a_table() {
    let ledger = seeded();
    let answer = ledger.bookend(&["booking", "show", "bk_1"]);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    for words in [
        "confirmed",
        "uncertain",
        "5000 eur",
        "pi_1",
        "evt_early",
        "amount out of range",
    ] {
        assert!(
            answer.text().contains(words),
            "{words:?} is not in\n{}",
            answer.text()
        );
    }
    assert!(!answer.text().contains("evt_foreign"), "{}", answer.text());
    assert!(
        answer.text().lines().all(|line| line == line.trim_end()),
        "{}",
        answer.text()
    );
}

#[test]
fn a_registered_booking_without_events_is_shown_as_not_folded() {
    let mut ledger = Ledger::new();
    ledger.execute("SELECT register_booking('bk_new', 100, 'eur')");
    let answer = ledger.bookend(&["booking", "show", "bk_new"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(
        answer.text().contains("not folded yet"),
        "{}",
        answer.text()
    );
}

#[test]
fn an_unknown_booking_ends_with_3_whatever_its_id_says() {
    let ledger = seeded();
    for id in ["bk_unknown", "'; DROP TABLE bookings; --", "bk_%", "予約"] {
        ledger
            .bookend(&["booking", "show", id])
            .failed(3, "nothing matched");
    }
    assert_eq!(ledger.bookend(&["booking", "show", "bk_1"]).code, 0);
}

#[test]
fn a_booking_id_that_cannot_exist_is_a_usage_error() {
    let ledger = Ledger::new();
    for id in ["", "bk\n1", "bk\u{1b}[2J", &"x".repeat(256)] {
        ledger
            .bookend(&["booking", "show", id])
            .failed(2, "invalid value");
    }
}
