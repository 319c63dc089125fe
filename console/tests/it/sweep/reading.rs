//! What is shown of the reconciler's notes.

use super::Notes;

#[test]
fn sweeps_are_listed_with_up_to_where_each_account_is_complete() {
    let notes = Notes::with_plan();
    let json = notes.run(&["list", "-o", "json"]).json();
    let kinds: Vec<&str> = json["sweeps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        ["tail", "deep", "tail"],
        "the newest first: {json:#}"
    );
    assert_eq!(json["sweeps"][1]["missing"], 3);
    assert_eq!(json["sweeps"][1]["outcome"], "planned");
    let own = &json["accounts"][0];
    assert_eq!(own["account"], "");
    assert!(own["complete_up_to"].is_string(), "{json:#}");
    assert!((7_200..7_300).contains(&own["age_seconds"].as_i64().unwrap()));
    assert_eq!(own["open_plans"], 1);
    let other = &json["accounts"][1];
    assert_eq!(other["account"], "acct_1");
    assert!(other["complete_up_to"].is_null(), "nothing is proven there");

    let table = notes.run(&["list", "--kind", "deep"]);
    assert!(
        table.text().contains("more than 2 are missing"),
        "{table:?}"
    );
    assert!(table.text().contains("COMPLETE UP TO"), "{table:?}");
    let one = notes
        .run(&["list", "--account", "acct_1", "-o", "json"])
        .json();
    assert_eq!(one["sweeps"].as_array().unwrap().len(), 1);
    assert_eq!(one["accounts"].as_array().unwrap().len(), 1);
}

#[test]
fn findings_are_open_ones_unless_all_are_wanted_and_json_has_their_evidence() {
    let mut notes = Notes::with_plan();
    notes
        .0
        .execute("UPDATE findings SET repaired_at = now() WHERE event_id = 'evt_3'");
    let json = notes.run(&["findings", "-o", "json"]).json();
    let all = json["findings"].as_array().unwrap();
    assert_eq!(all.len(), 2, "{json:#}");
    assert_eq!(all[0]["evidence"]["pending_webhooks"], 1);
    assert_eq!(all[0]["plan_id"], "plan_a");
    let count = |arguments: &[&str]| {
        let arguments = [&["findings", "-o", "json"], arguments].concat();
        notes.run(&arguments).json()["findings"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(count(&["--all"]), 3);
    assert_eq!(count(&["--open", "--plan", "plan_a"]), 2);
    assert_eq!(count(&["--booking", "bk_1"]), 1);
    assert_eq!(count(&["--event", "evt_2", "--kind", "never_delivered"]), 1);
    assert_eq!(count(&["--sweep", "2", "--since", "1h"]), 2);
    let table = notes.run(&["findings", "--event", "evt_1"]);
    assert!(table.text().contains("listed_not_in_ledger"), "{table:?}");
    assert!(table.text().contains("60 %"), "{table:?}");
}

#[test]
fn certificates_are_exported_with_both_sides_and_chosen_by_their_window() {
    let notes = Notes::new("1 minute");
    let json = notes.run(&["certificates", "-o", "json"]).json();
    let first = &json["certificates"][0];
    assert_eq!(first["window_from"], "2026-11-02T00:00:00Z", "{json:#}");
    assert_eq!(
        (&first["ids_hash"], &first["ledger_hash"]),
        (&"bb".into(), &"cc".into())
    );
    assert_eq!(first["complete"], false);
    assert_eq!(first["issued_by"], "0.1.0");
    let days = [
        "--from",
        "2026-11-01T00:30:00Z",
        "--to",
        "2026-11-02T00:00:00Z",
    ];
    let some = notes
        .run(&[&["certificates", "-o", "json"], &days[..]].concat())
        .json();
    assert_eq!(some["certificates"].as_array().unwrap().len(), 1);
    assert_eq!(some["certificates"][0]["complete"], true);
    assert!(notes.run(&["certificates"]).text().contains("NO"));
    let help = notes.run(&["certificates", "--help"]);
    assert!(help.text().contains("SHA-256"), "{help:?}");
}

#[test]
fn the_budget_counts_calls_by_purpose_against_what_transactions_allow() {
    let mut notes = Notes::new("1 minute");
    notes.0.execute(
        "INSERT INTO api_calls (day, purpose, calls)
         VALUES ((now() AT TIME ZONE 'UTC')::date, 'live', 900),
            ((now() AT TIME ZONE 'UTC')::date - 29, 'background', 100),
            ((now() AT TIME ZONE 'UTC')::date - 30, 'background', 7000)",
    );
    let budget = notes.run(&["budget", "-o", "json"]).json();
    assert_eq!(budget["calls"], 1_000, "{budget:#}");
    assert_eq!(budget["calls_background"], 100);
    assert_eq!(budget["allowed"], 10_000);
    assert_eq!(budget["used_per_mille"], 100);
    assert_eq!(budget["held"], false);
    notes.0.execute(
        "UPDATE api_budget
         SET held_until_us = (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + 60000000",
    );
    let held = notes.run(&["budget", "-o", "json"]).json();
    assert_eq!(held["held"], true, "{held:#}");
    assert!(held["held_until"].is_string());
    let table = notes.run(&["budget"]);
    assert!(table.text().contains("10.0 %"), "{table:?}");
}

#[test]
fn what_nothing_fits_ends_with_3_and_what_cannot_be_with_2() {
    let notes = Notes::new("1 minute");
    for nothing in [
        &["list", "--kind", "backfill"][..],
        &["findings"],
        &["certificates", "--account", "acct_9"],
        &["plans", "--all"],
    ] {
        notes.run(nothing).failed(3, "nothing matched");
    }
    for wrong in [
        &["list", "--kind", "guess"][..],
        &["findings", "--open", "--all"],
        &["findings", "--booking", ""],
        &["certificates", "--from", "yesterday"],
        &["repair"],
    ] {
        notes.run(wrong).failed(2, "");
    }
}
