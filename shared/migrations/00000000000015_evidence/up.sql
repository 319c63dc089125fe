-- Evidence and the audit trail cannot be rewritten, not even by the services' own roles; and every
-- list of the command line walks an index.

-- One function for all refusals: the trigger's name is the constraint that was violated.
CREATE FUNCTION refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: %', TG_TABLE_NAME, TG_ARGV[0]
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME;
END $$;
COMMENT ON FUNCTION refuse_rewrite() IS 'Refuses the change of a row; the argument is the reason.';

-- The ledger. Until now an applied row could be set to `dead`, and a dead row takes other bytes.
DROP TRIGGER events_payload_is_evidence ON events;
DROP FUNCTION events_refuse_rewrite();

-- Only these columns are named by the triggers, so that stamping applied_at or counting a copy
-- fires none of them.
CREATE TRIGGER events_payload_is_evidence
    BEFORE UPDATE OF id, created, record_kind, account, livemode, type, api_version, object_id, object_type,
        snapshot_event, payment_method_type, payload, payload_sha256, signature, verified_by, source,
        topic, partition, "offset", received_at, trace_id ON events
    FOR EACH ROW WHEN (OLD.disposition <> 'dead')
    EXECUTE FUNCTION refuse_rewrite('an event that is not dead is evidence and cannot change');
-- A parked event is applied, ignored or given up on; a dead one may be revived. Nothing leads back.
CREATE TRIGGER events_disposition_is_final
    BEFORE UPDATE OF disposition, booking_id, apply_seq ON events
    FOR EACH ROW WHEN (OLD.disposition NOT IN ('parked', 'dead'))
    EXECUTE FUNCTION refuse_rewrite('the disposition of an event that was applied, changed nothing or was ignored is evidence and final');
CREATE TRIGGER events_applied_at_is_final
    BEFORE UPDATE OF applied_at ON events
    FOR EACH ROW WHEN (OLD.disposition NOT IN ('parked', 'dead') AND OLD.applied_at IS NOT NULL)
    EXECUTE FUNCTION refuse_rewrite('the time of application is evidence and is set once');

-- A copy that can be read revives a dead row and replaces its bytes. The replaced ones are kept.
CREATE TABLE replaced_evidence (
    seq            bigint GENERATED ALWAYS AS IDENTITY,
    event_id       text        NOT NULL,
    payload        bytea       NOT NULL,
    payload_sha256 bytea       NOT NULL,
    signature      text,
    verified_by    text,
    source         text        NOT NULL,
    topic          text        NOT NULL,
    partition      integer     NOT NULL,
    "offset"       bigint      NOT NULL,
    received_at    timestamptz NOT NULL,
    replaced_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    replaced_by    text        NOT NULL DEFAULT session_user,
    CONSTRAINT replaced_evidence_pkey PRIMARY KEY (event_id, seq)
);
COMMENT ON TABLE replaced_evidence IS 'What a dead row of the ledger held before a copy with other bytes revived it. Written by a trigger only; never changed.';
COMMENT ON COLUMN replaced_evidence.seq IS 'Order of replacing.';
COMMENT ON COLUMN replaced_evidence.event_id IS 'As events.id.';
COMMENT ON COLUMN replaced_evidence.payload IS 'The replaced bytes.';
COMMENT ON COLUMN replaced_evidence.payload_sha256 IS 'Their SHA-256, as the row had it.';
COMMENT ON COLUMN replaced_evidence.signature IS 'As events.signature.';
COMMENT ON COLUMN replaced_evidence.verified_by IS 'As events.verified_by.';
COMMENT ON COLUMN replaced_evidence.source IS 'As events.source.';
COMMENT ON COLUMN replaced_evidence.topic IS 'Topic of the record that had brought them.';
COMMENT ON COLUMN replaced_evidence.partition IS 'Its partition.';
COMMENT ON COLUMN replaced_evidence."offset" IS 'Its offset.';
COMMENT ON COLUMN replaced_evidence.received_at IS 'As events.received_at.';
COMMENT ON COLUMN replaced_evidence.replaced_at IS 'When the copy replaced them.';
COMMENT ON COLUMN replaced_evidence.replaced_by IS 'The database role that replaced them.';
GRANT SELECT ON replaced_evidence
    TO bookend_processor, bookend_reconciler, bookend_console, bookend_reader;

