-- Least privilege: who may do what is decided here and nowhere else.
-- Everyone who reads may read everything but the booking application, which may read nothing.
GRANT SELECT ON ALL TABLES IN SCHEMA public
    TO bookend_processor, bookend_reconciler, bookend_console, bookend_reader;

-- Functions are executable by everyone unless said otherwise.
REVOKE EXECUTE ON FUNCTION register_booking(text, bigint, text, text, text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION ensure_event_partitions() FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION event_payload(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION register_booking(text, bigint, text, text, text) TO bookend_app;
GRANT EXECUTE ON FUNCTION ensure_event_partitions() TO bookend_processor;
GRANT EXECUTE ON FUNCTION event_payload(text)
    TO bookend_processor, bookend_reconciler, bookend_console, bookend_reader;

-- The one writer. It appends to the ledger and sets what it decided; payload columns are
-- there for the revival of dead letters, guarded by the trigger. It deletes nothing.
GRANT INSERT ON events, objects, object_links, object_claims, bookings, booking_transitions,
    partition_progress, log_holes, dead_letters, outbox, refetches TO bookend_processor;
GRANT UPDATE (disposition, applied_at, apply_seq, fold_version, booking_id, payload, payload_sha256,
    signature, verified_by, source, topic, partition, "offset", received_at, trace_id,
    type, object_id, object_type, api_version, livemode, account, record_kind, snapshot_event)
    ON events TO bookend_processor;
GRANT UPDATE ON objects, object_claims, bookings, partition_progress, dead_letters
    TO bookend_processor;
GRANT UPDATE (published_at) ON outbox TO bookend_processor;
GRANT UPDATE (folded_at) ON registrations TO bookend_processor;
GRANT USAGE ON SEQUENCE events_apply_seq TO bookend_processor;

GRANT INSERT, UPDATE ON cursors, sweeps, findings, certificates TO bookend_reconciler;
GRANT UPDATE (state, attempts, next_attempt_at, error, done_at, observation_id)
    ON refetches TO bookend_reconciler;
