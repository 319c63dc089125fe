//! `object assign | unassign`.

use super::{intent, record_of, share};
use crate::operating::{Desk, value};

/// A payment of 5000 without a booking, and the record that told of it.
fn desk() -> Desk {
    let mut desk = Desk::new();
    let ledger = &mut desk.stand.ledger;
    intent(ledger, "pi_1", 5_000);
    share(ledger, "pi_1", "", 5_000, 100);
    record_of(ledger, "evt_1", "pi_1");
    ledger.execute("SELECT register_booking('bk_1', 5000, 'eur')");
    desk
}

#[test]
fn a_dry_run_shows_the_object_its_amounts_and_its_bookings_and_leaves_no_trace() {
    let desk = desk();
    let answer = desk.run(&["object", "assign", "pi_1", "bk_1"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    for words in [
        "payment_intent",
        "5000 eur",
        "unassigned",
        "refunded 100 eur",
        "bk_1",
    ] {
        let text = answer.text();
        assert!(text.contains(words), "{words:?} is not in\n{text}");
    }
    assert!(
        answer.err.contains("a dry run, nothing was done"),
        "{answer:?}"
    );
    let json = desk
        .run(&["object", "unassign", "pi_1", "-o", "json"])
        .json();
    assert_eq!(json["plan"][0]["shares"][0]["captured"], 5_000, "{json:#}");
    assert!(json["plan"][0]["new_booking_id"].is_null());
    assert_eq!(desk.actions(), "");
    assert!(desk.published().is_empty());
}

#[test]
fn an_assignment_travels_under_the_key_of_the_objects_latest_record() {
    let desk = desk();
    let plan = desk.run(&["object", "assign", "pi_1", "bk_1", "-o", "json"]);
    let key = plan.json()["plan"][0]["key"].as_str().unwrap().to_owned();
    let payload = desk.text("SELECT encode(payload, 'escape') FROM events WHERE id = 'evt_1'");
    let decoded = shared::envelope::decode(payload.as_bytes());
    let expected = shared::routing::record_key(payload.as_bytes(), decoded.as_ref());
    assert_eq!(key, expected.as_str());
    let answer = desk.executed(&["object", "assign", "pi_1", "bk_1"], "applied", 1);
    assert_eq!(answer.code, 0, "{answer:?}");
    let published = desk.published();
    assert_eq!(published[0].key, key);
    assert_eq!(published[0].headers.ce_type, "com.bookend.command.assign");
    assert_eq!(
        value(&published[0]),
        serde_json::json!({"v": 1, "action_id": desk.action(), "command": "assign",
            "account": "", "object_id": "pi_1", "booking_id": "bk_1"})
    );
    assert_eq!(desk.actions(), "object assign done");
}

#[test]
fn an_object_is_taken_out_of_every_booking_of_its_account() {
    let mut desk = desk();
    desk.stand.ledger.execute(
        "UPDATE objects SET account = 'acct_1'; UPDATE object_shares SET account = 'acct_1'",
    );
    desk.run(&["object", "unassign", "pi_1"])
        .failed(3, "name its connected account");
    let command = ["object", "unassign", "pi_1", "--account", "acct_1"];
    let answer = desk.executed(&command, "applied", 1);
    assert_eq!(answer.code, 0, "{answer:?}");
    let told = value(&desk.published()[0]);
    assert_eq!(told["account"], "acct_1", "{told}");
    assert!(told["booking_id"].is_null());
    assert_eq!(
        desk.text("SELECT subject FROM operator_action_items"),
        "acct_1/pi_1"
    );
}

#[test]
fn a_booking_that_nobody_knows_is_a_warning_because_it_may_be_mistyped() {
    let desk = desk();
    let answer = desk.run(&["object", "assign", "pi_1", "bk_mistyped"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(
        answer.err.contains("bk_mistyped is not known yet"),
        "{answer:?}"
    );
    assert!(answer.text().contains("(not known yet)"), "{answer:?}");
}

#[test]
fn an_assignment_that_the_processor_refuses_ends_with_1() {
    let desk = desk();
    desk.executed(&["object", "assign", "pi_1", "bk_1"], "failed", 1)
        .failed(1, "failed: 1 failed; see bookend action show act_");
    assert_eq!(desk.actions(), "object assign failed");
}

#[test]
fn unknown_objects_and_missing_arguments_change_nothing() {
    let desk = desk();
    desk.execute(&["object", "assign", "pi_9", "bk_1"])
        .failed(3, "no object pi_9");
    desk.execute(&["object", "unassign", "pi_1", "--account", "acct_9"])
        .failed(3, "no object pi_1 of account acct_9");
    desk.run(&["object", "assign", "pi_1", "bk_1", "--execute"])
        .failed(2, "--execute needs --reason");
    for wrong in [
        &["object", "assign", "pi_1"][..],
        &["object", "assign", "pi 1", "bk_1"],
        &["object", "assign", "pi_1", ""],
        &["object", "unassign", "pi_1", "bk_1"],
        &["object", "unassign", "pi_1", "--account", "a b"],
    ] {
        desk.run(wrong).failed(2, "");
    }
    assert!(desk.published().is_empty());
    assert_eq!(desk.text("SELECT count(*) FROM assignments"), "0");
}
