-- Reads the files of what a batch looks up into the system's memory, where a server in service has
-- them: the tables of the present state, and the indexes of its history. Returns the bytes.
WITH tables AS (
    SELECT oid, relname NOT IN ('booking_transitions', 'outbox') AS is_state FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname IN ('objects', 'object_links', 'object_mentions',
        'object_shares', 'bookings', 'registrations', 'registered_intents', 'booking_transitions', 'outbox')
), files AS (
    SELECT oid FROM tables WHERE is_state
    UNION ALL SELECT i.indexrelid FROM pg_index i JOIN tables t ON t.oid = i.indrelid
), sized AS (
    SELECT pg_relation_filepath(oid) AS base, pg_relation_size(oid) AS size FROM files
)
SELECT coalesce(sum(length(pg_read_binary_file(base || CASE WHEN segment > 0 THEN '.' || segment ELSE '' END, at, 8388608, true))), 0)::bigint AS n
FROM sized CROSS JOIN LATERAL generate_series(0, (size - 1) / 1073741824) AS g (segment)
    CROSS JOIN LATERAL generate_series(0, least(1073741824, size - segment * 1073741824) - 1, 8388608) AS c (at)
