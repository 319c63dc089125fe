//! `finding close`.

use super::{finding, intent, record_of, swept};
use crate::operating::{Desk, value};

/// A finding about a booking, and one about an object without one.
fn desk() -> Desk {
    let mut desk = Desk::new();
    let ledger = &mut desk.stand.ledger;
    finding(ledger, "aa", "paid_twice", "pi_1", "bk_1");
    finding(ledger, "bb", "unassigned_money", "pi_2", "");
    intent(ledger, "pi_2", 700);
    record_of(ledger, "evt_2", "pi_2");
    desk
}

#[test]
fn a_finding_is_closed_by_its_number_under_the_bookings_key() {
    let desk = desk();
    let number = desk.text("SELECT id FROM findings WHERE identity = 'aa'");
    let dry = desk.run(&["finding", "close", &number]);
    assert_eq!(dry.code, 0, "{dry:?}");
    assert!(dry.text().contains("paid by two payments"), "{dry:?}");
    assert!(desk.published().is_empty());
    let answer = desk.executed(&["finding", "close", &number], "applied", 1);
    assert_eq!(answer.code, 0, "{answer:?}");
    let published = desk.published();
    assert_eq!(published[0].key, "bk_1");
    assert_eq!(
        published[0].headers.ce_type,
        "com.bookend.command.close_finding"
    );
    assert_eq!(
        value(&published[0]),
        serde_json::json!({"v": 1, "action_id": desk.action(), "command": "close_finding",
            "identity": "aa", "reason": "ticket 7"})
    );
    assert_eq!(desk.actions(), "finding close done");
}

#[test]
fn a_finding_without_a_booking_travels_under_its_objects_key() {
    let desk = desk();
    let answer = desk.executed(&["finding", "close", "bb"], "applied", 1);
    assert_eq!(answer.code, 0, "{answer:?}");
    let plan = desk.run(&["object", "unassign", "pi_2", "-o", "json"]);
    assert_eq!(desk.published()[0].key, plan.json()["plan"][0]["key"]);
}

#[test]
fn a_finding_that_a_person_closed_is_not_closed_again() {
    let mut desk = desk();
    desk.stand.ledger.execute(
        "INSERT INTO finding_closures (identity, action_id, reason)
         VALUES ('aa', 'act_1', 'both are right');
         UPDATE findings SET closed_at = now(), closed_by = 'act_1' WHERE identity = 'aa'",
    );
    desk.execute(&["finding", "close", "aa"])
        .failed(6, "was closed by act_1 because: both are right");
    assert_eq!(desk.actions(), "finding close denied");
    assert!(desk.published().is_empty());
}

#[test]
fn a_finding_that_holds_no_more_is_not_closed_by_hand() {
    let mut desk = desk();
    desk.stand
        .ledger
        .execute("UPDATE findings SET closed_at = now()");
    desk.execute(&["finding", "close", "aa"])
        .failed(6, "does not hold any more");
    assert!(desk.published().is_empty());
}

#[test]
fn a_sweeps_finding_is_closed_by_its_repair_only() {
    let mut desk = desk();
    swept(&mut desk.stand.ledger);
    let number = desk.text("SELECT id FROM findings WHERE kind = 'never_delivered'");
    let answer = desk.execute(&["finding", "close", &number]);
    answer.failed(6, "was found by sweep");
    assert!(answer.err.contains("bookend sweep findings"), "{answer:?}");
    assert!(desk.published().is_empty());
}

#[test]
fn unknown_identities_and_missing_reasons_change_nothing() {
    let desk = desk();
    desk.execute(&["finding", "close", "dd"])
        .failed(3, "no finding dd");
    desk.run(&["finding", "close", "aa", "--execute"])
        .failed(2, "--execute needs --reason");
    desk.execute(&["finding", "close", "aa", "--expect", "2"])
        .failed(6, "the plan has changed");
    desk.execute(&["finding", "close", ""])
        .failed(2, "invalid value");
    assert!(desk.published().is_empty());
    assert_eq!(desk.text("SELECT count(*) FROM finding_closures"), "0");
}

#[test]
fn a_closure_whose_result_does_not_come_ends_with_124_and_can_be_seen_later() {
    let desk = desk();
    let answer = desk.execute(&["finding", "close", "aa", "--timeout", "1s"]);
    answer.failed(124, &format!("bookend action show {}", desk.action()));
    assert_eq!(desk.published().len(), 1);
}
