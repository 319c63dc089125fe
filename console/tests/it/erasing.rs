//! `erase` and `retention`: payloads that go, and all that stays.

use serde_json::json;

use crate::fixture::{Event, SECRET};
use crate::operating::Desk;

const EMAIL: &str = "Jenny.Rosen@Example.com";

fn charge(id: &str, customer: Option<&str>, email: Option<&str>) -> Vec<u8> {
    json!({
        "id": format!("evt_{id}"), "object": "event", "type": "charge.succeeded", "created": 1_790_000_000,
        "livemode": false, "data": {"object": {"id": format!("ch_{id}"), "object": "charge",
            "amount": 500, "amount_captured": 500, "captured": true, "currency": "eur", "status": "succeeded",
            "customer": customer, "receipt_email": email, "payment_intent": format!("pi_{id}"),
            "metadata": {"booking_id": "bk_1"}}},
    })
    .to_string()
    .into_bytes()
}

fn intent(id: &str) -> Vec<u8> {
    json!({
        "id": format!("evt_pi_{id}"), "object": "event", "type": "payment_intent.succeeded",
        "created": 1_790_000_000, "livemode": false, "data": {"object": {"id": format!("pi_{id}"),
            "object": "payment_intent", "amount": 500, "currency": "eur", "status": "succeeded"}},
    })
    .to_string()
    .into_bytes()
}

fn told(desk: &mut Desk, id: &str, object: &str, payload: &[u8], disposition: &str) {
    desk.stand.ledger.event(&Event {
        id,
        object: Some(object),
        payload,
        disposition,
        ..Event::default()
    });
}

/// Two of Jenny's, one of them by her address alone; the intent tied to the first; a stranger's.
fn desk() -> Desk {
    let mut desk = Desk::new();
    told(
        &mut desk,
        "evt_a",
        "ch_a",
        &charge("a", Some("cus_J"), None),
        "applied",
    );
    told(
        &mut desk,
        "evt_b",
        "ch_b",
        &charge("b", None, Some("jenny.rosen@example.COM")),
        "no_change",
    );
    told(&mut desk, "evt_pi_a", "pi_a", &intent("a"), "applied");
    told(
        &mut desk,
        "evt_c",
        "ch_c",
        &charge("c", Some("cus_JJ"), Some("x-jenny.rosen@example.com")),
        "applied",
    );
    desk.stand.ledger.execute(
        "INSERT INTO object_links (account, from_id, to_id, source_id) VALUES ('', 'ch_a', 'pi_a', 'evt_a')",
    );
    desk
}

const JENNY: [&str; 5] = ["erase", "--customer", "cus_J", "--email", EMAIL];

fn subjects(answer: &crate::fixture::Answer) -> Vec<String> {
    let json = answer.json();
    let plan = json["plan"].as_array().unwrap().iter();
    let mut all: Vec<String> = plan
        .map(|row| {
            format!(
                "{} {}",
                row["subject"].as_str().unwrap(),
                row["fate"].as_str().unwrap()
            )
        })
        .collect();
    all.sort();
    all
}

#[test]
fn a_dry_run_names_every_payload_that_holds_the_persons_data_and_erases_none() {
    let desk = desk();
    let shown = desk.run(&[&JENNY[..], &["-o", "json"]].concat());
    assert_eq!(
        subjects(&shown),
        ["evt_a erased", "evt_b erased", "evt_pi_a erased"],
        "{shown:?}"
    );
    assert!(shown.err.contains("--expect 3"), "{shown:?}");
    let one = desk.run(&["erase", "--object", "ch_b", "-o", "json"]);
    assert_eq!(subjects(&one), ["evt_b erased"]);
    assert_eq!(
        desk.text("SELECT count(*) FROM events WHERE payload = ''"),
        "0"
    );
    assert_eq!(desk.actions(), "");
    desk.run(&["erase", "--customer", "cus_nobody"])
        .failed(3, "no payload holds");
    desk.run(&["erase"]).failed(2, "--customer");
    desk.run(&["erase", "--email", "jenny"]).failed(2, "e-mail");
}

