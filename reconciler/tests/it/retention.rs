//! Each table keeps its rows as long as it should, and what an invariant needs stays for ever.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
use reconciler::retention::{Job, Level};
use reconciler::store::retention::step;
use sha2::{Digest as _, Sha256};

use crate::commands::{eventually, start_with};
use crate::support::Rig;
use crate::support::database::Database;

/// As the reconciler works: with its rights.
fn reconciler(database: &Database) -> PgConnection {
    PgConnection::establish(&database.reconciler_url()).unwrap()
}

fn ago(days: i64) -> DateTime<Utc> {
    Utc::now() - TimeDelta::days(days)
}

/// All steps of a job; returns how much went.
fn run(database: &Database, job: Job, before: DateTime<Utc>) -> i64 {
    let connection = &mut reconciler(database);
    let mut removed = 0;
    for _ in 0..10_000 {
        let done = step(connection, job, before, TimeDelta::days(30)).unwrap();
        removed += done.removed;
        if done.is_last {
            return removed;
        }
    }
    panic!("{job:?} has no end");
}

fn refused(database: &Database, role: &str, sql: &str) -> String {
    let mut connection = PgConnection::establish(&database.url_as(role)).unwrap();
    let outcome = connection.batch_execute(sql);
    outcome.expect_err(sql).to_string()
}

/// Ledger rows received and made so many days ago, as the processor leaves them.
fn events(database: &Database, prefix: &str, days: i64, disposition: &str, payload: &str) {
    database.execute(&format!(
        "INSERT INTO events (id, created, record_kind, livemode, type, object_id, object_type, payload,
             payload_sha256, source, topic, partition, \"offset\", received_at, applied_at, disposition,
             fold_version)
         SELECT '{prefix}_' || n, now() - interval '{days} days', 'event', false, 'charge.succeeded',
             'ch_' || n, 'charge', convert_to(replace('{payload}', '%', n::text), 'UTF8'),
             sha256(convert_to(replace('{payload}', '%', n::text), 'UTF8')), 'webhook', 'told', 0, n,
             now() - interval '{days} days', now(), '{disposition}', 4
         FROM generate_series(1, 700) AS n"
    ));
}

const CHARGE: &str = r#"{"id":"evt_%","object":"event","type":"charge.succeeded","created":1700000000,"data":{"object":{"object":"charge","id":"ch_%","amount":500,"amount_captured":500,"captured":true,"currency":"eur","status":"succeeded","metadata":{"booking_id":"B-1"},"receipt_email":"jenny@example.com"}}}"#;

#[tokio::test]
async fn old_payloads_go_after_their_readings_were_kept_and_all_else_of_the_event_stays() {
    let database = Database::new().await;
    events(&database, "old", 400, "applied", CHARGE);
    events(&database, "ignored", 400, "ignored", CHARGE);
    events(&database, "young", 300, "applied", CHARGE);
    events(&database, "parked", 400, "parked", CHARGE);
    events(&database, "dead", 400, "dead", CHARGE);
    assert_eq!(run(&database, Job::Payloads, ago(365)), 1_400);
    let gone =
        "SELECT count(*) AS n FROM events WHERE payload = '' AND payload_removed_by = 'retention'
        AND split_part(id, '_', 1) IN ('old', 'ignored') AND length(payload_sha256) = 32";
    assert_eq!(database.number(gone), 1_400);
    let kept =
        "SELECT count(*) AS n FROM events WHERE payload <> '' AND payload_removed_at IS NULL";
    assert_eq!(database.number(kept), 2_100);
    let readings = "SELECT count(*) AS n FROM event_readings r JOIN events e ON e.id = r.event_id
        WHERE e.disposition = 'applied' AND r.record_key = 'B-1' AND r.reading::text !~ 'jenny'
          AND r.reading -> 'object' -> 'snapshot' -> 'fields' ->> 'booking' = 'B-1'";
    assert_eq!(database.number(readings), 700);
    // The next pass begins where this one ended, and the young ones' time comes.
    assert_eq!(run(&database, Job::Payloads, ago(365)), 0);
    assert_eq!(run(&database, Job::Payloads, ago(200)), 700);
}

