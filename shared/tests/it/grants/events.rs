//! `events` and `dead_letters`: what became of an event is decided once, its bytes stay.

use super::{PROCESSOR, Roles};

/// An event of each disposition, `evt_<disposition>`, with bytes of its own.
fn ledger() -> Roles {
    let roles = Roles::new();
    roles.plant(
        r#"INSERT INTO events (id, created, record_kind, type, payload, payload_sha256, signature,
               source, topic, partition, "offset", received_at, applied_at, disposition, fold_version)
           SELECT 'evt_' || d, to_timestamp(1790000000), 'event', 'charge.succeeded',
               convert_to(d, 'UTF8'), sha256(convert_to(d, 'UTF8')), 't=1', 'webhook',
               'stripe.events', 0, 7, now(), CASE WHEN d <> 'parked' THEN now() END, d, 4
           FROM unnest(ARRAY['applied', 'no_change', 'ignored', 'parked', 'dead']) AS d;
           INSERT INTO dead_letters (event_id, payload, payload_sha256, key, topic, partition,
               "offset", stage, error_class, error, attempts, first_failed_at, last_failed_at)
           VALUES ('evt_dead', 'dead', sha256('dead'), 'k', 'stripe.events', 0, 7, 'decode',
               'poison', 'x', 1, now(), now())"#,
    );
    roles
}

#[test]
fn an_event_that_was_applied_changed_nothing_or_was_ignored_never_becomes_dead() {
    let roles = ledger();
    for settled in ["applied", "no_change", "ignored"] {
        for becomes in ["dead", "parked", "applied"] {
            let statement =
                format!("UPDATE events SET disposition = '{becomes}' WHERE id = 'evt_{settled}'");
            roles.refused(PROCESSOR, &statement, "is evidence and final");
        }
    }
    let kept = "SELECT string_agg(disposition, ' ' ORDER BY disposition) FROM events";
    assert_eq!(roles.text(kept), "applied dead ignored no_change parked");
}

#[test]
fn the_booking_and_the_order_of_an_applied_event_are_final() {
    let roles = ledger();
    for change in ["booking_id = 'bk_9'", "apply_seq = 0"] {
        let statement = format!("UPDATE events SET {change} WHERE id = 'evt_applied'");
        roles.refused(PROCESSOR, &statement, "is evidence and final");
    }
}

#[test]
fn bytes_evidence_and_record_of_an_event_that_is_not_dead_cannot_change() {
    let roles = ledger();
    for column in [
        "payload = 'x'",
        "payload_sha256 = sha256('x')",
        "signature = 't=2'",
        "verified_by = 'x'",
        "source = 'operator'",
        "received_at = now()",
        "topic = 'x'",
        "partition = 1",
        "\"offset\" = 1",
        "trace_id = 'x'",
        "record_kind = 'observation'",
        "type = 'x'",
        "account = 'acct_1'",
        "object_id = 'pi_1'",
    ] {
        for kept in ["applied", "no_change", "ignored", "parked"] {
            let statement = format!("UPDATE events SET {column} WHERE id = 'evt_{kept}'");
            roles.refused(PROCESSOR, &statement, "is evidence and cannot change");
        }
    }
}

#[test]
fn the_time_of_application_is_set_once() {
    let roles = ledger();
    let again = "UPDATE events SET applied_at = now() + interval '1 day' WHERE id = 'evt_applied'";
    roles.refused(PROCESSOR, again, "set once");
    let never = "UPDATE events SET applied_at = NULL WHERE id = 'evt_applied'";
    roles.refused(PROCESSOR, never, "set once");
}

#[test]
fn a_parked_event_is_applied_or_given_up_on_and_then_stays_so() {
    let roles = ledger();
    let settle = |what: &str| {
        format!(
            "UPDATE events SET disposition = '{what}', booking_id = 'bk_1', applied_at = NULL,
                 apply_seq = nextval('events_apply_seq') WHERE id = 'evt_parked'"
        )
    };
    assert_eq!(roles.allowed(PROCESSOR, &settle("dead")), 1);
    assert_eq!(roles.allowed(PROCESSOR, &settle("applied")), 1);
    let stamp = "UPDATE events SET applied_at = now() WHERE id = 'evt_parked'";
    assert_eq!(roles.allowed(PROCESSOR, stamp), 1);
    roles.refused(PROCESSOR, &settle("dead"), "is evidence and");
}

