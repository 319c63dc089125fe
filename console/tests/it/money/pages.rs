//! `booking audit` over more rows than a page has, bounded answers, and refusals.

use super::{balanced, bookend};
use crate::fixture::run;
use crate::operating::as_role;

/// Payments beyond two pages, each with a booking of its own.
const MANY: i64 = 20_001;

#[test]
fn every_page_is_compared_and_all_differences_are_counted_though_few_are_shown() {
    let mut ledger = balanced();
    ledger.execute(&format!(
        "INSERT INTO objects (id, type, status, amount, amount_paid, currency, fold_version,
             version, updated_by)
         SELECT 'pi_m' || n, 'payment_intent', 'succeeded', 10, 10, 'eur', 4, 1, 'test'
         FROM generate_series(1, {MANY}) AS n;
         INSERT INTO object_shares (object_id, booking_id, currency, attempt, at, is_finished,
             is_free, is_settled, captured, authorized, in_flight, settled_elsewhere, from_balance,
             credited, refunded, refund_pending_action, disputed, lost, winners)
         SELECT 'pi_m' || n, 'bk_m' || n, 'eur', 'paid', 1, true, false, true,
             CASE WHEN n % 1000 = 1 THEN 9 ELSE 10 END, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'w'
         FROM generate_series(1, {MANY}) AS n;
         INSERT INTO bookings (id, status, currency, amount_paid, amount_net, fold_version, version,
             updated_by)
         SELECT booking_id, 'confirmed', 'eur', captured, captured, 4, 1, 'test'
         FROM object_shares WHERE object_id LIKE 'pi_m%'"
    ));
    let answer = bookend(&ledger, &["booking", "audit", "--limit", "5", "-o", "json"]);
    assert_eq!(answer.code, 7, "{answer:?}");
    let json = answer.json();
    assert_eq!(json["payments"]["compared"], MANY + 2, "{json:#}");
    assert_eq!(json["bookings"]["compared"], MANY + 2);
    assert_eq!(json["shares"]["compared"], MANY + 3);
    assert_eq!(json["payments"]["differing"], 21);
    assert_eq!(json["differences"].as_array().unwrap().len(), 5);
    assert!(answer.err.contains("21 amounts or shares"), "{answer:?}");
}

#[test]
fn an_empty_database_adds_up() {
    let ledger = crate::fixture::Ledger::new();
    let answer = bookend(&ledger, &["booking", "audit"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.text().contains("payments"), "{answer:?}");
}

#[test]
fn an_audit_writes_nothing_and_a_reader_may_make_it() {
    let ledger = balanced();
    let url = as_role(&ledger.url, "bookend_reader");
    let answer = run(&["booking", "audit"], &[("DATABASE_URL", &url)], b"");
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(ledger.actions(), "");
}

#[test]
fn an_audit_of_nonsense_is_a_usage_error() {
    let ledger = balanced();
    for wrong in [
        &["--limit", "0"][..],
        &["--booking", ""],
        &["--object", "pi_1"],
        &["bk_1"],
    ] {
        let arguments = [&["booking", "audit"], wrong].concat();
        bookend(&ledger, &arguments).failed(2, "");
    }
}
