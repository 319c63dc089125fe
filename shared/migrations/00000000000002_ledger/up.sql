-- The ledger: every event and observation once, for ever.
CREATE SEQUENCE events_apply_seq;

CREATE TABLE events (
    id                text        NOT NULL,
    created           timestamptz NOT NULL,
    record_kind       text        NOT NULL,
    account           text,
    livemode          boolean,
    type              text        NOT NULL,
    api_version       text,
    object_id         text,
    object_type       text,
    snapshot_event    text,
    booking_id        text,
    payload           bytea       NOT NULL,
    payload_sha256    bytea       NOT NULL,
    signature         text,
    verified_by       text,
    source            text        NOT NULL,
    topic             text        NOT NULL,
    partition         integer     NOT NULL,
    "offset"          bigint      NOT NULL,
    received_at       timestamptz NOT NULL,
    applied_at        timestamptz,
    apply_seq         bigint      NOT NULL DEFAULT nextval('events_apply_seq'),
    disposition       text        NOT NULL,
    fold_version      integer     NOT NULL,
    trace_id          text,
    CONSTRAINT events_pkey PRIMARY KEY (id, created),
    CONSTRAINT events_record_kind_known CHECK (record_kind IN ('event', 'observation')),
    CONSTRAINT events_disposition_known
        CHECK (disposition IN ('applied', 'no_change', 'ignored', 'parked', 'dead')),
    CONSTRAINT events_source_known
        CHECK (source IN ('webhook', 'reconciler', 'refetch', 'replay', 'operator')),
    CONSTRAINT events_sha256_is_32_bytes CHECK (length(payload_sha256) = 32)
) PARTITION BY RANGE (created);

COMMENT ON TABLE events IS 'The ledger: every event and observation once, for ever; append-only by grants and by trigger.';
COMMENT ON COLUMN events.id IS 'Stripe''s event id (evt_…), or obs_ and 32 hex digits for an observation.';
COMMENT ON COLUMN events.created IS 'Stripe''s created, a pure function of the bytes; 1970-01-01 where absent or absurd. Partition column, so dedupe holds across partitions.';
COMMENT ON COLUMN events.record_kind IS 'event: as Stripe sent it; observation: an object as retrieved from Stripe.';
COMMENT ON COLUMN events.account IS 'Connected account (acct_…); null: our own.';
COMMENT ON COLUMN events.livemode IS 'Stripe''s livemode; null where the bytes do not say.';
COMMENT ON COLUMN events.type IS 'Stripe''s event type; an open set. Observations: observation.<object>.';
COMMENT ON COLUMN events.api_version IS 'The API version the payload was rendered in; null for thin events.';
COMMENT ON COLUMN events.object_id IS 'Id of data.object, of a thin event''s related object, or of the observed object.';
COMMENT ON COLUMN events.object_type IS 'Stripe''s object name of object_id, for instance payment_intent.';
COMMENT ON COLUMN events.snapshot_event IS 'For a thin event: the snapshot event made for the same change, where Stripe names it.';
COMMENT ON COLUMN events.booking_id IS 'The booking as resolved when the event was applied; null while unknown.';
COMMENT ON COLUMN events.payload IS 'The body''s exact bytes, as Stripe sent them.';
COMMENT ON COLUMN events.payload_sha256 IS 'SHA-256 of the exact bytes; 32 bytes.';
COMMENT ON COLUMN events.signature IS 'The Stripe-Signature header of the copy that is kept; null unless it came by webhook or replay.';
COMMENT ON COLUMN events.verified_by IS 'Name of the configured secret that verified the signature.';
COMMENT ON COLUMN events.source IS 'Who published the record: webhook, reconciler, refetch, replay or operator.';
COMMENT ON COLUMN events.topic IS 'Topic of the record that made this row.';
COMMENT ON COLUMN events.partition IS 'Partition of the record that made this row.';
COMMENT ON COLUMN events."offset" IS 'Offset of the record that made this row.';
COMMENT ON COLUMN events.received_at IS 'When the ingestor (or whoever published it) had the bytes.';
COMMENT ON COLUMN events.applied_at IS 'When the transaction that applied it had committed: stamped after the commit; null for the instant between.';
COMMENT ON COLUMN events.apply_seq IS 'Order in which rows were written; gaps are normal.';
COMMENT ON COLUMN events.disposition IS 'applied | no_change | ignored | parked | dead.';
COMMENT ON COLUMN events.fold_version IS 'Version of the folding rules that decided the disposition.';
COMMENT ON COLUMN events.trace_id IS 'W3C trace id (32 hex digits) of the request that brought it.';

-- A booking's history; an object's history; the row of one record.
CREATE INDEX events_by_booking ON events (booking_id, created);
CREATE INDEX events_by_object ON events (object_id, created);
CREATE INDEX events_by_record ON events (topic, partition, "offset");
-- Windows of time: the rows lie nearly in this order on disk.
CREATE INDEX events_created_brin ON events USING brin (created);
CREATE INDEX events_received_brin ON events USING brin (received_at);

-- Payloads are never searched, only fetched: lz4 where the server has it, else its default.
DO $$
BEGIN
    ALTER TABLE events ALTER COLUMN payload SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported OR invalid_parameter_value THEN
    NULL;
END $$;

CREATE TABLE events_default PARTITION OF events DEFAULT;
COMMENT ON TABLE events_default IS 'Rows whose month has no partition of its own: absent or absurd created, or long past.';

-- Keeps a partition for each month from two back to three ahead. The service role has no
-- right to create tables; this function has, and does nothing else.
CREATE FUNCTION ensure_event_partitions() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    month date;
    name text;
    made integer := 0;
BEGIN
    FOR month IN
        SELECT generate_series(
            date_trunc('month', now() AT TIME ZONE 'UTC') - interval '2 months',
            date_trunc('month', now() AT TIME ZONE 'UTC') + interval '3 months',
            interval '1 month')::date
    LOOP
        name := 'events_' || to_char(month, 'YYYY_MM');
        CONTINUE WHEN to_regclass(name) IS NOT NULL;
        BEGIN
            EXECUTE format(
                'CREATE TABLE %I PARTITION OF events FOR VALUES FROM (%L) TO (%L)',
                name,
                month::text || ' 00:00:00+00',
                (month + interval '1 month')::date::text || ' 00:00:00+00');
            made := made + 1;
        EXCEPTION
            -- Rows of that month already lie in the default partition: they are safe there.
            WHEN check_violation THEN NULL;
            -- Another processor made it at the same moment.
            WHEN duplicate_table OR unique_violation THEN NULL;
        END;
    END LOOP;
    RETURN made;
END $$;
COMMENT ON FUNCTION ensure_event_partitions() IS 'Creates the monthly ledger partitions from two months back to three ahead; returns how many it made.';
SELECT ensure_event_partitions();

-- Grants keep the service role from deleting; this keeps everybody from rewriting evidence.
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

CREATE FUNCTION event_payload(event_id text) RETURNS bytea
    LANGUAGE sql STABLE AS $$
    SELECT payload FROM events WHERE id = event_id
$$;
COMMENT ON FUNCTION event_payload(text) IS 'The exact bytes of one event''s body; null if there is none.';