#[test]
fn an_erasure_blanks_payloads_keeps_all_else_and_the_audit_trail_does_not_name_the_address() {
    let desk = desk();
    let before = desk.text(
        "SELECT md5(string_agg(concat_ws('|', id, payload_sha256, signature, verified_by, received_at, disposition, booking_id), ',' ORDER BY id)) FROM events",
    );
    let done = desk.execute(&[&JENNY[..], &["--expect", "3", "-o", "json"]].concat());
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(done.json()["erased"], 3);
    assert_eq!(
        desk.text("SELECT string_agg(id, ',' ORDER BY id) FROM events WHERE payload = ''"),
        "evt_a,evt_b,evt_pi_a"
    );
    let after = desk.text(
        "SELECT md5(string_agg(concat_ws('|', id, payload_sha256, signature, verified_by, received_at, disposition, booking_id), ',' ORDER BY id)) FROM events",
    );
    assert_eq!(before, after);
    let readings = "SELECT string_agg(event_id, ',' ORDER BY event_id) FROM event_readings WHERE reading::text !~* 'jenny'";
    assert_eq!(desk.text(readings), "evt_a,evt_b,evt_pi_a");
    let action = desk.action();
    assert_eq!(
        desk.text("SELECT DISTINCT payload_removed_by FROM events WHERE payload = ''"),
        action
    );
    assert_eq!(desk.actions(), "erase done");
    let items = "SELECT string_agg(subject || ' ' || state, ',' ORDER BY subject) FROM operator_action_items";
    assert_eq!(
        desk.text(items),
        "evt_a applied,evt_b applied,evt_pi_a applied"
    );
    let named = "SELECT count(*) FROM operator_actions WHERE concat_ws('', request, plan, result) ~* 'jenny'";
    assert_eq!(desk.text(named), "0");
    // A second time there is nothing left.
    desk.run(&JENNY).failed(3, "no payload holds");
}

#[test]
fn evidence_that_was_erased_says_so_and_is_not_replayed() {
    let desk = desk();
    assert_eq!(desk.execute(&JENNY).code, 0);
    let action = desk.action();
    for arguments in [["event", "payload", "evt_a"], ["event", "verify", "evt_a"]] {
        let variables = [
            ("DATABASE_URL", desk.stand.ledger.url.as_str()),
            ("STRIPE_WEBHOOK_SECRETS", SECRET),
        ];
        let answer = crate::fixture::run(&arguments, &variables, b"");
        answer.failed(6, "was erased");
        assert!(answer.err.contains(&action), "{answer:?}");
    }
    let shown = desk.run(&["event", "show", "evt_a"]);
    assert!(shown.text().contains(&format!("by {action}")), "{shown:?}");
    let whole = crate::fixture::run(
        &["event", "verify", "evt_c"],
        &[
            ("DATABASE_URL", desk.stand.ledger.url.as_str()),
            ("STRIPE_WEBHOOK_SECRETS", SECRET),
        ],
        b"",
    );
    assert_eq!(whole.code, 0, "{whole:?}");
}

#[test]
fn what_is_parked_or_not_decided_about_stays_and_the_end_is_5() {
    let mut desk = desk();
    told(
        &mut desk,
        "evt_p",
        "ch_p",
        &charge("p", Some("cus_J"), None),
        "parked",
    );
    told(
        &mut desk,
        "evt_open",
        "ch_o",
        &charge("o", Some("cus_J"), None),
        "dead",
    );
    told(
        &mut desk,
        "evt_over",
        "ch_v",
        &charge("v", Some("cus_J"), None),
        "dead",
    );
    desk.dead("evt_open", "bk_1", "aa", "open");
    desk.dead("evt_over", "bk_1", "aa", "ignored");
    let shown = desk.run(&[&JENNY[..], &["-o", "json"]].concat());
    assert_eq!(
        subjects(&shown),
        [
            "evt_a erased",
            "evt_b erased",
            "evt_open undecided",
            "evt_open undecided",
            "evt_over erased",
            "evt_over erased",
            "evt_p parked",
            "evt_pi_a erased",
        ]
    );
    desk.execute(&JENNY).failed(5, "3 of 8 payloads stay");
    assert_eq!(desk.actions(), "erase partly");
    let left = "SELECT string_agg(id, ',' ORDER BY id) FROM events WHERE payload <> ''";
    assert_eq!(desk.text(left), "evt_c,evt_open,evt_p");
    // An erased dead letter is never revived by a late copy.
    assert_eq!(
        desk.text("SELECT disposition FROM events WHERE id = 'evt_over'"),
        "ignored"
    );
    let letters = "SELECT string_agg(event_id || ' ' || octet_length(payload), ',' ORDER BY event_id) FROM dead_letters";
    assert_eq!(desk.text(letters), "evt_open 13,evt_over 0");
}

