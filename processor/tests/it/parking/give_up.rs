//! A named rule that goes on refusing: a dead letter, and a booking that waits for a person.

use shared::commands::{Command, Decision, Wish};
use shared::kafka::headers::{RecordHeaders, RecordKind, Source};

use super::{block, charge, hold, queue, start, step, unblock};
use crate::harness::Harness;
use crate::topic::read_all;

/// Sends a command as the operators' command line does.
pub(crate) fn command(harness: &Harness, key: &str, action: &str, wish: Wish) {
    let headers = RecordHeaders {
        ce_id: action.to_owned(),
        record: RecordKind::Command,
        source: Source::Operator,
        ..RecordHeaders::default()
    };
    let value = Command::new(action, wish).to_value().unwrap();
    harness
        .producer
        .append_raw_blocking(&harness.topics.events, key, &value, headers.to_kafka())
        .unwrap();
}

fn eventually_result(harness: &Harness, action: &str, wanted: &str) {
    let sql = format!(
        "SELECT count(*) FROM operator_action_items WHERE action_id = '{action}' AND state = '{wanted}'"
    );
    harness.eventually_number(1, &sql);
}

fn given_up(harness: &Harness) {
    harness.publish(&step("b-13", 0, "requires_payment_method"));
    harness.publish(&step("b-13", 10, "succeeded"));
    harness.eventually_number(1, "SELECT count(*) FROM parked_events");
    harness.publish(&charge("b-13", 20, 500));
    harness.eventually_number(
        1,
        "SELECT count(*) FROM parked_events WHERE gave_up_at IS NOT NULL",
    );
    harness.eventually_number(2, "SELECT count(*) FROM parked_events");
}

#[test]
fn after_the_configured_attempts_it_is_a_dead_letter_with_its_reason_and_the_booking_stays_held() {
    let harness = Harness::new();
    block(&harness, "b-13");
    let _processor = start(&harness, 3);
    given_up(&harness);
    let letter = harness.text(
        "SELECT concat_ws(' ', event_id, stage, error_class, error_kind, attempts, event_type, booking_id, \
           status, key, headers::text LIKE '%stripe-signature%', record_timestamp IS NOT NULL, \
           first_failed_at < last_failed_at, processor_version) FROM dead_letters",
    );
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        letter.as_deref(),
        Some(
            format!("evt_b13_10 apply business constraint 3 payment_intent.succeeded b-13 open b-13 t t t {version}")
                .as_str()
        )
    );
    assert_eq!(
        harness
            .text("SELECT disposition FROM events WHERE id = 'evt_b13_10'")
            .as_deref(),
        Some("dead")
    );
    assert_eq!(hold(&harness, "b-13").as_deref(), Some("parked"));
    let letters = read_all(&harness.topics.brokers, &harness.topics.dead);
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!(letter.value, step("b-13", 10, "succeeded"));
    assert_eq!(letter.header("x-attempts"), "3");
    assert_eq!(letter.header("kafka_dlt-exception-fqcn"), "constraint");
    assert_eq!(letter.header("stripe-signature"), "t=1,v1=00");
    // Nothing but a person moves it.
    unblock(&harness);
    harness.publish(&charge("b-13", 30, 500));
    harness.eventually_number(3, "SELECT count(*) FROM parked_events");
    assert_eq!(hold(&harness, "b-13").as_deref(), Some("parked"));
}

#[test]
fn released_after_the_fix_it_is_applied_with_what_waited_behind_it() {
    let harness = Harness::new();
    block(&harness, "b-13");
    let _processor = start(&harness, 2);
    given_up(&harness);
    unblock(&harness);
    let wish = || Wish::Release {
        booking_id: "b-13".into(),
    };
    command(&harness, "b-13", "act_1", wish());
    harness.eventually_status("b-13", "refunded");
    eventually_result(&harness, "act_1", "applied");
    assert_eq!(hold(&harness, "b-13"), None);
    assert_eq!(
        harness.text("SELECT status FROM dead_letters").as_deref(),
        Some("replayed")
    );
    assert_eq!(
        harness.number("SELECT count(*) FROM events WHERE disposition = 'dead'"),
        0
    );
    // The same command again, and one where nothing waits.
    command(&harness, "b-13", "act_1", wish());
    command(&harness, "b-13", "act_2", wish());
    eventually_result(&harness, "act_2", "no_change");
}

