//! `operator_actions`, their results and their items: written by whom they are of, once.

use super::{CONSOLE, PROCESSOR, READER, RECONCILER, Roles};

const BEGIN: &str = "INSERT INTO operator_actions (id, who, host, verb, reason, request, plan)
                     VALUES ('act_1', 'Ada', 'h', 'replay', 'x', '{}', '{}')";
const PLAN: &str = "INSERT INTO operator_action_items (action_id, subject, seq)
                    VALUES ('act_1', 'evt_1', 0)";
const PUBLISH: &str = r#"UPDATE operator_action_items SET state = 'published', topic = 't',
                         partition = 1, "offset" = 2, published_at = now()"#;
const DENY: &str = "SELECT note_denied_action('act_2', 'Ada', 'h', 'replay', 'x', '{}', 'no')";

fn end(state: &str) -> String {
    format!(
        "INSERT INTO operator_action_results (action_id, state, result)
         VALUES ('act_1', '{state}', '{{\"it\": \"{state}\"}}')"
    )
}

/// As the processor writes it: the first result counts.
fn result(state: &str) -> String {
    format!(
        "INSERT INTO operator_action_items (action_id, subject, state, detail, done_at)
         VALUES ('act_1', 'evt_1', '{state}', NULL, now())
         ON CONFLICT ON CONSTRAINT operator_action_items_pkey DO UPDATE
             SET state = EXCLUDED.state, detail = EXCLUDED.detail, done_at = EXCLUDED.done_at
             WHERE operator_action_items.done_at IS NULL"
    )
}

/// An action with one item.
fn begun() -> Roles {
    let roles = Roles::new();
    assert_eq!(roles.allowed(CONSOLE, BEGIN), 1);
    assert_eq!(roles.allowed(CONSOLE, PLAN), 1);
    roles
}

#[test]
fn an_action_begins_as_running_under_the_role_and_at_the_time_of_the_database() {
    let roles = begun();
    assert_eq!(
        roles.text("SELECT concat_ws(' ', state, database_role) FROM operator_actions"),
        "running bookend_console"
    );
    for column in [
        "state",
        "at",
        "database_role",
        "result",
        "finished_at",
        "denied_because",
    ] {
        let statement = format!(
            "INSERT INTO operator_actions (id, who, host, verb, reason, request, {column})
             SELECT 'act_9', who, host, verb, reason, request, {column} FROM operator_actions"
        );
        roles.forbidden(CONSOLE, &statement);
    }
}

#[test]
fn an_action_that_is_on_record_is_never_changed_or_deleted() {
    let roles = begun();
    for role in [CONSOLE, PROCESSOR, RECONCILER, READER] {
        for change in [
            "who = 'x'",
            "reason = 'x'",
            "plan = '{}'",
            "state = 'done'",
            "result = '{}'",
            "finished_at = now()",
        ] {
            roles.forbidden(role, &format!("UPDATE operator_actions SET {change}"));
        }
        roles.forbidden(role, "DELETE FROM operator_actions");
        roles.forbidden(role, "TRUNCATE operator_actions");
    }
}

#[test]
fn every_result_of_an_action_is_kept_and_the_action_shows_the_last() {
    let roles = begun();
    for state in ["partly", "running", "done"] {
        assert_eq!(roles.allowed(CONSOLE, &end(state)), 1);
    }
    let kept = "SELECT string_agg(state, ' ' ORDER BY seq) FROM operator_action_results";
    assert_eq!(roles.text(kept), "partly running done");
    let shown = "SELECT concat_ws(' ', state, result ->> 'it', finished_at IS NOT NULL)
                 FROM operator_actions";
    assert_eq!(roles.text(shown), "done done t");
}

#[test]
fn results_of_actions_are_only_ever_inserted_and_by_the_console_alone() {
    let roles = begun();
    roles.allowed(CONSOLE, &end("failed"));
    for role in [CONSOLE, PROCESSOR, RECONCILER, READER] {
        roles.forbidden(role, "UPDATE operator_action_results SET state = 'done'");
        roles.forbidden(role, "UPDATE operator_action_results SET result = '{}'");
        roles.forbidden(role, "DELETE FROM operator_action_results");
    }
    for role in [PROCESSOR, RECONCILER, READER] {
        roles.forbidden(role, &end("done"));
    }
    let backdated = "INSERT INTO operator_action_results (action_id, state, at)
                     VALUES ('act_1', 'done', now() - interval '1 day')";
    roles.forbidden(CONSOLE, backdated);
}

