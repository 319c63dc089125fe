//! Connected accounts: which are swept, which one holds "complete up to" back, and that trouble with
//! one stops no other.

use reconciler::store::certificates::{CompleteUpTo, complete_up_to};
use reconciler::store::refusals;
use shared::ids::AccountId;

use crate::commands::{eventually, start_with};
use crate::end_to_end::processor;
use crate::support::Rig;

fn account(id: &str) -> Option<AccountId> {
    Some(AccountId::parse(id).unwrap())
}

fn seen(rig: &Rig, account: &str, ago: &str) {
    rig.database.execute(&format!(
        "INSERT INTO seen_accounts (account, first_seen_at) \
         VALUES ('{account}', now() - interval '{ago}')"
    ));
}

/// The accounts of which an alarm says that no sweep covers them.
async fn alarmed(rig: &Rig, swept: &[Option<AccountId>]) -> String {
    rig.engine().await.judge_accounts(swept).await.unwrap();
    rig.database
        .text(
            "SELECT string_agg(subject, ' ' ORDER BY subject) AS t FROM sender_alarms \
             WHERE alarm = 'account_not_swept' AND cleared_at IS NULL",
        )
        .unwrap_or_default()
}

#[tokio::test]
async fn account_that_is_seen_but_not_swept_is_an_alarm_until_it_is_swept_or_gone() {
    let rig = Rig::new().await;
    for account in ["acct_1", "acct_2"] {
        seen(&rig, account, "1 minute");
    }
    assert_eq!(alarmed(&rig, &[None]).await, "acct_1 acct_2");
    assert_eq!(alarmed(&rig, &[None, account("acct_1")]).await, "acct_2");
    rig.database.execute(
        "INSERT INTO accounts (account, id, deleted, currently_due, past_due, settled, as_of, \
         deauthorized) VALUES ('', 'acct_2', false, '{}', '{}', true, now(), true)",
    );
    assert_eq!(alarmed(&rig, &[None, account("acct_1")]).await, "");
}

#[tokio::test]
async fn account_whose_tail_was_never_swept_within_an_hour_is_an_alarm() {
    let rig = Rig::new().await;
    seen(&rig, "acct_1", "2 hours");
    seen(&rig, "acct_2", "2 hours");
    let swept = [None, account("acct_1"), account("acct_2")];
    rig.engine().await.tail(swept[1].as_ref()).await.unwrap();
    assert_eq!(alarmed(&rig, &swept).await, "acct_2");
}

#[tokio::test]
async fn complete_up_to_names_the_account_that_holds_it_back() {
    let rig = Rig::new().await;
    let accounts = [None, account("acct_1"), account("acct_2")];
    rig.database.execute(
        "INSERT INTO proofs (account, proven_from, proven_to) VALUES \
         ('', to_timestamp(0), to_timestamp(300)), ('acct_1', to_timestamp(0), to_timestamp(200)), \
         ('acct_9', to_timestamp(0), to_timestamp(1))",
    );
    let of = |accounts| complete_up_to(&mut rig.database.connect(), accounts).unwrap();
    let held = |account: &str, at| {
        Some(CompleteUpTo {
            at,
            held_back_by: account.to_owned(),
        })
    };
    assert_eq!(of(&accounts[..2]), held("acct_1", Some(200)));
    assert_eq!(
        of(&accounts),
        held("acct_2", None),
        "nothing is proven of it"
    );
    assert_eq!(of(&accounts[..1]), held("", Some(300)));
}

#[tokio::test]
async fn account_that_is_refused_stops_no_other_account_that_was_seen() {
    let rig = Rig::new().await;
    for account in ["acct_1", "acct_2", "acct_3"] {
        seen(&rig, account, "1 minute");
    }
    rig.database.execute(
        "INSERT INTO accounts (account, id, deleted, currently_due, past_due, settled, as_of, \
         deauthorized) VALUES ('', 'acct_2', false, '{}', '{}', true, now(), true)",
    );
    for (n, account) in [(1, "acct_1"), (2, "acct_2"), (3, "acct_3")] {
        rig.lose_of(Some(account), n, 100);
    }
    let refused = AccountId::parse("acct_1").unwrap();
    refusals::note(&mut rig.database.connect(), &refused, "403 Forbidden").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let _processor = processor(&rig, dir.path()).await;
    let _reconciler = start_with(&rig, &[("STRIPE_ACCOUNTS", "auto")]);
    let of = |account| format!("SELECT count(*) AS n FROM events WHERE account = '{account}'");
    eventually("the third account is swept", async || {
        rig.database.number(&of("acct_3")) == 1
    })
    .await;
    assert_eq!(rig.database.number(&of("acct_2")), 0, "it has disconnected");
    let told = "SELECT count(*) AS n FROM sweeps \
                WHERE account = 'acct_1' AND outcome = 'failed' AND error LIKE 'skipped:%403%'";
    eventually("the first account's sweeps say why", async || {
        rig.database.number(told) > 0
    })
    .await;
}
