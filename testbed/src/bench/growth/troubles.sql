-- What went wrong in the layer :layer: dead letters, parked events, findings, refetches; what sweeps
-- and operators left behind. Most of it is settled.
INSERT INTO dead_letters (event_id, payload, payload_sha256, key, topic, partition, "offset", stage, error_class, error,
    attempts, first_failed_at, last_failed_at, status, event_type, fingerprint, booking_id)
SELECT 'evt_' || c.token || '_8', '\x00', sha256(c.token::bytea), 'bk_' || c.token, 'generated.events', c.n % 12, c.n * 16 + 8,
    'apply', 'business', 'generated', 10, t.at, t.at, CASE WHEN c.n % 12500 = 7 THEN 'open' ELSE 'resolved' END,
    'charge.updated', 'f' || c.n % 17, 'bk_' || c.token
FROM growth.lives(:layer) c CROSS JOIN LATERAL (SELECT to_timestamp(c.base * 100 + 95) AS at) t
WHERE c.n % 250 = 7 AND c.story = 0;
INSERT INTO dead_letter_groups (fingerprint, stage, error_class, error_kind, event_type, error, status, first_seen, last_seen)
SELECT 'f' || g, 'apply', 'business', 'constraint', 'charge.updated', 'generated', CASE WHEN g = 3 THEN 'open' ELSE 'resolved' END,
    now() - interval '1 year', now() - g * interval '1 day'
FROM generate_series(0, 16) AS g ON CONFLICT DO NOTHING;
-- A person decides about these: no thread tries them again.
INSERT INTO parked_events (event_id, booking_id, created, topic, partition, "offset", key, headers, parked_at,
    error_class, error_kind, error, first_failed_at, last_failed_at, attempts, next_attempt_at, gave_up_at)
SELECT 'evt_' || c.token || '_8', 'bk_' || c.token, t.at, 'generated.events', c.n % 12, c.n * 16 + 8, 'bk_' || c.token, '[]', t.at,
    'business', 'constraint', 'generated', t.at, t.at, 10, t.at, t.at
FROM growth.lives(:layer) c CROSS JOIN LATERAL (SELECT to_timestamp(c.base * 100 + 40) AS at) t
WHERE c.n % 10000 = 33;
INSERT INTO sweeps (kind, window_from, window_to, started_at, finished_at, listed, outcome)
SELECT 'tail', t.at, t.at + interval '16 minutes', t.at, t.at + interval '1 second', 100, 'complete'
FROM growth.lives(:layer) c CROSS JOIN LATERAL (SELECT to_timestamp(c.base * 100) AS at) t WHERE c.n % 12 = 0;
INSERT INTO certificates (window_from, window_to, stripe_count, ledger_count, ids_hash, ledger_hash, complete, issued_at, issued_by)
SELECT t.at, t.at + interval '16 minutes', 100, 100, 'h', 'h', true, t.at, 'generated'
FROM growth.lives(:layer) c CROSS JOIN LATERAL (SELECT to_timestamp(c.base * 100) AS at) t WHERE c.n % 12 = 0;
INSERT INTO findings (kind, confidence, evidence, event_id, booking_id, found_at, identity, scope, detail, closed_at)
SELECT (ARRAY['paid_twice', 'claims_differ', 'refunds_disagree'])[c.n % 3 + 1], 1, '{}', 'evt_' || c.token || '_8', 'bk_' || c.token,
    t.at, 'generated:' || c.n, 'booking:bk_' || c.token, 'generated', CASE WHEN c.n % 5000 > 9 THEN t.at END
FROM growth.lives(:layer) c CROSS JOIN LATERAL (SELECT to_timestamp(c.base * 100 + 95) AS at) t WHERE c.n % 250 = 9;
INSERT INTO refetches (object_id, object_type, fingerprint, reason, tied_at, requested_at, state, attempts, next_attempt_at,
    done_at, observation_id)
SELECT 'pi_' || c.token, 'payment_intent', c.token, 'tie', t.at, t.at, 'done', 1, t.at, t.at, 'obs_' || md5(c.token)
FROM growth.lives(:layer) c CROSS JOIN LATERAL (SELECT to_timestamp(c.base * 100 + 95) AS at) t WHERE c.n % 125 = 3;
INSERT INTO operator_actions (id, at, who, host, verb, reason, request, state, finished_at)
SELECT 'act_' || md5(c.n::text), t.at, 'operator-' || c.n % 7, 'generated', 'replay', 'generated', '{}',
    CASE WHEN c.n % 9000 = 11 THEN 'failed' ELSE 'done' END, t.at
FROM growth.lives(:layer) c CROSS JOIN LATERAL (SELECT to_timestamp(c.base * 100 + 95) AS at) t WHERE c.n % 1000 = 11;
