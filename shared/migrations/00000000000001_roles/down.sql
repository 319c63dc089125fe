-- The roles stay: other databases of this server may use them. Only this database forgets them.
REVOKE USAGE ON SCHEMA public FROM
    bookend_owner, bookend_processor, bookend_reconciler,
    bookend_console, bookend_app, bookend_reader;
GRANT USAGE ON SCHEMA public TO PUBLIC;
