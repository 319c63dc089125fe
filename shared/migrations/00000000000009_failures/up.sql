-- What fails, what waits behind it, what people did about it.

-- Events that wait in order behind one that could not be applied. Their ledger rows say `parked`.
CREATE TABLE parked_events (
    event_id         text        NOT NULL,
    booking_id       text        NOT NULL,
    created          timestamptz NOT NULL,
    topic            text        NOT NULL,
    partition        integer     NOT NULL,
    "offset"         bigint      NOT NULL,
    key              text        NOT NULL,
    headers          json        NOT NULL,
    record_timestamp timestamptz,
    parked_at        timestamptz NOT NULL DEFAULT now(),
    attempts         integer     NOT NULL DEFAULT 0,
    next_attempt_at  timestamptz NOT NULL DEFAULT now(),
    error_class      text,
    error_kind       text,
    error            text,
    first_failed_at  timestamptz,
    last_failed_at   timestamptz,
    gave_up_at       timestamptz,
    CONSTRAINT parked_events_pkey PRIMARY KEY (event_id),
    CONSTRAINT parked_events_class_known
        CHECK (error_class IN ('business', 'unclassified')),
    CONSTRAINT parked_events_failure_is_whole
        CHECK ((error IS NULL) = (error_class IS NULL) AND (error IS NULL) = (first_failed_at IS NULL))
) WITH (fillfactor = 80);
-- A queue in its order: the first row is the head, which alone is tried.
CREATE INDEX parked_events_queue ON parked_events (booking_id, created, partition, "offset", event_id);
COMMENT ON TABLE parked_events IS 'Events that wait, in order, behind one that could not be applied. The first of a booking is its head; it alone is tried.';
COMMENT ON COLUMN parked_events.event_id IS 'The event; its payload is in the ledger.';
COMMENT ON COLUMN parked_events.booking_id IS 'The booking whose queue it is in; for an event without a booking, the key of its record.';
COMMENT ON COLUMN parked_events.created IS 'Stripe''s created: first part of the order.';
COMMENT ON COLUMN parked_events.topic IS 'Topic of its record.';
COMMENT ON COLUMN parked_events.partition IS 'Partition of its record: second part of the order.';
COMMENT ON COLUMN parked_events."offset" IS 'Offset of its record: third part of the order.';
COMMENT ON COLUMN parked_events.key IS 'Key of its record.';
COMMENT ON COLUMN parked_events.headers IS 'Its record''s headers: pairs of name and hex value (null: no value), in order.';
COMMENT ON COLUMN parked_events.record_timestamp IS 'Timestamp of its record.';
COMMENT ON COLUMN parked_events.parked_at IS 'When it was parked.';
COMMENT ON COLUMN parked_events.attempts IS 'How often it was tried itself; 0: it only waits behind another.';
COMMENT ON COLUMN parked_events.next_attempt_at IS 'As head, not tried before this.';
COMMENT ON COLUMN parked_events.error_class IS 'business: counts towards a dead letter; unclassified: tried for ever. Null: not tried yet.';
COMMENT ON COLUMN parked_events.error_kind IS 'Stable name of the last error, for instance constraint.';
COMMENT ON COLUMN parked_events.error IS 'The last error''s chain of causes; never payload data.';
COMMENT ON COLUMN parked_events.first_failed_at IS 'First failure of its own.';
COMMENT ON COLUMN parked_events.last_failed_at IS 'Last failure of its own.';
COMMENT ON COLUMN parked_events.gave_up_at IS 'When it became a dead letter: its booking stays held until somebody decides (skip, release or replay).';

-- Dead letters keep all that their record had, and belong to a group of the same failure.
ALTER TABLE dead_letters
    ADD COLUMN headers          json        NOT NULL DEFAULT '[]',
    ADD COLUMN record_timestamp timestamptz,
    ADD COLUMN error_kind       text        NOT NULL DEFAULT 'unknown',
    ADD COLUMN event_type       text        NOT NULL DEFAULT 'unknown',
    ADD COLUMN fingerprint      text        NOT NULL DEFAULT '',
    ADD COLUMN booking_id       text,
    ADD COLUMN processor_version text       NOT NULL DEFAULT 'unknown',
    ADD COLUMN status_changed_at timestamptz,
    ADD COLUMN status_action_id text;
