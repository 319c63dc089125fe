//! What is refused before or instead of an answer, and with which exit code.

use std::net::TcpListener;

use crate::fixture::{Event, Ledger, run};

#[test]
fn bad_arguments_end_with_2_and_touch_no_database() {
    let away = [("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing")];
    run(&[], &away, b"").failed(2, "Usage");
    run(&["event"], &away, b"").failed(2, "Usage");
    run(&["event", "show"], &away, b"").failed(2, "required");
    run(&["event", "delete", "evt_1"], &away, b"").failed(2, "unrecognized");
    run(&["event", "list", "--limit", "0"], &away, b"").failed(2, "invalid value");
    run(&["event", "list", "--since", "yesterday"], &away, b"").failed(2, "invalid value");
    run(&["event", "list", "--disposition", "lost"], &away, b"").failed(2, "invalid value");
    run(&["event", "show", "evt_1", "--timeout", "0s"], &away, b"").failed(2, "invalid value");
}

#[test]
fn help_and_version_are_data() {
    for arguments in [["--help"], ["--version"]] {
        let answer = run(&arguments, &[], b"");
        assert_eq!((answer.code, answer.err.as_str()), (0, ""));
        assert!(answer.text().contains("bookend") || answer.text().contains("Bookend"));
    }
    let help = run(&["event", "verify", "--help"], &[], b"");
    assert!(help.text().contains("Example"), "{}", help.text());
}

#[test]
fn a_missing_or_doubled_database_url_ends_with_78() {
    run(&["event", "list"], &[], b"").failed(78, "DATABASE_URL");
    let both = [
        ("DATABASE_URL", "postgres://x/y"),
        ("DATABASE_URL_FILE", "/dev/null"),
    ];
    run(&["event", "list"], &both, b"").failed(78, "both set");
    let gone = [("DATABASE_URL_FILE", "/nonexistent/url")];
    run(&["event", "list"], &gone, b"").failed(78, "DATABASE_URL_FILE names: No such file");
}

#[test]
fn a_database_that_is_away_is_said_to_be_away() {
    // Bound and released: nobody listens there now.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("postgres://operator:hunter2@127.0.0.1:{port}/bookend");
    let answer = run(&["booking", "show", "bk_1"], &[("DATABASE_URL", &url)], b"");
    answer.failed(1, "the database is away");
    assert!(answer.err.contains("refused"), "{answer:?}");
    assert!(!answer.err.contains("hunter2"), "{answer:?}");
}

#[test]
fn a_database_that_never_answers_ends_with_124() {
    // Accepts by the kernel's backlog and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = format!("postgres://operator@127.0.0.1:{port}/bookend?sslmode=disable");
    let answer = run(
        &["event", "list", "--timeout", "2s"],
        &[("DATABASE_URL", &url)],
        b"",
    );
    answer.failed(124, "no answer within 2s");
}

#[test]
fn a_locked_table_ends_with_124() {
    let mut ledger = Ledger::new();
    ledger.execute("BEGIN; LOCK TABLE events IN ACCESS EXCLUSIVE MODE");
    ledger
        .bookend(&["event", "list", "--timeout", "500ms"])
        .failed(124, "no answer within 500ms");
    ledger.execute("ROLLBACK");
}

#[test]
fn an_older_schema_ends_with_6() {
    let mut ledger = Ledger::new();
    ledger.execute("DELETE FROM __diesel_schema_migrations WHERE version = (SELECT max(version) FROM __diesel_schema_migrations)");
    ledger
        .bookend(&["event", "list"])
        .failed(6, "processor migrate");
    ledger.execute("DROP TABLE __diesel_schema_migrations");
    ledger
        .bookend(&["event", "list"])
        .failed(6, "processor migrate");
}

#[test]
fn the_operators_role_is_enough() {
    let mut ledger = Ledger::new();
    ledger.event(&Event::default());
    ledger.execute("SELECT register_booking('bk_1', 100, 'eur')");
    // As the server sees it: the session runs with the rights of bookend_console only.
    let url = format!(
        "{}{}options=-crole%3Dbookend_console",
        ledger.url,
        if ledger.url.contains('?') { '&' } else { '?' }
    );
    for arguments in [
        ["event", "show", "evt_1"],
        ["event", "payload", "evt_1"],
        ["booking", "show", "bk_1"],
    ] {
        let answer = run(&arguments, &[("DATABASE_URL", &url)], b"");
        assert_eq!(answer.code, 0, "{answer:?}");
    }
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let mut ledger = Ledger::new();
    let body = vec![b'x'; 1 << 20];
    ledger.event(&Event {
        payload: &body,
        ..Event::default()
    });
    let status = std::process::Command::new("bash")
        .args([
            "-c",
            "set -o pipefail; \"$0\" event payload evt_1 | head -c 1 >/dev/null",
        ])
        .arg(env!("CARGO_BIN_EXE_bookend"))
        .env("DATABASE_URL", &ledger.url)
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}
