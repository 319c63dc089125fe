//! `booking show | list`: every amount, every currency, shares and findings.

use super::{balanced, bookend, finding};

#[test]
fn a_booking_is_shown_with_all_amounts_shares_and_open_findings() {
    let mut ledger = balanced();
    finding(&mut ledger, "aa", "paid_twice", "pi_1", "bk_1");
    finding(&mut ledger, "bb", "lost_twice", "pi_1", "bk_1");
    ledger.execute(
        r#"UPDATE findings SET closed_at = now() WHERE identity = 'bb';
           UPDATE bookings SET amount_authorized = 41, amount_in_flight = 42, amount_credited = 43,
               amount_disputed = 44, amount_lost = 45, authorized_until = '2026-12-24T18:00:00Z',
               other_currencies = '{"usd": {"amount_paid": 81, "amount_refunded": 1,
                   "amount_authorized": 0, "amount_in_flight": 0, "amount_settled_elsewhere": 0,
                   "amount_from_balance": 0, "amount_credited": 0,
                   "amount_refund_pending_action": 0, "amount_disputed": 0, "amount_lost": 0,
                   "amount_net": 80, "payments": 1}}' WHERE id = 'bk_1'"#,
    );
    let json = bookend(&ledger, &["booking", "show", "bk_1", "-o", "json"]).json();
    assert_eq!(json["booking"]["amount_net"], 2_900, "{json:#}");
    assert_eq!(json["booking"]["amount_in_flight"], 42);
    assert_eq!(json["currencies"][0]["currency"], "eur");
    assert_eq!(json["currencies"][1]["amount_net"], 80);
    assert_eq!(json["shares"][0]["object_id"], "pi_1");
    assert_eq!(json["shares"][0]["captured"], 3_000);
    assert_eq!(json["findings"].as_array().unwrap().len(), 1);
    let table = bookend(&ledger, &["booking", "show", "bk_1"]);
    for words in [
        "authorized until",
        "2026-12-24T18:00:00Z",
        "2900 eur",
        "usd",
        "captured 3000 eur, refunded 100 eur",
        "paid_twice",
    ] {
        let text = table.text();
        assert!(text.contains(words), "{words:?} is not in\n{text}");
    }
}

#[test]
fn the_expected_amount_of_an_operator_is_shown_beside_the_registered_one() {
    let mut ledger = balanced();
    ledger.execute(
        "SELECT register_booking('bk_1', 3000, 'eur', 'pi_1');
         INSERT INTO amendments (booking_id, action_id, kind, amount, currency)
         VALUES ('bk_1', 'act_2', 'accept', 2900, 'eur'), ('bk_1', 'act_1', 'amend', 1, 'eur')",
    );
    let json = bookend(&ledger, &["booking", "show", "bk_1", "-o", "json"]).json();
    assert_eq!(json["amendment"]["action_id"], "act_2", "{json:#}");
    assert_eq!(json["registration"]["payment_intent_id"], "pi_1");
    let table = bookend(&ledger, &["booking", "show", "bk_1"]);
    assert!(table.text().contains("2900 eur by act_2"), "{table:?}");
}

#[test]
fn bookings_are_listed_by_status_page_by_page() {
    let mut ledger = balanced();
    ledger.execute("UPDATE bookings SET status = 'amount_mismatch' WHERE id = 'bk_2'");
    let ids = |arguments: &[&str]| -> Vec<String> {
        let arguments = [&["booking", "list", "-o", "json"], arguments].concat();
        let json = bookend(&ledger, &arguments).json();
        let rows = json["bookings"].as_array().unwrap();
        rows.iter()
            .map(|row| row["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(&[]), ["bk_1", "bk_2"]);
    assert_eq!(ids(&["--status", "amount_mismatch"]), ["bk_2"]);
    assert_eq!(ids(&["--limit", "1"]), ["bk_1"]);
    assert_eq!(ids(&["--limit", "1", "--after", "bk_1"]), ["bk_2"]);
    let table = bookend(&ledger, &["booking", "list", "--limit", "1"]);
    assert!(table.text().contains("2900 eur"), "{table:?}");
    assert!(table.err.contains("--after bk_1"), "{table:?}");
}

#[test]
fn a_list_that_nothing_fits_ends_with_3_and_an_unknown_status_with_2() {
    let ledger = balanced();
    for nothing in [
        &["--status", "disputed"][..],
        &["--hold", "parked"],
        &["--after", "bk_2"],
    ] {
        let arguments = [&["booking", "list"], nothing].concat();
        bookend(&ledger, &arguments).failed(3, "no booking fits all filters");
    }
    for wrong in [
        &["--status", "paid"][..],
        &["--hold", "x"],
        &["--limit", "0"],
    ] {
        let arguments = [&["booking", "list"], wrong].concat();
        bookend(&ledger, &arguments).failed(2, "invalid value");
    }
}
