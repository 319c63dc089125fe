-- 4,000 rows in each table that grows, of which little is due; the statistics then say 10,000,000.
-- Nobody else counts the rows meanwhile.
DO $$ DECLARE t regclass; BEGIN
    FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
        EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = false)', t);
    END LOOP;
END $$;
-- An event fills a page, so that its table has as many ranges of pages as a large one.
ALTER TABLE events ALTER COLUMN payload SET STORAGE PLAIN;
INSERT INTO events (id, created, record_kind, account, livemode, type, object_id, object_type, booking_id,
    payload, payload_sha256, source, topic, partition, "offset", received_at, applied_at, disposition, fold_version)
SELECT 'evt_old_' || n, at, CASE WHEN n % 50 = 0 THEN 'observation' ELSE 'event' END,
    CASE WHEN n % 4 = 0 THEN 'acct_' || n % 7 END, true,
    (ARRAY['charge.succeeded', 'charge.updated', 'payment_intent.created', 'payment_intent.succeeded',
        'checkout.session.completed', 'invoice.paid', 'refund.created', 'customer.updated',
        'invoice.created', 'charge.refunded'])[n % 10 + 1],
    'pi_' || n / 3, 'payment_intent', 'B-' || n / 3, convert_to(repeat('x', 7000), 'UTF8'), sha256(n::text::bytea),
    'webhook', 'planted', n % 12, n / 12, at, at,
    CASE WHEN n % 500 = 0 THEN 'parked' WHEN n % 501 = 0 THEN 'dead' ELSE 'applied' END, 4
FROM generate_series(1, 4000) AS n CROSS JOIN LATERAL (
    SELECT now() - (4000 - n) * CASE WHEN n > 2000 THEN interval '1 second' ELSE interval '20 minutes' END AS at) t;
INSERT INTO objects (account, id, type, status, booking_id, version, updated_by)
SELECT CASE WHEN n % 4 = 0 THEN 'acct_' || n % 7 ELSE '' END, 'pi_' || n,
    (ARRAY['payment_intent', 'charge', 'invoice', 'customer'])[n % 4 + 1], 'succeeded', 'B-' || n, 1, 'planted'
FROM generate_series(1, 4000) AS n;
INSERT INTO seen_accounts (account) SELECT 'acct_' || n FROM generate_series(0, 6) AS n;
INSERT INTO object_links (account, from_id, to_id, source_id)
SELECT '', 'pi_' || n, 'ch_' || n, 'evt_old_' || n FROM generate_series(1, 4000) AS n;
INSERT INTO object_mentions (account, object_id, booking_id)
SELECT '', 'pi_' || n, 'B-' || n FROM generate_series(1, 4000) AS n;
INSERT INTO object_shares (account, object_id, booking_id, attempt, at, is_finished, is_free, is_settled,
    captured, authorized, in_flight, settled_elsewhere, from_balance, credited, refunded,
    refund_pending_action, disputed, lost, winners)
SELECT '', 'pi_' || n, 'B-' || n, 'paid', 1, true, false, true, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, ''
FROM generate_series(1, 4000) AS n;
-- A third of all bookings waits, some of them for a year.
INSERT INTO bookings (id, status, hold, version, updated_at, authorized_until, updated_by)
SELECT 'B-' || n,
    CASE WHEN n % 3 = 0 THEN 'pending' WHEN n % 50 = 1 THEN 'authorized' ELSE 'confirmed' END,
    CASE WHEN n % 400 = 1 THEN 'parked' END, 1, now() - (4000 - n) * interval '2 hours',
    CASE WHEN n % 50 = 1 THEN now() + (n - 3900) * interval '10 minutes' END, 'planted'
FROM generate_series(1, 4000) AS n;
INSERT INTO booking_checks (booking_id, since, level, due_at)
SELECT b.id, b.updated_at, least(13, 1 + floor(log(2, 1 + extract(epoch FROM now() - b.updated_at) / 600)))::smallint,
    CASE WHEN b.updated_at > now() - interval '40 days'
        THEN now() + (row_number() OVER (ORDER BY b.updated_at) % 100 - 1) * interval '1 hour' END
FROM bookings b WHERE b.status = 'pending';
INSERT INTO booking_transitions (booking_id, version, cause_kind, cause_id, to_status, after, fold_version)
SELECT 'B-' || n, 1, 'event', 'evt_old_' || n, 'confirmed', '{}', 4 FROM generate_series(1, 4000) AS n;
INSERT INTO registrations (booking_id, amount, currency, registered_at, folded_at)
SELECT 'B-' || n, 100, 'eur', now() - (4000 - n) * interval '2 hours', CASE WHEN n % 100 > 0 THEN now() END
FROM generate_series(1, 4000) AS n;
INSERT INTO registered_intents (payment_intent_id, booking_id, folded_at)
SELECT 'pi_' || n, 'B-' || n, CASE WHEN n % 100 > 0 THEN now() END FROM generate_series(1, 4000) AS n;
INSERT INTO sweeps (kind, account, window_from, window_to, started_at, finished_at, outcome)
SELECT CASE WHEN n % 100 = 0 THEN 'deep' ELSE 'tail' END, CASE WHEN n % 2 = 0 THEN 'acct_' || n % 7 ELSE '' END,
    at - interval '1 day', at, at, at, 'complete'
FROM generate_series(1, 4000) AS n CROSS JOIN LATERAL (SELECT now() - (4000 - n) * interval '1 minute' AS at) t;
INSERT INTO certificates (account, window_from, window_to, stripe_count, ledger_count, ids_hash, ledger_hash,
    complete, issued_by)
