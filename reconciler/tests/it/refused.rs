//! Connected accounts that Stripe refuses, or that have disconnected: they end being asked, and stop
//! no other.

use reconciler::store::accounts;
use reconciler::store::sweeps::{Kind, Outcome};
use reconciler::sweep::refetch::Refetched;
use shared::ids::AccountId;
use testbed::stripe::ApiFault;

use crate::support::believed::{all_due, believe, booking};
use crate::support::http::{Act, Server};
use crate::support::{Rig, intent, now, stripe_settings, unbounded};

const OPEN: &str = "SELECT count(*) AS n FROM findings WHERE kind = 'account_unreadable' \
                    AND account = 'acct_1' AND closed_at IS NULL";

fn account(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}

/// Stripe's next answer is this one; the client makes no second try.
fn refuse(rig: &Rig, status: u16) {
    rig.stripe.add_api_fault(ApiFault {
        status,
        should_retry: Some(false),
        times: 1,
        ..ApiFault::default()
    });
}

fn wish(rig: &Rig, account: &str, object: &str) {
    rig.database.execute(&format!(
        "INSERT INTO refetches (account, object_id, object_type, fingerprint, reason, tied_at) \
         VALUES ('{account}', '{object}', 'payment_intent', '{object}', 'tie', \
           to_timestamp({}))",
        now() - 100
    ));
}

fn count(rig: &Rig, state: &str) -> i64 {
    rig.database.number(&format!(
        "SELECT count(*) AS n FROM refetches WHERE state = '{state}'"
    ))
}

/// The day after a refusal is over.
fn next_day(rig: &Rig) {
    rig.database.execute(
        "UPDATE findings SET evidence = json_build_object('error', evidence ->> 'error', \
         'refused_at', (evidence ->> 'refused_at')::bigint - 86400)",
    );
}

#[tokio::test]
async fn account_that_is_refused_fails_its_refetches_with_one_call_and_no_others() {
    let rig = Rig::new().await;
    for object in ["pi_1", "pi_2", "pi_3"] {
        wish(&rig, "acct_1", object);
    }
    wish(&rig, "acct_2", "pi_4");
    rig.stripe
        .put_object(Some("acct_2"), intent("pi_4", "succeeded", 4));
    refuse(&rig, 403);
    let engine = rig.engine().await;
    let figures = engine.refetch().await.unwrap();
    assert_eq!((figures.done, figures.failed, figures.later), (1, 3, 0));
    assert_eq!(rig.stripe.stats().api_reads, 2);
    let error = rig
        .database
        .text("SELECT min(error) AS t FROM refetches WHERE account = 'acct_1'")
        .unwrap();
    assert!(error.contains("403"), "{error}");
    assert_eq!(rig.database.number(OPEN), 1);

    wish(&rig, "acct_1", "pi_5");
    assert_eq!(engine.refetch().await.unwrap().failed, 1);
    assert_eq!(rig.stripe.stats().api_reads, 2, "it fails without a call");
}

#[tokio::test]
async fn refused_account_is_asked_once_a_day_until_stripe_answers() {
    let rig = Rig::new().await;
    let engine = rig.engine().await;
    wish(&rig, "acct_1", "pi_1");
    refuse(&rig, 403);
    assert_eq!(engine.refetch().await.unwrap().failed, 1);

    next_day(&rig);
    refuse(&rig, 403);
    for object in ["pi_2", "pi_3"] {
        wish(&rig, "acct_1", object);
    }
    assert_eq!(engine.refetch().await.unwrap().failed, 2);
    assert_eq!(rig.stripe.stats().api_reads, 2, "once");

    next_day(&rig);
    rig.stripe
        .put_object(Some("acct_1"), intent("pi_4", "succeeded", 4));
    wish(&rig, "acct_1", "pi_4");
    assert_eq!(engine.refetch().await.unwrap().done, 1);
    assert_eq!(rig.database.number(OPEN), 0, "the finding closed itself");
}

#[tokio::test]
async fn key_that_lacks_a_permission_is_no_refusal_of_the_account() {
    let rig = Rig::new().await;
    wish(&rig, "acct_1", "pi_1");
    let body = r#"{"error":{"type":"invalid_request_error","message":"The provided key does not
        have the required permissions for this endpoint on account 'acct_1'."}}"#
        .replace("\n        ", " ");
    let server = Server::new(vec![Act::json("403 Forbidden", "", &body)]).await;
    let mut engine = rig.engine().await;
    engine.reader.client = unbounded(stripe_settings(vec![server.url.clone()], "rk_test_x"));
    assert_eq!(engine.refetch().await.unwrap().later, 1);
    assert_eq!((count(&rig, "pending"), rig.database.number(OPEN)), (1, 0));
}

#[tokio::test]
async fn refusal_for_our_own_account_is_tried_again() {
    let rig = Rig::new().await;
    wish(&rig, "", "pi_1");
    refuse(&rig, 403);
    assert_eq!(rig.engine().await.refetch().await.unwrap().later, 1);
    let findings = "SELECT count(*) AS n FROM findings";
    assert_eq!(rig.database.number(findings), 0);
}