#[tokio::test]
async fn a_payload_that_cannot_be_read_stays_and_holds_up_no_other() {
    let database = Database::new().await;
    events(&database, "bad", 500, "applied", "no JSON %");
    events(&database, "old", 400, "applied", CHARGE);
    assert_eq!(run(&database, Job::Payloads, ago(365)), 700);
    let bad = "SELECT count(*) AS n FROM events WHERE id LIKE 'bad%' AND payload <> ''";
    assert_eq!(database.number(bad), 700);
}

#[tokio::test]
async fn what_was_sent_answered_or_looked_at_long_ago_goes_and_what_waits_stays() {
    let database = Database::new().await;
    database.execute(
        "INSERT INTO outbox (id, key, kind, payload, created_at, published_at)
         SELECT 'sent_' || n, 'B', 'booking.changed', '{}', now() - interval '30 days',
             CASE WHEN n % 7 > 0 THEN now() - interval '20 days' END FROM generate_series(1, 7000) AS n;
         INSERT INTO outbox (id, key, kind, payload, published_at)
         SELECT 'new_' || n, 'B', 'booking.changed', '{}', now() FROM generate_series(1, 10) AS n;
         INSERT INTO refetches (account, object_id, object_type, fingerprint, reason, tied_at, requested_at, state)
         SELECT '', 'pi_' || n, 'payment_intent', 'f', 'tie', now(), now() - interval '40 days',
             CASE n % 3 WHEN 0 THEN 'pending' WHEN 1 THEN 'done' ELSE 'failed' END
         FROM generate_series(1, 300) AS n;
         INSERT INTO operator_actions (id, at, who, host, verb, reason, request, state)
         SELECT 'act_' || n, now() - n * interval '40 days', 'a', 'h', 'replay', 'r', '{}', 'done'
         FROM generate_series(1, 4) AS n;
         INSERT INTO operator_action_items (action_id, subject)
         SELECT 'act_' || n, 'evt_' || m FROM generate_series(1, 4) AS n, generate_series(1, 6000) AS m;
         INSERT INTO refold_runs (id, fold_version, started_at) VALUES
             ('ref_old', 4, now() - interval '60 days'), ('ref_new', 4, now());
         INSERT INTO shadow_objects (run_id, account, id, type, state, differs)
         SELECT r, '', 'pi_' || n, 'payment_intent', '{}', false
         FROM unnest(ARRAY['ref_old', 'ref_new']) AS r, generate_series(1, 6000) AS n;
         INSERT INTO shadow_bookings (run_id, booking_id, shadow, differs)
         SELECT r, 'B-' || n, '{}', false
         FROM unnest(ARRAY['ref_old', 'ref_new']) AS r, generate_series(1, 10) AS n",
    );
    assert_eq!(run(&database, Job::Outbox, ago(14)), 6_000);
    assert_eq!(
        database.number("SELECT count(*) AS n FROM outbox WHERE published_at IS NULL"),
        1_000
    );
    assert_eq!(run(&database, Job::Refetches, ago(30)), 200);
    assert_eq!(database.number("SELECT count(*) AS n FROM refetches"), 100);
    assert_eq!(run(&database, Job::ActionItems, ago(90)), 12_000);
    let left = "SELECT count(DISTINCT action_id) AS n FROM operator_action_items";
    assert_eq!(database.number(left), 2);
    assert_eq!(
        database.number("SELECT count(*) AS n FROM operator_actions"),
        4
    );
    assert_eq!(run(&database, Job::Shadows, ago(30)), 6_011);
    let runs = "SELECT string_agg(DISTINCT run_id, ',') AS t FROM shadow_objects";
    assert_eq!(database.text(runs).as_deref(), Some("ref_new"));
    let told = "SELECT string_agg(job || ' ' || removed, ', ' ORDER BY job) AS t FROM retention_jobs WHERE removed > 0";
    assert_eq!(
        database.text(told).as_deref(),
        Some("action_items 12000, outbox 6000, refetches 200, shadows 6011")
    );
}