SELECT CASE WHEN n % 2 = 0 THEN 'acct_' || n % 7 ELSE '' END, now() - (4001 - n) * interval '1 hour',
    now() - (4000 - n) * interval '1 hour', 1, 1, 'h', 'h', true, 'planted'
FROM generate_series(1, 4000) AS n;
INSERT INTO findings (sweep_id, kind, confidence, evidence, event_id, object_id, booking_id, found_at, repaired_at,
    identity, scope, closed_at)
SELECT CASE WHEN n % 2 = 0 THEN (SELECT min(id) FROM sweeps) END,
    (ARRAY['unknown', 'paid_twice', 'not_applied', 'abandoned', 'booking_differs', 'refunds_disagree'])[n % 6 + 1],
    1, '{}', CASE WHEN n % 2 = 0 THEN 'evt_old_' || n END, CASE WHEN n % 2 = 1 THEN 'pi_' || n END, 'B-' || n,
    now() - (4000 - n) * interval '1 hour',
    CASE WHEN n % 2 = 0 AND n % 100 > 0 THEN now() END, CASE WHEN n % 2 = 1 THEN 'planted:' || n END,
    CASE WHEN n % 2 = 1 THEN 'booking:B-' || n END, CASE WHEN n % 2 = 1 AND n % 100 > 1 THEN now() END
FROM generate_series(1, 4000) AS n;
INSERT INTO refetches (account, object_id, object_type, fingerprint, reason, tied_at, requested_at, state,
    next_attempt_at, done_at, observation_id)
SELECT '', 'pi_' || n / 4, 'payment_intent', n::text, 'tie', now() - interval '1 hour', now() - interval '1 hour',
    CASE WHEN n % 200 = 0 THEN 'pending' ELSE 'done' END, now() + (n - 3900) * interval '1 minute',
    CASE WHEN n % 200 > 0 THEN now() - n * interval '1 minute' END, 'obs_' || n
FROM generate_series(1, 4000) AS n;
INSERT INTO outbox (id, key, kind, payload, published_at)
SELECT 'planted_' || n, 'B-' || n, 'booking.changed', '{}', CASE WHEN n % 200 > 0 THEN now() END
FROM generate_series(1, 4000) AS n;
-- A booking behind which thousands of events wait, beside many short queues.
INSERT INTO parked_events (event_id, booking_id, created, topic, partition, "offset", key, headers, error_class,
    error_kind, error, first_failed_at, last_failed_at, attempts, next_attempt_at, gave_up_at)
SELECT 'evt_old_' || n, CASE WHEN n > 400 THEN 'B-1' ELSE 'B-' || n / 4 END, now() - (4000 - n) * interval '20 minutes',
    'planted', n % 12, n / 12, 'B-' || n, '[]', w.class, w.class, w.class, w.at, w.at, 1,
    now() + interval '1 hour', CASE WHEN n % 40 = 0 THEN now() END
FROM generate_series(1, 4000) AS n CROSS JOIN LATERAL (
    SELECT CASE WHEN n % 4 = 0 THEN 'unclassified' END AS class, CASE WHEN n % 4 = 0 THEN now() END AS at) w;
INSERT INTO dead_letters (payload, payload_sha256, key, topic, partition, "offset", stage, error_class, error,
    attempts, first_failed_at, last_failed_at, status, event_id, event_type, fingerprint)
SELECT '\x00', sha256(n::text::bytea), 'B-' || n, 'planted', n % 12, n / 12, 'decode', 'poison', 'planted', 1,
    now() - (4000 - n) * interval '1 minute', now() - (4000 - n) * interval '1 minute',
    CASE WHEN n % 50 = 0 THEN 'open' ELSE 'resolved' END, 'evt_dead_' || n,
    (ARRAY['charge.succeeded', 'charge.refunded', 'invoice.paid'])[n % 3 + 1], 'f' || n % 20
FROM generate_series(1, 4000) AS n;
INSERT INTO dead_letter_groups (fingerprint, stage, error_class, error_kind, event_type, error, status, first_seen,
    last_seen)
SELECT 'f' || n, 'decode', 'poison', 'planted', 'planted', 'planted',
    CASE WHEN n % 50 = 0 THEN 'open' ELSE 'resolved' END, now(), now() - (4000 - n) * interval '1 minute'
FROM generate_series(1, 4000) AS n;
INSERT INTO accounts (account, id, deleted, currently_due, past_due, settled, as_of, deauthorized)
SELECT 'acct_' || n % 7, 'acct_old_' || n, false, '{}', '{}', true, now(), n % 100 = 0
FROM generate_series(1, 4000) AS n;
INSERT INTO operator_actions (id, at, who, host, verb, reason, request, state)
SELECT 'act_' || n, now() - (4000 - n) * interval '1 minute', 'planted_' || n % 40, 'planted', 'replay', 'planted',
    '{}', CASE WHEN n % 50 = 0 THEN 'failed' ELSE 'done' END
FROM generate_series(1, 4000) AS n;
INSERT INTO operator_action_items (action_id, subject, state, done_at)
SELECT 'act_' || n, 'B-' || n, 'applied', now() FROM generate_series(1, 4000) AS n;
ANALYZE;
-- The planner multiplies rows a page with the pages that it finds: so many times the rows in the same pages.
UPDATE pg_class SET reltuples = reltuples * 2500
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i') AND reltuples >= 20
    AND (relkind = 'i' OR reltuples >= 1000);
