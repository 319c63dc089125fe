-- Retention: each table that grows has a stated life (docs/retention.md), and nothing that an
-- invariant needs ever goes. The leading reconciler keeps the lives, in bounded steps, through the
-- functions below: no service may delete or blank such rows by itself.

-- Retention: the readings that stand in for payloads.
CREATE TABLE event_readings (
    event_id     text        NOT NULL,
    created      timestamptz NOT NULL,
    account      text        NOT NULL DEFAULT '',
    object_id    text        NOT NULL,
    record_kind  text        NOT NULL,
    record_key   text        NOT NULL,
    fold_version integer     NOT NULL,
    reading      json        NOT NULL,
    written_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT event_readings_pkey PRIMARY KEY (event_id),
    CONSTRAINT event_readings_record_kind_known CHECK (record_kind IN ('event', 'observation'))
);
-- A rebuild reads an object's readings as it reads its events: in the order of their time.
CREATE INDEX event_readings_by_object ON event_readings (object_id, created);
COMMENT ON TABLE event_readings IS 'For each applied event whose payload was removed: everything that folding reads of it. A rebuild reads this row instead. Only ever inserted into, by remove_payloads().';
COMMENT ON COLUMN event_readings.event_id IS 'As events.id.';
COMMENT ON COLUMN event_readings.created IS 'As events.created.';
COMMENT ON COLUMN event_readings.account IS 'As events.account; empty: our own.';
COMMENT ON COLUMN event_readings.object_id IS 'As events.object_id.';
COMMENT ON COLUMN event_readings.record_kind IS 'As events.record_kind.';
COMMENT ON COLUMN event_readings.record_key IS 'The Kafka key that the record had, so that commands about its object go to the same partition.';
COMMENT ON COLUMN event_readings.fold_version IS 'Version of the folding rules that read the payload.';
COMMENT ON COLUMN event_readings.reading IS 'Snapshot, links and mentioned bookings, as folding read them. No name, e-mail address or postal address.';
COMMENT ON COLUMN event_readings.written_at IS 'When the payload was removed.';

ALTER TABLE events
    ADD COLUMN payload_removed_at timestamptz,
    ADD COLUMN payload_removed_by text,
    ADD CONSTRAINT events_removed_payload_is_empty
        CHECK ((payload_removed_at IS NULL) = (payload_removed_by IS NULL)
               AND (payload_removed_at IS NULL OR payload = ''));
COMMENT ON COLUMN events.payload_removed_at IS 'When the payload was removed; its hash, signature and times stay. Null: it is there.';
COMMENT ON COLUMN events.payload_removed_by IS 'retention, or the operator action that erased it (act_…).';
ALTER TABLE dead_letters ADD COLUMN payload_removed_by text;
COMMENT ON COLUMN dead_letters.payload_removed_by IS 'The operator action that erased the payload (act_…); null: it is there.';

-- Retention: ids of months that were detached.
CREATE TABLE retired_ids (
    id             text        NOT NULL,
    created        timestamptz NOT NULL,
    payload_sha256 bytea       NOT NULL,
    CONSTRAINT retired_ids_pkey PRIMARY KEY (id)
);
COMMENT ON TABLE retired_ids IS 'Ids of events whose month was detached from the ledger. Dedupe asks here, too, for ever.';
COMMENT ON COLUMN retired_ids.id IS 'As events.id.';
COMMENT ON COLUMN retired_ids.created IS 'As events.created.';
COMMENT ON COLUMN retired_ids.payload_sha256 IS 'As events.payload_sha256.';

-- Retention: how far each job has got.
CREATE TABLE retention_jobs (
    job        text        NOT NULL,
    kept_from  timestamptz,
    position   bigint      NOT NULL DEFAULT 0,
    removed    bigint      NOT NULL DEFAULT 0,
    ran_at     timestamptz,
    CONSTRAINT retention_jobs_pkey PRIMARY KEY (job)
);
COMMENT ON TABLE retention_jobs IS 'What keeps each life: how far it has got, and how much it has removed in all.';
COMMENT ON COLUMN retention_jobs.job IS 'payloads | outbox | refetches | action_items | shadows | sweeps | certificates.';
COMMENT ON COLUMN retention_jobs.kept_from IS 'Everything from this second on is kept, as the setting said when the job last ran; null: it never ran.';
COMMENT ON COLUMN retention_jobs.position IS 'The last row that it has decided about, for jobs that walk behind a position.';
COMMENT ON COLUMN retention_jobs.removed IS 'Rows, or payloads, that it has removed in all.';
COMMENT ON COLUMN retention_jobs.ran_at IS 'When it last ran.';
INSERT INTO retention_jobs (job) VALUES
    ('payloads'), ('outbox'), ('refetches'), ('action_items'), ('shadows'), ('sweeps'), ('certificates');

