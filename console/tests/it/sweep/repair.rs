//! A plan is approved once, as it was shown, and its end is waited for.

use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::{Connection as _, RunQueryDsl as _, sql_query};
use testbed::testing::eventually;

use super::Notes;
use crate::fixture::Answer;

const PLAN: [&str; 3] = ["repair", "--plan", "plan_a"];
const DOING: [&str; 3] = ["--execute", "--reason", "ticket 7"];

fn repair(notes: &Notes, more: &[&str]) -> Answer {
    notes.run(&[&PLAN, &DOING, more].concat())
}

fn state(notes: &Notes) -> String {
    notes
        .0
        .text("SELECT concat_ws(' ', state, action_id) FROM repair_plans")
}

/// Plays the reconciler: as soon as the plan is approved it ends like this.
fn carried_out(notes: &Notes, set: &str, more: &[&str]) -> Answer {
    std::thread::scope(|scope| {
        let url = notes.0.url.clone();
        scope.spawn(move || {
            let mut reconciler = PgConnection::establish(&url).unwrap();
            let end = format!(
                "UPDATE repair_plans SET {set}, finished_at = now() WHERE state = 'approved'"
            );
            eventually(Duration::from_secs(60), "the plan is approved", || {
                sql_query(&end).execute(&mut reconciler).unwrap() == 1
            });
        });
        repair(notes, more)
    })
}

#[test]
fn without_execute_the_plan_is_shown_with_some_of_its_events_and_nothing_is_done() {
    let notes = Notes::with_plan();
    let answer = notes.run(&[&PLAN[..], &["-o", "json"]].concat());
    let json = answer.json();
    assert_eq!(json["dry_run"], true);
    assert_eq!(json["plan"]["missing"], 3);
    assert_eq!(json["plan"]["cap"], 2);
    assert_eq!(
        json["sample"],
        serde_json::json!(["evt_1", "evt_2", "evt_3"])
    );
    assert!(answer.err.contains("asks Stripe once more"), "{answer:?}");
    let table = notes.run_as("bookend_reader", &PLAN);
    assert!(table.text().contains("evt_1 evt_2 evt_3"), "{table:?}");
    assert_eq!(state(&notes), "open");
    assert_eq!(notes.0.actions(), "");
    let plans = notes.run(&["plans"]);
    assert!(plans.text().contains("plan_a"), "{plans:?}");
}

#[test]
fn an_approved_plan_is_waited_for_and_its_end_is_told_and_recorded() {
    let notes = Notes::with_plan();
    let answer = carried_out(&notes, "state = 'done', published = 3", &["-o", "json"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let json = answer.json();
    assert_eq!(json["plan"]["state"], "done");
    assert_eq!(json["plan"]["published"], 3);
    assert_eq!(
        state(&notes),
        format!("done {}", json["action"].as_str().unwrap())
    );
    assert_eq!(notes.0.actions(), "sweep repair done");
    let result = notes.0.text("SELECT result FROM operator_actions");
    assert!(result.contains("\"published\":3"), "{result}");
    let approved = notes
        .0
        .text("SELECT approved_at IS NOT NULL FROM repair_plans");
    assert_eq!(approved, "true");
}

#[test]
fn a_plan_that_fails_ends_with_1_and_says_why() {
    let notes = Notes::with_plan();
    let set = "state = 'failed', published = 1, error = 'Stripe lists 4 now'";
    carried_out(&notes, set, &[]).failed(1, "1 of 3 published: Stripe lists 4 now");
    assert_eq!(notes.0.actions(), "sweep repair failed");
}

#[test]
fn a_plan_that_nobody_carries_out_in_time_ends_with_124_and_stays_approved() {
    let notes = Notes::with_plan();
    repair(&notes, &["--timeout", "1s"]).failed(124, "plan_a stays approved");
    assert!(state(&notes).starts_with("approved act_"));
    assert_eq!(notes.0.actions(), "sweep repair done");
    let result = notes.0.text("SELECT result FROM operator_actions");
    assert!(result.contains("approved"), "{result}");
}

#[test]
fn a_plan_is_approved_once_and_a_second_attempt_ends_with_6_and_is_on_record() {
    let notes = Notes::with_plan();
    repair(&notes, &["--timeout", "1s"]).failed(124, "approved");
    let before = state(&notes);
    repair(&notes, &[]).failed(6, "plan_a is not open any more, it is approved");
    notes.run(&PLAN).failed(6, "not open any more");
    assert_eq!(state(&notes), before);
    assert_eq!(notes.0.actions(), "sweep repair done, sweep repair denied");
}

#[test]
fn of_many_who_approve_at_once_one_does() {
    let notes = Notes::with_plan();
    let codes: Vec<i32> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..6)
            .map(|_| scope.spawn(|| repair(&notes, &["--timeout", "2s"]).code))
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let count = |wanted| codes.iter().filter(|code| **code == wanted).count();
    assert_eq!((count(124), count(6)), (1, 5), "{codes:?}");
}

#[test]
fn who_may_not_act_and_who_expects_something_else_is_refused() {
    let notes = Notes::with_plan();
    notes
        .run_as("bookend_reader", &[&PLAN[..], &DOING].concat())
        .failed(4, "the database role bookend_reader may not act");
    repair(&notes, &["--expect", "2"]).failed(6, "the plan has changed: 3 instead of the 2");
    notes
        .run(&[&PLAN[..], &["--execute"]].concat())
        .failed(2, "--execute needs --reason");
    notes
        .run(&["repair", "--plan", "plan_z", "--execute", "--reason", "x"])
        .failed(3, "no plan plan_z");
    assert_eq!(state(&notes), "open");
    assert_eq!(notes.0.actions(), "sweep repair denied");
}

#[test]
fn the_role_may_approve_and_nothing_else_about_a_plan() {
    let notes = Notes::with_plan();
    let url = crate::operating::as_role(&notes.0.url, "bookend_console");
    let mut console = PgConnection::establish(&url).unwrap();
    for forbidden in [
        "UPDATE repair_plans SET missing = 1000",
        "UPDATE repair_plans SET published = 3",
        "DELETE FROM repair_plans",
        "INSERT INTO proofs (proven_from, proven_to) VALUES (now(), now() + interval '1 s')",
    ] {
        assert!(console.batch_execute(forbidden).is_err(), "{forbidden}");
    }
}
