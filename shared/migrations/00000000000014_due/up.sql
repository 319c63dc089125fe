-- What services do by themselves is bounded by what is due, not by what exists.

-- The connected accounts that events named. The processor inserts an account with the first object of
-- it, in the same transaction; the reconciler reads this list instead of all objects.
CREATE TABLE seen_accounts (
    account       text        NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT seen_accounts_pkey PRIMARY KEY (account),
    CONSTRAINT seen_accounts_connected CHECK (account <> '')
);
COMMENT ON TABLE seen_accounts IS 'The connected accounts of which an object is known. Only ever inserted into.';
COMMENT ON COLUMN seen_accounts.account IS 'Connected account, as objects.account.';
COMMENT ON COLUMN seen_accounts.first_seen_at IS 'When its first object was written.';
-- One index entry for each account, however many objects it has.
INSERT INTO seen_accounts (account)
    WITH RECURSIVE each AS (
        SELECT min(account) AS account FROM objects WHERE account > ''
        UNION ALL
        SELECT (SELECT min(o.account) FROM objects o WHERE o.account > e.account)
        FROM each e WHERE e.account IS NOT NULL
    )
    SELECT account FROM each WHERE account IS NOT NULL;
GRANT SELECT ON seen_accounts
    TO bookend_processor, bookend_reconciler, bookend_console, bookend_reader;
GRANT INSERT ON seen_accounts TO bookend_processor;

-- When each waiting booking is checked next. The reconciler's own rows: it finds bookings by walking
-- bookings_waiting and bookings_lapsing behind cursors, and deletes a row at the check that finds its booking settled.
CREATE TABLE booking_checks (
    booking_id text        NOT NULL,
    since      timestamptz NOT NULL,
    level      smallint    NOT NULL,
    due_at     timestamptz,
    CONSTRAINT booking_checks_pkey PRIMARY KEY (booking_id),
    CONSTRAINT booking_checks_level_in_bounds CHECK (level BETWEEN 0 AND 63)
);
-- Read level by level, so that a booking that has waited for minutes is never behind one of last year.
CREATE INDEX booking_checks_due ON booking_checks (level, due_at) WHERE due_at IS NOT NULL;
COMMENT ON TABLE booking_checks IS 'Bookings that waited or were held longer than PENDING_AFTER, and registrations without a booking: when Stripe is asked about each next.';
COMMENT ON COLUMN booking_checks.booking_id IS 'The booking.';
COMMENT ON COLUMN booking_checks.since IS 'Since when it waits: its last change, or the lapse of its authorization. Another value starts it anew.';
COMMENT ON COLUMN booking_checks.level IS 'How often the wait had doubled since PENDING_AFTER when it was scheduled: the pause doubles with each level, and low levels come first.';
COMMENT ON COLUMN booking_checks.due_at IS 'When it is checked next; null: it was given up on (finding abandoned) until the booking changes.';
GRANT SELECT ON booking_checks
    TO bookend_processor, bookend_reconciler, bookend_console, bookend_reader;
GRANT INSERT, UPDATE, DELETE ON booking_checks TO bookend_reconciler;
COMMENT ON COLUMN cursors.sweep IS 'Kind of sweep: tail, deep, backfill; pending, pending_backwards, pending_lapsed: where the search for waiting bookings stands, by their last change or the lapse of their authorization.';
-- An authorization is checked as soon as it lapses.
CREATE INDEX bookings_lapsing ON bookings (authorized_until) WHERE status = 'authorized' AND hold IS NULL;

-- Registrations that the processor has not folded, the newest first.
CREATE INDEX registrations_not_folded_by_time ON registrations (registered_at) WHERE folded_at IS NULL;

-- The count of a month's transactions, which bounds the calls to Stripe.
CREATE INDEX events_charges_succeeded ON events (created) WHERE type = 'charge.succeeded';

-- Figures: findings are counted by kind, dead letters all together, each count up to a bound.
CREATE INDEX findings_open_of_sweeps ON findings (kind) WHERE repaired_at IS NULL AND sweep_id IS NOT NULL;
CREATE INDEX dead_letters_open ON dead_letters (id) WHERE status = 'open';
CREATE INDEX findings_unknown ON findings (found_at, id) WHERE kind = 'unknown' AND event_id IS NOT NULL;

-- An account that the ledger has seen and no sweep covers is an alarm.
ALTER TABLE sender_alarms DROP CONSTRAINT sender_alarms_known;
ALTER TABLE sender_alarms ADD CONSTRAINT sender_alarms_known CHECK (alarm IN (
    'no_endpoint', 'endpoint_disabled', 'endpoint_gone', 'url_changed', 'version_changed',
    'types_changed', 'other_mode', 'silence', 'retries_end', 'horizon', 'account_not_swept'));
COMMENT ON COLUMN sender_alarms.alarm IS 'no_endpoint, endpoint_disabled, endpoint_gone, url_changed, version_changed, types_changed: the webhook endpoint; other_mode: the key lists the other mode''s events; silence: Stripe lists events and none arrives; retries_end, horizon: what is not proven complete nears the end of Stripe''s retries, or of its list; account_not_swept: events of a connected account arrive, and no sweep covers it.';
