//! `event list`, `event show`, `event payload`.

use crate::fixture::{Event, Ledger};

#[test]
fn an_event_is_shown_with_its_record_and_its_effect() {
    let mut ledger = Ledger::new();
    ledger.event(&Event::default());
    ledger.execute(
        r#"INSERT INTO booking_transitions
               (booking_id, version, cause_kind, cause_id, from_status, to_status, before, after,
                fold_version)
           VALUES ('bk_1', 2, 'event', 'evt_1', 'pending', 'confirmed',
                   '{"amount_paid":0}', '{"amount_paid":5000}', 1)"#,
    );
    let answer = ledger.bookend(&["event", "show", "evt_1"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    for words in [
        "pending → confirmed, amount_paid 0 → 5000",
        "stripe.events/3/7",
        "2026-09-21T14:13:20Z",
        "applied",
        "0af7651916cd43dd8448eb211c80319c",
    ] {
        assert!(
            answer.text().contains(words),
            "{words:?} is not in\n{}",
            answer.text()
        );
    }
    assert_eq!(answer.err, "");

    let json = ledger
        .bookend(&["event", "show", "evt_1", "-o", "json"])
        .json();
    assert_eq!(json["version"], 1);
    assert_eq!(json["event"]["disposition"], "applied");
    assert_eq!(json["event"]["created"], "2026-09-21T14:13:20Z");
    assert_eq!(json["event"]["offset"], 7);
    assert_eq!(json["transitions"][0]["after"]["amount_paid"], 5000);
}

#[test]
fn an_unknown_event_ends_with_3() {
    let ledger = Ledger::new();
    for verb in ["show", "payload"] {
        ledger
            .bookend(&["event", verb, "evt_unknown"])
            .failed(3, "no event evt_unknown");
    }
    ledger
        .bookend(&["event", "list"])
        .failed(3, "nothing matched");
}

#[test]
fn the_payload_comes_back_byte_for_byte() {
    let mut ledger = Ledger::new();
    let odd = b"{\"id\" :\t\"evt_1\",\"n\":\"\\u0000\\ud800\",\"x\":1.0}\r\n\0\xff\xfe";
    ledger.event(&Event {
        payload: odd,
        ..Event::default()
    });
    let answer = ledger.bookend(&["event", "payload", "evt_1"]);
    assert_eq!((answer.code, answer.out.as_slice()), (0, odd.as_slice()));
}

#[test]
fn the_list_filters_and_sorts() {
    let mut ledger = Ledger::new();
    let rows = [
        (
            "evt_a",
            1_790_000_001,
            "charge.succeeded",
            "bk_1",
            "applied",
        ),
        ("evt_b", 1_790_000_003, "charge.refunded", "bk_1", "dead"),
        (
            "evt_c",
            1_790_000_002,
            "chargeXsucceeded",
            "bk_2",
            "applied",
        ),
    ];
    for (id, created, r#type, booking, disposition) in rows {
        let booking = Some(booking);
        ledger.event(&Event {
            id,
            created,
            r#type,
            booking,
            disposition,
            ..Event::default()
        });
    }
    let ids = |arguments: &[&str]| -> Vec<String> {
        let mut all = vec!["event", "list", "-o", "json"];
        all.extend(arguments);
        let answer = ledger.bookend(&all);
        let json = answer.json();
        let rows = json["events"].as_array().unwrap();
        rows.iter()
            .map(|row| row["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(&[]), ["evt_b", "evt_c", "evt_a"]);
    assert_eq!(ids(&["--type", "charge.*"]), ["evt_b", "evt_a"]);
    assert_eq!(ids(&["--type", "charge.succeeded"]), ["evt_a"]);
    assert_eq!(ids(&["--booking", "bk_2"]), ["evt_c"]);
    assert_eq!(ids(&["--disposition", "dead"]), ["evt_b"]);
    assert_eq!(
        ids(&[
            "--since",
            "2026-09-21T14:13:22Z",
            "--until",
            "2026-09-21T14:13:23Z"
        ]),
        ["evt_c"]
    );
    assert_eq!(ids(&["--limit", "1"]), ["evt_b"]);
}

#[test]
fn a_filter_is_a_value_and_never_a_statement() {
    let mut ledger = Ledger::new();
    ledger.event(&Event::default());
    let injection = "x' OR 1=1; DROP TABLE events; --";
    ledger
        .bookend(&["event", "list", "--type", injection])
        .failed(3, "nothing matched");
    ledger
        .bookend(&["event", "list", "--booking", injection])
        .failed(3, "nothing matched");
    ledger
        .bookend(&["event", "show", injection])
        .failed(2, "invalid value");
    assert_eq!(
        ledger.bookend(&["event", "show", "evt_1"]).code,
        0,
        "the table is still there"
    );
}

#[test]
fn nothing_that_a_terminal_obeys_is_printed() {
    let mut ledger = Ledger::new();
    let hostile = "\u{1b}[2J\u{9b}31m\u{202e}\r\n{\"level\":\"ERROR\"}";
    ledger.event(&Event {
        r#type: hostile,
        ..Event::default()
    });
    for form in ["table", "json"] {
        for command in [["event", "show", "evt_1"], ["event", "list", "--limit=9"]] {
            let answer = ledger.bookend(&[command[0], command[1], command[2], "--output", form]);
            assert_eq!(answer.code, 0, "{answer:?}");
            let obeyed = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
            assert!(!answer.text().contains(obeyed), "{:?}", answer.text());
            assert_eq!(answer.text().matches("\n{\"level").count(), 0);
        }
    }
    let json = ledger
        .bookend(&["event", "show", "evt_1", "-o", "json"])
        .json();
    assert_eq!(json["event"]["type"], hostile, "JSON keeps the value");
}