-- The evidence may lose its payload once, and nothing else of it changes with that.
DROP TRIGGER events_payload_is_evidence ON events;
CREATE TRIGGER events_payload_is_evidence
    BEFORE UPDATE OF id, created, record_kind, account, livemode, type, api_version, object_id, object_type,
        snapshot_event, payment_method_type, payload, payload_sha256, signature, verified_by, source,
        topic, partition, "offset", received_at, trace_id ON events
    FOR EACH ROW WHEN (OLD.disposition <> 'dead' AND NOT (
        OLD.payload_removed_at IS NULL AND NEW.payload_removed_at IS NOT NULL
        AND (NEW.id, NEW.created, NEW.payload_sha256, NEW.signature, NEW.verified_by, NEW.source,
             NEW.topic, NEW.partition, NEW."offset", NEW.received_at, NEW.type, NEW.object_id)
            IS NOT DISTINCT FROM
            (OLD.id, OLD.created, OLD.payload_sha256, OLD.signature, OLD.verified_by, OLD.source,
             OLD.topic, OLD.partition, OLD."offset", OLD.received_at, OLD.type, OLD.object_id)))
    EXECUTE FUNCTION refuse_rewrite('an event that is not dead is evidence and cannot change');
CREATE TRIGGER events_payload_removed_once
    BEFORE UPDATE OF payload_removed_at, payload_removed_by ON events
    FOR EACH ROW WHEN (OLD.payload_removed_at IS NOT NULL)
    EXECUTE FUNCTION refuse_rewrite('a payload is removed once');
-- The bytes of an erased dead letter are not kept as replaced ones.
DROP TRIGGER events_replaced_evidence_is_kept ON events;
CREATE TRIGGER events_replaced_evidence_is_kept
    BEFORE UPDATE OF payload, payload_sha256, signature ON events
    FOR EACH ROW WHEN (OLD.disposition = 'dead' AND NEW.payload_removed_at IS NULL
        AND (NEW.payload_sha256 IS DISTINCT FROM OLD.payload_sha256
            OR NEW.signature IS DISTINCT FROM OLD.signature
            OR NEW.payload IS DISTINCT FROM OLD.payload))
    EXECUTE FUNCTION keep_replaced_evidence();

