//! The plan of every statement that a list sends, with statistics that say ten million rows.

use testbed::testing::{Recorder, plans};

use crate::fixture::{Ledger, run};

/// Each list, without a filter, with each filter, and with some that must be combined.
const COMMANDS: [&[&str]; 62] = [
    &["event", "list"],
    &["event", "list", "--booking", "B-7"],
    &["event", "list", "--type", "charge.succeeded"],
    &["event", "list", "--type", "radar.fraud"],
    &["event", "list", "--type", "charge.*"],
    &["event", "list", "--disposition", "applied"],
    &["event", "list", "--disposition", "ignored"],
    &["event", "list", "--disposition", "dead"],
    &["event", "list", "--source", "webhook"],
    &["event", "list", "--source", "replay"],
    &["event", "list", "--since", "2h"],
    &["event", "list", "--until", "2h"],
    &[
        "event",
        "list",
        "--since",
        "90d",
        "--disposition",
        "no_change",
    ],
    &[
        "event",
        "list",
        "--source",
        "replay",
        "--type",
        "invoice.*",
        "--disposition",
        "parked",
    ],
    &[
        "event",
        "list",
        "--booking",
        "B-7",
        "--type",
        "charge.*",
        "--limit",
        "1000",
    ],
    &["booking", "list"],
    &["booking", "list", "--status", "confirmed"],
    &["booking", "list", "--status", "pending"],
    &["booking", "list", "--status", "disputed"],
    &["booking", "list", "--hold", "parked"],
    &[
        "booking",
        "list",
        "--hold",
        "uncertain",
        "--status",
        "pending",
    ],
    &["dead", "list"],
    &["dead", "list", "--status", "open"],
    &["dead", "list", "--group", "f7"],
    &["dead", "list", "--booking", "B-7"],
    &["dead", "list", "--type", "charge.refunded"],
    &["dead", "list", "--type", "charge.*", "--class", "business"],
    &["dead", "list", "--class", "unclassified"],
    &["dead", "list", "--since", "2h", "--status", "ignored"],
    &["dead", "groups"],
    &["dead", "groups", "--status", "acknowledged"],
    &["parked", "list"],
    &["parked", "list", "--booking", "B-1"],
    &["parked", "list", "--reason", "constraint"],
    &["finding", "list"],
    &["finding", "list", "--all"],
    &["finding", "list", "--kind", "paid_twice"],
    &["finding", "list", "--kind", "lost_twice", "--all"],
    &["finding", "list", "--booking", "B-7"],
    &["finding", "list", "--object", "pi_7", "--all"],
    &[
        "finding",
        "list",
        "--object",
        "pi_7",
        "--booking",
        "B-7",
        "--kind",
        "paid_twice",
    ],
    &["sweep", "findings"],
    &["sweep", "findings", "--all", "--since", "2h"],
    &["sweep", "findings", "--kind", "never_delivered"],
    &["sweep", "findings", "--event", "evt_old_8", "--all"],
    &["sweep", "findings", "--sweep", "1"],
    &["sweep", "findings", "--plan", "plan_1", "--all"],
    &["sweep", "findings", "--booking", "B-8", "--kind", "unknown"],
    &["sweep", "list"],
    &["sweep", "list", "--kind", "deep"],
    &["sweep", "list", "--kind", "backfill"],
    &["sweep", "list", "--account", "acct_1"],
    &[
        "sweep",
        "list",
        "--account",
        "",
        "--kind",
        "deep",
        "--since",
        "7d",
    ],
    &["sweep", "certificates"],
    &[
        "sweep",
        "certificates",
        "--account",
        "acct_1",
        "--from",
        "7d",
        "--to",
        "6d",
    ],
    &["sweep", "certificates", "--from", "2h"],
    &["sweep", "plans"],
    &["sweep", "plans", "--all", "--account", "acct_1"],
    &["action", "list"],
    &["action", "list", "--state", "failed"],
    &["action", "list", "--state", "done", "--since", "7d"],
    &["action", "list", "--who", "planted_1", "--state", "denied"],
];

/// A cursor in the middle, for the lists that are sorted by time.
const CURSORS: [(&[&str], &str); 9] = [
    (&["event", "list"], "evt_old_9"),
    (&["event", "list", "--booking", "B-7"], "evt_old_9"),
    (&["event", "list", "--type", "charge.*"], "evt_old_9"),
    (&["dead", "list", "--status", "resolved"], "9"),
    (&["dead", "groups"], "f9"),
    (&["finding", "list", "--all"], "9"),
    (&["sweep", "list", "--kind", "tail"], "9"),
    (&["sweep", "certificates"], "9"),
    (&["action", "list", "--who", "planted_1"], "act_9"),
];

fn faults(
    ledger: &Ledger,
    large: &std::collections::BTreeSet<String>,
    command: &[&str],
) -> Vec<String> {
    let recorder = Recorder::to(&ledger.url);
    let url = recorder.url(&ledger.url);
    let answer = run(command, &[("DATABASE_URL", &url)], b"");
    assert!([0, 3].contains(&answer.code), "{command:?}: {answer:?}");
    assert!(
        recorder.has_seen("ORDER BY"),
        "{command:?}: nothing was recorded"
    );
    let faults = plans::faults_of(&recorder, large);
    faults
        .into_iter()
        .map(|fault| format!("{command:?}: {fault}"))
        .collect()
}

#[test]
fn statements_of_every_list_walk_an_index_in_tables_of_ten_million_rows() {
    let ledger = Ledger::new();
    let large = plans::plant(&ledger.url);
    for table in [
        "bookings",
        "dead_letters",
        "findings",
        "sweeps",
        "operator_actions",
    ] {
        assert!(large.contains(table), "{large:?}");
    }
    let mut found: Vec<String> = COMMANDS
        .iter()
        .flat_map(|command| faults(&ledger, &large, command))
        .collect();
    let middle = ledger.text("SELECT to_char((now() - interval '1 day') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')");
    for (command, id) in CURSORS {
        let cursor = format!("{middle}/{id}");
        found.extend(faults(
            &ledger,
            &large,
            &[command, &["--after", &cursor]].concat(),
        ));
    }
    for command in [["booking", "list"], ["parked", "list"]] {
        found.extend(faults(
            &ledger,
            &large,
            &[&command[..], &["--after", "B-2"]].concat(),
        ));
    }
    assert!(found.is_empty(), "{}", found.join("\n\n"));
}
