//! `finding list | show`.

use super::{balanced, bookend, finding, swept};
use crate::fixture::Ledger;

fn kinds(ledger: &Ledger, arguments: &[&str]) -> Vec<String> {
    let arguments = [&["finding", "list", "-o", "json"], arguments].concat();
    let json = bookend(ledger, &arguments).json();
    let rows = json["findings"].as_array().unwrap();
    let mut kinds: Vec<String> = rows
        .iter()
        .map(|row| row["kind"].as_str().unwrap().to_owned())
        .collect();
    kinds.sort();
    kinds
}

/// Two open findings of folding, a closed one, and those of a sweep.
fn found() -> Ledger {
    let mut ledger = balanced();
    finding(&mut ledger, "aa", "paid_twice", "pi_1", "bk_1");
    finding(&mut ledger, "bb", "claim_removed", "pi_2", "");
    finding(&mut ledger, "cc", "lost_twice", "pi_1", "bk_1");
    ledger.execute("UPDATE findings SET closed_at = now() WHERE identity = 'cc'");
    swept(&mut ledger);
    ledger
}

#[test]
fn open_findings_of_folding_and_of_sweeps_are_listed_and_no_others() {
    let ledger = found();
    assert_eq!(
        kinds(&ledger, &[]),
        ["claim_removed", "never_delivered", "paid_twice"]
    );
    assert_eq!(kinds(&ledger, &["--all"]).len(), 5);
    assert_eq!(kinds(&ledger, &["--booking", "bk_1"]), ["paid_twice"]);
    assert_eq!(kinds(&ledger, &["--object", "pi_2"]), ["claim_removed"]);
    assert_eq!(
        kinds(&ledger, &["--kind", "lost_twice", "--all"]),
        ["lost_twice"]
    );
    let table = bookend(&ledger, &["finding", "list"]);
    for words in ["paid by two payments", "listed_not_in_ledger", "aa", "bk_1"] {
        assert!(
            table.text().contains(words),
            "{words:?} is not in {table:?}"
        );
    }
}

#[test]
fn a_closed_finding_of_folding_is_no_open_one_for_sweep_findings_either() {
    let ledger = found();
    let json = bookend(&ledger, &["sweep", "findings", "-o", "json"]).json();
    assert_eq!(json["findings"].as_array().unwrap().len(), 3, "{json:#}");
}

#[test]
fn findings_beyond_the_limit_are_counted() {
    let ledger = found();
    let answer = bookend(&ledger, &["finding", "list", "--limit", "1", "-o", "json"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(answer.json()["total"], 3);
    assert!(answer.err.contains("1 of 3 findings"), "{answer:?}");
}

#[test]
fn every_kind_that_the_schema_allows_can_be_listed() {
    let ledger = found();
    let allowed = ledger.text(
        "SELECT string_agg(m[1], ',') FROM pg_constraint,
             regexp_matches(pg_get_constraintdef(oid), '''([a-z_]+)''::text', 'g') AS m
         WHERE conname = 'findings_kind_known'",
    );
    let allowed: Vec<&str> = allowed.split(',').collect();
    assert!(allowed.len() >= 27, "{allowed:?}");
    for kind in allowed {
        let answer = bookend(&ledger, &["finding", "list", "--kind", kind]);
        assert!([0, 3].contains(&answer.code), "{kind}: {answer:?}");
    }
}

#[test]
fn a_finding_is_shown_by_its_identity_or_its_number_with_the_options_of_a_person() {
    let ledger = found();
    let number = ledger.text("SELECT id FROM findings WHERE identity = 'aa'");
    let by_identity = bookend(&ledger, &["finding", "show", "aa"]);
    let by_number = bookend(&ledger, &["finding", "show", &number]);
    assert_eq!(by_identity.text(), by_number.text());
    for words in [
        "paid_twice",
        "pi_9",
        "5000",
        "2026-11-01T00:00:00.000Z",
        "decided by rule",
        "All payments count",
        "bookend object assign",
        "captured 3000 eur",
    ] {
        let text = by_identity.text();
        assert!(text.contains(words), "{words:?} is not in\n{text}");
    }
}

#[test]
fn a_closed_finding_is_shown_with_the_reason_of_its_closure() {
    let mut ledger = found();
    ledger.execute(
        "INSERT INTO finding_closures (identity, action_id, reason) VALUES ('cc', 'act_1', 'agreed');
         UPDATE findings SET closed_by = 'act_1' WHERE identity = 'cc'",
    );
    let json = bookend(&ledger, &["finding", "show", "cc", "-o", "json"]).json();
    assert_eq!(json["state"], "closed", "{json:#}");
    assert_eq!(json["closure"]["reason"], "agreed");
    let table = bookend(&ledger, &["finding", "show", "cc"]);
    assert!(table.text().contains("agreed (act_1)"), "{table:?}");
}

#[test]
fn an_unknown_finding_ends_with_3_and_an_impossible_one_with_2() {
    let ledger = found();
    for unknown in [
        "dd",
        "999999",
        "'; DROP TABLE findings; --",
        "99999999999999999999",
    ] {
        bookend(&ledger, &["finding", "show", unknown]).failed(3, "no finding");
    }
    bookend(&ledger, &["finding", "list", "--booking", "bk_none"]).failed(3, "no open finding");
    for wrong in [
        &["finding", "show", ""][..],
        &["finding", "show", "a\nb"],
        &["finding", "list", "--kind", "guess"],
        &["finding", "list", "--limit", "0"],
    ] {
        bookend(&ledger, wrong).failed(2, "invalid value");
    }
}