-- The one way in which a payload goes. Each event's reading is written before, in the same
-- transaction; an applied event without a reading keeps its payload. Retention takes only what
-- is older than 90 days, three times Stripe's own list; erasure names its operator action.
CREATE FUNCTION remove_payloads(
    ids text[], seconds timestamptz[], removed_by text,
    readings text[], record_keys text[], fold_version integer
) RETURNS TABLE (id text) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    IF removed_by <> 'retention' AND NOT EXISTS (
        SELECT FROM operator_actions a
        WHERE a.id = removed_by AND a.verb = 'erase' AND a.state = 'running') THEN
        RAISE EXCEPTION 'payloads are removed by retention or by a running erasure, not by %', removed_by
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'payloads_removed_by_somebody';
    END IF;

    INSERT INTO event_readings
        (event_id, created, account, object_id, record_kind, record_key, fold_version, reading)
    SELECT e.id, e.created, coalesce(e.account, ''), e.object_id, e.record_kind, n.record_key,
           remove_payloads.fold_version, n.reading::json
    FROM unnest(ids, seconds, readings, record_keys) AS n (id, created, reading, record_key)
        JOIN events e ON e.id = n.id AND e.created = n.created
    WHERE e.payload_removed_at IS NULL AND e.disposition IN ('applied', 'no_change')
      AND e.object_id IS NOT NULL AND n.reading IS NOT NULL AND n.record_key IS NOT NULL
      AND (removed_by <> 'retention'
           OR greatest(e.created, e.received_at) < now() - interval '90 days')
    ON CONFLICT ON CONSTRAINT event_readings_pkey DO NOTHING;

    RETURN QUERY
    WITH asked AS (
        SELECT n.id, n.created FROM unnest(ids, seconds) AS n (id, created)
    ), blanked AS (
        UPDATE events e
        SET payload = '', payload_removed_at = now(), payload_removed_by = remove_payloads.removed_by
        FROM asked n
        WHERE e.id = n.id AND e.created = n.created AND e.payload_removed_at IS NULL
          AND (removed_by <> 'retention'
               OR greatest(e.created, e.received_at) < now() - interval '90 days')
          AND (e.disposition = 'ignored'
               OR (e.disposition IN ('applied', 'no_change')
                   AND (e.object_id IS NULL
                        OR EXISTS (SELECT FROM event_readings r WHERE r.event_id = e.id))))
        RETURNING e.id
    ), buried AS (
        -- An erased dead event is never revived by a later copy: that would bring the data back.
        UPDATE events e
        SET payload = '', payload_removed_at = now(), payload_removed_by = remove_payloads.removed_by,
            disposition = 'ignored'
        FROM asked n
        WHERE e.id = n.id AND e.created = n.created AND e.payload_removed_at IS NULL
          AND e.disposition = 'dead' AND removed_by <> 'retention'
          AND NOT EXISTS (SELECT FROM parked_events p WHERE p.event_id = e.id)
          AND NOT EXISTS (SELECT FROM dead_letters d WHERE d.event_id = e.id
                          AND d.status IN ('open', 'acknowledged'))
        RETURNING e.id
    ), gone AS (
        SELECT b.id FROM blanked b UNION ALL SELECT b.id FROM buried b
    ), replaced AS (
        -- What a revival had replaced goes with it.
        UPDATE replaced_evidence x SET payload = '' FROM gone g WHERE x.event_id = g.id
    ), noted AS (
        UPDATE operator_action_items i
        SET state = 'applied', detail = 'payload erased', done_at = now()
        FROM gone g WHERE i.action_id = remove_payloads.removed_by AND i.subject = g.id
    )
    SELECT g.id FROM gone g;
END $$;
COMMENT ON FUNCTION remove_payloads(text[], timestamptz[], text, text[], text[], integer) IS 'Removes payloads, each after its reading was written; returns the ids that lost theirs. The only way in which a payload goes.';

-- Bytes of dead letters that a person's data lies in. An open one is decided about first.
CREATE FUNCTION erase_dead_letters(letters bigint[], action_id text)
    RETURNS TABLE (id bigint) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    IF NOT EXISTS (SELECT FROM operator_actions a
                   WHERE a.id = erase_dead_letters.action_id AND a.verb = 'erase' AND a.state = 'running') THEN
        RAISE EXCEPTION 'dead letters are erased by a running erasure, not by %', action_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'payloads_removed_by_somebody';
    END IF;
    RETURN QUERY
    WITH gone AS (
        UPDATE dead_letters d
        SET payload = '', payload_removed_by = erase_dead_letters.action_id
        WHERE d.id = ANY (letters) AND d.payload_removed_by IS NULL
          AND d.status NOT IN ('open', 'acknowledged')
        RETURNING d.id
    ), noted AS (
        UPDATE operator_action_items i
        SET state = 'applied', detail = 'payload erased', done_at = now()
        FROM gone g WHERE i.action_id = erase_dead_letters.action_id AND i.subject = 'letter ' || g.id
    )
    SELECT g.id FROM gone g;
END $$;
COMMENT ON FUNCTION erase_dead_letters(bigint[], text) IS 'Blanks the bytes of dead letters that somebody has decided about; returns those it blanked.';

-- Rows that nothing needs any more, some at a time. Each job has a floor that no setting can go
-- below: within it the row is still asked for.
CREATE INDEX refetches_answered ON refetches (requested_at) WHERE state <> 'pending';
CREATE FUNCTION remove_expired(which text, expired_before timestamptz, most integer)
    RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    gone bigint := 0;
    step bigint := 0;
    doomed text;
    acted timestamptz;