#[tokio::test]
async fn disconnected_account_is_not_asked() {
    let rig = Rig::new().await;
    wish(&rig, "acct_1", "pi_1");
    rig.database.execute(
        "INSERT INTO accounts (account, id, deleted, currently_due, past_due, settled, as_of, \
         deauthorized) VALUES ('', 'acct_1', false, '{}', '{}', true, now(), true)",
    );
    let expected = Refetched {
        failed: 1,
        ..Refetched::default()
    };
    assert_eq!(rig.engine().await.refetch().await.unwrap(), expected);
    assert_eq!(rig.stripe.stats().api_reads, 0);
    let both = [account("acct_1"), account("acct_2")];
    let gone = accounts::deauthorized(&mut rig.database.connect(), &both).unwrap();
    assert_eq!(gone, [account("acct_1")]);
}

#[tokio::test]
async fn tail_of_a_refused_account_is_skipped_and_says_so_and_goes_on_later() {
    let rig = Rig::new().await;
    let engine = rig.engine().await;
    engine.reader.client.now().await.unwrap();
    let (one, two) = (account("acct_1"), account("acct_2"));
    rig.lose_of(Some("acct_1"), 1, 100);
    rig.lose_of(Some("acct_2"), 2, 100);
    refuse(&rig, 403);
    assert!(engine.tail(Some(&one)).await.is_err());

    let calls = rig.stripe.stats().api_reads;
    let reports = engine.tail(Some(&one)).await.unwrap();
    assert_eq!(reports[0].outcome, Outcome::Failed);
    assert_eq!(rig.stripe.stats().api_reads, calls, "it was not asked");
    let said = "SELECT count(*) AS n FROM sweeps WHERE account = 'acct_1' \
                AND outcome = 'failed' AND error LIKE 'skipped:%403%'";
    assert_eq!(rig.database.number(said), 1);
    engine.tail(Some(&two)).await.unwrap();
    assert_eq!(rig.topic.count().await, 1);

    rig.apply_log().await;
    next_day(&rig);
    engine.tail(Some(&one)).await.unwrap();
    assert_eq!((rig.topic.count().await, rig.database.number(OPEN)), (2, 0));
}

#[tokio::test]
async fn person_who_asks_for_a_window_of_a_refused_account_is_obeyed() {
    let rig = Rig::new().await;
    let engine = rig.engine().await;
    engine.reader.client.now().await.unwrap();
    let one = account("acct_1");
    refuse(&rig, 403);
    assert!(engine.tail(Some(&one)).await.is_err());
    let window = shared::windows::Window::new(now() - 1_000, now() - 5).unwrap();
    let reports = engine
        .sweep(Kind::Window, Some(&one), window, None)
        .await
        .unwrap();
    assert_eq!(reports[0].outcome, Outcome::Complete);
    assert_eq!(rig.database.number(OPEN), 0);
}

/// Two accounts, each with a booking that waits for a payment that Stripe has; the first account's is
/// the newer one, and so the first to be asked about.
fn two_waiting(rig: &Rig) {
    for n in 1..=2 {
        let (account, id) = (format!("acct_{n}"), format!("B-{n}"));
        let object = intent(&format!("pi_{n}"), "processing", n);
        believe(rig, &account, &id, &object, now() - 500);
        booking(rig, &id, "processing", None);
        let paid = intent(&format!("pi_{n}"), "succeeded", n);
        rig.stripe.put_object(Some(&account), paid);
    }
    rig.database.execute(
        "UPDATE bookings SET updated_at = updated_at - interval '1 hour' WHERE id = 'B-2'",
    );
}

#[tokio::test]
async fn waiting_bookings_of_a_refused_account_stop_no_others() {
    let rig = Rig::new().await;
    two_waiting(&rig);
    refuse(&rig, 403);
    let engine = rig.engine().await;
    let looked = engine.pending().await.unwrap();
    assert_eq!((looked.retrieved, looked.observations), (1, 1));
    assert_eq!(rig.database.number(OPEN), 1);

    rig.apply_log().await;
    next_day(&rig);
    rig.database
        .execute("DELETE FROM bookings WHERE id = 'B-2'");
    all_due(&rig);
    let looked = engine.pending().await.unwrap();
    assert_eq!((looked.retrieved, looked.observations), (1, 1));
    assert_eq!(rig.database.number(OPEN), 0);
}

#[tokio::test]
async fn waiting_bookings_of_an_account_in_trouble_stop_no_others_and_the_pass_says_so() {
    let rig = Rig::new().await;
    two_waiting(&rig);
    refuse(&rig, 500);
    let engine = rig.engine().await;
    assert!(engine.pending().await.is_err());
    let records = rig.topic.records().await;
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].key, "acct_2/B-2");
    assert_eq!(rig.database.number(OPEN), 0, "trouble passes");
}