COMMENT ON COLUMN dead_letters.headers IS 'Its record''s headers: pairs of name and hex value (null: no value), in order.';
COMMENT ON COLUMN dead_letters.record_timestamp IS 'Timestamp of its record.';
COMMENT ON COLUMN dead_letters.error_kind IS 'Stable name of the error, for instance not_json.';
COMMENT ON COLUMN dead_letters.event_type IS 'Stripe''s event type, where it could be read.';
COMMENT ON COLUMN dead_letters.fingerprint IS 'Its group: the same stage, class, event type and normalized error.';
COMMENT ON COLUMN dead_letters.booking_id IS 'The booking that is held because of it; null: none is.';
COMMENT ON COLUMN dead_letters.processor_version IS 'Version of the code that gave up.';
COMMENT ON COLUMN dead_letters.status_changed_at IS 'When its status last changed.';
COMMENT ON COLUMN dead_letters.status_action_id IS 'The operator''s action that changed it; null: the processor did.';
CREATE INDEX dead_letters_by_group ON dead_letters (fingerprint, status);
ALTER TABLE dead_letters DROP CONSTRAINT dead_letters_class_known;
ALTER TABLE dead_letters ADD CONSTRAINT dead_letters_class_known
    CHECK (error_class IN ('poison', 'business', 'infrastructure', 'unclassified'));
COMMENT ON COLUMN dead_letters.error_class IS 'poison | business | unclassified (by an operator''s wish only); infrastructure: from versions before parking.';

CREATE TABLE dead_letter_groups (
    fingerprint text        NOT NULL,
    stage       text        NOT NULL,
    error_class text        NOT NULL,
    error_kind  text        NOT NULL,
    event_type  text        NOT NULL,
    error       text        NOT NULL,
    status      text        NOT NULL DEFAULT 'open',
    occurrences bigint      NOT NULL DEFAULT 1,
    reopened    integer     NOT NULL DEFAULT 0,
    first_seen  timestamptz NOT NULL,
    last_seen   timestamptz NOT NULL,
    status_changed_at timestamptz,
    status_action_id  text,
    CONSTRAINT dead_letter_groups_pkey PRIMARY KEY (fingerprint),
    CONSTRAINT dead_letter_groups_status_known
        CHECK (status IN ('open', 'acknowledged', 'resolved', 'ignored'))
);
COMMENT ON TABLE dead_letter_groups IS 'Dead letters that failed in the same way, and what people decided about them.';
COMMENT ON COLUMN dead_letter_groups.fingerprint IS 'First 16 hex digits of SHA-256 over stage, class, event type and normalized error.';
COMMENT ON COLUMN dead_letter_groups.stage IS 'decode | apply.';
COMMENT ON COLUMN dead_letter_groups.error_class IS 'As dead_letters.error_class.';
COMMENT ON COLUMN dead_letter_groups.error_kind IS 'Stable name of the error.';
COMMENT ON COLUMN dead_letter_groups.event_type IS 'Stripe''s event type, or unknown.';
COMMENT ON COLUMN dead_letter_groups.error IS 'The error with ids, numbers and quoted names taken out.';
COMMENT ON COLUMN dead_letter_groups.status IS 'open | acknowledged | resolved (opens again on recurrence) | ignored (stays so).';
COMMENT ON COLUMN dead_letter_groups.occurrences IS 'Dead letters it was made of, repetitions included.';
COMMENT ON COLUMN dead_letter_groups.reopened IS 'How often it came back after it was resolved.';
COMMENT ON COLUMN dead_letter_groups.first_seen IS 'First dead letter.';
COMMENT ON COLUMN dead_letter_groups.last_seen IS 'Last dead letter.';
COMMENT ON COLUMN dead_letter_groups.status_changed_at IS 'When its status last changed.';
COMMENT ON COLUMN dead_letter_groups.status_action_id IS 'The operator''s action that changed it; null: the processor did.';