BEGIN
    IF most NOT BETWEEN 1 AND 100000 THEN
        RAISE EXCEPTION 'remove_expired takes between 1 and 100000 rows, not %', most
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF which = 'outbox' THEN
        -- Consumers may ask for a replay of what was sent: a day at least. Walked from its oldest end.
        IF expired_before > now() - interval '1 day' THEN
            RAISE EXCEPTION 'sent outbox rows are kept for a day at least' USING ERRCODE = 'invalid_parameter_value';
        END IF;
        DELETE FROM outbox WHERE seq IN (
            SELECT o.seq FROM (SELECT seq, published_at FROM outbox ORDER BY seq LIMIT most) o
            WHERE o.published_at < expired_before);
        GET DIAGNOSTICS gone = ROW_COUNT;
    ELSIF which = 'refetches' THEN
        -- The cap of an object counts the refetches of a day.
        IF expired_before > now() - interval '2 days' THEN
            RAISE EXCEPTION 'answered refetches are kept for two days at least' USING ERRCODE = 'invalid_parameter_value';
        END IF;
        DELETE FROM refetches WHERE id IN (
            SELECT r.id FROM refetches r
            WHERE r.state <> 'pending' AND r.requested_at < expired_before
            ORDER BY r.requested_at LIMIT most);
        GET DIAGNOSTICS gone = ROW_COUNT;
    ELSIF which = 'action_items' THEN
        -- An action that was interrupted can be gone on with; nobody does after a week.
        IF expired_before > now() - interval '7 days' THEN
            RAISE EXCEPTION 'items of actions are kept for seven days at least' USING ERRCODE = 'invalid_parameter_value';
        END IF;
        SELECT a.id, a.at INTO doomed, acted FROM operator_actions a
        WHERE a.at < expired_before
          AND a.at >= (SELECT to_timestamp(j.position / 1e6) FROM retention_jobs j WHERE j.job = which)
          AND EXISTS (SELECT FROM operator_action_items i WHERE i.action_id = a.id)
        ORDER BY a.at LIMIT 1;
        IF doomed IS NOT NULL THEN
            DELETE FROM operator_action_items WHERE action_id = doomed AND subject IN (
                SELECT i.subject FROM operator_action_items i WHERE i.action_id = doomed
                ORDER BY i.seq LIMIT most);
            GET DIAGNOSTICS gone = ROW_COUNT;
            UPDATE retention_jobs SET position = floor(extract(epoch FROM acted) * 1e6)::bigint
            WHERE job = which;
        END IF;
    ELSIF which = 'shadows' THEN
        -- A refold is promoted within days, or made anew.
        IF expired_before > now() - interval '7 days' THEN
            RAISE EXCEPTION 'refolds are kept for seven days at least' USING ERRCODE = 'invalid_parameter_value';
        END IF;
        SELECT r.id INTO doomed FROM refold_runs r WHERE r.started_at < expired_before
        ORDER BY r.started_at LIMIT 1;
        IF doomed IS NOT NULL THEN
            DELETE FROM shadow_objects WHERE run_id = doomed AND (account, id) IN (
                SELECT s.account, s.id FROM shadow_objects s WHERE s.run_id = doomed
                ORDER BY s.account, s.id LIMIT most);
            GET DIAGNOSTICS gone = ROW_COUNT;
            IF gone < most THEN
                DELETE FROM shadow_bookings WHERE run_id = doomed AND booking_id IN (
                    SELECT s.booking_id FROM shadow_bookings s WHERE s.run_id = doomed
                    ORDER BY s.booking_id LIMIT most - gone);
                GET DIAGNOSTICS step = ROW_COUNT;
                gone := gone + step;
            END IF;
            IF gone < most THEN
                DELETE FROM refold_runs WHERE id = doomed;
                gone := gone + 1;
            END IF;
        END IF;
    ELSE
        RAISE EXCEPTION 'no retention job is called %', which USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE retention_jobs SET removed = removed + gone, kept_from = expired_before, ran_at = now()
    WHERE job = which;
    RETURN gone;
END $$;
COMMENT ON FUNCTION remove_expired(text, timestamptz, integer) IS 'One step of a retention job: removes up to so many rows that are older; returns how many.';

-- Certificates and sweeps of each minute become hours, days and months.
ALTER TABLE certificates
    ADD COLUMN level text NOT NULL DEFAULT 'window',
    ADD COLUMN parts integer NOT NULL DEFAULT 1,
    ALTER COLUMN stripe_count TYPE bigint,
    ALTER COLUMN ledger_count TYPE bigint,
    ADD CONSTRAINT certificates_level_known CHECK (level IN ('window', 'hour', 'day', 'month')),
    ADD CONSTRAINT certificates_have_parts CHECK (parts >= 1 AND (level <> 'window' OR parts = 1));