CREATE FUNCTION keep_replaced_evidence() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.disposition = 'dead' THEN
        RAISE EXCEPTION 'events: % is dead: its payload is evidence until a copy revives it', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'events_only_a_revival_replaces', TABLE = 'events';
    END IF;
    IF NEW.payload_sha256 <> sha256(NEW.payload) THEN
        RAISE EXCEPTION 'events: the hash of % is not that of its payload', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'events_hash_is_of_the_payload', TABLE = 'events';
    END IF;
    INSERT INTO replaced_evidence (event_id, payload, payload_sha256, signature, verified_by, source,
        topic, partition, "offset", received_at)
    VALUES (OLD.id, OLD.payload, OLD.payload_sha256, OLD.signature, OLD.verified_by, OLD.source,
        OLD.topic, OLD.partition, OLD."offset", OLD.received_at);
    RETURN NEW;
END $$;
COMMENT ON FUNCTION keep_replaced_evidence() IS 'Keeps the bytes that a revival replaces. Refuses a replacement that revives nothing, and a hash that does not fit.';
REVOKE EXECUTE ON FUNCTION keep_replaced_evidence() FROM PUBLIC;
CREATE TRIGGER events_replaced_evidence_is_kept
    BEFORE UPDATE OF payload, payload_sha256, signature ON events
    FOR EACH ROW WHEN (OLD.disposition = 'dead'
        AND (NEW.payload_sha256 IS DISTINCT FROM OLD.payload_sha256
            OR NEW.signature IS DISTINCT FROM OLD.signature
            OR NEW.payload IS DISTINCT FROM OLD.payload))
    EXECUTE FUNCTION keep_replaced_evidence();

-- A dead letter's bytes, record and first failure stay; a repetition counts, a person decides.
REVOKE UPDATE ON dead_letters FROM bookend_processor;
GRANT UPDATE (attempts, error, error_class, error_kind, fingerprint, booking_id, processor_version,
    last_failed_at, status, status_changed_at, status_action_id) ON dead_letters TO bookend_processor;
REVOKE UPDATE ON dead_letter_groups FROM bookend_processor;
GRANT UPDATE (status, occurrences, reopened, last_seen, status_changed_at, status_action_id)
    ON dead_letter_groups TO bookend_processor;

-- The reconciler's proofs and findings. A certificate is issued once; of a sweep its end is added,
-- of a finding its class, its repair and its closure.
REVOKE UPDATE ON certificates FROM bookend_reconciler;
REVOKE UPDATE ON sweeps FROM bookend_reconciler;
GRANT UPDATE (finished_at, outcome, listed, missing, repaired, error) ON sweeps TO bookend_reconciler;
CREATE TRIGGER sweeps_end_is_final BEFORE UPDATE ON sweeps
    FOR EACH ROW WHEN (OLD.finished_at IS NOT NULL)
    EXECUTE FUNCTION refuse_rewrite('a sweep that has ended is evidence and cannot change');
REVOKE UPDATE ON findings FROM bookend_reconciler;
GRANT UPDATE (kind, confidence, evidence, topic, partition, "offset", repaired_at, plan_id, found_at,
    closed_at) ON findings TO bookend_reconciler;

-- Actions. Their ends are rows that are only ever inserted; operator_actions shows the last one.
CREATE TABLE operator_action_results (
    action_id     text        NOT NULL,
    seq           bigint GENERATED ALWAYS AS IDENTITY,
    state         text        NOT NULL,
    result        json,
    at            timestamptz NOT NULL DEFAULT now(),
    database_role text        NOT NULL DEFAULT session_user,
    CONSTRAINT operator_action_results_pkey PRIMARY KEY (action_id, seq),
    CONSTRAINT operator_action_results_state_known
        CHECK (state IN ('running', 'done', 'partly', 'failed', 'interrupted'))
);
COMMENT ON TABLE operator_action_results IS 'How each action ended, and that it was resumed: one row each time. Only ever inserted into.';
COMMENT ON COLUMN operator_action_results.action_id IS 'The action.';
COMMENT ON COLUMN operator_action_results.seq IS 'Order of writing.';
COMMENT ON COLUMN operator_action_results.state IS 'running (it was resumed) | done | partly | failed | interrupted.';
COMMENT ON COLUMN operator_action_results.result IS 'Counts by result, then.';
COMMENT ON COLUMN operator_action_results.at IS 'When.';
COMMENT ON COLUMN operator_action_results.database_role IS 'The database role that it was recorded under.';
INSERT INTO operator_action_results (action_id, state, result, at, database_role)
    SELECT id, state, result, finished_at, database_role FROM operator_actions
    WHERE finished_at IS NOT NULL AND state NOT IN ('running', 'denied');

