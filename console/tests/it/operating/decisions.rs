//! `dead acknowledge | ignore | resolve | replay`.

use shared::kafka::headers::{RecordKind, Source};

use super::{Desk, value};

#[test]
fn a_dry_run_shows_the_plan_and_leaves_no_trace() {
    let mut desk = Desk::new();
    desk.dead("evt_a", "bk_1", "aa", "open");
    desk.parked("bk_1", "evt_p", 1, Some("constraint"));
    for command in [
        ["dead", "acknowledge", "--group", "aa"],
        ["dead", "replay", "--group", "aa"],
        ["dead", "replay", "evt_a", "--yes"],
        ["parked", "release", "--all", "--yes"],
        ["parked", "skip", "bk_1", "--yes"],
        ["consumer", "pause", "--wait", "--yes"],
    ] {
        let answer = desk.run(&command);
        assert_eq!(answer.code, 0, "{answer:?}");
        assert!(
            answer.err.contains("a dry run, nothing was done"),
            "{answer:?}"
        );
        assert!(!answer.out.is_empty(), "{answer:?}");
        let json = desk.run(&[&command[..], &["-o", "json"]].concat()).json();
        assert_eq!(
            (&json["version"], &json["dry_run"]),
            (&1.into(), &true.into())
        );
    }
    assert_eq!(desk.actions(), "");
    assert!(desk.published().is_empty());
    assert_eq!(desk.text("SELECT count(*) FROM consumer_control"), "0");
}

#[test]
fn a_decision_about_a_group_travels_under_the_groups_key_and_ends_when_it_is_carried_out() {
    let mut desk = Desk::new();
    desk.dead("evt_a", "bk_1", "aa", "open");
    let answer = desk.executed(
        &["dead", "ignore", "--group", "aa", "-o", "json"],
        "applied",
        1,
    );
    assert_eq!(answer.code, 0, "{answer:?}");
    let action = desk.action();
    let json = answer.json();
    assert_eq!(json["action"], action.as_str());
    assert_eq!(json["state"], "done");
    assert_eq!(json["results"]["applied"], 1);

    let published = desk.published();
    assert_eq!(published.len(), 1);
    let record = &published[0];
    assert_eq!(record.key, "dead:aa");
    assert_eq!(record.headers.record, RecordKind::Command);
    assert_eq!(record.headers.source, Source::Operator);
    assert_eq!(record.headers.ce_id, action);
    assert_eq!(record.headers.ce_type, "com.bookend.command.resolve");
    assert_eq!(record.headers.action_id.as_deref(), Some(&*action));
    assert_eq!(
        value(record),
        serde_json::json!({"v": 1, "action_id": action, "command": "resolve",
            "fingerprint": "aa", "status": "ignored"})
    );
    assert_eq!(
        desk.text(
            "SELECT concat_ws(' ', who, reason, verb, state, result->>'applied',
                 finished_at IS NOT NULL) FROM operator_actions"
        ),
        "Ada ticket 7 dead ignore done 1 t"
    );
    assert_eq!(
        desk.text(
            "SELECT concat_ws(' ', subject, topic, partition, \"offset\")
             FROM operator_action_items"
        ),
        format!(
            "aa {} {} {}",
            desk.stand.topics.events, record.partition, record.offset
        )
    );
}

#[test]
fn a_decision_about_one_letter_travels_under_its_own_key() {
    let mut desk = Desk::new();
    desk.dead("evt_a", "bk_1", "aa", "open");
    let answer = desk.executed(&["dead", "resolve", "evt_a"], "no_change", 1);
    assert_eq!(answer.code, 0, "{answer:?}");
    let published = desk.published();
    assert_eq!(published[0].key, "bk_1");
    let number = desk.text("SELECT id FROM dead_letters");
    assert_eq!(value(&published[0])["dead_letter"].to_string(), number);
    assert_eq!(
        desk.text("SELECT subject FROM operator_action_items"),
        format!("dead_letter:{number}")
    );
}

