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
DROP INDEX repair_plans_by_sweep, refetches_answered,
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
DROP TRIGGER events_replaced_evidence_is_kept ON events;
CREATE TRIGGER events_replaced_evidence_is_kept
    BEFORE UPDATE OF payload, payload_sha256, signature ON events
    FOR EACH ROW WHEN (OLD.disposition = 'dead'
        AND (NEW.payload_sha256 IS DISTINCT FROM OLD.payload_sha256
            OR NEW.signature IS DISTINCT FROM OLD.signature
            OR NEW.payload IS DISTINCT FROM OLD.payload))
    EXECUTE FUNCTION keep_replaced_evidence();
DROP TRIGGER events_payload_removed_once ON events;
DROP TRIGGER events_payload_is_evidence ON events;
CREATE TRIGGER events_payload_is_evidence
    BEFORE UPDATE OF id, created, record_kind, account, livemode, type, api_version, object_id, object_type,
        snapshot_event, payment_method_type, payload, payload_sha256, signature, verified_by, source,
        topic, partition, "offset", received_at, trace_id ON events
    FOR EACH ROW WHEN (OLD.disposition <> 'dead')
    EXECUTE FUNCTION refuse_rewrite('an event that is not dead is evidence and cannot change');
ALTER TABLE events
    DROP CONSTRAINT events_removed_payload_is_empty,
    DROP COLUMN payload_removed_by,
    DROP COLUMN payload_removed_at;
DROP TABLE event_readings;
