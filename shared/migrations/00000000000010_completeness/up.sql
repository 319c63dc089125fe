-- The reconciler proves that nothing is missing: budget, plans, proofs, the sender's state.

-- A pass over a longer span (deep, backfill) knows where it ends, and is resumed where it stood.
ALTER TABLE cursors ADD COLUMN target timestamptz;
COMMENT ON COLUMN cursors.target IS 'Exclusive end of the pass that runs or ran last; null for a sweep that follows the clock.';
COMMENT ON COLUMN cursors.sweep IS 'Kind of sweep: tail, deep, backfill.';

-- Up to where nothing is missing: moved by every certificate, never over a window that differs.
CREATE TABLE proofs (
    account     text        NOT NULL DEFAULT '',
    proven_from timestamptz NOT NULL,
    proven_to   timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT proofs_pkey PRIMARY KEY (account),
    CONSTRAINT proofs_in_order CHECK (proven_from <= proven_to)
);
COMMENT ON TABLE proofs IS 'For each account the span whose every second lies in a window that was last found complete.';
COMMENT ON COLUMN proofs.account IS 'Connected account; the empty text is our own.';
COMMENT ON COLUMN proofs.proven_from IS 'Start of the span, inclusive.';
COMMENT ON COLUMN proofs.proven_to IS 'Complete up to here, exclusive; equal to the start: nothing is proven yet.';
COMMENT ON COLUMN proofs.updated_at IS 'When it last changed.';

ALTER TABLE sweeps DROP CONSTRAINT sweeps_kind_known;
ALTER TABLE sweeps ADD CONSTRAINT sweeps_kind_known CHECK (kind IN (
    'tail', 'window', 'pending', 'deep', 'hole', 'sample', 'ledger', 'backfill', 'plan'));
ALTER TABLE sweeps DROP CONSTRAINT sweeps_outcome_known;
ALTER TABLE sweeps ADD CONSTRAINT sweeps_outcome_known
    CHECK (outcome IN ('complete', 'repaired', 'planned', 'open', 'failed'));
COMMENT ON COLUMN sweeps.kind IS 'tail: by the clock; deep: all that Stripe lists, daily; window: on demand; hole: what the log lost; pending: bookings that wait or are held; sample: settled bookings; ledger: objects against the ledger; backfill: an empty system; plan: an approved repair.';
COMMENT ON COLUMN sweeps.outcome IS 'complete | repaired | planned (too much for one sweep: a person decides) | open (the processor had not caught up) | failed; null while running.';

-- What is too much for one sweep to repair by itself waits for a person.
CREATE TABLE repair_plans (
    id          text        NOT NULL,
    sweep_id    bigint      NOT NULL,
    account     text        NOT NULL DEFAULT '',
    window_from timestamptz NOT NULL,
    window_to   timestamptz NOT NULL,
    missing     integer     NOT NULL,
    cap         integer     NOT NULL,
    state       text        NOT NULL DEFAULT 'open',
    action_id   text,
    published   integer     NOT NULL DEFAULT 0,
    error       text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    approved_at timestamptz,
    tried_at    timestamptz,
    finished_at timestamptz,
    CONSTRAINT repair_plans_pkey PRIMARY KEY (id),
    CONSTRAINT repair_plans_of_sweep FOREIGN KEY (sweep_id) REFERENCES sweeps (id),
    CONSTRAINT repair_plans_state_known CHECK (state IN ('open', 'approved', 'done', 'failed')),
    CONSTRAINT repair_plans_approved_by_somebody CHECK (state = 'open' OR action_id IS NOT NULL)
);
-- One undecided plan for a window: the next sweep of it finds it again.
CREATE UNIQUE INDEX repair_plans_undecided ON repair_plans (account, window_from, window_to) WHERE state IN ('open', 'approved');
COMMENT ON TABLE repair_plans IS 'Repairs that are larger than one sweep may publish by itself: published only after a person approved.';
COMMENT ON COLUMN repair_plans.id IS 'Key: plan_ and a random part.';
COMMENT ON COLUMN repair_plans.sweep_id IS 'The sweep that stopped.';
COMMENT ON COLUMN repair_plans.account IS 'Connected account; the empty text is our own.';
COMMENT ON COLUMN repair_plans.window_from IS 'Start of the window whose events are missing, inclusive.';
COMMENT ON COLUMN repair_plans.window_to IS 'Its end, exclusive.';
COMMENT ON COLUMN repair_plans.missing IS 'Events that are missing in it: approving permits so many and no more.';
COMMENT ON COLUMN repair_plans.cap IS 'What the sweep could have published.';
COMMENT ON COLUMN repair_plans.state IS 'open: waits for a person; approved: waits for the reconciler; done; failed: error says why.';
COMMENT ON COLUMN repair_plans.action_id IS 'The operator''s action that approved it.';
COMMENT ON COLUMN repair_plans.published IS 'Its events that were published and acknowledged.';
COMMENT ON COLUMN repair_plans.error IS 'Why it failed, or why it waits still.';
COMMENT ON COLUMN repair_plans.created_at IS 'When the sweep stopped.';
COMMENT ON COLUMN repair_plans.approved_at IS 'When it was approved.';
COMMENT ON COLUMN repair_plans.tried_at IS 'When it was last tried: plans take turns, so that one that waits holds up no other.';
COMMENT ON COLUMN repair_plans.finished_at IS 'When it was carried out, or failed.';

