//! `dead list | groups | show`.

use super::Desk;

fn ids(desk: &Desk, arguments: &[&str]) -> Vec<String> {
    let mut all = vec!["dead", "list", "-o", "json"];
    all.extend(arguments);
    let json = desk.run(&all).json();
    let rows = json["dead_letters"].as_array().unwrap();
    let id = |row: &serde_json::Value| row["event_id"].as_str().unwrap().to_owned();
    let mut ids: Vec<String> = rows.iter().map(id).collect();
    ids.sort();
    ids
}

#[test]
fn dead_letters_are_listed_by_group_status_class_type_and_booking() {
    let mut desk = Desk::new();
    desk.dead("evt_a", "bk_1", "aa", "open");
    desk.dead("evt_b", "bk_2", "aa", "resolved");
    desk.dead("evt_c", "bk_2", "bb", "open");
    desk.stand.ledger.execute(
        "UPDATE dead_letters SET error_class = 'business', event_type = 'charge.refunded',
             last_failed_at = now() - interval '3 hours', booking_id = 'bk_held'
         WHERE event_id = 'evt_c'",
    );
    assert_eq!(ids(&desk, &[]), ["evt_a", "evt_b", "evt_c"]);
    assert_eq!(ids(&desk, &["--group", "aa"]), ["evt_a", "evt_b"]);
    assert_eq!(ids(&desk, &["--status", "open"]), ["evt_a", "evt_c"]);
    assert_eq!(ids(&desk, &["--class", "business"]), ["evt_c"]);
    assert_eq!(ids(&desk, &["--type", "charge.refunded"]), ["evt_c"]);
    assert_eq!(ids(&desk, &["--type", "charge.*"]).len(), 3);
    assert_eq!(ids(&desk, &["--booking", "bk_2"]), ["evt_b", "evt_c"]);
    assert_eq!(ids(&desk, &["--booking", "bk_held"]), ["evt_c"]);
    assert_eq!(ids(&desk, &["--since", "2h"]), ["evt_a", "evt_b"]);
    assert_eq!(ids(&desk, &["--limit", "1"]).len(), 1);

    let groups = desk.run(&["dead", "groups", "-o", "json"]).json();
    let group = groups["groups"]
        .as_array()
        .unwrap()
        .iter()
        .find(|group| group["fingerprint"] == "aa")
        .unwrap();
    assert_eq!(group["unsettled"], 1, "{groups}");
    let table = desk.run(&["dead", "groups"]);
    assert!(table.text().contains("not JSON at N"), "{table:?}");
}

#[test]
fn a_dead_letter_is_shown_with_its_record_and_its_bytes_come_back_exactly() {
    let mut desk = Desk::new();
    desk.dead("evt_a", "bk_1", "aa", "open");
    desk.stand.ledger.execute(
        r"UPDATE dead_letters SET payload = '\x7b00ff0d0a', payload_sha256 = sha256('\x7b00ff0d0a')",
    );
    let number = desk.text("SELECT id FROM dead_letters");
    let json = desk.run(&["dead", "show", &number, "-o", "json"]).json();
    let letter = &json["dead_letter"];
    assert_eq!(letter["event_id"], "evt_a");
    assert_eq!(letter["payload_length"], 5);
    assert_eq!(letter["key"], "bk_1");
    assert_eq!(letter["partition"], 3);
    assert_eq!(letter["offset"], 7);
    assert_eq!(letter["attempts"], 2);
    assert_eq!(letter["error_kind"], "not_json");
    assert_eq!(json["headers"][0]["name"], "ce_id");
    assert_eq!(json["headers"][0]["value"], "evt_a");
    assert!(json["headers"][2]["value"].is_null(), "not text: {json}");

    let hash = format!("sha256:{}", letter["payload_sha256"].as_str().unwrap());
    for name in [number.as_str(), "evt_a", &hash] {
        let table = desk.run(&["dead", "show", name]);
        assert!(table.text().contains("stripe.events/3/7"), "{table:?}");
        let bytes = desk.run(&["dead", "show", name, "--payload"]);
        assert_eq!(bytes.out, b"\x7b\x00\xff\x0d\x0a", "{bytes:?}");
    }
}

#[test]
fn an_unknown_dead_letter_or_group_ends_with_3_and_a_senseless_one_with_2() {
    let desk = Desk::new();
    let none = format!("sha256:{}", "0".repeat(64));
    for id in ["7", "evt_none", &none] {
        desk.run(&["dead", "show", id])
            .failed(3, "nothing matched: no dead letter");
    }
    desk.run(&["dead", "list"]).failed(3, "nothing matched");
    desk.run(&["dead", "groups"]).failed(3, "nothing matched");
    desk.run(&["dead", "show", "sha256:12"])
        .failed(2, "64 hex digits");
    for verb in ["acknowledge", "ignore", "resolve", "replay"] {
        desk.run(&["dead", verb, "--group", "none"])
            .failed(3, "no group none");
        desk.run(&["dead", verb]).failed(2, "required");
        desk.run(&["dead", verb, "7", "--group", "aa"])
            .failed(2, "cannot be used with");
    }
    desk.execute(&["dead", "ignore", "evt_none"])
        .failed(3, "no dead letter evt_none");
    assert_eq!(desk.actions(), "", "nothing matched: no denial");
}