#[tokio::test]
async fn nobody_removes_what_is_still_needed_whatever_is_asked_for() {
    let database = Database::new().await;
    for (job, soon) in [
        ("outbox", "23 hours"),
        ("refetches", "47 hours"),
        ("action_items", "6 days"),
        ("shadows", "6 days"),
    ] {
        let told = refused(
            &database,
            "bookend_reconciler",
            &format!("SELECT remove_expired('{job}', now() - interval '{soon}', 10)"),
        );
        assert!(told.contains("at least"), "{told}");
    }
    for sql in [
        "SELECT remove_expired('events', now() - interval '9 years', 10)",
        "SELECT remove_expired('outbox', now() - interval '9 years', 0)",
        "SELECT roll_up_sweeps('window', now(), 10)",
        "SELECT roll_up_certificates('window', now(), 10)",
        "SELECT roll_up_certificates('month', now() - interval '1 year', 10)",
    ] {
        let told = refused(&database, "bookend_reconciler", sql);
        assert!(!told.contains("permission"), "{told}");
    }
    for (role, sql) in [
        ("bookend_reconciler", "DELETE FROM outbox"),
        ("bookend_reconciler", "DELETE FROM sweeps"),
        ("bookend_reconciler", "DELETE FROM certificates"),
        (
            "bookend_reconciler",
            "INSERT INTO event_readings VALUES ('e', now(), '', 'o', 'event', 'k', 4, '{}')",
        ),
        ("bookend_reconciler", "UPDATE events SET payload = ''"),
        (
            "bookend_reconciler",
            "SELECT detach_event_month('2020-01-01', 'act_1')",
        ),
        (
            "bookend_processor",
            "SELECT remove_expired('outbox', now() - interval '9 years', 10)",
        ),
        (
            "bookend_processor",
            "UPDATE events SET payload_removed_at = now()",
        ),
        ("bookend_processor", "DELETE FROM retired_ids"),
        ("bookend_processor", "DELETE FROM event_readings"),
        (
            "bookend_console",
            "SELECT roll_up_sweeps('window', now() - interval '1 day', 10)",
        ),
        (
            "bookend_console",
            "UPDATE event_readings SET reading = '{}'",
        ),
        (
            "bookend_reader",
            "SELECT * FROM remove_payloads('{}', '{}', 'retention', '{}', '{}', 4)",
        ),
    ] {
        let told = refused(&database, role, sql);
        assert!(told.contains("permission denied"), "{role}: {sql}: {told}");
    }
}

/// A certificate of each minute of a span, and its sweep.
fn swept(database: &Database, account: &str, from: &str, minutes: i64, complete: bool) {
    let ledger = if complete { "h" } else { "other" };
    database.execute(&format!(
        "INSERT INTO certificates (account, window_from, window_to, stripe_count, ledger_count, ids_hash,
             ledger_hash, complete, issued_at, issued_by)
         SELECT '{account}', t - interval '16 minutes', t, 2, 2, 'h' || n, '{ledger}' || n, {complete}, t, 'reconciler 1'
         FROM generate_series(1, {minutes}) AS n
         CROSS JOIN LATERAL (SELECT {from} + n * interval '1 minute' AS t) AS at;
         INSERT INTO sweeps (kind, account, window_from, window_to, started_at, finished_at, listed, outcome)
         SELECT 'tail', '{account}', t - interval '16 minutes', t, t, t, 2, 'complete'
         FROM generate_series(1, {minutes}) AS n
         CROSS JOIN LATERAL (SELECT {from} + n * interval '1 minute' AS t) AS at"
    ));
}

fn chain(hashes: &[String]) -> String {
    let lines: String = hashes.iter().map(|hash| format!("{hash}\n")).collect();
    hex::encode(Sha256::digest(lines))
}