CREATE FUNCTION show_action_result() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE operator_actions SET state = NEW.state, result = coalesce(NEW.result, result),
        finished_at = CASE WHEN NEW.state = 'running' THEN NULL ELSE NEW.at END
    WHERE id = NEW.action_id AND state <> 'denied';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'action % was never begun, or it was refused', NEW.action_id
            USING ERRCODE = 'integrity_constraint_violation',
                CONSTRAINT = 'operator_action_results_of_an_action', TABLE = 'operator_action_results';
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION show_action_result() IS 'Lets operator_actions show the last result of an action.';
REVOKE EXECUTE ON FUNCTION show_action_result() FROM PUBLIC;
CREATE TRIGGER operator_action_results_are_shown AFTER INSERT ON operator_action_results
    FOR EACH ROW EXECUTE FUNCTION show_action_result();

COMMENT ON COLUMN operator_actions.state IS 'running | done | partly | failed | interrupted: as the last row of operator_action_results; or denied.';
COMMENT ON COLUMN operator_actions.result IS 'Counts by result, as the last row of operator_action_results.';
-- Whoever acts says who, why and what. When, under which role and that it runs are not theirs to say.
ALTER TABLE operator_actions ALTER COLUMN state SET DEFAULT 'running';
REVOKE INSERT, UPDATE ON operator_actions FROM bookend_console;
GRANT INSERT (id, who, host, verb, reason, request, plan) ON operator_actions TO bookend_console;
GRANT SELECT ON operator_action_results
    TO bookend_processor, bookend_reconciler, bookend_console, bookend_reader;
GRANT INSERT (action_id, state, result) ON operator_action_results TO bookend_console;

-- Items. The console plans and publishes, the processor writes the result; each is written once.
REVOKE INSERT, UPDATE ON operator_action_items FROM bookend_console, bookend_processor;
GRANT INSERT (action_id, subject, seq, source_partition, source_offset),
    UPDATE (state, topic, partition, "offset", published_at, detail)
    ON operator_action_items TO bookend_console;
GRANT INSERT (action_id, subject, state, detail, done_at), UPDATE (state, detail, done_at)
    ON operator_action_items TO bookend_processor;
-- Only the processor may set done_at, so nobody else can claim that something was applied.
ALTER TABLE operator_action_items ADD CONSTRAINT operator_action_items_result_is_dated
    CHECK (done_at IS NOT NULL OR state IN ('planned', 'published', 'failed', 'unknown'));
CREATE TRIGGER operator_action_items_result_is_final BEFORE UPDATE ON operator_action_items
    FOR EACH ROW WHEN (OLD.done_at IS NOT NULL
        AND (NEW.state, NEW.detail, NEW.done_at) IS DISTINCT FROM (OLD.state, OLD.detail, OLD.done_at))
    EXECUTE FUNCTION refuse_rewrite('the result of an action is written once');
CREATE TRIGGER operator_action_items_record_is_final BEFORE UPDATE ON operator_action_items
    FOR EACH ROW WHEN (OLD.published_at IS NOT NULL
        AND (NEW.topic, NEW.partition, NEW."offset", NEW.published_at)
            IS DISTINCT FROM (OLD.topic, OLD.partition, OLD."offset", OLD.published_at))
    EXECUTE FUNCTION refuse_rewrite('where an action published a record is written once');
CREATE TRIGGER operator_action_items_never_planned_again BEFORE UPDATE ON operator_action_items
    FOR EACH ROW WHEN (OLD.state <> 'planned' AND NEW.state = 'planned')
    EXECUTE FUNCTION refuse_rewrite('what an action has tried is not planned again');