#[test]
fn skipped_it_stays_a_dead_letter_and_the_queue_goes_on() {
    let harness = Harness::new();
    block(&harness, "b-13");
    let _processor = start(&harness, 1_000);
    harness.publish(&step("b-13", 0, "requires_payment_method"));
    harness.publish(&step("b-13", 10, "succeeded"));
    harness.eventually_number(1, "SELECT count(*) FROM parked_events");
    harness.publish(&charge("b-13", 20, 0));
    harness.eventually_number(2, "SELECT count(*) FROM parked_events");
    let skip = |event: &str| Wish::Skip {
        booking_id: "b-13".into(),
        event_id: event.into(),
    };
    // Not what stands first: refused, nothing moves.
    command(&harness, "b-13", "act_1", skip("evt_b13_20"));
    eventually_result(&harness, "act_1", "failed");
    assert_eq!(queue(&harness, "b-13"), "evt_b13_10 evt_b13_20");
    command(&harness, "b-13", "act_2", skip("evt_b13_10"));
    eventually_result(&harness, "act_2", "applied");
    harness.eventually_number(0, "SELECT count(*) FROM parked_events");
    harness.eventually_number(
        1,
        "SELECT count(*) FROM events WHERE id = 'evt_b13_20' AND disposition = 'applied'",
    );
    assert_eq!(hold(&harness, "b-13"), None);
    assert_eq!(
        harness
            .text("SELECT concat_ws(' ', event_id, status, error_kind) FROM dead_letters")
            .as_deref(),
        Some("evt_b13_10 ignored skipped")
    );
    assert_eq!(
        read_all(&harness.topics.brokers, &harness.topics.dead).len(),
        1
    );
}

#[test]
fn a_replay_of_what_was_given_up_on_tries_it_again() {
    let harness = Harness::new();
    block(&harness, "b-13");
    let _processor = start(&harness, 2);
    given_up(&harness);
    // A copy as the ingestor would bring it changes nothing.
    harness.publish(&step("b-13", 10, "succeeded"));
    harness.eventually_number(1, "SELECT copies FROM events WHERE id = 'evt_b13_10'");
    assert_eq!(queue(&harness, "b-13"), "evt_b13_10 evt_b13_20");
    unblock(&harness);
    let headers = RecordHeaders {
        ce_id: "evt_b13_10".into(),
        source: Source::Replay,
        action_id: Some("act_9".into()),
        ..RecordHeaders::default()
    };
    let body = step("b-13", 10, "succeeded");
    harness
        .producer
        .append_raw_blocking(&harness.topics.events, "b-13", &body, headers.to_kafka())
        .unwrap();
    harness.eventually_status("b-13", "refunded");
    eventually_result(&harness, "act_9", "parked");
    assert_eq!(hold(&harness, "b-13"), None);
}

#[test]
fn groups_of_dead_letters_are_decided_about_and_open_again_when_they_come_back() {
    let harness = Harness::new();
    let _processor = start(&harness, 2);
    let poison = |n: u32| format!("{{\"object\":\"charge\",\"id\":\"evt_odd{n}\"}}").into_bytes();
    harness.publish(&poison(1));
    harness.publish(&poison(2));
    harness.eventually_number(
        2,
        "SELECT coalesce(max(occurrences), 0) FROM dead_letter_groups",
    );
    let group = harness
        .text("SELECT fingerprint FROM dead_letter_groups")
        .unwrap();
    let decide = |action: &str, status: Decision| {
        let wish = Wish::Resolve {
            fingerprint: Some(group.clone()),
            dead_letter: None,
            status,
        };
        command(&harness, "dead:group", action, wish);
        eventually_result(&harness, action, "applied");
    };
    let status = || {
        harness
            .text("SELECT status FROM dead_letter_groups")
            .unwrap()
    };
    decide("act_1", Decision::Acknowledged);
    assert_eq!(status(), "acknowledged");
    decide("act_2", Decision::Resolved);
    assert_eq!(
        harness.number("SELECT count(*) FROM dead_letters WHERE status = 'resolved' AND status_action_id = 'act_2'"),
        2
    );
    harness.publish(&poison(3));
    harness.eventually_number(
        3,
        "SELECT coalesce(max(occurrences), 0) FROM dead_letter_groups",
    );
    assert_eq!(status(), "open");
    decide("act_3", Decision::Ignored);
    harness.publish(&poison(4));
    harness.eventually_number(
        4,
        "SELECT coalesce(max(occurrences), 0) FROM dead_letter_groups",
    );
    assert_eq!(status(), "ignored");
}

#[test]
fn a_command_that_makes_no_sense_is_a_dead_letter_and_the_partition_goes_on() {
    let harness = Harness::new();
    let _processor = start(&harness, 2);
    let headers = RecordHeaders {
        record: RecordKind::Command,
        source: Source::Operator,
        ..RecordHeaders::default()
    };
    harness
        .producer
        .append_raw_blocking(
            &harness.topics.events,
            "b-1",
            b"{\"v\":1}",
            headers.to_kafka(),
        )
        .unwrap();
    harness.publish_under("b-1", &crate::harness::paid("evt_1", "pi_1", "b-1", 500));
    harness.eventually_status("b-1", "confirmed");
    assert_eq!(
        harness.number("SELECT count(*) FROM dead_letters WHERE error_kind = 'command'"),
        1
    );
}
