-- Postgres is the truth about progress: moved by compare-and-set on offset and epoch, in the
-- transaction that holds the batch's effects.
CREATE TABLE partition_progress (
    topic       text        NOT NULL,
    partition   integer     NOT NULL,
    next_offset bigint      NOT NULL,
    epoch       bigint      NOT NULL DEFAULT 0,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT partition_progress_pkey PRIMARY KEY (topic, partition),
    CONSTRAINT partition_progress_offset_not_negative CHECK (next_offset >= 0)
) WITH (fillfactor = 70);
COMMENT ON TABLE partition_progress IS 'How far each partition has been applied. Kafka''s committed offsets are only a hint.';
COMMENT ON COLUMN partition_progress.topic IS 'Topic.';
COMMENT ON COLUMN partition_progress.partition IS 'Partition.';
COMMENT ON COLUMN partition_progress.next_offset IS 'First offset that is not yet applied.';
COMMENT ON COLUMN partition_progress.epoch IS 'Raised by each assignment: whoever raised it last owns the partition.';
COMMENT ON COLUMN partition_progress.updated_at IS 'When it last moved.';

CREATE TABLE log_holes (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    topic       text        NOT NULL,
    partition   integer     NOT NULL,
    from_offset bigint      NOT NULL,
    to_offset   bigint      NOT NULL,
    kind        text        NOT NULL,
    found_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT log_holes_pkey PRIMARY KEY (id),
    CONSTRAINT log_holes_kind_known CHECK (kind IN ('hole', 'shorter'))
);
COMMENT ON TABLE log_holes IS 'Ranges of the log that were gone before they were applied: for the reconciler, never skipped in silence.';
COMMENT ON COLUMN log_holes.id IS 'Key.';
COMMENT ON COLUMN log_holes.topic IS 'Topic.';
COMMENT ON COLUMN log_holes.partition IS 'Partition.';
COMMENT ON COLUMN log_holes.from_offset IS 'First offset concerned, inclusive.';
COMMENT ON COLUMN log_holes.to_offset IS 'Last offset concerned, exclusive.';
COMMENT ON COLUMN log_holes.kind IS 'hole: the log begins after our progress; shorter: the log ends before it.';
COMMENT ON COLUMN log_holes.found_at IS 'When it was seen.';

CREATE TABLE dead_letters (
    id              bigint GENERATED ALWAYS AS IDENTITY,
    event_id        text,
    payload         bytea       NOT NULL,
    payload_sha256  bytea       NOT NULL,
    key             text        NOT NULL,
    topic           text        NOT NULL,
    partition       integer     NOT NULL,
    "offset"        bigint      NOT NULL,
    stage           text        NOT NULL,
    error_class     text        NOT NULL,
    error           text        NOT NULL,
    attempts        integer     NOT NULL,
    first_failed_at timestamptz NOT NULL,
    last_failed_at  timestamptz NOT NULL,
    status          text        NOT NULL DEFAULT 'open',
    trace_id        text,
    CONSTRAINT dead_letters_pkey PRIMARY KEY (id),
    CONSTRAINT dead_letters_stage_known CHECK (stage IN ('decode', 'apply')),
    CONSTRAINT dead_letters_class_known CHECK (error_class IN ('poison', 'business', 'infrastructure')),
    CONSTRAINT dead_letters_status_known
        CHECK (status IN ('open', 'acknowledged', 'resolved', 'ignored', 'replayed')),
    CONSTRAINT dead_letters_sha256_is_32_bytes CHECK (length(payload_sha256) = 32)
);
-- One row an event id, else one a payload.
CREATE UNIQUE INDEX dead_letters_by_event ON dead_letters (event_id) WHERE event_id IS NOT NULL;
CREATE UNIQUE INDEX dead_letters_by_payload ON dead_letters (payload_sha256) WHERE event_id IS NULL;
COMMENT ON TABLE dead_letters IS 'Events given up on, kept with their bytes and the reason; also in the dead-letter topic.';
COMMENT ON COLUMN dead_letters.id IS 'Key.';
COMMENT ON COLUMN dead_letters.event_id IS 'The event''s id, where one could be read.';
COMMENT ON COLUMN dead_letters.payload IS 'The exact bytes.';
COMMENT ON COLUMN dead_letters.payload_sha256 IS 'SHA-256 of the exact bytes.';
COMMENT ON COLUMN dead_letters.key IS 'Key of the record.';
COMMENT ON COLUMN dead_letters.topic IS 'Topic of the record.';
COMMENT ON COLUMN dead_letters.partition IS 'Partition of the record.';
COMMENT ON COLUMN dead_letters."offset" IS 'Offset of the record.';
COMMENT ON COLUMN dead_letters.stage IS 'decode: it could not be read; apply: it could not be folded or written.';
COMMENT ON COLUMN dead_letters.error_class IS 'poison | business | infrastructure.';
COMMENT ON COLUMN dead_letters.error IS 'The chain of causes; never payload data.';
COMMENT ON COLUMN dead_letters.attempts IS 'How often it was tried.';
COMMENT ON COLUMN dead_letters.first_failed_at IS 'First failure.';
COMMENT ON COLUMN dead_letters.last_failed_at IS 'Last failure.';
COMMENT ON COLUMN dead_letters.status IS 'open | acknowledged | resolved | ignored | replayed.';
COMMENT ON COLUMN dead_letters.trace_id IS 'W3C trace id of the request that brought it.';