-- Who did what by hand, when and why; also what was refused.
CREATE TABLE operator_actions (
    id             text        NOT NULL,
    at             timestamptz NOT NULL DEFAULT now(),
    who            text        NOT NULL,
    database_role  text        NOT NULL DEFAULT session_user,
    host           text        NOT NULL,
    verb           text        NOT NULL,
    reason         text        NOT NULL,
    request        json        NOT NULL,
    plan           json,
    state          text        NOT NULL,
    denied_because text,
    result         json,
    finished_at    timestamptz,
    CONSTRAINT operator_actions_pkey PRIMARY KEY (id),
    CONSTRAINT operator_actions_state_known
        CHECK (state IN ('running', 'done', 'partly', 'failed', 'interrupted', 'denied')),
    CONSTRAINT operator_actions_denied_says_why
        CHECK ((state = 'denied') = (denied_because IS NOT NULL))
);
CREATE INDEX operator_actions_by_time ON operator_actions (at);
COMMENT ON TABLE operator_actions IS 'What was done by hand: who, when, why, what, and what came of it; refused attempts included. Never deleted.';
COMMENT ON COLUMN operator_actions.id IS 'act_ and 32 hex digits; commands and replayed records name it.';
COMMENT ON COLUMN operator_actions.at IS 'When it was begun.';
COMMENT ON COLUMN operator_actions.who IS 'The person, as they called themselves (BOOKEND_OPERATOR, else the login name).';
COMMENT ON COLUMN operator_actions.database_role IS 'The database role that it was recorded under.';
COMMENT ON COLUMN operator_actions.host IS 'The machine it came from.';
COMMENT ON COLUMN operator_actions.verb IS 'The command, for instance dead replay.';
COMMENT ON COLUMN operator_actions.reason IS 'Why, in the person''s words.';
COMMENT ON COLUMN operator_actions.request IS 'What was asked for, times resolved.';
COMMENT ON COLUMN operator_actions.plan IS 'What it was going to touch, as shown by the dry run.';
COMMENT ON COLUMN operator_actions.state IS 'running | done | partly | failed | interrupted | denied.';
COMMENT ON COLUMN operator_actions.denied_because IS 'Why it was refused; null: it was not.';
COMMENT ON COLUMN operator_actions.result IS 'Counts by result, at its end.';
COMMENT ON COLUMN operator_actions.finished_at IS 'When it ended; null while it runs.';

CREATE TABLE operator_action_items (
    action_id        text        NOT NULL,
    subject          text        NOT NULL,
    seq              bigint      NOT NULL DEFAULT 0,
    state            text        NOT NULL DEFAULT 'planned',
    source_partition integer,
    source_offset    bigint,
    topic            text,
    partition        integer,
    "offset"         bigint,
    detail           text,
    published_at     timestamptz,
    done_at          timestamptz,
    CONSTRAINT operator_action_items_pkey PRIMARY KEY (action_id, subject),
    CONSTRAINT operator_action_items_state_known CHECK (state IN (
        'planned', 'published', 'applied', 'no_change', 'ignored', 'parked', 'dead', 'failed', 'unknown'))
);
CREATE INDEX operator_action_items_by_seq ON operator_action_items (action_id, seq);
COMMENT ON TABLE operator_action_items IS 'Each thing an action touched, and what came of it. The processor writes the result in the transaction that made it.';
COMMENT ON COLUMN operator_action_items.action_id IS 'The action; not a foreign key, because a restored database may have lost it while the log has not.';
COMMENT ON COLUMN operator_action_items.subject IS 'Event id, sha256: and a hash, booking id, object key or group.';
COMMENT ON COLUMN operator_action_items.seq IS 'Order in the plan.';
COMMENT ON COLUMN operator_action_items.state IS 'planned | published (acknowledged by the log) | applied | no_change | ignored | parked | dead | failed | unknown.';
COMMENT ON COLUMN operator_action_items.source_partition IS 'Where a replayed record was read: partition; null: from the ledger.';
COMMENT ON COLUMN operator_action_items.source_offset IS 'Where a replayed record was read: offset.';
COMMENT ON COLUMN operator_action_items.topic IS 'Topic of the record that was published.';
COMMENT ON COLUMN operator_action_items.partition IS 'Its partition.';
COMMENT ON COLUMN operator_action_items."offset" IS 'Its offset.';
COMMENT ON COLUMN operator_action_items.detail IS 'What the processor had to say.';
COMMENT ON COLUMN operator_action_items.published_at IS 'When the log acknowledged it.';
COMMENT ON COLUMN operator_action_items.done_at IS 'When the processor was done with it.';

