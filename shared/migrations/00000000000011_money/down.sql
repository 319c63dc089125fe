-- States and bookings of these rules are rebuilt by the older processor's refold.
REVOKE SELECT ON bookings, booking_amounts FROM bookend_app;
DROP FUNCTION drop_empty_bookings(text[]);
REVOKE UPDATE (evidence, detail, closed_at, closed_by, found_at, booking_id) ON findings FROM bookend_processor;
ALTER TABLE accounts DROP COLUMN deauthorized;
DROP INDEX refetches_questions;
DELETE FROM refetches WHERE reason IN ('settlement', 'claim');
ALTER TABLE refetches DROP CONSTRAINT refetches_reason_known;
ALTER TABLE refetches ADD CONSTRAINT refetches_reason_known
    CHECK (reason IN ('tie', 'refunds_differ', 'thin', 'not_generated'));
COMMENT ON COLUMN refetches.reason IS 'tie | refunds_differ | thin | not_generated (Stripe could not make an event about it).';
DROP TABLE fold_rules;
ALTER TABLE objects DROP COLUMN fold_version;
DROP INDEX bookings_waiting;
CREATE INDEX bookings_waiting ON bookings (updated_at)
    WHERE status IN ('pending', 'processing', 'requires_action') OR hold IS NOT NULL;
DROP VIEW booking_amounts;
UPDATE bookings SET status = 'processing' WHERE status = 'authorized';
UPDATE bookings SET hold = 'uncertain' WHERE hold = 'too_many_payments';
ALTER TABLE bookings DROP CONSTRAINT bookings_status_known;
ALTER TABLE bookings ADD CONSTRAINT bookings_status_known CHECK (status IN (
    'pending', 'processing', 'requires_action', 'confirmed', 'payment_failed',
    'partially_refunded', 'refunded', 'disputed', 'canceled', 'amount_mismatch'));
ALTER TABLE bookings DROP CONSTRAINT bookings_hold_known;
ALTER TABLE bookings ADD CONSTRAINT bookings_hold_known CHECK (hold IN ('parked', 'uncertain'));
ALTER TABLE bookings
    DROP COLUMN amount_authorized, DROP COLUMN amount_in_flight,
    DROP COLUMN amount_settled_elsewhere, DROP COLUMN amount_from_balance,
    DROP COLUMN amount_credited, DROP COLUMN amount_refund_pending_action,
    DROP COLUMN amount_disputed, DROP COLUMN amount_lost, DROP COLUMN amount_net,
    DROP COLUMN authorized_until, DROP COLUMN payments, DROP COLUMN other_currencies,
    DROP COLUMN fold_version;
COMMENT ON COLUMN bookings.hold IS 'parked: events wait behind a blocked one; uncertain: a tie waits for its refetch; null: none.';
COMMENT ON COLUMN bookings.amount_paid IS 'What was captured over all attempts, minor units.';
DROP INDEX findings_open_of_folding, findings_open_by_scope, findings_identity;
DELETE FROM findings WHERE sweep_id IS NULL;
ALTER TABLE findings DROP CONSTRAINT findings_kind_known;
ALTER TABLE findings ADD CONSTRAINT findings_kind_known CHECK (kind IN (
    'never_delivered', 'refused_by_us', 'acknowledged_but_lost', 'not_applied',
    'booking_differs', 'unknown', 'claims_differ', 'foreign_claim'));
ALTER TABLE findings
    DROP COLUMN identity, DROP COLUMN scope, DROP COLUMN detail,
    DROP COLUMN closed_at, DROP COLUMN closed_by;
CREATE UNIQUE INDEX findings_of_folding ON findings (account, object_id, kind) WHERE sweep_id IS NULL;
COMMENT ON TABLE findings IS 'One difference that a sweep found, and what was done about it.';
COMMENT ON COLUMN findings.found_at IS 'When it was found.';
DROP TABLE finding_closures, amendments, assignments;
DROP FUNCTION register_booking(text, bigint, text, text, text, text);
DROP TABLE registered_intents;
ALTER TABLE registrations DROP COLUMN covers;
CREATE FUNCTION register_booking(
    booking_id text, amount bigint, currency text,
    payment_intent_id text DEFAULT NULL, account text DEFAULT NULL
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    held registrations%ROWTYPE;
BEGIN
    INSERT INTO registrations (booking_id, amount, currency, payment_intent_id, account)
    VALUES (register_booking.booking_id, register_booking.amount, lower(register_booking.currency),
            register_booking.payment_intent_id, register_booking.account)
    ON CONFLICT ON CONSTRAINT registrations_pkey DO NOTHING;
    IF FOUND THEN
        PERFORM pg_notify('bookend_registrations', '');
        RETURN;
    END IF;
    SELECT * INTO held FROM registrations r WHERE r.booking_id = register_booking.booking_id;
    IF (held.amount, held.currency, held.payment_intent_id, held.account)
       IS DISTINCT FROM
       (register_booking.amount, lower(register_booking.currency),
        register_booking.payment_intent_id, register_booking.account) THEN
        RAISE EXCEPTION 'booking % is already registered with other values', register_booking.booking_id
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'registrations_values_are_final';
    END IF;
END $$;
COMMENT ON FUNCTION register_booking(text, bigint, text, text, text) IS 'Registers what a booking expects (amount in minor units). Idempotent; other values for a registered booking are an error.';
REVOKE EXECUTE ON FUNCTION register_booking(text, bigint, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION register_booking(text, bigint, text, text, text) TO bookend_app;
CREATE TABLE object_claims (
    account    text     NOT NULL DEFAULT '',
    object_id  text     NOT NULL,
    rank       smallint NOT NULL,
    at         bigint   NOT NULL,
    source_id  text     NOT NULL,
    booking_id text     NOT NULL,
    CONSTRAINT object_claims_pkey PRIMARY KEY (account, object_id, rank),
    CONSTRAINT object_claims_rank_known CHECK (rank IN (0, 1))
);
CREATE INDEX object_claims_by_booking ON object_claims (booking_id);
COMMENT ON TABLE object_claims IS 'Which booking an object says it belongs to: per rank the least claim by (at, source_id). Never shrinks.';
COMMENT ON COLUMN object_claims.account IS 'As objects.account.';
COMMENT ON COLUMN object_claims.object_id IS 'The claiming object.';
COMMENT ON COLUMN object_claims.rank IS '0: registered by the booking application; 1: the object''s own metadata.';
COMMENT ON COLUMN object_claims.at IS 'The claim''s time, seconds since 1970: the event''s created, or the registration''s.';
COMMENT ON COLUMN object_claims.source_id IS 'The event, observation or registration that made the claim.';
COMMENT ON COLUMN object_claims.booking_id IS 'The claimed booking.';
INSERT INTO object_claims (account, object_id, rank, at, source_id, booking_id)
    SELECT DISTINCT ON (account, object_id) account, object_id, 1, 0, 'mention', booking_id
    FROM object_mentions ORDER BY account, object_id, booking_id;
GRANT SELECT ON object_claims TO bookend_processor, bookend_reconciler, bookend_console, bookend_reader;
GRANT INSERT, UPDATE, DELETE ON object_claims TO bookend_processor;
DROP TABLE object_mentions, object_shares;