#[test]
fn an_action_that_was_refused_or_never_begun_gets_no_result() {
    let roles = Roles::new();
    roles.refused(CONSOLE, &end("done"), "never begun");
    roles.allowed(CONSOLE, DENY);
    let denied = end("done").replace("act_1", "act_2");
    roles.refused(CONSOLE, &denied, "it was refused");
    assert_eq!(roles.text("SELECT state FROM operator_actions"), "denied");
    assert_eq!(
        roles.text("SELECT count(*) FROM operator_action_results"),
        "0"
    );
}

#[test]
fn only_the_processor_can_say_that_an_item_was_applied() {
    let roles = begun();
    for state in ["applied", "no_change", "ignored", "parked", "dead"] {
        let claim = format!("UPDATE operator_action_items SET state = '{state}'");
        roles.refused(CONSOLE, &claim, "operator_action_items_result_is_dated");
    }
    let dated = "UPDATE operator_action_items SET state = 'applied', done_at = now()";
    roles.forbidden(CONSOLE, dated);
    roles.forbidden(RECONCILER, dated);
    assert_eq!(roles.allowed(PROCESSOR, &result("applied")), 1);
}

#[test]
fn the_result_of_an_item_is_written_once() {
    let roles = begun();
    assert_eq!(roles.allowed(PROCESSOR, &result("dead")), 1);
    assert_eq!(roles.allowed(PROCESSOR, &result("applied")), 0, "a copy");
    for (role, change) in [
        (PROCESSOR, "state = 'applied'"),
        (PROCESSOR, "detail = 'x'"),
        (PROCESSOR, "done_at = NULL"),
        (CONSOLE, "state = 'published'"),
        (CONSOLE, "detail = 'x'"),
    ] {
        let statement = format!("UPDATE operator_action_items SET {change}");
        roles.refused(role, &statement, "is written once");
    }
    let kept = "SELECT state FROM operator_action_items";
    assert_eq!(roles.text(kept), "dead");
}

#[test]
fn where_an_item_was_published_is_written_once_also_after_its_result() {
    let roles = begun();
    roles.allowed(PROCESSOR, &result("applied"));
    let late = PUBLISH.replace("state = 'published', ", "");
    assert_eq!(roles.allowed(CONSOLE, &late), 1);
    for change in [
        "topic = 'x'",
        "partition = 7",
        "\"offset\" = 7",
        "published_at = now()",
    ] {
        let statement = format!("UPDATE operator_action_items SET {change}");
        roles.refused(CONSOLE, &statement, "is written once");
    }
    for role in [PROCESSOR, RECONCILER, READER] {
        roles.forbidden(role, &late);
    }
}

#[test]
fn an_item_that_was_tried_is_not_planned_again_and_none_is_deleted() {
    let roles = begun();
    assert_eq!(roles.allowed(CONSOLE, PUBLISH), 1);
    let again = "UPDATE operator_action_items SET state = 'planned'";
    roles.refused(CONSOLE, again, "not planned again");
    roles.refused(PROCESSOR, again, "not planned again");
    for role in [CONSOLE, PROCESSOR, RECONCILER, READER] {
        roles.forbidden(role, "DELETE FROM operator_action_items");
    }
}

#[test]
fn what_an_item_is_about_is_planned_by_the_console_and_never_changed() {
    let roles = begun();
    for change in [
        "subject = 'x'",
        "seq = 9",
        "source_offset = 9",
        "action_id = 'x'",
    ] {
        let statement = format!("UPDATE operator_action_items SET {change}");
        roles.forbidden(CONSOLE, &statement);
        roles.forbidden(PROCESSOR, &statement);
    }
    let forged = "INSERT INTO operator_action_items (action_id, subject, state)
                  VALUES ('act_1', 'evt_2', 'published')";
    roles.forbidden(CONSOLE, forged);
}

#[test]
fn a_refused_attempt_is_recorded_under_the_role_that_made_it_by_the_console_alone() {
    let roles = Roles::new();
    for role in [READER, PROCESSOR, RECONCILER, "bookend_app"] {
        roles.forbidden(role, DENY);
    }
    roles.allowed(CONSOLE, DENY);
    assert_eq!(
        roles.text("SELECT concat_ws(' ', state, database_role, who) FROM operator_actions"),
        "denied bookend_console Ada"
    );
}
