//! Pages and cursors.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{LISTS, ROWS, list, planted};

fn names(json: &Value, rows: &str, id: &str) -> Vec<String> {
    let rows = json[rows].as_array().unwrap();
    rows.iter().map(|row| row[id].to_string()).collect()
}

#[test]
fn pages_of_every_list_join_without_a_gap_or_a_repetition() {
    let ledger = planted();
    for (command, rows, id) in LISTS {
        let whole = list(&ledger, command, &["-o", "json"]).json();
        let whole = names(&whole, rows, id);
        assert_eq!(whole.len(), ROWS, "{command:?}");
        let (mut joined, mut after) = (Vec::new(), None::<String>);
        loop {
            let mut arguments = vec!["-o", "json", "--limit", "2"];
            arguments.extend(after.iter().flat_map(|cursor| ["--after", cursor.as_str()]));
            let json = list(&ledger, command, &arguments).json();
            joined.extend(names(&json, rows, id));
            match &json["next"] {
                Value::String(next) => after = Some(next.clone()),
                Value::Null => break,
                odd => panic!("{command:?}: {odd}"),
            }
            assert!(joined.len() <= ROWS, "{command:?}: {joined:?}");
        }
        assert_eq!(joined, whole, "{command:?}");
        assert_eq!(joined.iter().collect::<BTreeSet<_>>().len(), ROWS);
    }
}

#[test]
fn a_page_that_is_not_the_last_names_the_cursor_on_standard_error_and_not_among_the_rows() {
    let ledger = planted();
    for (command, rows, _) in LISTS {
        let limit = ["--limit", "2"];
        let table = list(&ledger, command, &limit);
        assert!(!table.text().contains("--after"), "{table:?}");
        let (_, word) = table.err.trim_end().split_once("--after ").unwrap();
        // As a person pastes it: the shell takes the word apart.
        let pasted = std::process::Command::new("bash")
            .args(["-c", &format!("printf %s {word}")])
            .output()
            .unwrap();
        let pasted = String::from_utf8(pasted.stdout).unwrap();
        let answer = list(&ledger, command, &["-o", "json", "--after", &pasted]);
        assert_eq!(answer.code, 0, "{answer:?}");
        let rest = answer.json()[rows].as_array().unwrap().len();
        assert_eq!(rest, ROWS - 2, "{command:?} {word}");
    }
}

#[test]
fn the_last_page_names_no_cursor() {
    let ledger = planted();
    for (command, ..) in LISTS {
        for limit in ["7", "1000"] {
            let answer = list(&ledger, command, &["-o", "json", "--limit", limit]);
            let json = answer.json();
            assert!(json["next"].is_null(), "{command:?}: {json:#}");
            assert!(json["examined"].is_null(), "{command:?}: {json:#}");
            assert_eq!(answer.err, "", "{command:?}");
        }
    }
}

#[test]
fn nothing_behind_a_cursor_ends_with_3() {
    let ledger = planted();
    for (command, ..) in LISTS {
        let past = match command {
            ["booking", ..] | ["parked", ..] => "zz",
            ["event", ..] | ["dead", "groups", ..] | ["action", ..] | ["sweep", "plans", ..] => {
                "1960-01-01T00:00:00Z/a"
            }
            _ => "1960-01-01T00:00:00Z/1",
        };
        list(&ledger, command, &["--after", past]).failed(3, "nothing matched");
    }
}

#[test]
fn what_is_no_cursor_ends_with_2_and_the_reason() {
    let ledger = planted();
    for (command, ..) in LISTS {
        if matches!(command, ["booking", ..] | ["parked", ..]) {
            list(&ledger, command, &["--after", ""]).failed(2, "--after");
            continue;
        }
        for (wrong, why) in [
            ("", "no /"),
            ("evt_1", "no /"),
            ("yesterday/1", "the time is not RFC 3339"),
            ("2026-11-01T12:00:00Z/", "the id is"),
        ] {
            let answer = list(&ledger, command, &["--after", wrong]);
            answer.failed(2, why);
            assert!(
                answer.err.contains("copy it from the page before"),
                "{answer:?}"
            );
        }
    }
    let letter = list(
        &ledger,
        &["dead", "list"],
        &["--after", "2026-11-01T12:00:00Z/evt_1"],
    );
    letter.failed(2, "the id is not a number");
}

#[test]
fn a_cursor_is_a_value_and_never_a_statement() {
    let ledger = planted();
    let injection = "2026-11-01T12:00:00Z/x') OR true; DROP TABLE events; --";
    let answer = list(
        &ledger,
        &["event", "list"],
        &["--after", injection, "-o", "json"],
    );
    assert!([0, 3].contains(&answer.code), "{answer:?}");
    let whole = list(&ledger, &["event", "list"], &["-o", "json"]).json();
    assert_eq!(whole["events"].as_array().unwrap().len(), ROWS);
}

#[test]
fn filters_hold_across_pages() {
    let mut ledger = planted();
    ledger.execute(
        "UPDATE bookings SET status = 'disputed' WHERE id IN ('bk ''2', 'bk ''5', 'bk ''6')",
    );
    let disputed = ["booking", "list", "--status", "disputed"];
    let first = list(&ledger, &disputed, &["--limit", "2", "-o", "json"]).json();
    assert_eq!(names(&first, "bookings", "id"), ["\"bk '2\"", "\"bk '5\""]);
    let next = first["next"].as_str().unwrap();
    let rest = list(&ledger, &disputed, &["--after", next, "-o", "json"]).json();
    assert_eq!(names(&rest, "bookings", "id"), ["\"bk '6\""]);
    assert!(rest["next"].is_null(), "{rest:#}");
}