#[test]
fn who_may_only_look_erases_nothing_and_a_plan_that_changed_is_refused() {
    let desk = desk();
    let doing = [&JENNY[..], &["--execute", "--reason", "request 7"]].concat();
    desk.run_as("bookend_reader", &doing)
        .failed(4, "may not act");
    assert_eq!(desk.actions(), "");
    desk.execute(&[&JENNY[..], &["--expect", "2"]].concat())
        .failed(6, "3 instead of the 2");
    assert_eq!(
        desk.text("SELECT count(*) FROM events WHERE payload = ''"),
        "0"
    );
}

#[test]
fn without_kafka_a_person_is_erased_all_the_same() {
    let desk = desk();
    let doing = [
        &JENNY[..],
        &["--execute", "--reason", "request 7", "--timeout", "5s"],
    ]
    .concat();
    let done = desk.run_without_kafka(&doing);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(
        done.err
            .contains("nobody tells how long stripe.events keeps"),
        "{done:?}"
    );
    assert!(done.text().contains("until an unknown time"), "{done:?}");
}

#[test]
fn a_month_is_detached_once_all_its_payloads_are_gone_and_not_before() {
    let mut desk = Desk::new();
    desk.stand.ledger.execute(
        "CREATE TABLE events_2024_01 PARTITION OF events
         FOR VALUES FROM ('2024-01-01 00:00:00+00') TO ('2024-02-01 00:00:00+00')",
    );
    desk.stand.ledger.event(&Event {
        id: "evt_old",
        created: 1_705_000_000,
        object: Some("ch_a"),
        payload: &charge("a", Some("cus_J"), None),
        ..Event::default()
    });
    let detach = ["retention", "detach", "2024-01"];
    desk.run(&detach).failed(6, "evt_old");
    desk.execute(&detach).failed(6, "still has its payload");
    assert_eq!(desk.execute(&["erase", "--customer", "cus_J"]).code, 0);
    let shown = desk.run(&detach);
    assert_eq!(shown.code, 0, "{shown:?}");
    assert_eq!(desk.text("SELECT count(*) FROM events"), "1");
    let done = desk.execute(&[&detach[..], &["-o", "json"]].concat());
    assert_eq!(done.json()["ids"], 1, "{done:?}");
    assert_eq!(desk.text("SELECT count(*) FROM events"), "0");
    assert_eq!(desk.text("SELECT id FROM retired_ids"), "evt_old");
    desk.run(&detach).failed(3, "no partition");
    desk.run(&["retention", "detach", "2030-13"])
        .failed(2, "not a month");
}

#[test]
fn every_table_has_a_stated_life() {
    let desk = Desk::new();
    let tables = desk.text(
        "SELECT string_agg(c.relname, ' ' ORDER BY c.relname) FROM pg_class c
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
           AND c.relname !~ '^events_20' AND c.relname <> '__diesel_schema_migrations'",
    );
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/retention.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (lives, _rest) = page.split_once("## Topics").unwrap();
    let missing: Vec<&str> = tables
        .split(' ')
        .filter(|table| {
            !lives
                .lines()
                .any(|line| line.starts_with('|') && line.contains(&format!("`{table}`")))
        })
        .collect();
    assert!(
        missing.is_empty(),
        "docs/retention.md says nothing of {missing:?}"
    );
}

#[test]
fn the_jobs_are_shown_with_how_far_they_have_got() {
    let mut desk = Desk::new();
    desk.stand.ledger.execute(
        "UPDATE retention_jobs SET removed = 7, kept_from = '2026-01-01', ran_at = now() WHERE job = 'outbox'",
    );
    let json = desk.run(&["retention", "show", "-o", "json"]).json();
    let jobs = json["jobs"].as_array().unwrap();
    assert_eq!(jobs.len(), 7, "{json}");
    let outbox = jobs.iter().find(|job| job["job"] == "outbox").unwrap();
    assert_eq!(outbox["removed"], 7);
    let table = desk.run(&["retention", "show"]);
    assert!(table.text().contains("never"), "{table:?}");
}