-- Facts for other services, written in the transaction of the change they tell.
CREATE TABLE outbox (
    seq          bigint GENERATED ALWAYS AS IDENTITY,
    id           text        NOT NULL,
    booking_id   text        NOT NULL,
    kind         text        NOT NULL,
    payload      json        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    CONSTRAINT outbox_pkey PRIMARY KEY (seq),
    CONSTRAINT outbox_id_once UNIQUE (id)
);
CREATE INDEX outbox_not_published ON outbox (seq) WHERE published_at IS NULL;
COMMENT ON TABLE outbox IS 'Facts about bookings, to be published to booking.events.';
COMMENT ON COLUMN outbox.seq IS 'Order of writing.';
COMMENT ON COLUMN outbox.id IS 'Hash of booking, kind, subject and target state: the same fact has the same id after any restore.';
COMMENT ON COLUMN outbox.booking_id IS 'The booking.';
COMMENT ON COLUMN outbox.kind IS 'What kind of fact, for instance booking.changed.';
COMMENT ON COLUMN outbox.payload IS 'The fact, with the booking''s version.';
COMMENT ON COLUMN outbox.created_at IS 'When it was written.';
COMMENT ON COLUMN outbox.published_at IS 'When it was published and acknowledged; null until then.';

-- Objects whose true state only Stripe can tell. The processor asks, the reconciler, which
-- alone holds the API key, carries it out.
CREATE TABLE refetches (
    id              bigint GENERATED ALWAYS AS IDENTITY,
    account         text        NOT NULL DEFAULT '',
    object_id       text        NOT NULL,
    object_type     text        NOT NULL,
    fingerprint     text        NOT NULL,
    reason          text        NOT NULL,
    tied_at         timestamptz NOT NULL,
    requested_at    timestamptz NOT NULL DEFAULT now(),
    state           text        NOT NULL DEFAULT 'pending',
    attempts        integer     NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    error           text,
    done_at         timestamptz,
    observation_id  text,
    CONSTRAINT refetches_pkey PRIMARY KEY (id),
    CONSTRAINT refetches_once UNIQUE (account, object_id, fingerprint),
    CONSTRAINT refetches_state_known CHECK (state IN ('pending', 'done', 'failed')),
    CONSTRAINT refetches_reason_known CHECK (reason IN ('tie', 'refunds_differ', 'thin'))
);
CREATE INDEX refetches_pending ON refetches (next_attempt_at) WHERE state = 'pending';
COMMENT ON TABLE refetches IS 'Objects that the processor wants retrieved from Stripe: one row for each distinct doubt.';
COMMENT ON COLUMN refetches.id IS 'Key.';
COMMENT ON COLUMN refetches.account IS 'As objects.account.';
COMMENT ON COLUMN refetches.object_id IS 'The object to retrieve.';
COMMENT ON COLUMN refetches.object_type IS 'Its Stripe object name.';
COMMENT ON COLUMN refetches.fingerprint IS 'Names the doubt: one fetch for each distinct one.';
COMMENT ON COLUMN refetches.reason IS 'tie | refunds_differ | thin.';
COMMENT ON COLUMN refetches.tied_at IS 'The second the doubt is about; the fetch waits until it has well passed.';
COMMENT ON COLUMN refetches.requested_at IS 'When the processor asked.';
COMMENT ON COLUMN refetches.state IS 'pending | done | failed (for good: error says why).';
COMMENT ON COLUMN refetches.attempts IS 'Calls made so far.';
COMMENT ON COLUMN refetches.next_attempt_at IS 'Not before this.';
COMMENT ON COLUMN refetches.error IS 'The last failure.';
COMMENT ON COLUMN refetches.done_at IS 'When its observation was acknowledged by the log.';
COMMENT ON COLUMN refetches.observation_id IS 'The observation that answered it.';
