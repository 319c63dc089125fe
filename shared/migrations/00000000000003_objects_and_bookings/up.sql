-- The state of each Stripe object, folded from its events and observations.
CREATE TABLE objects (
    account         text        NOT NULL DEFAULT '',
    id              text        NOT NULL,
    type            text        NOT NULL,
    status          text,
    amount          bigint,
    amount_paid     bigint,
    amount_refunded bigint,
    currency        text,
    customer        text,
    settled         boolean     NOT NULL DEFAULT true,
    state           json        NOT NULL DEFAULT '{}',
    booking_id      text,
    version         bigint      NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    updated_by      text        NOT NULL,
    CONSTRAINT objects_pkey PRIMARY KEY (account, id)
) WITH (fillfactor = 75);
CREATE INDEX objects_by_booking ON objects (booking_id) WHERE booking_id IS NOT NULL;
COMMENT ON TABLE objects IS 'One row a Stripe object: the join of all its snapshots, and its winner in typed columns.';
COMMENT ON COLUMN objects.account IS 'Connected account; the empty text is our own (a key column cannot be null).';
COMMENT ON COLUMN objects.id IS 'Stripe''s object id.';
COMMENT ON COLUMN objects.type IS 'Stripe''s object name, for instance payment_intent.';
COMMENT ON COLUMN objects.status IS 'Status of the winning snapshot; null for a stub (known only by a link) and for objects without one.';
COMMENT ON COLUMN objects.amount IS 'The object''s amount, minor units.';
COMMENT ON COLUMN objects.amount_paid IS 'amount_received of a payment intent, amount_captured of a charge; minor units.';
COMMENT ON COLUMN objects.amount_refunded IS 'amount_refunded of a charge; minor units.';
COMMENT ON COLUMN objects.currency IS 'Three lower-case letters.';
COMMENT ON COLUMN objects.customer IS 'The customer''s id: never an edge between bookings.';
COMMENT ON COLUMN objects.settled IS 'false: two snapshots are incomparable and a refetch was asked for.';
COMMENT ON COLUMN objects.state IS 'The undominated snapshots and the latest observation, as the folding rules keep them.';
COMMENT ON COLUMN objects.booking_id IS 'The booking its claims and links resolve to; null while unknown.';
COMMENT ON COLUMN objects.version IS 'Raised by each change; 0 for a stub.';
COMMENT ON COLUMN objects.created_at IS 'When the row was made.';
COMMENT ON COLUMN objects.updated_at IS 'When the row last changed.';
COMMENT ON COLUMN objects.updated_by IS 'Name of the transaction that changed it last.';

CREATE TABLE object_links (
    account   text NOT NULL DEFAULT '',
    from_id   text NOT NULL,
    to_id     text NOT NULL,
    source_id text NOT NULL,
    CONSTRAINT object_links_pkey PRIMARY KEY (account, from_id, to_id)
);
CREATE INDEX object_links_backwards ON object_links (account, to_id);
COMMENT ON TABLE object_links IS 'Every link ever seen between two objects that ties them to one booking. Never shrinks.';
COMMENT ON COLUMN object_links.account IS 'As objects.account.';
COMMENT ON COLUMN object_links.from_id IS 'The object that names the other.';
COMMENT ON COLUMN object_links.to_id IS 'The object that is named.';
COMMENT ON COLUMN object_links.source_id IS 'The event or observation that said so first here; for people, not for folding.';

CREATE TABLE object_claims (
    account    text     NOT NULL DEFAULT '',
    object_id  text     NOT NULL,
    rank       smallint NOT NULL,
    at         bigint   NOT NULL,
    source_id  text     NOT NULL,
    booking_id text     NOT NULL,
    CONSTRAINT object_claims_pkey PRIMARY KEY (account, object_id, rank),
    CONSTRAINT object_claims_rank_known CHECK (rank IN (0, 1))
);
CREATE INDEX object_claims_by_booking ON object_claims (booking_id);
COMMENT ON TABLE object_claims IS 'Which booking an object says it belongs to: per rank the least claim by (at, source_id). Never shrinks.';
COMMENT ON COLUMN object_claims.account IS 'As objects.account.';
COMMENT ON COLUMN object_claims.object_id IS 'The claiming object.';
COMMENT ON COLUMN object_claims.rank IS '0: registered by the booking application; 1: the object''s own metadata.';
COMMENT ON COLUMN object_claims.at IS 'The claim''s time, seconds since 1970: the event''s created, or the registration''s.';
COMMENT ON COLUMN object_claims.source_id IS 'The event, observation or registration that made the claim.';
COMMENT ON COLUMN object_claims.booking_id IS 'The claimed booking.';

