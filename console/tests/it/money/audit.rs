//! `booking audit`: money that adds up, and money that does not.

use super::{balanced, bookend, booking, intent, share};
use crate::fixture::Ledger;

/// `problem subject expected found` of each difference.
fn differences(ledger: &Ledger, arguments: &[&str]) -> Vec<String> {
    let answer = bookend(
        ledger,
        &[&["booking", "audit", "-o", "json"], arguments].concat(),
    );
    assert_eq!(answer.code, 7, "{answer:?}");
    assert!(answer.err.contains("do not add up"), "{answer:?}");
    let json = answer.json();
    let rows = json["differences"].as_array().unwrap();
    rows.iter()
        .map(|row| {
            format!(
                "{} {} {} {}",
                row["problem"].as_str().unwrap(),
                row["subject"].as_str().unwrap(),
                row["expected"],
                row["found"]
            )
        })
        .collect()
}

#[test]
fn money_that_adds_up_ends_with_0_and_lists_the_unassigned() {
    let ledger = balanced();
    let answer = bookend(&ledger, &["booking", "audit", "-o", "json"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let json = answer.json();
    assert_eq!(json["payments"]["compared"], 2, "{json:#}");
    assert_eq!(json["bookings"]["compared"], 2);
    assert_eq!(json["shares"]["compared"], 3);
    assert_eq!(json["differences"].as_array().unwrap().len(), 0);
    assert_eq!(json["unassigned"]["eur"]["captured"], 700);
    assert_eq!(json["unassigned_payments"][0]["object_id"], "pi_2");
    let table = bookend(&ledger, &["booking", "audit"]);
    assert!(table.text().contains("WITHOUT BOOKING"), "{table:?}");
}

#[test]
fn a_planted_wrong_share_is_found_and_named_with_both_amounts() {
    let mut ledger = balanced();
    ledger.execute("UPDATE object_shares SET captured = 3500 WHERE booking_id = 'bk_1'");
    assert_eq!(
        differences(&ledger, &[]),
        [
            "captured pi_1 5000 5500",
            "amount_net bk_1 3400 2900",
            "amount_paid bk_1 3500 3000",
        ]
    );
    let table = bookend(&ledger, &["booking", "audit"]);
    assert_eq!(table.code, 7, "{table:?}");
    assert!(table.text().contains("5500"), "{table:?}");
}

#[test]
fn a_booking_that_is_not_the_sum_of_its_shares_is_named_column_by_column() {
    let mut ledger = balanced();
    ledger.execute("UPDATE bookings SET amount_refunded = 0, amount_lost = 7 WHERE id = 'bk_1'");
    assert_eq!(
        differences(&ledger, &[]),
        ["amount_lost bk_1 0 7", "amount_refunded bk_1 100 0"]
    );
}

#[test]
fn a_payment_whose_shares_are_gone_is_named() {
    let mut ledger = balanced();
    intent(&mut ledger, "pi_3", 90);
    ledger.execute("DELETE FROM object_shares WHERE object_id = 'pi_2'");
    assert_eq!(
        differences(&ledger, &[]),
        ["captured pi_2 700 0", "captured pi_3 90 0"]
    );
}

#[test]
fn money_of_another_currency_is_compared_in_that_currency_only() {
    let mut ledger = balanced();
    intent(&mut ledger, "pi_usd", 80);
    share(&mut ledger, "pi_usd", "bk_1", 80, 0);
    ledger.execute(
        r#"UPDATE objects SET currency = 'usd' WHERE id = 'pi_usd';
           UPDATE object_shares SET currency = 'usd' WHERE object_id = 'pi_usd';
           UPDATE bookings SET other_currencies = '{"usd": {"amount_paid": 80, "amount_refunded": 0,
               "amount_authorized": 0, "amount_in_flight": 0, "amount_settled_elsewhere": 0,
               "amount_from_balance": 0, "amount_credited": 0, "amount_refund_pending_action": 0,
               "amount_disputed": 0, "amount_lost": 0, "amount_net": 80, "payments": 1}}'
           WHERE id = 'bk_1'"#,
    );
    let answer = bookend(&ledger, &["booking", "audit"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    ledger.execute("UPDATE bookings SET other_currencies = '{}' WHERE id = 'bk_1'");
    assert_eq!(
        differences(&ledger, &[]),
        ["amount_net bk_1 80 0", "amount_paid bk_1 80 0"]
    );
    ledger.execute("UPDATE object_shares SET currency = 'eur' WHERE object_id = 'pi_usd'");
    let named = differences(&ledger, &[]);
    assert!(
        named.contains(&"share_currency pi_usd 80 80".to_owned()),
        "{named:?}"
    );
}

#[test]
fn shares_below_zero_and_shares_without_owners_are_named() {
    let mut ledger = balanced();
    share(&mut ledger, "pi_gone", "bk_1", 0, 0);
    share(&mut ledger, "pi_1", "bk_gone", 0, -5);
    assert_eq!(
        differences(&ledger, &[]),
        [
            "negative_share pi_1 0 -5",
            "share_without_booking pi_1 of bk_gone null null",
            "share_without_object pi_gone null null",
        ]
    );
}

#[test]
fn held_bookings_and_rows_of_older_rules_are_counted_and_not_compared() {
    let mut ledger = balanced();
    booking(&mut ledger, "bk_old", 1, 0);
    intent(&mut ledger, "pi_old", 1);
    ledger.execute(
        "UPDATE bookings SET fold_version = 3 WHERE id = 'bk_old';
         UPDATE objects SET fold_version = 3 WHERE id = 'pi_old';
         UPDATE bookings SET hold = 'parked', amount_paid = 1 WHERE id = 'bk_2'",
    );
    let answer = bookend(&ledger, &["booking", "audit", "-o", "json"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let json = answer.json();
    assert_eq!(json["payments"]["old"], 1, "{json:#}");
    assert_eq!(json["bookings"]["old"], 1);
    assert_eq!(json["bookings"]["held"], 1);
    ledger.execute("UPDATE bookings SET hold = NULL");
    assert_eq!(differences(&ledger, &[]), ["amount_paid bk_2 2000 1"]);
}

#[test]
fn a_charge_counts_only_where_no_intent_and_no_transfer_explains_it() {
    let mut ledger = balanced();
    let mut charge = |id: &str| {
        ledger.execute(&format!(
            "INSERT INTO objects (id, type, status, amount, amount_paid, currency, fold_version,
                 version, updated_by)
             VALUES ('{id}', 'charge', 'succeeded', 60, 60, 'eur', 4, 1, 'test')"
        ));
    };
    for id in ["ch_alone", "ch_child", "ch_named", "ch_moved", "py_moved"] {
        charge(id);
    }
    ledger.execute(
        "INSERT INTO object_links (from_id, to_id, source_id)
         VALUES ('ch_child', 'pi_1', 'evt'), ('pi_1', 'ch_named', 'evt'),
             ('ch_moved', 'tr_1', 'evt')",
    );
    assert_eq!(differences(&ledger, &[]), ["captured ch_alone 60 0"]);
    share(&mut ledger, "ch_alone", "", 60, 0);
    assert_eq!(bookend(&ledger, &["booking", "audit"]).code, 0);
}

#[test]
fn one_booking_is_audited_with_the_payments_that_it_shares() {
    let mut ledger = balanced();
    booking(&mut ledger, "bk_3", 1, 0);
    intent(&mut ledger, "pi_3", 2);
    share(&mut ledger, "pi_3", "bk_3", 1, 0);
    let of = |id| {
        bookend(
            &ledger,
            &["booking", "audit", "--booking", id, "-o", "json"],
        )
    };
    let answer = of("bk_1");
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(answer.json()["payments"]["compared"], 1);
    assert_eq!(
        differences(&ledger, &["--booking", "bk_3"]),
        ["captured pi_3 2 1"]
    );
    of("bk_9").failed(3, "no booking bk_9");
    share(&mut ledger, "pi_gone", "bk_lost", 5, 0);
    assert_eq!(
        differences(&ledger, &["--booking", "bk_lost"]),
        [
            "share_without_object pi_gone null null",
            "amount_net bk_lost 5 0",
            "amount_paid bk_lost 5 0",
        ]
    );
}
