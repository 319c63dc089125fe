//! `booking amend | accept`.

use super::{booking, intent, share};
use crate::operating::{Desk, value};

/// A registered booking that expects 5000 and has 2900.
fn desk() -> Desk {
    let mut desk = Desk::new();
    let ledger = &mut desk.stand.ledger;
    intent(ledger, "pi_1", 3_000);
    share(ledger, "pi_1", "bk_1", 3_000, 100);
    booking(ledger, "bk_1", 3_000, 100);
    ledger.execute("SELECT register_booking('bk_1', 5000, 'eur')");
    desk
}

#[test]
fn a_dry_run_shows_the_expected_amount_and_the_new_one() {
    let desk = desk();
    for command in [
        &["booking", "amend", "bk_1", "2900", "EUR"][..],
        &["booking", "accept", "bk_1"],
    ] {
        let answer = desk.run(command);
        assert_eq!(answer.code, 0, "{answer:?}");
        assert!(answer.text().contains("5000 eur"), "{answer:?}");
        assert!(answer.text().contains("2900 eur"), "{answer:?}");
        let json = desk.run(&[command, &["-o", "json"]].concat()).json();
        assert_eq!(json["plan"][0]["expected_amount"], 5_000, "{json:#}");
        assert_eq!(json["plan"][0]["new_amount"], 2_900);
        assert_eq!(json["plan"][0]["new_currency"], "eur");
    }
    assert_eq!(desk.actions(), "");
    assert!(desk.published().is_empty());
}

#[test]
fn an_amendment_and_an_acceptance_travel_under_the_bookings_key() {
    let desk = desk();
    let amended = desk.executed(&["booking", "amend", "bk_1", "4000", "eur"], "applied", 1);
    assert_eq!(amended.code, 0, "{amended:?}");
    let first = desk.action();
    let accepted = desk.executed(&["booking", "accept", "bk_1"], "applied", 2);
    assert_eq!(accepted.code, 0, "{accepted:?}");
    assert!(desk.action() > first, "the later decision wins");
    let mut published = desk.published();
    published.sort_by_key(|record| record.offset);
    let keys: Vec<&str> = published.iter().map(|record| &*record.key).collect();
    assert_eq!(keys, ["bk_1", "bk_1"]);
    assert_eq!(
        value(&published[0]),
        serde_json::json!({"v": 1, "action_id": first, "command": "amend", "booking_id": "bk_1",
            "amount": 4000, "currency": "eur"})
    );
    assert_eq!(
        value(&published[1]),
        serde_json::json!({"v": 1, "action_id": desk.action(), "command": "accept",
            "booking_id": "bk_1", "amount": 2900, "currency": "eur"})
    );
}

#[test]
fn a_later_action_has_the_greater_id_though_another_machines_clock_is_ahead() {
    let mut desk = desk();
    let ahead = format!("act_0fffffffffff{}", "0".repeat(20));
    desk.stand.ledger.execute(&format!(
        "INSERT INTO operator_actions (id, who, host, verb, reason, request, plan, state)
         VALUES ('{ahead}', 'Bob', 'other', 'booking amend', 'r', '{{}}', '{{}}', 'done')"
    ));
    let answer = desk.executed(&["booking", "accept", "bk_1"], "applied", 1);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(desk.action() > ahead, "{}", desk.action());
}

#[test]
fn an_amendment_without_a_reason_is_refused_and_leaves_no_trace() {
    let desk = desk();
    for missing in [&["--execute"][..], &["--execute", "--reason", " "]] {
        desk.run(&[&["booking", "amend", "bk_1", "1", "eur"], missing].concat())
            .failed(2, "--execute needs --reason");
        desk.run(&[&["booking", "accept", "bk_1"], missing].concat())
            .failed(2, "--execute needs --reason");
    }
    assert_eq!(desk.actions(), "");
}

#[test]
fn an_amount_that_is_expected_already_is_refused_with_6_and_the_attempt_is_on_record() {
    let mut desk = desk();
    desk.execute(&["booking", "amend", "bk_1", "5000", "eur"])
        .failed(6, "expects 5000 eur already");
    desk.stand.ledger.execute(
        "INSERT INTO amendments (booking_id, action_id, kind, amount, currency)
         VALUES ('bk_1', 'act_1', 'accept', 2900, 'eur')",
    );
    desk.execute(&["booking", "accept", "bk_1"])
        .failed(6, "expects 2900 eur already");
    assert_eq!(
        desk.actions(),
        "booking amend denied, booking accept denied"
    );
    assert!(desk.published().is_empty());
}

#[test]
fn a_net_amount_that_cannot_be_expected_is_refused_with_6() {
    let mut desk = desk();
    for (change, words) in [
        ("hold = 'parked'", "is held (parked)"),
        ("hold = NULL, amount_net = -1", "below zero"),
        ("currency = NULL", "has no currency yet"),
        ("version = 0", "not folded yet"),
    ] {
        desk.stand
            .ledger
            .execute(&format!("UPDATE bookings SET {change} WHERE id = 'bk_1'"));
        desk.run(&["booking", "accept", "bk_1"]).failed(6, words);
    }
    let answer = desk.run(&["booking", "amend", "bk_1", "7", "eur"]);
    assert_eq!(answer.code, 0, "it is registered: {answer:?}");
}

#[test]
fn unknown_bookings_and_impossible_amounts_are_refused() {
    let desk = desk();
    desk.execute(&["booking", "amend", "bk_9", "1", "eur"])
        .failed(3, "no booking bk_9");
    desk.execute(&["booking", "accept", "bk_9"])
        .failed(3, "no booking bk_9");
    for wrong in [
        &["booking", "amend", "bk_1", "1"][..],
        &["booking", "amend", "bk_1", "1.50", "eur"],
        &["booking", "amend", "bk_1", "-1", "eur"],
        &["booking", "amend", "bk_1", "99999999999999999999", "eur"],
        &["booking", "amend", "bk_1", "1", "euro"],
        &["booking", "accept", "bk_1", "2900"],
    ] {
        desk.run(wrong).failed(2, "");
    }
    assert!(desk.published().is_empty());
}

#[test]
fn a_reader_may_see_the_plan_and_is_refused_the_decision() {
    let desk = desk();
    let plan = desk.run_as("bookend_reader", &["booking", "accept", "bk_1"]);
    assert_eq!(plan.code, 0, "{plan:?}");
    let doing = ["booking", "accept", "bk_1", "--execute", "--reason", "x"];
    desk.run_as("bookend_reader", &doing)
        .failed(4, "may not act");
    assert_eq!(desk.actions(), "");
}

#[test]
fn the_operators_role_writes_no_money() {
    let desk = desk();
    for statement in [
        "DELETE FROM object_shares",
        "UPDATE bookings SET amount_net = 0",
        "INSERT INTO amendments VALUES ('bk_1', 'act_1', 'amend', 1, 'eur')",
        "INSERT INTO assignments VALUES ('', 'pi_1', 'act_1', 'bk_1')",
        "INSERT INTO finding_closures VALUES ('aa', 'act_1', 'x')",
        "UPDATE findings SET closed_at = now()",
    ] {
        let refused = desk.refuses("bookend_console", statement);
        assert!(
            refused.contains("permission denied"),
            "{statement}: {refused}"
        );
    }
}
