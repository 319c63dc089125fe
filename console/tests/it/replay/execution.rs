//! What `--execute` publishes, records, waits for and tells.

use super::{Stand, command_headers, play_results};
use shared::kafka::headers::{RecordHeaders, RecordKind, Source};

#[test]
fn what_is_replayed_has_the_same_bytes_key_and_evidence_and_says_that_it_is_a_replay() {
    let mut stand = Stand::new();
    let first = stand.log("evt_1", "charge.succeeded", "b-1");
    stand.all_applied();
    let answer = stand.execute(&["--to-earliest", "--no-wait", "-o", "json"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let action = answer.json()["action"].as_str().unwrap().to_owned();
    let again = &stand.replayed()[0];
    assert_eq!((&again.key, &again.value), (&first.key, &first.value));
    let wanted = RecordHeaders {
        source: Source::Replay,
        action_id: Some(action.clone()),
        ..first.headers.clone()
    };
    assert_eq!(again.headers, wanted);
    let before = &stand.logged()[usize::try_from(first.offset).unwrap()];
    assert!(again.timestamp_ms >= before.timestamp_ms);
    let mut names = before.header_names.clone();
    names.push("x-action-id".into());
    assert_eq!(again.header_names, names);
    assert_eq!(
        stand.text(
            "SELECT subject || ' ' || state || ' ' || source_partition || '/' || source_offset
                 || ' ' || partition || '/' || \"offset\" || ' ' || (published_at IS NOT NULL)
             FROM operator_action_items"
        ),
        format!(
            "evt_1 published {p}/{} {p}/{} true",
            first.offset,
            again.offset,
            p = first.partition
        )
    );
    assert_eq!(
        stand.text(
            "SELECT id || ' ' || state || ' ' || who || ' ' || reason || ' ' || (plan ->> 'matched')
             FROM operator_actions"
        ),
        format!("{action} done Ada ticket 7 1")
    );
}

#[test]
fn neither_commands_nor_what_is_not_applied_yet_is_replayed() {
    let mut stand = Stand::new();
    stand.append("b-1", b"{\"v\":1}".to_vec(), command_headers());
    let event = stand.log("evt_1", "charge.succeeded", "b-1");
    stand.applied_to(event.partition, event.offset);
    stand
        .execute(&["--to-earliest", "--no-wait"])
        .failed(3, "1 commands are left out");
    assert_eq!(stand.replayed().len(), 0);
}

#[test]
fn a_replay_is_done_when_the_processor_has_said_what_became_of_each() {
    let mut stand = Stand::new();
    for n in 0..3 {
        stand.log(&format!("evt_{n}"), "charge.succeeded", "b-1");
    }
    stand.all_applied();
    std::thread::scope(|scope| {
        let url = stand.ledger.url.clone();
        scope.spawn(move || play_results(&url, "no_change", 3));
        let answer = stand.execute(&["--to-earliest", "-o", "json"]);
        assert_eq!(answer.code, 0, "{answer:?}");
        assert_eq!(
            answer.json()["results"],
            serde_json::json!({"no_change": 3})
        );
    });
    assert_eq!(
        stand.text("SELECT state || ' ' || (result ->> 'no_change') FROM operator_actions"),
        "done 3"
    );
}

#[test]
fn what_is_dead_again_ends_with_5_and_the_counts_and_with_1_when_all_of_it_is() {
    let mut stand = Stand::new();
    stand.log("evt_1", "charge.succeeded", "b-1");
    stand.log("evt_2", "charge.succeeded", "b-2");
    stand.all_applied();
    std::thread::scope(|scope| {
        let url = stand.ledger.url.clone();
        scope.spawn(move || play_results(&url, "dead", 1));
        let answer = stand.execute(&["--to-earliest", "--event-id", "evt_1"]);
        answer.failed(1, "1 dead");
    });
    assert_eq!(stand.text("SELECT state FROM operator_actions"), "failed");
    let answer = stand.execute(&["--to-earliest", "--no-wait"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let action = stand.action();
    stand.ledger.execute(
        "UPDATE operator_action_items SET done_at = now(), state =
             CASE subject WHEN 'evt_1' THEN 'dead' ELSE 'applied' END
         WHERE state = 'published'",
    );
    stand
        .replay(&["--resume", &action])
        .failed(5, "1 applied, 1 dead");
}

#[test]
fn a_result_that_does_not_come_in_time_is_unknown_and_ends_with_124() {
    let mut stand = Stand::new();
    stand.log("evt_1", "charge.succeeded", "b-1");
    stand.all_applied();
    let answer = stand.execute(&["--to-earliest", "--timeout", "3s"]);
    answer.failed(124, "no result within 3s");
    assert_eq!(
        stand.text("SELECT state || ' ' || (result ->> 'published') FROM operator_actions"),
        "partly 1"
    );
    assert_eq!(stand.replayed().len(), 1);
}

#[test]
fn an_item_whose_bytes_are_nowhere_any_more_has_failed_and_the_others_are_published() {
    let mut stand = Stand::new();
    stand.log("evt_1", "charge.succeeded", "b-1");
    stand.log("evt_2", "charge.succeeded", "b-1");
    stand.all_applied();
    // Planned, and interrupted before anything was published.
    let answer = stand.execute(&["--to-earliest", "--no-wait"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let action = stand.action();
    stand.ledger.rewrite(
        "UPDATE operator_action_items SET state = 'planned', published_at = NULL;
         UPDATE operator_action_items SET source_offset = 1000000 WHERE subject = 'evt_1';
         UPDATE operator_actions SET state = 'interrupted'",
    );
    let answer = stand.replay(&["--resume", &action, "--no-wait"]);
    answer.failed(5, "1 failed");
    assert_eq!(
        stand.text("SELECT detail FROM operator_action_items WHERE state = 'failed'"),
        "its bytes are neither in the log nor in the ledger"
    );
}

#[test]
fn an_observation_is_replayed_with_what_makes_it_one() {
    let mut stand = Stand::new();
    let headers = RecordHeaders {
        ce_id: "obs_1".into(),
        record: RecordKind::Observation,
        source: Source::Refetch,
        observed_at: Some(1_790_000_001),
        account: Some("acct_1".into()),
        ..RecordHeaders::default()
    };
    let body = br#"{"id":"pi_1","object":"payment_intent","livemode":false}"#.to_vec();
    stand.append("acct_1/payment_intent:pi_1", body.clone(), headers);
    stand.all_applied();
    let answer = stand.execute(&["--to-earliest", "--event-id", "obs_1", "--no-wait"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let again = &stand.replayed()[0];
    assert_eq!(again.key, "acct_1/payment_intent:pi_1");
    assert_eq!(again.value, body);
    assert_eq!(
        (
            again.headers.record,
            again.headers.observed_at,
            again.headers.source
        ),
        (RecordKind::Observation, Some(1_790_000_001), Source::Replay)
    );
}

#[test]
fn no_more_is_published_a_second_than_the_rate_says() {
    let mut stand = Stand::new();
    for n in 0..30 {
        stand.log(&format!("evt_{n}"), "charge.succeeded", "b-1");
    }
    stand.all_applied();
    let begun = std::time::Instant::now();
    let answer = stand.execute(&["--to-earliest", "--no-wait", "--rate", "10"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    // The last chunk is not paused after by more than its own time.
    assert!(
        begun.elapsed().as_millis() >= 2_500,
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(stand.replayed().len(), 30);
}
