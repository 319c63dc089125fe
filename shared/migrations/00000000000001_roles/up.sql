-- Roles belong to the whole server, not to one database: several databases of one server
-- (one a test, for instance) migrate at the same time, so "already there" is no error.
-- They can log in but have no password: how they authenticate is the server's business.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY[
        'bookend_owner', 'bookend_processor', 'bookend_reconciler',
        'bookend_console', 'bookend_app', 'bookend_reader'
    ] LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- another database's migration was faster
            END;
        END IF;
    END LOOP;
END $$;

-- Nobody gets anything by being nobody in particular.
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO
    bookend_owner, bookend_processor, bookend_reconciler,
    bookend_console, bookend_app, bookend_reader;
