-- A booking's money: shares, what people put in, findings that open and close, and the least
-- version of the folding rules that may write.

-- One payment's part in one booking. A booking sums its rows and reads no object.
CREATE TABLE object_shares (
    account               text    NOT NULL DEFAULT '',
    object_id             text    NOT NULL,
    booking_id            text    NOT NULL DEFAULT '',
    currency              text,
    attempt               text,
    at                    bigint  NOT NULL,
    paid_at               bigint,
    amount                bigint,
    is_finished           boolean NOT NULL,
    is_free               boolean NOT NULL,
    is_settled            boolean NOT NULL,
    authorized_until      bigint,
    captured              bigint  NOT NULL,
    authorized            bigint  NOT NULL,
    in_flight             bigint  NOT NULL,
    settled_elsewhere     bigint  NOT NULL,
    from_balance          bigint  NOT NULL,
    credited              bigint  NOT NULL,
    refunded              bigint  NOT NULL,
    refund_pending_action bigint  NOT NULL,
    disputed              bigint  NOT NULL,
    lost                  bigint  NOT NULL,
    winners               text    NOT NULL,
    CONSTRAINT object_shares_pkey PRIMARY KEY (account, object_id, booking_id),
    CONSTRAINT object_shares_attempt_known CHECK (attempt IN (
        'canceled', 'pending', 'payment_failed', 'requires_action', 'processing', 'authorized', 'paid'))
) WITH (fillfactor = 75);
CREATE INDEX object_shares_by_booking ON object_shares (booking_id) WHERE booking_id <> '';
COMMENT ON TABLE object_shares IS 'One row for each booking that a payment or attempt belongs to in part or whole; the row of the empty booking is money that belongs to none. All amounts in minor units.';
COMMENT ON COLUMN object_shares.account IS 'As objects.account.';
COMMENT ON COLUMN object_shares.object_id IS 'The payment or attempt: a payment intent, a charge without one, an invoice, a checkout session or a subscription.';
COMMENT ON COLUMN object_shares.booking_id IS 'The booking; the empty text: unassigned (a key column cannot be null).';
COMMENT ON COLUMN object_shares.currency IS 'Three lower-case letters; null: absent or not readable.';
COMMENT ON COLUMN object_shares.attempt IS 'How far the attempt to pay got: canceled | pending | payment_failed | requires_action | processing | authorized | paid; null: it is no attempt.';
COMMENT ON COLUMN object_shares.at IS 'The second that the payment''s winning snapshot is about, since 1970.';
COMMENT ON COLUMN object_shares.paid_at IS 'When the payment was made, seconds since 1970; null: nothing is paid.';
COMMENT ON COLUMN object_shares.amount IS 'Amount of the attempt; null: unknown.';
COMMENT ON COLUMN object_shares.is_finished IS 'Nothing more can be captured: what is captured decides the status.';
COMMENT ON COLUMN object_shares.is_free IS 'A checkout session of zero that is complete.';
COMMENT ON COLUMN object_shares.is_settled IS 'false: Stripe is being asked about an object that this row is made from.';
COMMENT ON COLUMN object_shares.authorized_until IS 'When the authorization lapses, seconds since 1970; null: unknown or none.';
COMMENT ON COLUMN object_shares.captured IS 'Really taken.';
COMMENT ON COLUMN object_shares.authorized IS 'Held on a card, no money yet.';
COMMENT ON COLUMN object_shares.in_flight IS 'A debit that is processing.';
COMMENT ON COLUMN object_shares.settled_elsewhere IS 'Paid outside Stripe, on evidence.';
COMMENT ON COLUMN object_shares.from_balance IS 'Paid from the customer''s credit balance.';
COMMENT ON COLUMN object_shares.credited IS 'Given back to the customer''s credit balance.';
COMMENT ON COLUMN object_shares.refunded IS 'Given back or being given back.';
COMMENT ON COLUMN object_shares.refund_pending_action IS 'Refunds that wait for the customer.';
COMMENT ON COLUMN object_shares.disputed IS 'In open disputes.';
COMMENT ON COLUMN object_shares.lost IS 'In lost disputes.';
COMMENT ON COLUMN object_shares.winners IS 'Hash of the events and observations that this row is made from.';

