-- Shares that the two other walks do not meet, for one page of shares ($1: accounts, $2: objects,
-- $3: bookings): a share of an object that is not there, or of a booking that has no row. Its money
-- would be counted in no payment or shown in no booking. Subqueries with LIMIT are looked up in an
-- index, row by row, whatever the statistics say.
WITH page AS (
    SELECT k.account, k.object_id, k.booking_id
    FROM unnest($1::text[], $2::text[], $3::text[]) AS k (account, object_id, booking_id)
),
differences AS (
    SELECT 'share_without_object' AS problem, p.account, p.object_id AS subject,
        NULL::text AS currency, NULL::numeric AS expected, NULL::numeric AS found
    FROM page p
    WHERE (SELECT true FROM objects o WHERE o.account = p.account AND o.id = p.object_id LIMIT 1)
        IS NULL
    UNION ALL
    SELECT 'share_without_booking', p.account, p.object_id || ' of ' || p.booking_id, NULL, NULL, NULL
    FROM page p
    WHERE p.booking_id <> ''
      AND (SELECT true FROM bookings b WHERE b.id = p.booking_id LIMIT 1) IS NULL
)
SELECT (SELECT count(*) FROM page) AS compared, 0::bigint AS old, 0::bigint AS held,
    (SELECT count(*) FROM differences) AS differing,
    (SELECT coalesce(json_agg(d), '[]') FROM (
        SELECT * FROM differences ORDER BY account, subject, problem LIMIT $4) d)::text
        AS differences,
    '[]' AS unassigned, '[]' AS totals
