DROP INDEX operator_actions_by_who, operator_actions_by_state, operator_actions_by_time;
CREATE INDEX operator_actions_by_time ON operator_actions (at);
DROP INDEX repair_plans_waiting, repair_plans_by_time, certificates_by_account, certificates_by_window,
    sweeps_by_account_and_kind, sweeps_by_account, sweeps_by_kind, sweeps_by_time;
DROP INDEX findings_by_plan, findings_by_booking, findings_by_event;
CREATE INDEX findings_by_event ON findings (event_id);
CREATE INDEX findings_by_booking ON findings (booking_id);
CREATE INDEX findings_by_plan ON findings (plan_id) WHERE plan_id IS NOT NULL;
DROP INDEX findings_by_sweep, findings_by_object, findings_unsettled_by_kind, findings_unsettled,
    findings_by_kind, findings_by_time;
DROP INDEX dead_letter_groups_by_status, dead_letter_groups_by_time, dead_letters_by_hash,
    dead_letters_by_booking, dead_letters_by_key, dead_letters_by_type, dead_letters_of_group,
    dead_letters_by_status, dead_letters_by_time;
DROP INDEX bookings_held, bookings_by_status;
CREATE INDEX events_charges_succeeded ON events (created) WHERE type = 'charge.succeeded';
DROP INDEX events_by_source, events_failing, events_by_type, events_by_time;

COMMENT ON TABLE operator_actions IS 'What was done by hand: who, when, why, what, and what came of it; refused attempts included. Never deleted.';
GRANT EXECUTE ON FUNCTION note_denied_action(text, text, text, text, text, json, text) TO bookend_reader;

DROP TRIGGER operator_action_items_never_planned_again ON operator_action_items;
DROP TRIGGER operator_action_items_record_is_final ON operator_action_items;
DROP TRIGGER operator_action_items_result_is_final ON operator_action_items;
ALTER TABLE operator_action_items DROP CONSTRAINT operator_action_items_result_is_dated;
REVOKE INSERT, UPDATE ON operator_action_items FROM bookend_console, bookend_processor;
GRANT INSERT, UPDATE (state, topic, partition, "offset", published_at, detail)
    ON operator_action_items TO bookend_console;
GRANT INSERT, UPDATE ON operator_action_items TO bookend_processor;
REVOKE INSERT ON operator_actions FROM bookend_console;
GRANT INSERT, UPDATE (state, plan, result, finished_at) ON operator_actions TO bookend_console;
ALTER TABLE operator_actions ALTER COLUMN state DROP DEFAULT;
COMMENT ON COLUMN operator_actions.state IS 'running | done | partly | failed | interrupted | denied.';
COMMENT ON COLUMN operator_actions.result IS 'Counts by result, at its end.';
-- Each action keeps its last result, which its own row shows.
DROP TABLE operator_action_results;
DROP FUNCTION show_action_result();

REVOKE UPDATE ON findings FROM bookend_reconciler;
GRANT UPDATE ON findings TO bookend_reconciler;
DROP TRIGGER sweeps_end_is_final ON sweeps;
REVOKE UPDATE ON sweeps FROM bookend_reconciler;
GRANT UPDATE ON sweeps, certificates TO bookend_reconciler;
REVOKE UPDATE ON dead_letter_groups, dead_letters FROM bookend_processor;
GRANT UPDATE ON dead_letter_groups, dead_letters TO bookend_processor;

DROP TRIGGER events_replaced_evidence_is_kept ON events;
DROP FUNCTION keep_replaced_evidence();
-- The replaced bytes are also in dead_letters and in the dead-letter topic, but for an event that was
-- given up on twice with different bytes.
DROP TABLE replaced_evidence;
DROP TRIGGER events_applied_at_is_final ON events;
DROP TRIGGER events_disposition_is_final ON events;
DROP TRIGGER events_payload_is_evidence ON events;
DROP FUNCTION refuse_rewrite();
CREATE FUNCTION events_refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
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
COMMENT ON FUNCTION events_refuse_rewrite() IS 'Refuses a changed payload, hash or signature on every row that is not a dead letter.';
CREATE TRIGGER events_payload_is_evidence BEFORE UPDATE ON events
    FOR EACH ROW EXECUTE FUNCTION events_refuse_rewrite();
