//! What a dry run finds, and that it changes nothing.

use super::{Stand, command_headers};
use shared::kafka::headers::RecordHeaders;

#[test]
fn a_dry_run_tells_what_it_would_do_and_changes_nothing() {
    let mut stand = Stand::new();
    let done = stand.log("evt_done", "charge.succeeded", "b-1");
    let dead = stand.log("evt_dead", "charge.refunded", "b-1");
    stand.log("evt_gone", "charge.refunded", "b-1");
    stand.log("evt_done", "charge.succeeded", "b-1");
    stand.append("b-1", b"{}".to_vec(), command_headers());
    stand.row(&done, "evt_done", "applied");
    stand.row(&dead, "evt_dead", "dead");
    stand.all_applied();
    stand.log("evt_next", "charge.succeeded", "b-1");
    let answer = stand.replay(&["--to-earliest", "-o", "json"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let json = answer.json();
    assert_eq!(
        (&json["matched"], &json["source"]),
        (&3.into(), &"log".into())
    );
    assert_eq!(
        json["by_disposition"],
        serde_json::json!({"applied": 1, "dead": 1, "absent": 1})
    );
    assert_eq!(
        json["by_type"],
        serde_json::json!({"charge.succeeded": 1, "charge.refunded": 2})
    );
    assert_eq!(json["sample"].as_array().map(Vec::len), Some(3));
    assert_eq!(json["partitions"][0]["count"], 3);
    assert_eq!(json["oldest"], "2026-09-21T14:13:20.123456Z", "{json}");
    let warnings = json["warnings"].to_string();
    for words in [
        "1 are applied already",
        "bookend refold",
        "1 records of the range are not applied yet",
        "1 further copies",
        "1 commands",
    ] {
        assert!(warnings.contains(words), "{words}: {warnings}");
    }
    assert!(answer.err.contains("--execute") && answer.err.contains("--expect 3"));
    assert_eq!(stand.text("SELECT count(*) FROM operator_actions"), "0");
    assert_eq!(stand.replayed().len(), 0);
}

#[test]
fn times_are_printed_in_utc_with_their_zone() {
    let mut stand = Stand::new();
    stand.log("evt_1", "charge.succeeded", "b-1");
    stand.all_applied();
    let answer = stand.replay(&["--to-earliest"]);
    assert!(
        answer.text().contains("2026-09-21T14:13:20.123Z"),
        "{answer:?}"
    );
}

#[test]
fn reading_begins_and_ends_where_it_is_told_to() {
    let mut stand = Stand::new();
    let first = stand.log("evt_0", "charge.succeeded", "b-1");
    for n in 1..6 {
        stand.log(&format!("evt_{n}"), "charge.succeeded", "b-1");
    }
    stand.all_applied();
    let file = tempfile::NamedTempFile::new().unwrap();
    let line = format!("\"{}\",{},4\n", stand.topics.events, first.partition);
    std::fs::write(file.path(), line).unwrap();
    let path = file.path().to_str().unwrap();
    let here = format!("{}:{}", stand.topics.events, first.partition);
    let elsewhere = format!("{}:{}", stand.topics.events, (first.partition + 1) % 12);
    let times: Vec<i64> = stand.logged().iter().map(|it| it.timestamp_ms).collect();
    let after_all = format!(
        "{}",
        chrono::DateTime::from_timestamp_millis(times[5] + 1)
            .unwrap()
            .format("%Y-%m-%dT%H:%M:%S%.3f")
    );
    for (arguments, matched) in [
        (vec!["--to-earliest"], 6),
        (vec!["--to-offset", "4"], 2),
        (vec!["--shift-by", "-1"], 1),
        (vec!["--from-file", path], 2),
        (vec!["--by-duration", "PT1H"], 6),
        (vec!["--to-datetime", "2020-01-01T00:00:00"], 6),
        (vec!["--to-earliest", "--until", &after_all], 6),
        (vec!["--to-earliest", "--topic", &here], 6),
    ] {
        let arguments = [arguments.as_slice(), &["-o", "json"]].concat();
        let answer = stand.replay(&arguments);
        assert_eq!(answer.code, 0, "{arguments:?}: {answer:?}");
        assert_eq!(answer.json()["matched"], matched, "{arguments:?}");
    }
    for arguments in [
        vec!["--to-datetime", after_all.as_str()],
        vec!["--to-earliest", "--until", "2020-01-01T00:00:00Z"],
        vec!["--to-earliest", "--topic", &elsewhere],
        vec!["--to-offset", "6"],
    ] {
        stand.replay(&arguments).failed(3, "nothing matched");
    }
}

#[test]
fn an_offset_out_of_range_is_clamped_and_that_is_said() {
    let mut stand = Stand::new();
    stand.log("evt_1", "charge.succeeded", "b-1");
    stand.all_applied();
    stand
        .replay(&["--to-offset", "99"])
        .failed(3, "the log ends at 1, before the asked 99");
    let back = stand.replay(&["--shift-by", "-99"]);
    assert_eq!(back.code, 0, "{back:?}");
}

#[test]
fn all_filters_must_hold() {
    let mut stand = Stand::new();
    let connect = br#"{"id":"evt_3","object":"event","type":"charge.refunded","created":1,
        "account":"acct_1","data":{"object":{"id":"ch_3","object":"charge"}}}"#;
    let one = stand.log("evt_1", "charge.succeeded", "b-1");
    stand.log("evt_2", "charge.dispute.created", "b-2");
    stand.append(
        "acct_1/charge:ch_3",
        connect.to_vec(),
        RecordHeaders::default(),
    );
    stand.row(&one, "evt_1", "applied");
    // The ledger knows better than the bytes where it belongs.
    stand
        .ledger
        .rewrite("UPDATE events SET booking_id = 'b-9' WHERE id = 'evt_1'");
    stand.all_applied();
    for (filters, wanted) in [
        (vec!["--only-type", "charge.dispute.*"], "evt_2"),
        (
            vec!["--only-type", "charge.*", "--only-account", "acct_1"],
            "evt_3",
        ),
        (
            vec!["--only-account", "own", "--disposition", "absent"],
            "evt_2",
        ),
        (vec!["--only-booking", "b-9"], "evt_1"),
        (vec!["--only-booking", "b-2"], "evt_2"),
        (vec!["--event-id", "evt_1", "--event-id", "evt_7"], "evt_1"),
    ] {
        let arguments = [&["--to-earliest", "-o", "json"], filters.as_slice()].concat();
        let answer = stand.replay(&arguments);
        assert_eq!(answer.code, 0, "{filters:?}: {answer:?}");
        let json = answer.json();
        assert_eq!(json["matched"], 1, "{filters:?}");
        assert_eq!(json["sample"][0]["subject"], wanted, "{filters:?}");
    }
    for filters in [
        vec!["--only-booking", "b-1"],
        vec![
            "--only-type",
            "charge.dispute.*",
            "--disposition",
            "applied",
        ],
        vec!["--only-account", "acct_2"],
    ] {
        let arguments = [&["--to-earliest"], filters.as_slice()].concat();
        stand
            .replay(&arguments)
            .failed(3, "no event fits all filters");
    }
}

#[test]
fn the_exported_plan_is_a_start_for_the_next() {
    let mut stand = Stand::new();
    let first = stand.log("evt_1", "charge.succeeded", "b-1");
    stand.log("evt_2", "charge.refunded", "b-1");
    stand.all_applied();
    let export = stand.replay(&["--to-offset", "1", "--export"]);
    assert_eq!(export.code, 0, "{export:?}");
    let line = format!("{},{},1\n", stand.topics.events, first.partition);
    assert_eq!(export.text(), line);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &export.out).unwrap();
    let path = file.path().to_str().unwrap();
    let json = stand.replay(&["--from-file", path, "-o", "json"]).json();
    assert_eq!(json["matched"], 1, "{json}");
    assert_eq!(json["sample"][0]["subject"], "evt_2");
}