-- A refused attempt is kept whoever made it, also by a role that may write nothing.
CREATE FUNCTION note_denied_action(
    action_id text, who text, host text, verb text, reason text, request json, because text
) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO operator_actions (id, who, host, verb, reason, request, state, denied_because, finished_at)
    VALUES (note_denied_action.action_id, note_denied_action.who, note_denied_action.host,
            note_denied_action.verb, note_denied_action.reason, note_denied_action.request,
            'denied', note_denied_action.because, now())
$$;
COMMENT ON FUNCTION note_denied_action(text, text, text, text, text, json, text) IS 'Records an attempt that was refused, with the role that made it.';

-- What operators want of consumption. Not by command through the log: a paused consumer reads none.
CREATE TABLE consumer_control (
    topic      text        NOT NULL,
    state      text        NOT NULL DEFAULT 'running',
    resumes    bigint      NOT NULL DEFAULT 0,
    action_id  text,
    changed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT consumer_control_pkey PRIMARY KEY (topic),
    CONSTRAINT consumer_control_state_known CHECK (state IN ('running', 'paused'))
);
COMMENT ON TABLE consumer_control IS 'What operators want of consumption; each processor looks every second.';
COMMENT ON COLUMN consumer_control.topic IS 'The topic that is consumed.';
COMMENT ON COLUMN consumer_control.state IS 'running | paused.';
COMMENT ON COLUMN consumer_control.resumes IS 'Raised by each resume: a higher number also lets partitions go that the brake holds.';
COMMENT ON COLUMN consumer_control.action_id IS 'The action that changed it last.';
COMMENT ON COLUMN consumer_control.changed_at IS 'When.';

-- The brake: a partition in which too much failed in a row is held, also across restarts.
ALTER TABLE partition_progress
    ADD COLUMN held_since  timestamptz,
    ADD COLUMN held_reason text;
COMMENT ON COLUMN partition_progress.held_since IS 'Since when the brake holds this partition: nothing of it is applied until its head can be, or an operator resumes. Null: it does not.';
COMMENT ON COLUMN partition_progress.held_reason IS 'What made the brake hold it.';

-- What the log lost is asked of Stripe, once for each hole.
ALTER TABLE log_holes ADD COLUMN swept_at timestamptz;
COMMENT ON COLUMN log_holes.swept_at IS 'When the reconciler had swept the span in which what it held was created; null until then.';

CREATE TABLE processor_instances (
    instance   text        NOT NULL,
    version    text        NOT NULL,
    started_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL,
    state      text        NOT NULL,
    reason     text,
    partitions integer[]   NOT NULL,
    CONSTRAINT processor_instances_pkey PRIMARY KEY (instance),
    CONSTRAINT processor_instances_state_known CHECK (state IN ('running', 'paused', 'held', 'stopped'))
) WITH (fillfactor = 70);
COMMENT ON TABLE processor_instances IS 'Each running processor, as it last said; one that is not seen any more is gone or cut off.';
COMMENT ON COLUMN processor_instances.instance IS 'Host and process id.';
COMMENT ON COLUMN processor_instances.version IS 'Version of its code.';
COMMENT ON COLUMN processor_instances.started_at IS 'When it started.';
COMMENT ON COLUMN processor_instances.seen_at IS 'When it last said so.';
COMMENT ON COLUMN processor_instances.state IS 'running | paused (by an operator) | held (by the brake) | stopped (in good order).';
COMMENT ON COLUMN processor_instances.reason IS 'Why it does not run.';
COMMENT ON COLUMN processor_instances.partitions IS 'Partitions it reads.';

-- A refold of everything: computed beside the live tables, compared, then promoted.
CREATE TABLE refold_runs (
    id           text        NOT NULL,
    fold_version integer     NOT NULL,
    started_at   timestamptz NOT NULL DEFAULT now(),
    finished_at  timestamptz,
    objects      bigint      NOT NULL DEFAULT 0,
    events       bigint      NOT NULL DEFAULT 0,
    CONSTRAINT refold_runs_pkey PRIMARY KEY (id)
);
COMMENT ON TABLE refold_runs IS 'Refolds of the whole ledger into the shadow tables.';
COMMENT ON COLUMN refold_runs.id IS 'ref_ and 32 hex digits.';
COMMENT ON COLUMN refold_runs.fold_version IS 'Version of the folding rules it was made with.';
COMMENT ON COLUMN refold_runs.started_at IS 'When it began.';
COMMENT ON COLUMN refold_runs.finished_at IS 'When every object was folded; null until then.';
COMMENT ON COLUMN refold_runs.objects IS 'Objects folded so far.';
COMMENT ON COLUMN refold_runs.events IS 'Events and observations read so far.';