#[tokio::test]
async fn a_rolled_up_certificate_is_its_parts_and_a_hole_or_a_difference_stays_one() {
    let database = Database::new().await;
    let day = "timestamptz '2026-01-05 00:00:00+00'";
    swept(&database, "", day, 60, true);
    swept(&database, "acct_1", day, 20, true);
    // Half an hour nobody compared; then again, and one difference.
    swept(
        &database,
        "acct_1",
        &format!("({day} + interval '40 minutes')"),
        20,
        true,
    );
    swept(&database, "acct_2", day, 1, false);
    swept(&database, "acct_2", day, 2, true);
    let taken = run(&database, Job::Certificates(Level::Window), ago(1));
    assert_eq!(taken, 60 + 40 + 3);
    let told = "SELECT string_agg(account || ' ' || to_char(window_from AT TIME ZONE 'UTC', 'HH24:MI') || '-'
            || to_char(window_to AT TIME ZONE 'UTC', 'HH24:MI') || ' ' || level || ' ' || parts || ' '
            || stripe_count || ' ' || complete, ', ' ORDER BY account, window_to, complete) AS t FROM certificates";
    assert_eq!(
        database.text(told).as_deref(),
        Some(
            " 23:45-01:00 hour 60 120 true, acct_1 23:45-00:20 hour 20 40 true, \
             acct_1 00:25-01:00 hour 20 40 true, acct_2 23:45-00:01 hour 1 2 false, \
             acct_2 23:45-00:02 hour 2 4 true"
        )
    );
    let parts: Vec<String> = (1..=60).map(|n| format!("h{n}")).collect();
    let hash = "SELECT ids_hash || ledger_hash AS t FROM certificates WHERE account = ''";
    let whole = chain(&parts);
    assert_eq!(database.text(hash), Some(format!("{whole}{whole}")));
    let differing = "SELECT ledger_hash AS t FROM certificates WHERE NOT complete";
    assert_eq!(
        database.text(differing),
        Some(chain(&["other1".to_owned()]))
    );

    // A window that is compared again later joins the hour it lies in.
    database.execute(&format!(
        "INSERT INTO certificates (window_from, window_to, stripe_count, ledger_count, ids_hash, ledger_hash,
             complete, issued_by)
         VALUES ({day}, {day} + interval '1 hour', 3, 3, 'late', 'late', true, 'reconciler 2')"
    ));
    assert_eq!(run(&database, Job::Certificates(Level::Window), ago(1)), 2);
    let again = chain(&[whole, "late".to_owned()]);
    assert_eq!(database.text(hash), Some(format!("{again}{again}")));
    // Days, then months.
    assert_eq!(run(&database, Job::Certificates(Level::Hour), ago(1)), 5);
    assert_eq!(run(&database, Job::Certificates(Level::Day), ago(1)), 5);
    let levels = "SELECT string_agg(DISTINCT level, ',') AS t FROM certificates";
    assert_eq!(database.text(levels).as_deref(), Some("month"));
    let parts = "SELECT sum(parts) AS n FROM certificates";
    assert_eq!(database.number(parts), 60 + 40 + 3 + 1);
}