-- Every booking id that an object ever named: an index for finding objects by booking. The claims
-- that count lie in the objects' states.
CREATE TABLE object_mentions (
    account    text NOT NULL DEFAULT '',
    object_id  text NOT NULL,
    booking_id text NOT NULL,
    CONSTRAINT object_mentions_pkey PRIMARY KEY (account, object_id, booking_id)
);
CREATE INDEX object_mentions_by_booking ON object_mentions (booking_id);
COMMENT ON TABLE object_mentions IS 'Every booking id that an object ever named, in its metadata, its lines or a client reference. Never shrinks.';
COMMENT ON COLUMN object_mentions.account IS 'As objects.account.';
COMMENT ON COLUMN object_mentions.object_id IS 'The object that names the booking.';
COMMENT ON COLUMN object_mentions.booking_id IS 'The booking that is named.';
INSERT INTO object_mentions (account, object_id, booking_id)
    SELECT DISTINCT account, object_id, booking_id FROM object_claims WHERE rank = 1;
DROP TABLE object_claims;

-- What the application puts in: one payment intent belongs to one registration.
ALTER TABLE registrations ADD COLUMN covers text NOT NULL DEFAULT 'first';
ALTER TABLE registrations ADD CONSTRAINT registrations_covers_known CHECK (covers IN ('first', 'subscription'));
COMMENT ON COLUMN registrations.covers IS 'first: a subscription pays the booking with its first invoice only; subscription: renewals belong to the booking, too.';
CREATE TABLE registered_intents (
    payment_intent_id text        NOT NULL,
    booking_id        text        NOT NULL,
    registered_at     timestamptz NOT NULL DEFAULT now(),
    folded_at         timestamptz,
    CONSTRAINT registered_intents_pkey PRIMARY KEY (payment_intent_id),
    CONSTRAINT registered_intents_one_a_booking UNIQUE (booking_id),
    CONSTRAINT registered_intents_shape CHECK (payment_intent_id ~ '^[A-Za-z0-9_]{1,255}$')
);
CREATE INDEX registered_intents_not_folded ON registered_intents (booking_id) WHERE folded_at IS NULL;
COMMENT ON TABLE registered_intents IS 'The payment intent that pays a registered booking. Insert-only.';
COMMENT ON COLUMN registered_intents.payment_intent_id IS 'The payment intent.';
COMMENT ON COLUMN registered_intents.booking_id IS 'The booking that it pays.';
COMMENT ON COLUMN registered_intents.registered_at IS 'When it was registered.';
COMMENT ON COLUMN registered_intents.folded_at IS 'When the processor took it into the booking; null until then.';
-- Of several bookings that were registered for one payment intent the earliest keeps it.
INSERT INTO registered_intents (payment_intent_id, booking_id, registered_at, folded_at)
    SELECT DISTINCT ON (payment_intent_id) payment_intent_id, booking_id, registered_at, folded_at
    FROM registrations WHERE payment_intent_id IS NOT NULL
    ORDER BY payment_intent_id, registered_at, booking_id;