#[test]
fn copies_and_rules_of_an_applied_event_are_counted_and_noted() {
    let roles = ledger();
    let statement =
        "UPDATE events SET copies = copies + 1, fold_version = 5 WHERE id = 'evt_applied'";
    assert_eq!(roles.allowed(PROCESSOR, statement), 1);
}

#[test]
fn a_copy_revives_a_dead_event_and_the_bytes_that_it_replaces_are_kept() {
    let roles = ledger();
    let revive = "UPDATE events SET payload = 'better', payload_sha256 = sha256('better'),
                      signature = 't=9', disposition = 'applied' WHERE id = 'evt_dead'";
    assert_eq!(roles.allowed(PROCESSOR, revive), 1);
    assert_eq!(
        roles.text(
            "SELECT concat_ws(' ', event_id, convert_from(payload, 'UTF8'), signature, replaced_by,
                 payload_sha256 = sha256(payload)) FROM replaced_evidence"
        ),
        "evt_dead dead t=1 bookend_processor t"
    );
    let again = "UPDATE events SET payload = 'worse', payload_sha256 = sha256('worse')";
    roles.refused(PROCESSOR, again, "is evidence");
}

#[test]
fn bytes_of_a_dead_event_change_only_with_its_revival_and_with_a_hash_that_fits() {
    let roles = ledger();
    let stays_dead = "UPDATE events SET payload = 'x', payload_sha256 = sha256('x')
                      WHERE id = 'evt_dead'";
    roles.refused(PROCESSOR, stays_dead, "is evidence until a copy revives it");
    let forged = "UPDATE events SET payload = 'x', disposition = 'applied' WHERE id = 'evt_dead'";
    roles.refused(PROCESSOR, forged, "is not that of its payload");
    assert_eq!(roles.text("SELECT count(*) FROM replaced_evidence"), "0");
}

#[test]
fn nobody_writes_changes_or_deletes_replaced_evidence() {
    let roles = ledger();
    for role in [PROCESSOR, super::RECONCILER, super::CONSOLE, super::READER] {
        for statement in [
            "INSERT INTO replaced_evidence (event_id) VALUES ('evt_9')",
            "UPDATE replaced_evidence SET payload = 'x'",
            "DELETE FROM replaced_evidence",
            "TRUNCATE replaced_evidence",
        ] {
            roles.forbidden(role, statement);
        }
    }
}

#[test]
fn bytes_and_first_failure_of_a_dead_letter_cannot_change() {
    let roles = ledger();
    for column in [
        "payload = 'x'",
        "payload_sha256 = sha256('x')",
        "headers = '[]'",
        "key = 'x'",
        "event_id = 'x'",
        "first_failed_at = now()",
        "stage = 'apply'",
    ] {
        roles.forbidden(PROCESSOR, &format!("UPDATE dead_letters SET {column}"));
    }
    roles.forbidden(PROCESSOR, "DELETE FROM dead_letters");
    let decided = "UPDATE dead_letters SET status = 'ignored', status_changed_at = now(),
                       status_action_id = 'act_1'";
    assert_eq!(roles.allowed(PROCESSOR, decided), 1);
}

#[test]
fn what_a_group_of_dead_letters_is_about_cannot_change() {
    let roles = ledger();
    for column in [
        "fingerprint = 'x'",
        "error = 'x'",
        "first_seen = now()",
        "event_type = 'x'",
    ] {
        roles.forbidden(
            PROCESSOR,
            &format!("UPDATE dead_letter_groups SET {column}"),
        );
    }
    let decided = "UPDATE dead_letter_groups SET status = 'resolved'";
    assert_eq!(roles.allowed(PROCESSOR, decided), 0);
}