COMMENT ON COLUMN certificates.level IS 'window: ids that were compared; hour, day, month: rolled up of certificates of the level before.';
COMMENT ON COLUMN certificates.parts IS 'How many windows it was rolled up of, in all; 1: it is one.';
COMMENT ON COLUMN certificates.ids_hash IS 'SHA-256 of Stripe''s ids, sorted; of a rolled-up one: of its parts'' hashes, each followed by a line feed, in the order they were issued.';
COMMENT ON COLUMN certificates.ledger_hash IS 'The same of the ledger''s ids.';
COMMENT ON COLUMN certificates.stripe_count IS 'Events that Stripe listed; of a rolled-up one: the sum of its parts, which overlap.';
COMMENT ON COLUMN certificates.ledger_count IS 'Events in the ledger, counted likewise.';
CREATE INDEX certificates_by_level ON certificates (level, window_to);
CREATE INDEX certificates_of_account ON certificates (account, level, window_to);

CREATE FUNCTION roll_up_certificates(part_level text, expired_before timestamptz, most integer)
    RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    whole text := CASE part_level WHEN 'window' THEN 'hour' WHEN 'hour' THEN 'day' WHEN 'day' THEN 'month' END;
    taken bigint;
    kept bigint;
BEGIN
    IF whole IS NULL OR most NOT BETWEEN 1 AND 100000 THEN
        RAISE EXCEPTION 'cannot roll up % certificates of level %', most, part_level
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF expired_before > now() - interval '1 hour' THEN
        RAISE EXCEPTION 'certificates are kept for an hour at least' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- Whole periods only: those of the oldest certificates that end before the limit. What was rolled
    -- up of a period before is rolled up again with what came later.
    WITH periods AS (
        SELECT DISTINCT c.account,
            date_trunc(whole, c.window_to - interval '1 microsecond', 'UTC') AS since
        FROM (SELECT account, window_to FROM certificates
              WHERE level = part_level AND window_to <= expired_before
              ORDER BY window_to LIMIT most) c
    ), parts AS (
        DELETE FROM certificates c USING periods p
        WHERE p.since + ('1 ' || whole)::interval <= expired_before
          AND c.account = p.account AND c.level IN (part_level, whole)
          AND c.window_to > p.since AND c.window_to <= p.since + ('1 ' || whole)::interval
        RETURNING c.*, p.since
    ), ordered AS (
        SELECT p.*, max(window_to) OVER (PARTITION BY account, since, complete
            ORDER BY window_from, window_to, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached
        FROM parts p
    ), stretches AS (
        -- A hole between two windows stays a hole: each stretch without one is a certificate of its
        -- own, and what was complete is never mixed with what was not.
        SELECT o.*, count(*) FILTER (WHERE reached IS NULL OR window_from > reached) OVER (
            PARTITION BY account, since, complete ORDER BY window_from, window_to, id) AS stretch
        FROM ordered o
    ), whole_ones AS (
        INSERT INTO certificates (account, window_from, window_to, stripe_count, ledger_count, ids_hash,
            ledger_hash, complete, issued_at, issued_by, level, parts)
        SELECT account, min(window_from), max(window_to), sum(stripe_count)::bigint, sum(ledger_count)::bigint,
            encode(sha256(convert_to(string_agg(ids_hash || chr(10), '' ORDER BY issued_at, id), 'UTF8')), 'hex'),
            encode(sha256(convert_to(string_agg(ledger_hash || chr(10), '' ORDER BY issued_at, id), 'UTF8')), 'hex'),
            complete, max(issued_at), max(issued_by), whole, sum(parts)::integer
        FROM stretches GROUP BY account, since, complete, stretch
        RETURNING parts
    )
    SELECT (SELECT count(*) FROM parts), (SELECT count(*) FROM whole_ones) INTO taken, kept;
    UPDATE retention_jobs SET removed = removed + taken - kept, kept_from = expired_before, ran_at = now()
    WHERE job = 'certificates';
    RETURN taken;
END $$;
COMMENT ON FUNCTION roll_up_certificates(text, timestamptz, integer) IS 'Rolls the oldest certificates of a level up into the next one; returns how many it took.';

CREATE TABLE sweep_totals (
    level    text        NOT NULL,
    since    timestamptz NOT NULL,
    kind     text        NOT NULL,
    account  text        NOT NULL,
    outcome  text        NOT NULL,
    sweeps   bigint      NOT NULL,
    listed   bigint      NOT NULL,
    missing  bigint      NOT NULL,
    repaired bigint      NOT NULL,
    CONSTRAINT sweep_totals_pkey PRIMARY KEY (level, since, kind, account, outcome),
    CONSTRAINT sweep_totals_level_known CHECK (level IN ('hour', 'day', 'month'))
);
COMMENT ON TABLE sweep_totals IS 'Sweeps that found nothing to keep a row for, counted by hour, then by day, then by month.';
COMMENT ON COLUMN sweep_totals.level IS 'hour | day | month.';
COMMENT ON COLUMN sweep_totals.since IS 'Begin of the hour, day or month, UTC.';
COMMENT ON COLUMN sweep_totals.kind IS 'As sweeps.kind.';
COMMENT ON COLUMN sweep_totals.account IS 'As sweeps.account.';
COMMENT ON COLUMN sweep_totals.outcome IS 'As sweeps.outcome; interrupted: it never ended.';
COMMENT ON COLUMN sweep_totals.sweeps IS 'How many.';
COMMENT ON COLUMN sweep_totals.listed IS 'Sum of sweeps.listed.';
COMMENT ON COLUMN sweep_totals.missing IS 'Sum of sweeps.missing.';
COMMENT ON COLUMN sweep_totals.repaired IS 'Sum of sweeps.repaired.';

-- A sweep with findings or a plan keeps its row.
CREATE INDEX repair_plans_by_sweep ON repair_plans (sweep_id);

CREATE FUNCTION roll_up_sweeps(part_level text, expired_before timestamptz, most integer)
    RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    whole text := CASE part_level WHEN 'window' THEN 'hour' WHEN 'hour' THEN 'day' WHEN 'day' THEN 'month' END;
    gone bigint := 0;
    reached bigint;
BEGIN
    IF whole IS NULL OR most NOT BETWEEN 1 AND 100000 THEN
        RAISE EXCEPTION 'cannot roll up % sweeps of level %', most, part_level
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF expired_before > now() - interval '1 hour' THEN
        RAISE EXCEPTION 'sweeps are kept for an hour at least' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF part_level = 'window' THEN
        -- Sweeps are walked by their ids, each once: those that keep their row are not looked at again.
        WITH walked AS (
            SELECT s.id FROM sweeps s
            WHERE s.id > (SELECT j.position FROM retention_jobs j WHERE j.job = 'sweeps')
              AND s.started_at < expired_before
            ORDER BY s.id LIMIT most
        ), removed AS (
            DELETE FROM sweeps s USING walked w
            WHERE s.id = w.id
              AND NOT EXISTS (SELECT FROM findings f WHERE f.sweep_id = s.id)
              AND NOT EXISTS (SELECT FROM repair_plans p WHERE p.sweep_id = s.id)
            RETURNING s.kind, s.account, s.started_at, coalesce(s.outcome, 'interrupted') AS outcome,
                      s.listed, s.missing, s.repaired
        ), summed AS (
            INSERT INTO sweep_totals AS t (level, since, kind, account, outcome, sweeps, listed, missing, repaired)
            SELECT whole, date_trunc(whole, started_at, 'UTC'), kind, account, outcome, count(*),
                   sum(listed), sum(missing), sum(repaired)
            FROM removed GROUP BY 2, kind, account, outcome
            ON CONFLICT ON CONSTRAINT sweep_totals_pkey DO UPDATE SET
                sweeps = t.sweeps + excluded.sweeps, listed = t.listed + excluded.listed,
                missing = t.missing + excluded.missing, repaired = t.repaired + excluded.repaired
        )
        SELECT (SELECT count(*) FROM removed), (SELECT max(w.id) FROM walked w) INTO gone, reached;
        UPDATE retention_jobs SET position = coalesce(reached, position) WHERE job = 'sweeps';
    ELSE
        WITH removed AS (
            DELETE FROM sweep_totals t
            WHERE (t.level, t.since, t.kind, t.account, t.outcome) IN (
                SELECT o.level, o.since, o.kind, o.account, o.outcome FROM sweep_totals o
                WHERE o.level = part_level
                  AND o.since < date_trunc(whole, expired_before, 'UTC')
                ORDER BY o.since LIMIT most)
            RETURNING t.*
        ), summed AS (
            INSERT INTO sweep_totals AS t (level, since, kind, account, outcome, sweeps, listed, missing, repaired)
            SELECT whole, date_trunc(whole, r.since, 'UTC'), r.kind, r.account, r.outcome,
                   sum(r.sweeps), sum(r.listed), sum(r.missing), sum(r.repaired)
            FROM removed r GROUP BY 2, r.kind, r.account, r.outcome
            ON CONFLICT ON CONSTRAINT sweep_totals_pkey DO UPDATE SET
                sweeps = t.sweeps + excluded.sweeps, listed = t.listed + excluded.listed,
                missing = t.missing + excluded.missing, repaired = t.repaired + excluded.repaired
        )
        SELECT count(*) INTO gone FROM removed;
    END IF;
    UPDATE retention_jobs SET removed = removed + gone, kept_from = expired_before, ran_at = now()
    WHERE job = 'sweeps';
    RETURN gone;
END $$;
COMMENT ON FUNCTION roll_up_sweeps(text, timestamptz, integer) IS 'Counts the oldest sweeps, or totals of a level, into the next level and removes them; returns how many.';

-- A month leaves the ledger only by hand, only when every payload of it is gone, so that a
-- rebuild reads none of its rows any more, and only half a year after it ended. Its ids stay.
CREATE FUNCTION detach_event_month(month date, action_id text)
    RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    name text := 'events_' || to_char(month, 'YYYY_MM');
    holder text;
    moved bigint;
BEGIN
    PERFORM set_config('lock_timeout', '2s', true);
    IF NOT EXISTS (SELECT FROM operator_actions a
                   WHERE a.id = detach_event_month.action_id AND a.verb = 'retention detach' AND a.state = 'running') THEN
        RAISE EXCEPTION 'a month is detached by a running action, not by %', action_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'months_detached_by_somebody';
    END IF;
    IF month + interval '1 month' > now() - interval '6 months' THEN
        RAISE EXCEPTION 'month % ended less than six months ago', to_char(month, 'YYYY-MM')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = 'events'::regclass
                   AND inhrelid = to_regclass(name)) THEN
        RAISE EXCEPTION 'the ledger has no partition for month %', to_char(month, 'YYYY-MM')
            USING ERRCODE = 'undefined_table';
    END IF;
    EXECUTE format('LOCK TABLE events, %I IN ACCESS EXCLUSIVE MODE', name);
    EXECUTE format('SELECT id FROM %I WHERE payload_removed_at IS NULL LIMIT 1', name) INTO holder;
    IF holder IS NOT NULL THEN
        RAISE EXCEPTION 'event % of month % still has its payload', holder, to_char(month, 'YYYY-MM')
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    EXECUTE format('INSERT INTO retired_ids (id, created, payload_sha256)
                    SELECT id, created, payload_sha256 FROM %I ON CONFLICT DO NOTHING', name);
    GET DIAGNOSTICS moved = ROW_COUNT;
    EXECUTE format('ALTER TABLE events DETACH PARTITION %I', name);
    RETURN moved;
END $$;
COMMENT ON FUNCTION detach_event_month(date, text) IS 'Keeps a month''s ids in retired_ids and detaches its partition; returns how many ids. The table stays, for an archive.';

-- Rights.
GRANT SELECT ON event_readings, retired_ids, retention_jobs, sweep_totals
    TO bookend_processor, bookend_reconciler, bookend_console, bookend_reader;
REVOKE EXECUTE ON FUNCTION remove_payloads(text[], timestamptz[], text, text[], text[], integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION erase_dead_letters(bigint[], text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION remove_expired(text, timestamptz, integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION roll_up_certificates(text, timestamptz, integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION roll_up_sweeps(text, timestamptz, integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION detach_event_month(date, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION remove_payloads(text[], timestamptz[], text, text[], text[], integer)
    TO bookend_reconciler, bookend_console;
GRANT EXECUTE ON FUNCTION erase_dead_letters(bigint[], text), detach_event_month(date, text) TO bookend_console;
GRANT EXECUTE ON FUNCTION remove_expired(text, timestamptz, integer),
    roll_up_certificates(text, timestamptz, integer), roll_up_sweeps(text, timestamptz, integer)
    TO bookend_reconciler;
GRANT UPDATE (kept_from, position, removed, ran_at) ON retention_jobs TO bookend_reconciler;
