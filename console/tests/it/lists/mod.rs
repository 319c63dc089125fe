//! Every list: its pages join without a gap or a repetition, say where they end, and cost the same
//! however many rows there are.

mod bounds;
mod pages;
mod plans;

use crate::fixture::{Answer, Ledger};

/// A list, the name of its rows in JSON, and the field that names a row.
const LISTS: [(&[&str], &str, &str); 11] = [
    (&["event", "list"], "events", "id"),
    (&["booking", "list"], "bookings", "id"),
    (&["dead", "list"], "dead_letters", "id"),
    (&["dead", "groups"], "groups", "fingerprint"),
    (&["parked", "list"], "queues", "booking_id"),
    (&["finding", "list", "--all"], "findings", "id"),
    (&["sweep", "findings", "--all"], "findings", "id"),
    (&["sweep", "list"], "sweeps", "id"),
    (&["sweep", "certificates"], "certificates", "id"),
    (&["sweep", "plans", "--all"], "plans", "id"),
    (&["action", "list"], "actions", "id"),
];

/// Rows of each list; those of one moment are told apart by their ids.
const ROWS: usize = 7;

fn list(ledger: &Ledger, list: &[&str], more: &[&str]) -> Answer {
    ledger.bookend(&[list, more].concat())
}

/// [`ROWS`] rows in each list. Events lie in several partitions of the ledger, the default one
/// included.
fn planted() -> Ledger {
    let mut ledger = Ledger::new();
    ledger.execute(
        r#"INSERT INTO events (id, created, record_kind, type, booking_id, payload, payload_sha256,
               source, topic, partition, "offset", received_at, disposition, fold_version)
           SELECT 'evt_' || n, CASE WHEN n < 3 THEN to_timestamp(0) WHEN n < 5 THEN now()
               ELSE now() - interval '35 days' END, 'event', 'charge.succeeded', 'bk ''1', '{}',
               sha256('{}'), 'webhook', 't', 0, n, now(), 'applied', 4
           FROM generate_series(1, 7) AS n;
           INSERT INTO bookings (id, status, version, updated_by)
           SELECT 'bk ''' || n, 'confirmed', 1, 'test' FROM generate_series(1, 7) AS n;
           INSERT INTO dead_letters (event_id, payload, payload_sha256, key, topic, partition,
               "offset", stage, error_class, error, attempts, first_failed_at, last_failed_at)
           SELECT 'evt_' || n, '', sha256(''), 'k', 't', 0, n, 'decode', 'poison', 'x', 1, now(),
               now() - n / 2 * interval '1 microsecond' FROM generate_series(1, 7) AS n;
           INSERT INTO dead_letter_groups (fingerprint, stage, error_class, error_kind, event_type,
               error, first_seen, last_seen)
           SELECT 'f' || n, 'decode', 'poison', 'x', 'x', 'x', now(), now()
           FROM generate_series(1, 7) AS n;
           INSERT INTO parked_events (event_id, booking_id, created, topic, partition, "offset", key,
               headers)
           SELECT 'evt_p' || n, 'queue/' || n % 7, now(), 't', 0, n, 'k', '[]'
           FROM generate_series(1, 14) AS n;
           INSERT INTO sweeps (kind, window_from, window_to)
           SELECT 'tail', now() - interval '1 hour', now() FROM generate_series(1, 7) AS n;
           INSERT INTO findings (sweep_id, kind, confidence, evidence)
           SELECT id, 'unknown', 1, '{}' FROM sweeps;
           INSERT INTO certificates (window_from, window_to, stripe_count, ledger_count, ids_hash,
               ledger_hash, complete, issued_by)
           SELECT now() - n / 2 * interval '1 hour', now() + interval '1 hour', 1, 1, 'h', 'h', true,
               'test' FROM generate_series(1, 7) AS n;
           INSERT INTO repair_plans (id, sweep_id, window_from, window_to, missing, cap, state,
               action_id)
           SELECT 'plan_' || id, id, window_from, window_to, 3, 2, 'done', 'act_1' FROM sweeps;
           INSERT INTO operator_actions (id, who, host, verb, reason, request)
           SELECT 'act_' || n, 'Ada', 'h', 'replay', 'x', '{}' FROM generate_series(1, 7) AS n"#,
    );
    ledger
}
