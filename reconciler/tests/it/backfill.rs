//! An empty system filled from what Stripe lists: events of 30 days, and the objects beyond.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use testbed::stripe::{Order, When};

use crate::commands::{eventually, one_shot, reconciler};
use crate::end_to_end::{processor, wrong};
use crate::support::believed::register;
use crate::support::{Rig, intent, now};

const DAY: i64 = 86_400;

/// Bookings of yesterday, whose events are listed, and of long ago, whose events are not.
fn history(rig: &Rig, recent: u64, old: u64) {
    for (count, ago) in [(recent, 2), (old, 90)] {
        let bookings = rig.stripe.create_bookings(&Order {
            count,
            when: When::At(now() - ago * DAY),
            ..Order::default()
        });
        register(rig, &bookings);
    }
}

/// A payment of long ago that no event tells of.
fn old_payment(rig: &Rig, account: Option<&str>, n: usize) {
    let mut object = intent(&format!("pi_old_{n}"), "succeeded", n);
    object["created"] = (now() - 60 * DAY - i64::try_from(n).unwrap()).into();
    rig.stripe.put_object(account, object);
}

/// Records by the object or event they carry.
async fn copies(rig: &Rig) -> BTreeMap<String, usize> {
    let mut copies = BTreeMap::new();
    for record in rig.topic.records().await {
        let value: serde_json::Value = serde_json::from_slice(&record.value).unwrap();
        *copies
            .entry(value["id"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    copies
}

fn backfill(rig: &Rig) -> Command {
    let mut command = reconciler(rig);
    command.arg("backfill").env("BACKFILL_RATE", "5000");
    command
}

async fn ran(mut command: Command) -> (Option<i32>, String) {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code(), text)
}

#[tokio::test]
async fn empty_system_is_filled_from_events_of_thirty_days_and_objects_beyond() {
    let rig = Rig::new().await;
    history(&rig, 30, 30);
    let dir = tempfile::tempdir().unwrap();
    let _processor = processor(&rig, dir.path()).await;
    let (code, text) = ran(backfill(&rig)).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("payment_intents  published"), "{text}");
    assert_eq!(wrong(&rig), Vec::<String>::new());
    assert!(copies(&rig).await.values().all(|copies| *copies == 1));
    let target = "SELECT count(*) AS n FROM cursors t JOIN cursors b USING (account) \
                  WHERE t.sweep = 'tail' AND b.sweep = 'backfill' AND t.position = b.target";
    assert_eq!(
        rig.database.number(target),
        1,
        "the tail goes on from there"
    );
    assert_eq!(
        rig.database
            .number("SELECT count(*) AS n FROM backfills WHERE done_at IS NOT NULL"),
        9
    );

    let published = rig.topic.count().await;
    let (code, text) = ran(backfill(&rig)).await;
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(
        rig.topic.count().await,
        published,
        "run again it adds nothing"
    );
}

#[tokio::test]
async fn killed_anywhere_it_goes_on_where_it_stood_and_repeats_a_page_at_most() {
    let rig = Rig::new().await;
    history(&rig, 40, 0);
    for n in 0..450 {
        old_payment(&rig, None, n);
    }
    let dir = tempfile::tempdir().unwrap();
    let _processor = processor(&rig, dir.path()).await;
    let events = i64::try_from(rig.stripe.events().len()).unwrap();
    let mut kills = 0;
    // Twice among the events, twice among the pages of objects behind them.
    for share in [events / 6, events / 2, events + 150, events + 350] {
        let mut child = backfill(&rig)
            .env("BACKFILL_RATE", "150")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        eventually("it has published some more, or is done", async || {
            rig.topic.count().await >= share || child.try_wait().unwrap().is_some()
        })
        .await;
        kills += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(kills > 2, "it was killed at work, also at the lists");
    let noted = "SELECT coalesce(max(objects), 0) AS n FROM backfills WHERE done_at IS NULL";
    assert!(rig.database.number(noted) >= 100, "a page's place is noted");
    let (code, text) = ran(backfill(&rig)).await;
    assert_eq!(code, Some(0), "{text}");
    let copies = copies(&rig).await;
    for n in 0..450 {
        assert!(copies.contains_key(&format!("pi_old_{n}")), "pi_old_{n}");
    }
    assert_eq!(wrong(&rig), Vec::<String>::new());
    let confirmed = "SELECT count(*) AS n FROM objects WHERE id LIKE 'pi_old_%' \
                     AND status = 'succeeded'";
    assert_eq!(rig.database.number(confirmed), 450);
    let twice: usize = copies.values().map(|copies| copies - 1).sum();
    assert!(twice <= 100 * kills, "{twice} copies after {kills} kills");
    let again = |n: usize| {
        copies
            .get(&format!("pi_old_{n}"))
            .is_some_and(|copies| *copies > 1)
    };
    let again = (0..450).filter(|n| again(*n)).count();
    assert!(
        again <= 200,
        "{again} objects of the lists came twice after two kills there"
    );
}

#[tokio::test]
async fn connected_accounts_are_filled_each_from_its_own_lists() {
    let rig = Rig::new().await;
    rig.lose_of(Some("acct_1"), 1, 5 * DAY);
    old_payment(&rig, Some("acct_1"), 2);
    old_payment(&rig, None, 3);
    let dir = tempfile::tempdir().unwrap();
    let _processor = processor(&rig, dir.path()).await;
    let mut command = backfill(&rig);
    command.env("STRIPE_ACCOUNTS", "acct_1");
    let (code, text) = ran(command).await;
    assert_eq!(code, Some(0), "{text}");
    let objects = "SELECT string_agg(account || '/' || id, ',' ORDER BY account, id) AS t \
                   FROM objects WHERE version > 0";
    assert_eq!(
        rig.database.text(objects).as_deref(),
        Some("/pi_old_3,acct_1/pi_1,acct_1/pi_old_2")
    );
    let cursors = "SELECT count(*) AS n FROM cursors WHERE sweep = 'tail'";
    assert_eq!(rig.database.number(cursors), 2);
}

#[tokio::test]
async fn objects_before_since_are_left_out() {
    let rig = Rig::new().await;
    old_payment(&rig, None, 1);
    let mut older = intent("pi_older", "succeeded", 2);
    older["created"] = (now() - 400 * DAY).into();
    rig.stripe.put_object(None, older);
    let dir = tempfile::tempdir().unwrap();
    let _processor = processor(&rig, dir.path()).await;
    let mut command = backfill(&rig);
    let since = chrono::DateTime::from_timestamp(now() - 100 * DAY, 0).unwrap();
    command.args(["--since", &since.to_rfc3339()]);
    let (code, text) = ran(command).await;
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(
        copies(&rig).await.into_keys().collect::<Vec<_>>(),
        ["pi_old_1"]
    );
    // What was left out is read by a run that asks for it, and nothing else is read again.
    let (code, text) = ran(backfill(&rig)).await;
    assert_eq!(code, Some(0), "{text}");
    let copies = copies(&rig).await;
    assert_eq!((copies.len(), copies["pi_old_1"]), (2, 1));
}

#[tokio::test]
async fn without_a_processor_that_catches_up_it_stops_after_one_page() {
    let rig = Rig::new().await;
    for n in 0..250 {
        old_payment(&rig, None, n);
    }
    let mut command = backfill(&rig);
    command.env("BARRIER_TIMEOUT", "300ms");
    let (code, text) = ran(command).await;
    assert_eq!(code, Some(124), "{text}");
    assert!(text.contains("run it again"), "{text}");
    assert_eq!(rig.topic.count().await, 100);
}

#[tokio::test]
async fn list_whose_last_object_is_gone_is_read_anew() {
    let rig = Rig::new().await;
    old_payment(&rig, None, 1);
    rig.database.execute(
        "INSERT INTO backfills (account, collection, after_id, objects) \
         VALUES ('', 'payment_intents', 'pi_gone', 7)",
    );
    let dir = tempfile::tempdir().unwrap();
    let _processor = processor(&rig, dir.path()).await;
    let (code, text) = ran(backfill(&rig)).await;
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(copies(&rig).await["pi_old_1"], 1);
}

#[tokio::test]
async fn second_backfill_at_the_same_time_is_refused() {
    let rig = Rig::new().await;
    let reader = rig.reader(crate::support::limits()).await;
    let lock = reader
        .store
        .lock_for(reconciler::store::Lock::Backfill, Duration::ZERO)
        .await
        .unwrap();
    assert!(lock.is_some());
    let (code, text) = one_shot(&rig, &["backfill"]).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("another backfill is running"), "{text}");
    assert_eq!(rig.topic.count().await, 0);
}