-- A role that may only read leaves no rows, refused attempts included.
REVOKE EXECUTE ON FUNCTION note_denied_action(text, text, text, text, text, json, text) FROM bookend_reader;
COMMENT ON TABLE operator_actions IS 'What was done by hand: who, when, why, what, and what came of it; refused attempts of roles that may act included. Never deleted; only its last result changes, by a trigger.';

-- Lists walk an index by key. The key is the order of the list: time and id, or the id alone.
CREATE INDEX events_by_time ON events (created, id);
CREATE INDEX events_by_type ON events (type, created, id);
CREATE INDEX events_failing ON events (disposition, created, id) WHERE disposition IN ('parked', 'dead');
CREATE INDEX events_by_source ON events (source, created, id) WHERE source <> 'webhook';
-- The month's transactions are counted by events_by_type.
DROP INDEX events_charges_succeeded;

-- Most bookings are confirmed: those are found by walking the key.
CREATE INDEX bookings_by_status ON bookings (status, id) WHERE status <> 'confirmed';
CREATE INDEX bookings_held ON bookings (hold, id) WHERE hold IS NOT NULL;

CREATE INDEX dead_letters_by_time ON dead_letters (last_failed_at, id);
CREATE INDEX dead_letters_by_status ON dead_letters (status, last_failed_at, id);
CREATE INDEX dead_letters_of_group ON dead_letters (fingerprint, last_failed_at, id);
CREATE INDEX dead_letters_by_type ON dead_letters (event_type, last_failed_at, id);
CREATE INDEX dead_letters_by_key ON dead_letters (key);
CREATE INDEX dead_letters_by_booking ON dead_letters (booking_id) WHERE booking_id IS NOT NULL;
CREATE INDEX dead_letters_by_hash ON dead_letters (payload_sha256);
CREATE INDEX dead_letter_groups_by_time ON dead_letter_groups (last_seen, fingerprint);
CREATE INDEX dead_letter_groups_by_status ON dead_letter_groups (status, last_seen, fingerprint);

CREATE INDEX findings_by_time ON findings (found_at, id);
CREATE INDEX findings_by_kind ON findings (kind, found_at, id);
CREATE INDEX findings_unsettled ON findings (found_at, id) WHERE repaired_at IS NULL AND closed_at IS NULL;
CREATE INDEX findings_unsettled_by_kind ON findings (kind, found_at, id)
    WHERE repaired_at IS NULL AND closed_at IS NULL;
CREATE INDEX findings_by_object ON findings (object_id, found_at, id) WHERE object_id IS NOT NULL;
CREATE INDEX findings_by_sweep ON findings (sweep_id, found_at, id) WHERE sweep_id IS NOT NULL;
DROP INDEX findings_by_event, findings_by_booking, findings_by_plan;
CREATE INDEX findings_by_event ON findings (event_id, found_at, id) WHERE event_id IS NOT NULL;
CREATE INDEX findings_by_booking ON findings (booking_id, found_at, id) WHERE booking_id IS NOT NULL;
CREATE INDEX findings_by_plan ON findings (plan_id, found_at, id) WHERE plan_id IS NOT NULL;

CREATE INDEX sweeps_by_time ON sweeps (started_at, id);
CREATE INDEX sweeps_by_kind ON sweeps (kind, started_at, id);
CREATE INDEX sweeps_by_account ON sweeps (account, started_at, id);
CREATE INDEX sweeps_by_account_and_kind ON sweeps (account, kind, started_at, id);
CREATE INDEX certificates_by_window ON certificates (window_from, id);
CREATE INDEX certificates_by_account ON certificates (account, window_from, id);
CREATE INDEX repair_plans_by_time ON repair_plans (created_at, id);
CREATE INDEX repair_plans_waiting ON repair_plans (created_at, id) WHERE state IN ('open', 'approved');

DROP INDEX operator_actions_by_time;
CREATE INDEX operator_actions_by_time ON operator_actions (at, id);
CREATE INDEX operator_actions_by_state ON operator_actions (state, at, id);
CREATE INDEX operator_actions_by_who ON operator_actions (who, at, id);
