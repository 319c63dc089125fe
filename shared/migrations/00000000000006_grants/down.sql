REVOKE ALL ON ALL TABLES IN SCHEMA public
    FROM bookend_processor, bookend_reconciler, bookend_console, bookend_app, bookend_reader;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM bookend_processor;
REVOKE EXECUTE ON FUNCTION event_payload(text)
    FROM bookend_processor, bookend_reconciler, bookend_console, bookend_reader;
REVOKE EXECUTE ON FUNCTION ensure_event_partitions() FROM bookend_processor;
REVOKE EXECUTE ON FUNCTION register_booking(text, bigint, text, text, text) FROM bookend_app;
GRANT EXECUTE ON FUNCTION register_booking(text, bigint, text, text, text) TO PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_event_partitions() TO PUBLIC;
GRANT EXECUTE ON FUNCTION event_payload(text) TO PUBLIC;