CREATE TABLE shadow_objects (
    run_id     text    NOT NULL,
    account    text    NOT NULL,
    id         text    NOT NULL,
    type       text    NOT NULL,
    state      json    NOT NULL,
    booking_id text,
    differs    boolean NOT NULL,
    CONSTRAINT shadow_objects_pkey PRIMARY KEY (run_id, account, id),
    CONSTRAINT shadow_objects_of_run FOREIGN KEY (run_id) REFERENCES refold_runs (id) ON DELETE CASCADE
);
CREATE INDEX shadow_objects_differing ON shadow_objects (run_id) WHERE differs;
COMMENT ON TABLE shadow_objects IS 'Objects as today''s rules fold them from the ledger.';
COMMENT ON COLUMN shadow_objects.run_id IS 'The refold.';
COMMENT ON COLUMN shadow_objects.account IS 'As objects.account.';
COMMENT ON COLUMN shadow_objects.id IS 'As objects.id.';
COMMENT ON COLUMN shadow_objects.type IS 'As objects.type.';
COMMENT ON COLUMN shadow_objects.state IS 'As objects.state.';
COMMENT ON COLUMN shadow_objects.booking_id IS 'As objects.booking_id.';
COMMENT ON COLUMN shadow_objects.differs IS 'It is not as the live row was when it was folded.';

CREATE TABLE shadow_bookings (
    run_id     text    NOT NULL,
    booking_id text    NOT NULL,
    live       json,
    shadow     json    NOT NULL,
    differs    boolean NOT NULL,
    CONSTRAINT shadow_bookings_pkey PRIMARY KEY (run_id, booking_id),
    CONSTRAINT shadow_bookings_of_run FOREIGN KEY (run_id) REFERENCES refold_runs (id) ON DELETE CASCADE
);
CREATE INDEX shadow_bookings_differing ON shadow_bookings (run_id) WHERE differs;
COMMENT ON TABLE shadow_bookings IS 'Bookings as today''s rules fold them from the ledger, beside what the live row showed.';
COMMENT ON COLUMN shadow_bookings.run_id IS 'The refold.';
COMMENT ON COLUMN shadow_bookings.booking_id IS 'The booking.';
COMMENT ON COLUMN shadow_bookings.live IS 'What the live row showed; null: there is none.';
COMMENT ON COLUMN shadow_bookings.shadow IS 'What it should show.';
COMMENT ON COLUMN shadow_bookings.differs IS 'The two are not the same.';

-- Rights. The processor parks and drains; a parked event that was applied leaves the queue. A link
-- or claim that no event makes any more goes with a refold; the ledger still has who said so.
GRANT SELECT ON parked_events, dead_letter_groups, operator_actions, operator_action_items,
    consumer_control, processor_instances, refold_runs, shadow_objects, shadow_bookings
    TO bookend_processor, bookend_reconciler, bookend_console, bookend_reader;
GRANT INSERT, UPDATE, DELETE ON parked_events TO bookend_processor;
GRANT INSERT, UPDATE ON dead_letter_groups, operator_action_items TO bookend_processor;
GRANT INSERT, UPDATE, DELETE ON processor_instances TO bookend_processor;
GRANT DELETE ON object_links, object_claims TO bookend_processor;
GRANT UPDATE (swept_at) ON log_holes TO bookend_reconciler;
-- The console records what people do, and what they want of consumption. It writes no money table.
GRANT INSERT, UPDATE (state, plan, result, finished_at) ON operator_actions TO bookend_console;
GRANT INSERT, UPDATE (state, topic, partition, "offset", published_at, detail) ON operator_action_items TO bookend_console;
GRANT INSERT, UPDATE ON consumer_control TO bookend_console;
GRANT INSERT, UPDATE, DELETE ON refold_runs, shadow_objects, shadow_bookings TO bookend_console;
REVOKE EXECUTE ON FUNCTION note_denied_action(text, text, text, text, text, json, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION note_denied_action(text, text, text, text, text, json, text)
    TO bookend_console, bookend_reader;
