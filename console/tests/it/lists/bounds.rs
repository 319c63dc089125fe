//! A page that is ended by the number of rows that it examined.

use super::list;
use crate::fixture::Ledger;

/// Events of one type, a second apart, and an older one of another.
fn many() -> Ledger {
    let mut ledger = Ledger::new();
    ledger.execute(
        r#"INSERT INTO events (id, created, record_kind, type, payload, payload_sha256, source,
               topic, partition, "offset", received_at, disposition, fold_version)
           SELECT 'evt_' || n, to_timestamp(1790000000 + n), 'event',
               CASE WHEN n = 0 THEN 'radar.early_fraud_warning.created' ELSE 'charge.succeeded' END,
               '{}', sha256('{}'), 'webhook', 't', 0, n, now(),
               CASE WHEN n = 0 THEN 'ignored' ELSE 'applied' END, 4
           FROM generate_series(0, 20500) AS n"#,
    );
    ledger
}

#[test]
fn a_filter_without_an_index_examines_so_many_rows_and_says_where_it_stopped() {
    let ledger = many();
    for rare in [&["--type", "radar.*"][..], &["--disposition", "ignored"]] {
        let command = [&["event", "list", "--limit", "10"], rare].concat();
        let answer = list(&ledger, &command, &["-o", "json"]);
        assert_eq!(answer.code, 0, "nothing is known yet: {answer:?}");
        assert!(
            answer.err.contains("20010 rows were examined"),
            "{answer:?}"
        );
        let json = answer.json();
        assert_eq!(json["events"].as_array().unwrap().len(), 0, "{json:#}");
        assert_eq!(json["examined"], 20_010);
        let next = json["next"].as_str().unwrap();
        let rest = list(&ledger, &command, &["-o", "json", "--after", next]).json();
        assert_eq!(rest["events"][0]["id"], "evt_0", "{rest:#}");
        assert!(rest["next"].is_null(), "{rest:#}");
    }
}

#[test]
fn a_walk_that_is_stopped_and_finds_nothing_to_the_end_ends_with_3() {
    let ledger = many();
    let command = ["event", "list", "--type", "payout.*"];
    let json = list(&ledger, &command, &["-o", "json"]).json();
    let next = json["next"].as_str().unwrap();
    list(&ledger, &command, &["--after", next]).failed(3, "no event fits all filters");
}

#[test]
fn a_filter_with_an_index_finds_the_one_row_at_once() {
    let ledger = many();
    let whole = ["--type", "radar.early_fraud_warning.created"];
    let json = list(&ledger, &["event", "list", "-o", "json"], &whole).json();
    assert_eq!(json["events"][0]["id"], "evt_0", "{json:#}");
    assert!(
        json["next"].is_null() && json["examined"].is_null(),
        "{json:#}"
    );
}

#[test]
fn a_total_is_counted_up_to_ten_thousand_and_said_to_be_no_more_than_that() {
    let mut ledger = Ledger::new();
    ledger.execute(
        "INSERT INTO findings (kind, confidence, evidence, identity)
         SELECT 'paid_twice', 1, '{}', 'f' || n FROM generate_series(1, 10001) AS n",
    );
    let answer = list(&ledger, &["finding", "list"], &["-o", "json"]);
    let json = answer.json();
    assert_eq!(json["total"], 10_000, "{}", answer.err);
    assert_eq!(json["total_is_exact"], false);
    assert!(
        answer.err.contains("1000 of at least 10000 findings"),
        "{}",
        answer.err
    );
    ledger.execute("DELETE FROM findings WHERE identity IN ('f1', 'f2')");
    let fewer = list(&ledger, &["finding", "list", "-o", "json"], &[]).json();
    assert_eq!(fewer["total"], 9_999);
    assert_eq!(fewer["total_is_exact"], true);
}

#[test]
fn a_long_queue_and_a_large_group_are_counted_up_to_a_thousand() {
    let mut ledger = Ledger::new();
    ledger.execute(
        r#"INSERT INTO parked_events (event_id, booking_id, created, topic, partition, "offset", key,
               headers)
           SELECT 'evt_' || n, 'bk_1', now(), 't', 0, n, 'k', '[]'
           FROM generate_series(1, 1500) AS n;
           INSERT INTO dead_letter_groups (fingerprint, stage, error_class, error_kind, event_type,
               error, first_seen, last_seen)
           VALUES ('aa', 'decode', 'poison', 'x', 'x', 'x', now(), now());
           INSERT INTO dead_letters (event_id, payload, payload_sha256, key, topic, partition,
               "offset", stage, error_class, error, attempts, first_failed_at, last_failed_at,
               fingerprint)
           SELECT 'evt_' || n, '', sha256(''), 'k', 't', 0, n, 'decode', 'poison', 'x', 1, now(),
               now(), 'aa' FROM generate_series(1, 1500) AS n"#,
    );
    let queues = list(&ledger, &["parked", "list"], &[]);
    assert!(queues.text().contains("1000+"), "{queues:?}");
    let groups = list(&ledger, &["dead", "groups"], &[]);
    assert!(groups.text().contains("1000+"), "{groups:?}");
    let json = list(&ledger, &["dead", "groups", "-o", "json"], &[]).json();
    assert_eq!(json["groups"][0]["unsettled"], 1_000);
}