ALTER TABLE findings ADD COLUMN plan_id text;
ALTER TABLE findings ADD CONSTRAINT findings_of_plan FOREIGN KEY (plan_id) REFERENCES repair_plans (id);
CREATE INDEX findings_by_plan ON findings (plan_id) WHERE plan_id IS NOT NULL;
CREATE INDEX findings_open ON findings (found_at) WHERE repaired_at IS NULL;
COMMENT ON COLUMN findings.plan_id IS 'The plan that its repair waits for; null: repaired by the sweep itself.';

-- One token bucket for every call to Stripe, whichever process makes it.
CREATE TABLE api_budget (
    name          text   NOT NULL,
    due_us        bigint NOT NULL DEFAULT 0,
    held_until_us bigint NOT NULL DEFAULT 0,
    CONSTRAINT api_budget_pkey PRIMARY KEY (name)
) WITH (fillfactor = 50);
COMMENT ON TABLE api_budget IS 'The token bucket of calls to Stripe''s API, shared by all processes.';
COMMENT ON COLUMN api_budget.name IS 'Whose limit it is.';
COMMENT ON COLUMN api_budget.due_us IS 'When the next call would be due if no token had piled up, in microseconds since 1970 by this server''s clock.';
COMMENT ON COLUMN api_budget.held_until_us IS 'Nobody calls before this: Stripe said that we are too fast.';
INSERT INTO api_budget (name) VALUES ('stripe');

CREATE TABLE api_calls (
    day     date   NOT NULL,
    purpose text   NOT NULL,
    calls   bigint NOT NULL DEFAULT 0,
    CONSTRAINT api_calls_pkey PRIMARY KEY (day, purpose),
    CONSTRAINT api_calls_purpose_known CHECK (purpose IN ('live', 'operator', 'background'))
) WITH (fillfactor = 50);
COMMENT ON TABLE api_calls IS 'Calls made to Stripe''s API, a day: Stripe allows so many reads for each transaction over 30 days.';
COMMENT ON COLUMN api_calls.day IS 'UTC day.';
COMMENT ON COLUMN api_calls.purpose IS 'live: tail, refetches, waiting bookings; operator: by hand; background: deep sweep, samples, backfill, the sender.';
COMMENT ON COLUMN api_calls.calls IS 'Calls, attempts that failed included.';

-- Who sends to us: the webhook endpoints at Stripe, as seen and as accepted.
CREATE TABLE webhook_endpoints (
    id             text        NOT NULL,
    url            text        NOT NULL,
    status         text        NOT NULL,
    api_version    text,
    enabled_events text[]      NOT NULL,
    livemode       boolean     NOT NULL,
    ours           boolean     NOT NULL DEFAULT false,
    accepted_url     text,
    accepted_version text,
    accepted_events  text[],
    first_seen_at  timestamptz NOT NULL DEFAULT now(),
    seen_at        timestamptz NOT NULL DEFAULT now(),
    gone_at        timestamptz,
    CONSTRAINT webhook_endpoints_pkey PRIMARY KEY (id)
);
COMMENT ON TABLE webhook_endpoints IS 'The webhook endpoints that Stripe lists, as last seen, and as they were accepted.';
COMMENT ON COLUMN webhook_endpoints.id IS 'Stripe''s id.';
COMMENT ON COLUMN webhook_endpoints.url IS 'Where Stripe delivers to.';
COMMENT ON COLUMN webhook_endpoints.status IS 'enabled | disabled, as Stripe says.';
COMMENT ON COLUMN webhook_endpoints.api_version IS 'The version its events are rendered in; null: the account''s.';
COMMENT ON COLUMN webhook_endpoints.enabled_events IS 'The types it is subscribed to; * is all.';
COMMENT ON COLUMN webhook_endpoints.livemode IS 'Its mode.';
COMMENT ON COLUMN webhook_endpoints.ours IS 'It leads to our ingestor: its address is the configured one, or somebody accepted it.';
COMMENT ON COLUMN webhook_endpoints.accepted_url IS 'The address that was accepted; null: none yet.';
COMMENT ON COLUMN webhook_endpoints.accepted_version IS 'The version that was accepted.';
COMMENT ON COLUMN webhook_endpoints.accepted_events IS 'The types that were accepted.';
COMMENT ON COLUMN webhook_endpoints.first_seen_at IS 'When it was first listed.';
COMMENT ON COLUMN webhook_endpoints.seen_at IS 'When it was last listed.';
COMMENT ON COLUMN webhook_endpoints.gone_at IS 'When it was no longer listed; null while it is.';

