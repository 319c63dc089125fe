-- Bytes of each table with its partitions: rows (out of line included), and indexes.
SELECT coalesce(p.relname, c.relname)::text AS name,
    sum(pg_table_size(c.oid))::bigint AS rows, sum(pg_indexes_size(c.oid))::bigint AS indexes
FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class p ON p.oid = i.inhparent
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
GROUP BY 1 ORDER BY 2 + 3 DESC
