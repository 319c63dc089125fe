DROP FUNCTION event_payload(text);
DROP TABLE events;
DROP FUNCTION events_refuse_rewrite();
DROP FUNCTION ensure_event_partitions();
DROP SEQUENCE events_apply_seq;