CREATE TABLE sender_alarms (
    alarm      text        NOT NULL,
    subject    text        NOT NULL DEFAULT '',
    detail     text        NOT NULL,
    since      timestamptz NOT NULL DEFAULT now(),
    seen_at    timestamptz NOT NULL DEFAULT now(),
    cleared_at timestamptz,
    CONSTRAINT sender_alarms_pkey PRIMARY KEY (alarm, subject),
    CONSTRAINT sender_alarms_known CHECK (alarm IN (
        'no_endpoint', 'endpoint_disabled', 'endpoint_gone', 'url_changed', 'version_changed',
        'types_changed', 'other_mode', 'silence', 'retries_end', 'horizon'))
);
COMMENT ON TABLE sender_alarms IS 'What is wrong with the sender, or was.';
COMMENT ON COLUMN sender_alarms.alarm IS 'no_endpoint, endpoint_disabled, endpoint_gone, url_changed, version_changed, types_changed: the webhook endpoint; other_mode: the key lists the other mode''s events; silence: Stripe lists events and none arrives; retries_end, horizon: what is not proven complete nears the end of Stripe''s retries, or of its list.';
COMMENT ON COLUMN sender_alarms.subject IS 'The endpoint or account concerned; empty: all.';
COMMENT ON COLUMN sender_alarms.detail IS 'What was seen.';
COMMENT ON COLUMN sender_alarms.since IS 'Since when.';
COMMENT ON COLUMN sender_alarms.seen_at IS 'When it was last seen.';
COMMENT ON COLUMN sender_alarms.cleared_at IS 'When it was over; null while it stands.';

-- How far the lists of objects have been read into an empty system.
CREATE TABLE backfills (
    account    text        NOT NULL DEFAULT '',
    collection text        NOT NULL,
    after_id   text,
    objects    bigint      NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now(),
    done_at    timestamptz,
    CONSTRAINT backfills_pkey PRIMARY KEY (account, collection)
);
COMMENT ON TABLE backfills IS 'How far `reconciler backfill` has read each list of objects.';
COMMENT ON COLUMN backfills.account IS 'Connected account; the empty text is our own.';
COMMENT ON COLUMN backfills.collection IS 'The list, as in Stripe''s path, for instance payment_intents.';
COMMENT ON COLUMN backfills.after_id IS 'The last object of it that was published and acknowledged; null: none yet.';
COMMENT ON COLUMN backfills.objects IS 'Objects published from it.';
COMMENT ON COLUMN backfills.updated_at IS 'When it last moved.';
COMMENT ON COLUMN backfills.done_at IS 'When its end was reached.';

-- An event that Stripe could not make is named later: then its object is retrieved.
ALTER TABLE refetches DROP CONSTRAINT refetches_reason_known;
ALTER TABLE refetches ADD CONSTRAINT refetches_reason_known
    CHECK (reason IN ('tie', 'refunds_differ', 'thin', 'not_generated'));
COMMENT ON COLUMN refetches.reason IS 'tie | refunds_differ | thin | not_generated (Stripe could not make an event about it).';

GRANT SELECT ON proofs, repair_plans, api_budget, api_calls, webhook_endpoints, sender_alarms, backfills
    TO bookend_processor, bookend_reconciler, bookend_console, bookend_reader;
GRANT INSERT, UPDATE, DELETE ON proofs TO bookend_reconciler;
GRANT INSERT, UPDATE ON repair_plans, api_calls, webhook_endpoints, sender_alarms, backfills TO bookend_reconciler;
GRANT UPDATE (due_us, held_until_us) ON api_budget TO bookend_reconciler;
-- The console approves plans and accepts endpoints; what it approves the reconciler carries out.
GRANT UPDATE (state, action_id, approved_at) ON repair_plans TO bookend_console;
GRANT INSERT, UPDATE ON webhook_endpoints TO bookend_console;