DROP FUNCTION register_booking(text, bigint, text, text, text);
-- Registers what is expected. The same values again change nothing; a payment intent may be added
-- later, once; other values are an error, because a price that changes behind a payment must be
-- seen by a person. It only inserts: no row that the processor locks is touched.
CREATE FUNCTION register_booking(
    booking_id text, amount bigint, currency text,
    payment_intent_id text DEFAULT NULL, account text DEFAULT NULL, covers text DEFAULT 'first'
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    held registrations%ROWTYPE;
    held_intent text;
    holder text;
BEGIN
    INSERT INTO registrations (booking_id, amount, currency, payment_intent_id, account, covers)
    VALUES (register_booking.booking_id, register_booking.amount, lower(register_booking.currency),
            register_booking.payment_intent_id, register_booking.account, register_booking.covers)
    ON CONFLICT ON CONSTRAINT registrations_pkey DO NOTHING;
    IF NOT FOUND THEN
        SELECT * INTO held FROM registrations r WHERE r.booking_id = register_booking.booking_id;
        IF (held.amount, held.currency, held.account, held.covers)
           IS DISTINCT FROM
           (register_booking.amount, lower(register_booking.currency),
            register_booking.account, register_booking.covers) THEN
            RAISE EXCEPTION 'booking % is already registered with other values', register_booking.booking_id
                USING ERRCODE = 'unique_violation', CONSTRAINT = 'registrations_values_are_final';
        END IF;
    END IF;
    IF register_booking.payment_intent_id IS NOT NULL THEN
        INSERT INTO registered_intents (payment_intent_id, booking_id)
        VALUES (register_booking.payment_intent_id, register_booking.booking_id)
        ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            SELECT i.booking_id INTO holder FROM registered_intents i
                WHERE i.payment_intent_id = register_booking.payment_intent_id;
            SELECT i.payment_intent_id INTO held_intent FROM registered_intents i
                WHERE i.booking_id = register_booking.booking_id;
            IF holder IS DISTINCT FROM register_booking.booking_id AND holder IS NOT NULL THEN
                RAISE EXCEPTION 'payment intent % is registered for booking %',
                    register_booking.payment_intent_id, holder
                    USING ERRCODE = 'unique_violation', CONSTRAINT = 'registered_intents_pkey';
            ELSIF held_intent IS DISTINCT FROM register_booking.payment_intent_id THEN
                RAISE EXCEPTION 'booking % is already registered with other values', register_booking.booking_id
                    USING ERRCODE = 'unique_violation', CONSTRAINT = 'registrations_values_are_final';
            END IF;
        END IF;
    ELSIF EXISTS (SELECT FROM registered_intents i WHERE i.booking_id = register_booking.booking_id) THEN
        RAISE EXCEPTION 'booking % is already registered with other values', register_booking.booking_id
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'registrations_values_are_final';
    END IF;
    PERFORM pg_notify('bookend_registrations', '');
END $$;
COMMENT ON FUNCTION register_booking(text, bigint, text, text, text, text) IS 'Registers what a booking expects (amount in minor units). Idempotent; a payment intent may be added later, once; other values for a registered booking, and a payment intent of another booking, are errors.';

-- What operators put in, by commands through the log. Insert-only; the greatest action id wins.
CREATE TABLE assignments (
    account    text        NOT NULL DEFAULT '',
    object_id  text        NOT NULL,
    action_id  text        NOT NULL,
    booking_id text,
    at         timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT assignments_pkey PRIMARY KEY (account, object_id, action_id)
);
CREATE INDEX assignments_by_booking ON assignments (booking_id) WHERE booking_id IS NOT NULL;
COMMENT ON TABLE assignments IS 'An operator''s decision which booking an object belongs to. Insert-only; the greatest action id wins.';
COMMENT ON COLUMN assignments.account IS 'As objects.account.';
COMMENT ON COLUMN assignments.object_id IS 'The object.';
COMMENT ON COLUMN assignments.action_id IS 'The operator''s action.';
COMMENT ON COLUMN assignments.booking_id IS 'The booking; null: it belongs to none.';
COMMENT ON COLUMN assignments.at IS 'When the processor wrote it.';

CREATE TABLE amendments (
    booking_id text        NOT NULL,
    action_id  text        NOT NULL,
    kind       text        NOT NULL,
    amount     bigint      NOT NULL,
    currency   text        NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT amendments_pkey PRIMARY KEY (booking_id, action_id),
    CONSTRAINT amendments_kind_known CHECK (kind IN ('amend', 'accept')),
    CONSTRAINT amendments_amount_not_negative CHECK (amount >= 0),
    CONSTRAINT amendments_currency_code CHECK (currency ~ '^[a-z]{3}$')
);
COMMENT ON TABLE amendments IS 'An operator''s decision what a booking expects. Insert-only; the greatest action id wins over the registration.';
COMMENT ON COLUMN amendments.booking_id IS 'The booking.';
COMMENT ON COLUMN amendments.action_id IS 'The operator''s action.';
COMMENT ON COLUMN amendments.kind IS 'amend: another expected amount; accept: the net that the operator saw is what is expected.';
COMMENT ON COLUMN amendments.amount IS 'Expected amount, minor units.';
COMMENT ON COLUMN amendments.currency IS 'Three lower-case letters.';
COMMENT ON COLUMN amendments.at IS 'When the processor wrote it.';

CREATE TABLE finding_closures (
    identity  text        NOT NULL,
    action_id text        NOT NULL,
    reason    text        NOT NULL,
    at        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT finding_closures_pkey PRIMARY KEY (identity)
);
COMMENT ON TABLE finding_closures IS 'Findings that a person closed. Insert-only.';
COMMENT ON COLUMN finding_closures.identity IS 'As findings.identity.';
COMMENT ON COLUMN finding_closures.action_id IS 'The operator''s action.';
COMMENT ON COLUMN finding_closures.reason IS 'Why, in the person''s words.';
COMMENT ON COLUMN finding_closures.at IS 'When the processor wrote it.';

-- Findings of folding open and close by what holds; a sweep''s finding is as before.
ALTER TABLE findings
    ADD COLUMN identity  text,
    ADD COLUMN scope     text,
    ADD COLUMN detail    text,
    ADD COLUMN closed_at timestamptz,
    ADD COLUMN closed_by text;
COMMENT ON COLUMN findings.identity IS 'Hash of kind, objects and contradiction; null: a sweep''s finding.';
COMMENT ON COLUMN findings.scope IS 'What decides whether it holds: object: and account/id, or booking: and id; null: a sweep''s finding.';
COMMENT ON COLUMN findings.detail IS 'What was found and what was decided by rule, in one sentence.';
COMMENT ON COLUMN findings.closed_at IS 'When it no longer held, or a person closed it; null while it is open.';
COMMENT ON COLUMN findings.closed_by IS 'The operator''s action that closed it; null: it closed by itself, or is open.';
COMMENT ON COLUMN findings.found_at IS 'When it was found; for one that came back, when it last did.';
COMMENT ON TABLE findings IS 'Differences that a sweep found, and contradictions that folding found.';
DROP INDEX findings_of_folding;
ALTER TABLE findings DROP CONSTRAINT findings_kind_known;
ALTER TABLE findings ADD CONSTRAINT findings_kind_known CHECK (kind IN (
    'never_delivered', 'refused_by_us', 'acknowledged_but_lost', 'not_applied',
    'booking_differs', 'unknown',
    'claims_differ', 'claim_changed', 'claim_removed', 'foreign_claim', 'reassigned', 'intent_taken',
    'paid_twice', 'lost_twice', 'paid_unregistered', 'overlapping_payment', 'shared_payment',
    'shared_refund', 'refunds_disagree', 'dispute_partial', 'release_unproven',
    'settlement_unproven', 'suspicious_booking_id', 'too_many_payments', 'abandoned',
    'unassigned_money', 'account_unreadable'));
CREATE UNIQUE INDEX findings_identity ON findings (identity) WHERE identity IS NOT NULL;
CREATE INDEX findings_open_by_scope ON findings (scope) WHERE scope IS NOT NULL AND closed_at IS NULL;
CREATE INDEX findings_open_of_folding ON findings (kind, found_at) WHERE identity IS NOT NULL AND closed_at IS NULL;
-- Findings of older rules name no contradiction that could be checked again: the rebuild finds anew.
UPDATE findings SET closed_at = now(), detail = 'found by older rules' WHERE sweep_id IS NULL;
INSERT INTO findings (kind, confidence, evidence, object_id, booking_id, identity, scope, detail)
    SELECT 'intent_taken', 1, json_build_object('payment_intent', r.payment_intent_id, 'taken_by', i.booking_id),
        r.payment_intent_id, r.booking_id, 'intent_taken:' || r.booking_id, 'registration:' || r.booking_id,
        'payment intent ' || r.payment_intent_id || ' was registered for booking ' || i.booking_id || ' before: it pays that booking'
    FROM registrations r JOIN registered_intents i USING (payment_intent_id)
    WHERE r.booking_id <> i.booking_id;

-- What a booking shows.
ALTER TABLE bookings
    ADD COLUMN amount_authorized            bigint NOT NULL DEFAULT 0,
    ADD COLUMN amount_in_flight             bigint NOT NULL DEFAULT 0,
    ADD COLUMN amount_settled_elsewhere     bigint NOT NULL DEFAULT 0,
    ADD COLUMN amount_from_balance          bigint NOT NULL DEFAULT 0,
    ADD COLUMN amount_credited              bigint NOT NULL DEFAULT 0,
    ADD COLUMN amount_refund_pending_action bigint NOT NULL DEFAULT 0,
    ADD COLUMN amount_disputed              bigint NOT NULL DEFAULT 0,
    ADD COLUMN amount_lost                  bigint NOT NULL DEFAULT 0,
    ADD COLUMN amount_net                   bigint NOT NULL DEFAULT 0,
    ADD COLUMN authorized_until             timestamptz,
    ADD COLUMN payments                     bigint NOT NULL DEFAULT 0,
    ADD COLUMN other_currencies             json   NOT NULL DEFAULT '{}',
    ADD COLUMN fold_version                 integer NOT NULL DEFAULT 3;
ALTER TABLE bookings DROP CONSTRAINT bookings_status_known;
ALTER TABLE bookings ADD CONSTRAINT bookings_status_known CHECK (status IN (
    'pending', 'processing', 'requires_action', 'authorized', 'confirmed', 'payment_failed',
    'partially_refunded', 'refunded', 'disputed', 'canceled', 'amount_mismatch'));
ALTER TABLE bookings DROP CONSTRAINT bookings_hold_known;
ALTER TABLE bookings ADD CONSTRAINT bookings_hold_known CHECK (hold IN ('parked', 'uncertain', 'too_many_payments'));
COMMENT ON COLUMN bookings.amount_paid IS 'What was captured, settled elsewhere or paid from the balance, minor units.';
COMMENT ON COLUMN bookings.amount_refunded IS 'What was or is being given back, minor units.';
COMMENT ON COLUMN bookings.amount_authorized IS 'Held on a card, no money yet; minor units.';
COMMENT ON COLUMN bookings.amount_in_flight IS 'Debits that are processing; minor units.';
COMMENT ON COLUMN bookings.amount_settled_elsewhere IS 'The part of amount_paid that was paid outside Stripe, on evidence; minor units.';
COMMENT ON COLUMN bookings.amount_from_balance IS 'The part of amount_paid that the customer''s credit balance paid; minor units.';
COMMENT ON COLUMN bookings.amount_credited IS 'Given back to the customer''s credit balance; minor units.';
COMMENT ON COLUMN bookings.amount_refund_pending_action IS 'Refunds that wait for the customer; minor units, not part of amount_refunded.';
COMMENT ON COLUMN bookings.amount_disputed IS 'In open disputes; minor units.';
COMMENT ON COLUMN bookings.amount_lost IS 'In lost disputes; minor units.';
COMMENT ON COLUMN bookings.amount_net IS 'Paid less refunded, credited, disputed and lost; minor units.';
COMMENT ON COLUMN bookings.authorized_until IS 'When the first standing authorization lapses; null: none, or unknown.';
COMMENT ON COLUMN bookings.payments IS 'Payments that succeeded.';
COMMENT ON COLUMN bookings.other_currencies IS 'Amounts in other currencies than the booking''s, by currency; read them by the view booking_amounts.';
COMMENT ON COLUMN bookings.fold_version IS 'Version of the folding rules that folded it last.';
COMMENT ON COLUMN bookings.hold IS 'parked: events wait behind a blocked one; uncertain: a tie waits for its refetch; too_many_payments: it has more payments than are folded; null: none.';
CREATE VIEW booking_amounts AS
    SELECT id AS booking_id, currency, amount_paid, amount_refunded, amount_authorized, amount_in_flight,
        amount_settled_elsewhere, amount_from_balance, amount_credited, amount_refund_pending_action,
        amount_disputed, amount_lost, amount_net, payments
    FROM bookings WHERE version > 0 AND currency IS NOT NULL
    UNION ALL
    SELECT b.id, o.key, a.amount_paid, a.amount_refunded, a.amount_authorized, a.amount_in_flight,
        a.amount_settled_elsewhere, a.amount_from_balance, a.amount_credited, a.amount_refund_pending_action,
        a.amount_disputed, a.amount_lost, a.amount_net, a.payments
    FROM bookings b CROSS JOIN LATERAL json_each(b.other_currencies) o
        CROSS JOIN LATERAL json_to_record(o.value) AS a (
            amount_paid bigint, amount_refunded bigint, amount_authorized bigint, amount_in_flight bigint,
            amount_settled_elsewhere bigint, amount_from_balance bigint, amount_credited bigint,
            amount_refund_pending_action bigint, amount_disputed bigint, amount_lost bigint,
            amount_net bigint, payments bigint);
COMMENT ON VIEW booking_amounts IS 'A booking''s amounts, one row for each currency. Nothing is ever added across currencies.';
DROP INDEX bookings_waiting;
CREATE INDEX bookings_waiting ON bookings (updated_at)
    WHERE status IN ('pending', 'processing', 'requires_action', 'authorized') OR hold IS NOT NULL;

-- Rules: a state of older rules is rebuilt before anything is joined to it, and a processor of
-- older rules writes no more.
ALTER TABLE objects ADD COLUMN fold_version integer NOT NULL DEFAULT 3;
COMMENT ON COLUMN objects.fold_version IS 'Version of the folding rules that made the state.';
CREATE TABLE fold_rules (
    one         boolean NOT NULL DEFAULT true,
    min_version integer NOT NULL,
    CONSTRAINT fold_rules_pkey PRIMARY KEY (one),
    CONSTRAINT fold_rules_one_row CHECK (one)
);
COMMENT ON TABLE fold_rules IS 'The least version of the folding rules that may write. One row.';
COMMENT ON COLUMN fold_rules.one IS 'Always true.';
COMMENT ON COLUMN fold_rules.min_version IS 'A processor whose rules are older does not start, and one that runs stops.';
INSERT INTO fold_rules (min_version) VALUES (4);

-- Refetches: how often one object was asked for one reason, and when it is due.
ALTER TABLE refetches DROP CONSTRAINT refetches_reason_known;
ALTER TABLE refetches ADD CONSTRAINT refetches_reason_known
    CHECK (reason IN ('tie', 'refunds_differ', 'thin', 'not_generated', 'settlement', 'claim'));
COMMENT ON COLUMN refetches.reason IS 'tie | refunds_differ | thin | not_generated (Stripe could not make an event about it) | settlement (an invoice is paid and no payment of it is known) | claim (a charge names another booking than its payment intent).';

CREATE INDEX refetches_questions ON refetches (fingerprint) WHERE state = 'pending' AND reason IN ('settlement', 'claim');

-- A connected account that is gone.
ALTER TABLE accounts ADD COLUMN deauthorized boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN accounts.deauthorized IS 'It has disconnected: nothing more is asked about it.';

GRANT SELECT ON object_shares, object_mentions, registered_intents, assignments, amendments,
    finding_closures, fold_rules, booking_amounts
    TO bookend_processor, bookend_reconciler, bookend_console, bookend_reader;
GRANT INSERT, UPDATE, DELETE ON object_shares TO bookend_processor;
GRANT INSERT, DELETE ON object_mentions TO bookend_processor;
GRANT INSERT ON assignments, amendments, finding_closures TO bookend_processor;
GRANT UPDATE (folded_at) ON registered_intents TO bookend_processor;
GRANT UPDATE (evidence, detail, closed_at, closed_by, found_at, booking_id) ON findings TO bookend_processor;
-- A booking's row that was made only to be locked shows nothing: it goes again. The service role
-- itself deletes no booking.
CREATE FUNCTION drop_empty_bookings(ids text[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DELETE FROM bookings WHERE id = ANY (ids) AND version = 0
$$;
COMMENT ON FUNCTION drop_empty_bookings(text[]) IS 'Takes rows of bookings away that show nothing (version 0): they were made only to be locked.';
REVOKE EXECUTE ON FUNCTION drop_empty_bookings(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION drop_empty_bookings(text[]) TO bookend_processor;
REVOKE EXECUTE ON FUNCTION register_booking(text, bigint, text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION register_booking(text, bigint, text, text, text, text) TO bookend_app;
GRANT SELECT ON bookings, booking_amounts TO bookend_app;
