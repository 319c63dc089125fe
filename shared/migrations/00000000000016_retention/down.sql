-- Payloads that were removed do not come back: their readings would be lost, so nobody goes back
-- once there are some.
DO $$
BEGIN
    IF EXISTS (SELECT FROM event_readings) OR EXISTS (SELECT FROM retired_ids)
       OR EXISTS (SELECT FROM events WHERE payload_removed_at IS NOT NULL) THEN
        RAISE EXCEPTION 'payloads were removed, and only event_readings says what they said';
    END IF;
END $$;
DROP FUNCTION detach_event_month(date, text);
DROP FUNCTION roll_up_sweeps(text, timestamptz, integer);
DROP FUNCTION roll_up_certificates(text, timestamptz, integer);
DROP FUNCTION remove_expired(text, timestamptz, integer);
DROP FUNCTION erase_dead_letters(bigint[], text);
DROP FUNCTION remove_payloads(text[], timestamptz[], text, text[], text[], integer);
DROP INDEX findings_by_sweep, repair_plans_by_sweep, refetches_answered,
    certificates_by_level, certificates_of_account;
DROP TABLE sweep_totals, retention_jobs, retired_ids;
-- A rolled-up certificate is none that the version before knows.
DELETE FROM certificates WHERE level <> 'window';
ALTER TABLE certificates
    DROP CONSTRAINT certificates_have_parts,
    DROP CONSTRAINT certificates_level_known,
    DROP COLUMN parts,
    DROP COLUMN level,
    ALTER COLUMN stripe_count TYPE integer,
    ALTER COLUMN ledger_count TYPE integer;
COMMENT ON COLUMN certificates.stripe_count IS 'Events that Stripe listed.';
COMMENT ON COLUMN certificates.ledger_count IS 'Events of the window in the ledger.';
COMMENT ON COLUMN certificates.ids_hash IS 'SHA-256 (hex) over Stripe''s sorted ids, one a line.';
COMMENT ON COLUMN certificates.ledger_hash IS 'The same over the ledger''s.';
ALTER TABLE dead_letters DROP COLUMN payload_removed_by;
CREATE OR REPLACE FUNCTION events_refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.disposition <> 'dead'
       AND (NEW.payload IS DISTINCT FROM OLD.payload
            OR NEW.payload_sha256 IS DISTINCT FROM OLD.payload_sha256
            OR NEW.signature IS DISTINCT FROM OLD.signature) THEN
        RAISE EXCEPTION 'the payload of event % is evidence and cannot change', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'events_payload_is_evidence';
    END IF;
    RETURN NEW;
END $$;
ALTER TABLE events
    DROP CONSTRAINT events_removed_payload_is_empty,
    DROP COLUMN payload_removed_by,
    DROP COLUMN payload_removed_at;
DROP TABLE event_readings;
