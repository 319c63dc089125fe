-- The reconciler's own tables: what it compared, what it found, how far it has got.
CREATE TABLE cursors (
    account    text        NOT NULL DEFAULT '',
    sweep      text        NOT NULL,
    position   timestamptz NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT cursors_pkey PRIMARY KEY (account, sweep)
);
COMMENT ON TABLE cursors IS 'How far each kind of sweep has proved the past complete.';
COMMENT ON COLUMN cursors.account IS 'Connected account; the empty text is our own.';
COMMENT ON COLUMN cursors.sweep IS 'Kind of sweep, for instance tail.';
COMMENT ON COLUMN cursors.position IS 'Exclusive end of the last window that is done.';
COMMENT ON COLUMN cursors.updated_at IS 'When it last moved.';

CREATE TABLE sweeps (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    kind        text        NOT NULL,
    account     text        NOT NULL DEFAULT '',
    window_from timestamptz NOT NULL,
    window_to   timestamptz NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    listed      integer     NOT NULL DEFAULT 0,
    missing     integer     NOT NULL DEFAULT 0,
    repaired    integer     NOT NULL DEFAULT 0,
    outcome     text,
    error       text,
    CONSTRAINT sweeps_pkey PRIMARY KEY (id),
    CONSTRAINT sweeps_kind_known CHECK (kind IN ('tail', 'window', 'pending')),
    CONSTRAINT sweeps_outcome_known CHECK (outcome IN ('complete', 'repaired', 'open', 'failed'))
);
COMMENT ON TABLE sweeps IS 'One row a sweep: one pass of the reconciler over a window of time.';
COMMENT ON COLUMN sweeps.id IS 'Key.';
COMMENT ON COLUMN sweeps.kind IS 'tail: by the clock; window: on demand; pending: bookings that wait too long.';
COMMENT ON COLUMN sweeps.account IS 'Connected account; the empty text is our own.';
COMMENT ON COLUMN sweeps.window_from IS 'Start of the window by Stripe''s created, inclusive.';
COMMENT ON COLUMN sweeps.window_to IS 'End of the window, exclusive.';
COMMENT ON COLUMN sweeps.started_at IS 'When it began.';
COMMENT ON COLUMN sweeps.finished_at IS 'When it ended; null while running or killed.';
COMMENT ON COLUMN sweeps.listed IS 'Events that Stripe listed.';
COMMENT ON COLUMN sweeps.missing IS 'Of these, not in the ledger.';
COMMENT ON COLUMN sweeps.repaired IS 'Of these, published and acknowledged.';
COMMENT ON COLUMN sweeps.outcome IS 'complete | repaired | open (the processor had not caught up) | failed; null while running.';
COMMENT ON COLUMN sweeps.error IS 'Why it failed or stayed open.';

CREATE TABLE findings (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    sweep_id    bigint      NOT NULL,
    kind        text        NOT NULL,
    confidence  real        NOT NULL,
    evidence    json        NOT NULL,
    account     text        NOT NULL DEFAULT '',
    event_id    text,
    object_id   text,
    booking_id  text,
    found_at    timestamptz NOT NULL DEFAULT now(),
    topic       text,
    partition   integer,
    "offset"    bigint,
    repaired_at timestamptz,
    CONSTRAINT findings_pkey PRIMARY KEY (id),
    CONSTRAINT findings_of_sweep FOREIGN KEY (sweep_id) REFERENCES sweeps (id),
    CONSTRAINT findings_kind_known CHECK (kind IN (
        'never_delivered', 'refused_by_us', 'acknowledged_but_lost', 'not_applied',
        'booking_differs', 'unknown')),
    CONSTRAINT findings_confidence_is_a_share CHECK (confidence BETWEEN 0 AND 1)
);
CREATE INDEX findings_by_event ON findings (event_id);
CREATE INDEX findings_by_booking ON findings (booking_id);
COMMENT ON TABLE findings IS 'One difference that a sweep found, and what was done about it.';
COMMENT ON COLUMN findings.id IS 'Key.';
COMMENT ON COLUMN findings.sweep_id IS 'The sweep.';
COMMENT ON COLUMN findings.kind IS 'Class of gap; unknown where the evidence does not decide.';
COMMENT ON COLUMN findings.confidence IS 'How sure the class is, 0 to 1.';
COMMENT ON COLUMN findings.evidence IS 'What the class was decided by.';
COMMENT ON COLUMN findings.account IS 'Connected account; the empty text is our own.';
COMMENT ON COLUMN findings.event_id IS 'The event concerned, if one.';
COMMENT ON COLUMN findings.object_id IS 'The object concerned, if one.';
COMMENT ON COLUMN findings.booking_id IS 'The booking concerned, if known.';
COMMENT ON COLUMN findings.found_at IS 'When it was found.';
COMMENT ON COLUMN findings.topic IS 'Topic of the repair''s record.';
COMMENT ON COLUMN findings.partition IS 'Its partition.';
COMMENT ON COLUMN findings."offset" IS 'Its offset: nothing is published again before progress has passed it.';
COMMENT ON COLUMN findings.repaired_at IS 'When the repair was acknowledged by the log.';

CREATE TABLE certificates (
    id           bigint GENERATED ALWAYS AS IDENTITY,
    account      text        NOT NULL DEFAULT '',
    window_from  timestamptz NOT NULL,
    window_to    timestamptz NOT NULL,
    stripe_count integer     NOT NULL,
    ledger_count integer     NOT NULL,
    ids_hash     text        NOT NULL,
    ledger_hash  text        NOT NULL,
    complete     boolean     NOT NULL,
    issued_at    timestamptz NOT NULL DEFAULT now(),
    issued_by    text        NOT NULL,
    CONSTRAINT certificates_pkey PRIMARY KEY (id),
    CONSTRAINT certificates_complete_means_equal CHECK (NOT complete OR ids_hash = ledger_hash)
);
COMMENT ON TABLE certificates IS 'For a window: the ids at Stripe and in the ledger, counted and hashed, equal or not.';
COMMENT ON COLUMN certificates.id IS 'Key.';
COMMENT ON COLUMN certificates.account IS 'Connected account; the empty text is our own.';
COMMENT ON COLUMN certificates.window_from IS 'Start of the window, inclusive.';
COMMENT ON COLUMN certificates.window_to IS 'End of the window, exclusive.';
COMMENT ON COLUMN certificates.stripe_count IS 'Events that Stripe listed.';
COMMENT ON COLUMN certificates.ledger_count IS 'Events of the window in the ledger.';
COMMENT ON COLUMN certificates.ids_hash IS 'SHA-256 (hex) over Stripe''s sorted ids, one a line.';
COMMENT ON COLUMN certificates.ledger_hash IS 'The same over the ledger''s.';
COMMENT ON COLUMN certificates.complete IS 'true: the two sets are equal.';
COMMENT ON COLUMN certificates.issued_at IS 'When.';
COMMENT ON COLUMN certificates.issued_by IS 'Version of the reconciler.';