-- What the booking application expects. It only ever inserts here.
CREATE TABLE registrations (
    booking_id        text        NOT NULL,
    amount            bigint      NOT NULL,
    currency          text        NOT NULL,
    payment_intent_id text,
    account           text,
    registered_at     timestamptz NOT NULL DEFAULT now(),
    folded_at         timestamptz,
    CONSTRAINT registrations_pkey PRIMARY KEY (booking_id),
    CONSTRAINT registrations_booking_id_length CHECK (octet_length(booking_id) BETWEEN 1 AND 255),
    CONSTRAINT registrations_booking_id_printable CHECK (booking_id !~ '[[:cntrl:]]'),
    CONSTRAINT registrations_amount_not_negative CHECK (amount >= 0),
    CONSTRAINT registrations_currency_code CHECK (currency ~ '^[a-z]{3}$'),
    CONSTRAINT registrations_payment_intent_id_shape CHECK (payment_intent_id ~ '^[A-Za-z0-9_]{1,255}$'),
    CONSTRAINT registrations_account_shape CHECK (account ~ '^[A-Za-z0-9_]{1,255}$')
);
CREATE INDEX registrations_not_folded ON registrations (booking_id) WHERE folded_at IS NULL;
COMMENT ON TABLE registrations IS 'What the booking application expects to be paid; inserted by register_booking, folded by the processor.';
COMMENT ON COLUMN registrations.booking_id IS 'The booking application''s own id: 1 to 255 bytes, no control characters.';
COMMENT ON COLUMN registrations.amount IS 'Expected amount, minor units.';
COMMENT ON COLUMN registrations.currency IS 'Expected currency, three lower-case letters.';
COMMENT ON COLUMN registrations.payment_intent_id IS 'The payment intent that will pay it, where already known.';
COMMENT ON COLUMN registrations.account IS 'Connected account that is to be paid; null: our own.';
COMMENT ON COLUMN registrations.registered_at IS 'When it was registered.';
COMMENT ON COLUMN registrations.folded_at IS 'When the processor took it into the booking; null until then.';

