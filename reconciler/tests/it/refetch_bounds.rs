//! Refetches in bounds: what is not due hides nothing, and what is asked for ever is asked seldom.

use reconciler::sweep::refetch::Refetched;

use crate::support::http::{Act, Server};
use crate::support::{Rig, intent, now, stripe_settings, unbounded};

/// A wish about a payment intent.
struct Wish<'a> {
    object: &'a str,
    reason: &'a str,
    fingerprint: String,
    tied_at: i64,
}

fn wish<'a>(object: &'a str, reason: &'a str) -> Wish<'a> {
    Wish {
        object,
        reason,
        fingerprint: format!("{object} {reason}"),
        tied_at: now() - 100,
    }
}

impl Wish<'_> {
    fn insert(&self, rig: &Rig) {
        rig.database.execute(&format!(
            "INSERT INTO refetches (object_id, object_type, fingerprint, reason, tied_at) \
             VALUES ('{}', 'payment_intent', '{}', '{}', to_timestamp({}))",
            self.object, self.fingerprint, self.reason, self.tied_at
        ));
    }
}

/// `times` observations of `pi_1` for one reason, the last of them `ago` seconds ago.
fn asked_before(rig: &Rig, reason: &str, times: usize, ago: i64) {
    for n in 0..times {
        rig.database.execute(&format!(
            "INSERT INTO refetches (object_id, object_type, fingerprint, reason, tied_at, state, \
               done_at, observation_id) \
             VALUES ('pi_1', 'payment_intent', 'before {n}', '{reason}', now(), 'done', \
               now() - interval '{ago} seconds', 'obs_{n}')"
        ));
    }
}

async fn rig() -> Rig {
    let rig = Rig::new().await;
    for n in 1..=2 {
        rig.stripe
            .put_object(None, intent(&format!("pi_{n}"), "succeeded", n));
    }
    rig
}

async fn pass(rig: &Rig) -> Refetched {
    rig.engine().await.refetch().await.unwrap()
}

fn pending(rig: &Rig) -> i64 {
    rig.database
        .number("SELECT count(*) AS n FROM refetches WHERE state = 'pending'")
}

#[tokio::test]
async fn ties_in_the_future_of_a_test_clock_hide_none_that_is_due() {
    let rig = rig().await;
    for n in 0..60 {
        let ahead = Wish {
            fingerprint: format!("ahead {n}"),
            tied_at: now() + 86_400,
            ..wish("pi_1", "tie")
        };
        ahead.insert(&rig);
    }
    wish("pi_2", "tie").insert(&rig);
    assert_eq!(pass(&rig).await.done, 1);
    assert_eq!(pending(&rig), 60);
}

#[tokio::test]
async fn wishes_that_must_wait_are_judged_once_and_hide_none_however_many_they_are() {
    let rig = rig().await;
    rig.database.execute(
        "INSERT INTO refetches (object_id, object_type, fingerprint, reason, tied_at, next_attempt_at)
         SELECT 'pi_1', 'payment_intent', 'ahead ' || n, 'tie', now() + interval '1 day', now() - interval '1 hour'
         FROM generate_series(1, 1500) AS n",
    );
    wish("pi_2", "tie").insert(&rig);
    assert_eq!(pass(&rig).await.done, 1);
    assert_eq!(pending(&rig), 1_500);
    assert_eq!(pass(&rig).await.done, 0);
    let looked_at =
        "SELECT count(*) AS n FROM refetches WHERE state = 'pending' AND next_attempt_at <= now()";
    assert_eq!(rig.database.number(looked_at), 0);
}

#[tokio::test]
async fn settlement_is_asked_about_a_minute_after_it() {
    let rig = rig().await;
    let settlement = Wish {
        tied_at: now() - 20,
        ..wish("pi_1", "settlement")
    };
    settlement.insert(&rig);
    assert_eq!(pass(&rig).await, Refetched::default());
    assert_eq!(pending(&rig), 1);
    rig.database.execute(
        "UPDATE refetches SET tied_at = tied_at - interval '50 seconds', next_attempt_at = now()",
    );
    assert_eq!(pass(&rig).await.done, 1);
}

#[tokio::test]
async fn object_that_was_asked_again_and_again_waits_for_its_step_and_hides_no_other() {
    let rig = rig().await;
    // Five times: the next is due 32 seconds after the last.
    asked_before(&rig, "refunds_differ", 5, 10);
    wish("pi_1", "refunds_differ").insert(&rig);
    wish("pi_2", "refunds_differ").insert(&rig);
    assert_eq!(pass(&rig).await.done, 1);
    assert_eq!(pending(&rig), 1);
    rig.database.execute(
        "UPDATE refetches SET done_at = done_at - interval '25 seconds', next_attempt_at = now() WHERE object_id = 'pi_1'",
    );
    assert_eq!(pass(&rig).await.done, 1);
}

#[tokio::test]
async fn object_is_asked_for_one_reason_so_many_times_a_day_at_most() {
    let rig = rig().await;
    asked_before(&rig, "refunds_differ", 20, 7 * 3_600);
    wish("pi_1", "refunds_differ").insert(&rig);
    assert_eq!(pass(&rig).await, Refetched::default());
    rig.database.execute(
        "UPDATE refetches SET done_at = done_at - interval '18 hours', next_attempt_at = now()",
    );
    assert_eq!(pass(&rig).await.done, 1);
}

#[tokio::test]
async fn another_reason_is_asked_at_once_and_answers_what_waits() {
    let rig = rig().await;
    asked_before(&rig, "refunds_differ", 20, 60);
    wish("pi_1", "refunds_differ").insert(&rig);
    wish("pi_1", "tie").insert(&rig);
    assert_eq!(pass(&rig).await.done, 2);
    assert_eq!((rig.stripe.stats().api_reads, pending(&rig)), (1, 0));
}

#[tokio::test]
async fn answer_leaves_open_what_it_is_too_early_for() {
    let rig = rig().await;
    wish("pi_1", "tie").insert(&rig);
    for (reason, tied_at) in [("thin", now() + 50), ("settlement", now() - 20)] {
        let later = Wish {
            tied_at,
            ..wish("pi_1", reason)
        };
        later.insert(&rig);
    }
    assert_eq!(pass(&rig).await.done, 1);
    assert_eq!(pending(&rig), 2);
}

#[tokio::test]
async fn wishes_that_one_call_answered_count_as_one() {
    let rig = rig().await;
    asked_before(&rig, "refunds_differ", 10, 5);
    rig.database
        .execute("UPDATE refetches SET observation_id = 'obs_0'");
    wish("pi_1", "refunds_differ").insert(&rig);
    assert_eq!(pass(&rig).await.done, 1);
}

#[tokio::test]
async fn invoice_is_asked_for_with_its_payments() {
    let rig = Rig::new().await;
    rig.database.execute(
        "INSERT INTO refetches (object_id, object_type, fingerprint, reason, tied_at) \
         VALUES ('in_1', 'invoice', 'f', 'settlement', to_timestamp(0))",
    );
    let invoice = r#"{"id":"in_1","object":"invoice","payments":{"object":"list","data":[]}}"#;
    let server = Server::new(vec![Act::ok(invoice)]).await;
    let mut engine = rig.engine().await;
    engine.reader.client = unbounded(stripe_settings(vec![server.url.clone()], "rk_test_x"));
    assert_eq!(engine.refetch().await.unwrap().done, 1);
    let asked = server.asked();
    assert!(
        asked[0].starts_with("GET /v1/invoices/in_1?expand%5B%5D=payments "),
        "{asked:?}"
    );
}
