-- Conservation, booking by booking, for one page of bookings ($1: ids).
--
-- A booking reads no object, it sums its shares: so each of its amounts must be the sum of its
-- shares in that currency, and a currency that only one side has is a difference, too. Amounts are
-- compared one by one, so that the difference names the amount that is wrong.
--
-- A held booking is not compared: it waits for events, for Stripe or for a person, and its shares
-- go on without it. One that rules older than the least permitted ones folded is compared once it
-- is rebuilt.
--
-- Each id is looked up in an index, whatever the statistics say: LIMIT and OFFSET keep the planner
-- from joining whole tables.
WITH keys AS (SELECT k.id FROM unnest($1::text[]) AS k (id)),
page AS (
    SELECT k.id, coalesce(b.hold IS NOT NULL, false) AS is_held,
        coalesce(b.fold_version < (SELECT r.min_version FROM fold_rules r), false) AS is_old
    FROM keys k LEFT JOIN LATERAL (
        SELECT * FROM bookings b WHERE b.id = k.id LIMIT 1) b ON true
),
shown AS (
    SELECT a.booking_id, a.currency, f.field, f.amount::numeric AS amount
    FROM keys k CROSS JOIN LATERAL (
        SELECT * FROM booking_amounts a WHERE a.booking_id = k.id
        UNION ALL
        -- The view leaves out a booking whose currency is not known yet.
        SELECT b.id, '', b.amount_paid, b.amount_refunded, b.amount_authorized, b.amount_in_flight,
            b.amount_settled_elsewhere, b.amount_from_balance, b.amount_credited,
            b.amount_refund_pending_action, b.amount_disputed, b.amount_lost, b.amount_net, b.payments
        FROM bookings b WHERE b.id = k.id AND b.version > 0 AND b.currency IS NULL
        OFFSET 0
    ) a CROSS JOIN LATERAL (VALUES
        ('amount_paid', a.amount_paid), ('amount_refunded', a.amount_refunded),
        ('amount_authorized', a.amount_authorized), ('amount_in_flight', a.amount_in_flight),
        ('amount_settled_elsewhere', a.amount_settled_elsewhere),
        ('amount_from_balance', a.amount_from_balance), ('amount_credited', a.amount_credited),
        ('amount_refund_pending_action', a.amount_refund_pending_action),
        ('amount_disputed', a.amount_disputed), ('amount_lost', a.amount_lost),
        ('amount_net', a.amount_net)) AS f (field, amount)
),
sums AS (
    SELECT k.id AS booking_id, s.* FROM keys k CROSS JOIN LATERAL (
        SELECT coalesce(s.currency, '') AS currency, sum(s.captured) AS captured,
            sum(s.authorized) AS authorized, sum(s.in_flight) AS in_flight,
            sum(s.settled_elsewhere) AS settled_elsewhere, sum(s.from_balance) AS from_balance,
            sum(s.credited) AS credited, sum(s.refunded) AS refunded,
            sum(s.refund_pending_action) AS refund_pending_action, sum(s.disputed) AS disputed,
            sum(s.lost) AS lost
        FROM object_shares s WHERE s.booking_id = k.id AND s.booking_id <> ''
        GROUP BY coalesce(s.currency, '')) s
),
summed AS (
    SELECT s.booking_id, s.currency, f.field, f.amount
    FROM sums s CROSS JOIN LATERAL (VALUES
        ('amount_paid', s.captured + s.settled_elsewhere + s.from_balance),
        ('amount_refunded', s.refunded), ('amount_authorized', s.authorized),
        ('amount_in_flight', s.in_flight), ('amount_settled_elsewhere', s.settled_elsewhere),
        ('amount_from_balance', s.from_balance), ('amount_credited', s.credited),
        ('amount_refund_pending_action', s.refund_pending_action),
        ('amount_disputed', s.disputed), ('amount_lost', s.lost),
        ('amount_net', s.captured + s.settled_elsewhere + s.from_balance - s.refunded - s.credited
            - s.disputed - s.lost)) AS f (field, amount)
),
differences AS (
    SELECT field AS problem, '' AS account, booking_id AS subject,
        nullif(currency, '') AS currency, coalesce(m.amount, 0) AS expected,
        coalesce(b.amount, 0) AS found
    FROM shown b FULL JOIN summed m USING (booking_id, currency, field)
    WHERE coalesce(b.amount, 0) <> coalesce(m.amount, 0)
      AND booking_id IN (SELECT p.id FROM page p WHERE NOT p.is_held AND NOT p.is_old)
)
SELECT (SELECT count(*) FROM page p WHERE NOT p.is_held AND NOT p.is_old) AS compared,
    (SELECT count(*) FROM page p WHERE p.is_old) AS old,
    (SELECT count(*) FROM page p WHERE p.is_held AND NOT p.is_old) AS held,
    (SELECT count(*) FROM differences) AS differing,
    (SELECT coalesce(json_agg(d), '[]') FROM (
        SELECT * FROM differences ORDER BY subject, currency, problem LIMIT $2) d)::text
        AS differences,
    '[]' AS unassigned, '[]' AS totals