#[test]
fn a_replayed_letter_has_its_bytes_key_and_headers_and_names_the_action() {
    let mut desk = Desk::new();
    desk.dead("evt_a", "bk_1", "aa", "ignored");
    let answer = desk.executed(&["dead", "replay", "evt_a"], "applied", 1);
    assert_eq!(answer.code, 0, "{answer:?}");
    let published = desk.published();
    let record = &published[0];
    assert_eq!(
        (record.key.as_str(), &*record.value),
        ("bk_1", &b"dead-evt_a"[..])
    );
    assert_eq!(record.headers.ce_id, "evt_a");
    assert_eq!(record.headers.stripe_signature.as_deref(), Some("t=1"));
    assert_eq!(record.headers.source, Source::Replay);
    assert_eq!(record.headers.action_id.as_deref(), Some(&*desk.action()));
    assert_eq!(
        record.header_names,
        [
            "ce_id",
            "stripe-signature",
            "odd",
            "x-source",
            "x-action-id"
        ]
    );
    assert_eq!(
        desk.text("SELECT subject FROM operator_action_items"),
        "evt_a"
    );
}

#[test]
fn a_letter_without_an_event_goes_by_its_hash() {
    let mut desk = Desk::new();
    desk.dead("evt_a", "bk_1", "aa", "open");
    desk.stand
        .ledger
        .execute("UPDATE dead_letters SET event_id = NULL");
    let hash = desk.text("SELECT 'sha256:' || encode(payload_sha256, 'hex') FROM dead_letters");
    let answer = desk.executed(&["dead", "replay", &hash], "applied", 1);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(desk.text("SELECT subject FROM operator_action_items"), hash);
}

#[test]
fn a_group_is_replayed_without_what_was_settled_and_each_letter_once() {
    let mut desk = Desk::new();
    desk.dead("evt_a", "bk_1", "aa", "open");
    desk.dead("evt_b", "bk_2", "aa", "acknowledged");
    desk.dead("evt_c", "bk_3", "aa", "resolved");
    desk.dead("evt_d", "bk_4", "bb", "open");
    let answer = desk.executed(&["dead", "replay", "--group", "aa"], "applied", 2);
    assert_eq!(answer.code, 0, "{answer:?}");
    let mut keys: Vec<String> = desk.published().into_iter().map(|r| r.key).collect();
    keys.sort();
    assert_eq!(keys, ["bk_1", "bk_2"]);
    desk.stand
        .ledger
        .execute("UPDATE dead_letters SET status = 'replayed' WHERE fingerprint = 'aa'");
    desk.execute(&["dead", "replay", "--group", "aa"])
        .failed(3, "no open or acknowledged dead letter");
    let number = desk.text("SELECT id FROM dead_letters WHERE event_id = 'evt_d'");
    let plan = desk.run(&["dead", "replay", "evt_d", &number, "-o", "json"]);
    assert_eq!(plan.json()["matched"], 1, "one letter by two names");
}

#[test]
fn what_is_dead_again_ends_with_5_and_with_1_when_all_of_it_is() {
    let mut desk = Desk::new();
    desk.dead("evt_a", "bk_1", "aa", "open");
    desk.dead("evt_b", "bk_2", "aa", "open");
    let answer = desk.executed(&["dead", "replay", "evt_a"], "dead", 1);
    answer.failed(1, "failed: 1 dead");
    assert_eq!(desk.actions(), "dead replay failed");
    // One is recognized at once, as if the processor had been faster than the note of publishing.
    desk.stand.ledger.execute(
        "CREATE FUNCTION fast() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF NEW.subject = 'evt_a' THEN NEW.state := 'applied'; NEW.done_at := now(); END IF;
             RETURN NEW; END $$;
         CREATE TRIGGER fast BEFORE INSERT ON operator_action_items
             FOR EACH ROW EXECUTE FUNCTION fast()",
    );
    let answer = desk.executed(&["dead", "replay", "--group", "aa"], "dead", 2);
    answer.failed(
        5,
        "done in part: 1 applied, 1 dead; see bookend action show act_",
    );
    assert_eq!(desk.actions(), "dead replay failed, dead replay partly");
    assert_eq!(
        desk.text(
            "SELECT state || (published_at IS NOT NULL)::text FROM operator_action_items
             WHERE action_id = (SELECT max(id) FROM operator_actions) AND subject = 'evt_a'"
        ),
        "appliedtrue",
        "a result is not taken back by the note"
    );
}
