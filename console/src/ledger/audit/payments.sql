-- Conservation, payment by payment, for one page of objects ($1: accounts, $2: ids).
--
-- The captured amount of a payment must be the sum of its shares over all bookings and the row of
-- the empty booking: then nothing is counted twice and nothing is lost. Only payments whose captured
-- amount Stripe states exactly are compared:
--   * payment intents that are succeeded, canceled or requires_capture: amount_received;
--   * succeeded charges that no payment intent is linked to: amount_captured. A charge without
--     shares whose money came by a transfer is shown with the payment it comes from and has none.
-- Refunds and disputes are not compared: their division needs the folding rules. A negative amount
-- and a share in another currency than its payment's are wrong in any case.
--
-- Shares are written in the transaction that changes their payment, and a page is read
-- and compared in one moment: live traffic cannot make a difference. An object that rules older than the least
-- permitted ones folded has no shares of these rules: it is counted, and compared once rebuilt.
--
-- LIMIT and OFFSET in subqueries keep the planner from joining whole tables: each key is looked up
-- in an index, whatever the statistics say.
WITH keys AS (
    SELECT k.account, k.id FROM unnest($1::text[], $2::text[]) AS k (account, id)
),
known AS (
    SELECT k.account, k.id, o.type, o.status, o.currency, o.amount_paid,
        o.fold_version < (SELECT r.min_version FROM fold_rules r) AS is_old
    FROM keys k LEFT JOIN LATERAL (
        SELECT * FROM objects o WHERE o.account = k.account AND o.id = k.id LIMIT 1) o ON true
),
payments AS (
    SELECT o.* FROM known o
    WHERE o.amount_paid IS NOT NULL AND (
        (o.type = 'payment_intent' AND o.status IN ('succeeded', 'canceled', 'requires_capture'))
        OR (o.type = 'charge' AND o.status = 'succeeded'
            AND (SELECT true FROM object_links l WHERE l.account = o.account
                AND l.from_id = o.id AND starts_with(l.to_id, 'pi_') LIMIT 1) IS NULL
            AND (SELECT true FROM object_links l WHERE l.account = o.account
                AND l.to_id = o.id AND starts_with(l.from_id, 'pi_') LIMIT 1) IS NULL))
),
shares AS (
    SELECT s.*, k.type IS NULL AS is_orphan FROM known k CROSS JOIN LATERAL (
        SELECT * FROM object_shares s WHERE s.account = k.account AND s.object_id = k.id OFFSET 0) s
),
sums AS (
    SELECT p.account, p.id, p.type, p.currency, p.amount_paid, s.shares, s.captured,
        s.is_other_currency
    FROM payments p CROSS JOIN LATERAL (
        SELECT count(*) AS shares, coalesce(sum(s.captured), 0) AS captured,
            coalesce(bool_or(s.captured <> 0 AND s.currency IS DISTINCT FROM p.currency), false)
                AS is_other_currency
        FROM object_shares s WHERE s.account = p.account AND s.object_id = p.id) s
    WHERE NOT p.is_old
),
differences AS (
    SELECT 'captured' AS problem, s.account, s.id AS subject, s.currency,
        s.amount_paid::numeric AS expected, s.captured AS found
    FROM sums s
    WHERE s.captured <> s.amount_paid
      AND (s.shares > 0 OR s.type <> 'charge' OR NOT (
          starts_with(s.id, 'py_') OR (SELECT true FROM object_links l WHERE l.account = s.account
              AND l.from_id = s.id AND starts_with(l.to_id, 'tr_') LIMIT 1) IS NOT NULL))
    UNION ALL
    SELECT 'share_currency', s.account, s.id, s.currency, s.amount_paid, s.captured
    FROM sums s WHERE s.is_other_currency
    UNION ALL
    SELECT 'negative_share', s.account, s.object_id, s.currency, 0,
        least(s.captured, s.authorized, s.in_flight, s.settled_elsewhere, s.from_balance, s.credited,
            s.refunded, s.refund_pending_action, s.disputed, s.lost)
    FROM shares s
    WHERE least(s.captured, s.authorized, s.in_flight, s.settled_elsewhere, s.from_balance,
            s.credited, s.refunded, s.refund_pending_action, s.disputed, s.lost) < 0
    UNION ALL
    -- Only where one booking is audited: a walk over objects meets no such share.
    SELECT DISTINCT 'share_without_object', s.account, s.object_id, NULL::text, NULL::numeric,
        NULL::numeric
    FROM shares s WHERE s.is_orphan
),
unassigned AS (
    SELECT s.account, s.object_id, s.currency, s.captured, s.settled_elsewhere, s.refunded,
        s.disputed, s.lost, to_timestamp(s.paid_at) AS paid_at
    FROM shares s WHERE s.booking_id = '' AND s.captured::numeric + s.settled_elsewhere > 0
)
SELECT (SELECT count(*) FROM sums) AS compared,
    (SELECT count(*) FROM payments p WHERE p.is_old) AS old,
    0::bigint AS held,
    (SELECT count(*) FROM differences) AS differing,
    (SELECT coalesce(json_agg(d), '[]') FROM (
        SELECT * FROM differences ORDER BY account, subject, problem LIMIT $3) d)::text AS differences,
    (SELECT coalesce(json_agg(u), '[]') FROM (
        SELECT * FROM unassigned ORDER BY account, object_id LIMIT $3) u)::text AS unassigned,
    (SELECT coalesce(json_agg(t), '[]') FROM (
        SELECT currency, count(*) AS payments, sum(captured) AS captured,
            sum(settled_elsewhere) AS settled_elsewhere, sum(refunded) AS refunded
        FROM unassigned GROUP BY currency) t)::text AS totals