#[tokio::test]
async fn a_sweep_with_findings_or_a_plan_keeps_its_row_and_the_others_are_counted() {
    let database = Database::new().await;
    swept(
        &database,
        "acct_1",
        "(now() - interval '100 days')",
        600,
        true,
    );
    database.execute(
        "INSERT INTO findings (sweep_id, kind, confidence, evidence)
         SELECT id, 'unknown', 1, '{}' FROM sweeps ORDER BY id LIMIT 1;
         INSERT INTO repair_plans (id, sweep_id, window_from, window_to, missing, cap)
         SELECT 'plan_1', id, window_from, window_to, 3, 2 FROM sweeps ORDER BY id OFFSET 5 LIMIT 1;
         INSERT INTO sweeps (kind, account, window_from, window_to, started_at, listed)
         VALUES ('tail', 'acct_1', now(), now(), now() - interval '99 days', 2)",
    );
    assert_eq!(run(&database, Job::Sweeps(Level::Window), ago(1)), 599);
    assert_eq!(database.number("SELECT count(*) AS n FROM sweeps"), 2);
    for level in [Level::Hour, Level::Day] {
        run(&database, Job::Sweeps(level), ago(62));
    }
    let told =
        "SELECT string_agg(DISTINCT level, ',') || ' ' || sum(sweeps) || ' ' || sum(listed) || ' '
            || sum(sweeps) FILTER (WHERE outcome = 'interrupted') AS t FROM sweep_totals";
    assert_eq!(database.text(told).as_deref(), Some("month 599 1198 1"));
    assert_eq!(run(&database, Job::Sweeps(Level::Window), ago(1)), 0);
}

#[tokio::test]
async fn a_thousand_accounts_swept_every_minute_for_a_year_stay_under_a_million_rows() {
    let database = Database::new().await;
    // One account's hundred days: hours, days and months are all there.
    let minutes = 100 * 24 * 60;
    swept(
        &database,
        "acct_1",
        "(now() - interval '100 days')",
        minutes,
        true,
    );
    let now = Utc::now();
    for (level, before) in [
        (Level::Window, now - TimeDelta::hours(2)),
        (Level::Hour, now - TimeDelta::days(2)),
        (Level::Day, now - TimeDelta::days(62)),
    ] {
        run(&database, Job::Sweeps(level), before);
        run(&database, Job::Certificates(level), before);
    }
    let counted = |table: &str| database.number(&format!("SELECT count(*) AS n FROM {table}"));
    let rows = counted("sweeps") + counted("sweep_totals") + counted("certificates");
    let months = "SELECT count(DISTINCT since) AS n FROM sweep_totals WHERE level = 'month'";
    assert!(database.number(months) >= 1);
    // The rest of the year is one row a month in each of the two tables.
    let year = rows + 2 * 12;
    assert!(year * 1_000 < 1_000_000, "{year} rows for each account");
    // Nothing was forgotten.
    let swept = "SELECT (SELECT count(*) FROM sweeps) + (SELECT sum(sweeps)::bigint FROM sweep_totals) AS n";
    assert_eq!(database.number(swept), minutes);
    assert_eq!(
        database.number("SELECT sum(parts) AS n FROM certificates"),
        minutes
    );
    let holes = "SELECT count(*) AS n FROM (
            SELECT window_from > max(window_to) OVER (ORDER BY window_to ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS hole
            FROM certificates) c WHERE hole";
    assert_eq!(database.number(holes), 0);
}

#[tokio::test]
async fn a_leading_reconciler_keeps_the_lives_by_itself_and_counts_what_goes() {
    let rig = Rig::new().await;
    events(&rig.database, "old", 400, "applied", CHARGE);
    rig.database.execute(
        "INSERT INTO outbox (id, key, kind, payload, published_at)
         SELECT 'sent_' || n, 'B', 'booking.changed', '{}', now() - interval '20 days' FROM generate_series(1, 70) AS n",
    );
    swept(
        &rig.database,
        "",
        "(now() - interval '10 hours')",
        300,
        true,
    );
    let settings = [
        ("PAYLOAD_RETENTION", "365d"),
        ("RETENTION_INTERVAL", "200ms"),
    ];
    let reconciler = start_with(&rig, &settings);
    let went = "SELECT coalesce(string_agg(job, ' ' ORDER BY job), '') AS t FROM retention_jobs WHERE removed > 0";
    let all = Some("certificates outbox payloads sweeps".to_owned());
    eventually("each job did its part", async || {
        rig.database.text(went) == all
    })
    .await;
    let left = "SELECT count(*) AS n FROM events WHERE payload <> ''";
    eventually("all payloads went", async || rig.database.number(left) == 0).await;
    drop(reconciler);
}