-- Registers what is expected. The same values again change nothing; other values are an
-- error, because a price that changes behind a payment must be seen by a person.
CREATE FUNCTION register_booking(
    booking_id text, amount bigint, currency text,
    payment_intent_id text DEFAULT NULL, account text DEFAULT NULL
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    held registrations%ROWTYPE;
BEGIN
    INSERT INTO registrations (booking_id, amount, currency, payment_intent_id, account)
    VALUES (register_booking.booking_id, register_booking.amount, lower(register_booking.currency),
            register_booking.payment_intent_id, register_booking.account)
    ON CONFLICT ON CONSTRAINT registrations_pkey DO NOTHING;
    IF FOUND THEN
        PERFORM pg_notify('bookend_registrations', '');
        RETURN;
    END IF;
    SELECT * INTO held FROM registrations r WHERE r.booking_id = register_booking.booking_id;
    IF (held.amount, held.currency, held.payment_intent_id, held.account)
       IS DISTINCT FROM
       (register_booking.amount, lower(register_booking.currency),
        register_booking.payment_intent_id, register_booking.account) THEN
        RAISE EXCEPTION 'booking % is already registered with other values', register_booking.booking_id
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'registrations_values_are_final';
    END IF;
END $$;
COMMENT ON FUNCTION register_booking(text, bigint, text, text, text) IS 'Registers what a booking expects (amount in minor units). Idempotent; other values for a registered booking are an error.';

CREATE TABLE bookings (
    id                text        NOT NULL,
    account           text,
    status            text        NOT NULL DEFAULT 'pending',
    amount            bigint,
    currency          text,
    amount_paid       bigint      NOT NULL DEFAULT 0,
    amount_refunded   bigint      NOT NULL DEFAULT 0,
    expected_amount   bigint,
    expected_currency text,
    hold              text,
    published_state   text,
    version           bigint      NOT NULL DEFAULT 0,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    updated_by        text        NOT NULL,
    CONSTRAINT bookings_pkey PRIMARY KEY (id),
    CONSTRAINT bookings_status_known CHECK (status IN (
        'pending', 'processing', 'requires_action', 'confirmed', 'payment_failed',
        'partially_refunded', 'refunded', 'disputed', 'canceled', 'amount_mismatch')),
    CONSTRAINT bookings_hold_known CHECK (hold IN ('parked', 'uncertain'))
) WITH (fillfactor = 75);
COMMENT ON TABLE bookings IS 'The business row: a pure function of its registration and its objects.';
COMMENT ON COLUMN bookings.id IS 'The booking application''s id.';
COMMENT ON COLUMN bookings.account IS 'Connected account; null: our own.';
COMMENT ON COLUMN bookings.status IS 'First row of the table of statuses that applies.';
COMMENT ON COLUMN bookings.amount IS 'Amount of the attempt that got furthest, minor units; null while unknown.';
COMMENT ON COLUMN bookings.currency IS 'Its currency, three lower-case letters.';
COMMENT ON COLUMN bookings.amount_paid IS 'What was captured over all attempts, minor units.';
COMMENT ON COLUMN bookings.amount_refunded IS 'What was or is being given back, minor units.';
COMMENT ON COLUMN bookings.expected_amount IS 'As registered, minor units; null if not registered.';
COMMENT ON COLUMN bookings.expected_currency IS 'As registered.';
COMMENT ON COLUMN bookings.hold IS 'parked: events wait behind a blocked one; uncertain: a tie waits for its refetch; null: none.';
COMMENT ON COLUMN bookings.published_state IS 'Status and amounts of the last fact written to the outbox; null if none.';
COMMENT ON COLUMN bookings.version IS 'Raised by one with each transition.';
COMMENT ON COLUMN bookings.created_at IS 'When the row was made.';
COMMENT ON COLUMN bookings.updated_at IS 'When the row last changed.';
COMMENT ON COLUMN bookings.updated_by IS 'Name of the transaction that changed it last.';
-- The reconciler looks for bookings that wait too long; few do.
CREATE INDEX bookings_waiting ON bookings (updated_at)
    WHERE status IN ('pending', 'processing', 'requires_action') OR hold IS NOT NULL;

CREATE TABLE booking_transitions (
    booking_id   text        NOT NULL,
    version      bigint      NOT NULL,
    cause_kind   text        NOT NULL,
    cause_id     text        NOT NULL,
    from_status  text,
    to_status    text        NOT NULL,
    before       json,
    after        json        NOT NULL,
    fold_version integer     NOT NULL,
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT booking_transitions_pkey PRIMARY KEY (booking_id, version),
    CONSTRAINT booking_transitions_cause_known
        CHECK (cause_kind IN ('event', 'observation', 'registration', 'action'))
);
CREATE INDEX booking_transitions_by_cause ON booking_transitions (cause_id);
COMMENT ON TABLE booking_transitions IS 'Every change of a booking, one by one, with its cause: the audit trail.';
COMMENT ON COLUMN booking_transitions.booking_id IS 'The booking.';
COMMENT ON COLUMN booking_transitions.version IS 'The version this change made.';
COMMENT ON COLUMN booking_transitions.cause_kind IS 'event | observation | registration | action.';
COMMENT ON COLUMN booking_transitions.cause_id IS 'Id of the event, observation or action; the booking id for a registration.';
COMMENT ON COLUMN booking_transitions.from_status IS 'Status before; null for the first.';
COMMENT ON COLUMN booking_transitions.to_status IS 'Status after.';
COMMENT ON COLUMN booking_transitions.before IS 'Status, amounts and hold before; null for the first.';
COMMENT ON COLUMN booking_transitions.after IS 'Status, amounts and hold after.';
COMMENT ON COLUMN booking_transitions.fold_version IS 'Version of the folding rules.';
COMMENT ON COLUMN booking_transitions.at IS 'When it was written.';
