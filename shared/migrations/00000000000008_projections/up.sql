-- What a billing product reads. Written by the processor in the transaction of the event; each row
-- is a function of its object alone, so order and copies cannot matter here either.
CREATE TABLE subscriptions (
    account text NOT NULL,
    id text NOT NULL,
    customer text,
    status text,
    currency text,
    start_date timestamptz,
    current_period_start timestamptz,
    current_period_end timestamptz,
    trial_start timestamptz,
    trial_end timestamptz,
    cancel_at timestamptz,
    cancel_at_period_end boolean NOT NULL,
    canceled_at timestamptz,
    ended_at timestamptz,
    pause_behavior text,
    pause_resumes_at timestamptz,
    collection_method text,
    latest_invoice text,
    items jsonb NOT NULL,
    items_complete boolean NOT NULL,
    booking_id text,
    settled boolean NOT NULL,
    as_of timestamptz NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT subscriptions_pkey PRIMARY KEY (account, id)
) WITH (fillfactor = 75);
COMMENT ON TABLE subscriptions IS 'Subscriptions as Stripe has them now: one row an object, folded from its events.';
COMMENT ON COLUMN subscriptions.account IS 'Connected account; the empty text is our own.';
COMMENT ON COLUMN subscriptions.id IS 'Stripe''s object id.';
COMMENT ON COLUMN subscriptions.customer IS 'Who pays.';
COMMENT ON COLUMN subscriptions.status IS 'Stripe''s status; an open set.';
COMMENT ON COLUMN subscriptions.currency IS 'Three lower-case letters.';
COMMENT ON COLUMN subscriptions.start_date IS 'When it began.';
COMMENT ON COLUMN subscriptions.current_period_start IS 'Start of the current period.';
COMMENT ON COLUMN subscriptions.current_period_end IS 'End of the current period.';
COMMENT ON COLUMN subscriptions.trial_start IS 'Start of the trial; null: none.';
COMMENT ON COLUMN subscriptions.trial_end IS 'End of the trial; null: none.';
COMMENT ON COLUMN subscriptions.cancel_at IS 'When it will be canceled; null: not planned.';
COMMENT ON COLUMN subscriptions.cancel_at_period_end IS 'It ends with the current period.';
COMMENT ON COLUMN subscriptions.canceled_at IS 'When its cancellation was decided.';
COMMENT ON COLUMN subscriptions.ended_at IS 'When it ended; null: it has not.';
COMMENT ON COLUMN subscriptions.pause_behavior IS 'How collection is paused; null: it is not. No status: the subscription stays active.';
COMMENT ON COLUMN subscriptions.pause_resumes_at IS 'When collection goes on by itself.';
COMMENT ON COLUMN subscriptions.collection_method IS 'charge_automatically | send_invoice; an open set.';
COMMENT ON COLUMN subscriptions.latest_invoice IS 'Its newest invoice.';
COMMENT ON COLUMN subscriptions.items IS 'Its prices: id, price, lookup_key, product, quantity, created, current_period_end (seconds since 1970).';
COMMENT ON COLUMN subscriptions.items_complete IS 'false: Stripe''s list has more items than it showed.';
COMMENT ON COLUMN subscriptions.booking_id IS 'The booking it belongs to; null: none.';
COMMENT ON COLUMN subscriptions.settled IS 'false: two snapshots are incomparable; the row is provisional until Stripe has been asked.';
COMMENT ON COLUMN subscriptions.as_of IS 'The second by Stripe''s clock that the row is about.';
COMMENT ON COLUMN subscriptions.updated_at IS 'When the row last changed.';

CREATE TABLE invoices (
    account text NOT NULL,
    id text NOT NULL,
    customer text,
    subscription text,
    status text,
    deleted boolean NOT NULL,
    currency text,
    amount_due bigint,
    amount_paid bigint,
    amount_remaining bigint,
    total bigint,
    billing_reason text,
    collection_method text,
    due_date timestamptz,
    finalized_at timestamptz,
    paid_at timestamptz,
    voided_at timestamptz,
    attempt_count bigint,
    next_payment_attempt timestamptz,
    booking_id text,
    settled boolean NOT NULL,
    as_of timestamptz NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT invoices_pkey PRIMARY KEY (account, id)
) WITH (fillfactor = 75);
COMMENT ON TABLE invoices IS 'Invoices as Stripe has them now; amounts are minor units.';
COMMENT ON COLUMN invoices.account IS 'Connected account; the empty text is our own.';
COMMENT ON COLUMN invoices.id IS 'Stripe''s object id.';
COMMENT ON COLUMN invoices.customer IS 'Who owes.';
COMMENT ON COLUMN invoices.subscription IS 'The subscription it bills; null: none.';
COMMENT ON COLUMN invoices.status IS 'draft | open | paid | uncollectible | void; an open set.';
COMMENT ON COLUMN invoices.deleted IS 'A draft that was deleted: Stripe tells nothing else of it.';
COMMENT ON COLUMN invoices.currency IS 'Three lower-case letters.';
COMMENT ON COLUMN invoices.amount_due IS 'What is owed with it, minor units.';
COMMENT ON COLUMN invoices.amount_paid IS 'What was paid, minor units.';
COMMENT ON COLUMN invoices.amount_remaining IS 'What is left, minor units.';
COMMENT ON COLUMN invoices.total IS 'Total after discounts and taxes, minor units.';
COMMENT ON COLUMN invoices.billing_reason IS 'Why it was made, for instance subscription_cycle.';
COMMENT ON COLUMN invoices.collection_method IS 'charge_automatically | send_invoice; an open set.';
COMMENT ON COLUMN invoices.due_date IS 'When it must be paid, for send_invoice.';
COMMENT ON COLUMN invoices.finalized_at IS 'When it became open.';
COMMENT ON COLUMN invoices.paid_at IS 'When it was paid.';
COMMENT ON COLUMN invoices.voided_at IS 'When it was voided.';
COMMENT ON COLUMN invoices.attempt_count IS 'Attempts to collect so far.';
COMMENT ON COLUMN invoices.next_payment_attempt IS 'When Stripe tries again; null: it does not.';
COMMENT ON COLUMN invoices.booking_id IS 'The booking it belongs to; null: none.';
COMMENT ON COLUMN invoices.settled IS 'false: two snapshots are incomparable; the row is provisional until Stripe has been asked.';
COMMENT ON COLUMN invoices.as_of IS 'The second by Stripe''s clock that the row is about.';
COMMENT ON COLUMN invoices.updated_at IS 'When the row last changed.';

CREATE TABLE customers (
    account text NOT NULL,
    id text NOT NULL,
    deleted boolean NOT NULL,
    created timestamptz,
    currency text,
    delinquent boolean,
    balance bigint,
    settled boolean NOT NULL,
    as_of timestamptz NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT customers_pkey PRIMARY KEY (account, id)
) WITH (fillfactor = 75);
COMMENT ON TABLE customers IS 'Customers'' life cycle; nothing that identifies a person.';
COMMENT ON COLUMN customers.account IS 'Connected account; the empty text is our own.';
COMMENT ON COLUMN customers.id IS 'Stripe''s object id.';
COMMENT ON COLUMN customers.deleted IS 'Deleted at Stripe, which then tells nothing else.';
COMMENT ON COLUMN customers.created IS 'When Stripe made it.';
COMMENT ON COLUMN customers.currency IS 'Three lower-case letters.';
COMMENT ON COLUMN customers.delinquent IS 'An invoice is past due.';
COMMENT ON COLUMN customers.balance IS 'Owed (positive) or to their credit, minor units.';
COMMENT ON COLUMN customers.settled IS 'false: two snapshots are incomparable; the row is provisional until Stripe has been asked.';
COMMENT ON COLUMN customers.as_of IS 'The second by Stripe''s clock that the row is about.';
COMMENT ON COLUMN customers.updated_at IS 'When the row last changed.';

CREATE TABLE payouts (
    account text NOT NULL,
    id text NOT NULL,
    status text,
    amount bigint,
    currency text,
    created timestamptz,
    arrival_date timestamptz,
    method text,
    failure_code text,
    settled boolean NOT NULL,
    as_of timestamptz NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT payouts_pkey PRIMARY KEY (account, id)
) WITH (fillfactor = 75);
COMMENT ON TABLE payouts IS 'Payouts to a bank; paid can still become failed within five business days.';
COMMENT ON COLUMN payouts.account IS 'Connected account; the empty text is our own.';
COMMENT ON COLUMN payouts.id IS 'Stripe''s object id.';
COMMENT ON COLUMN payouts.status IS 'pending | in_transit | paid | failed | canceled; an open set.';
COMMENT ON COLUMN payouts.amount IS 'Minor units.';
COMMENT ON COLUMN payouts.currency IS 'Three lower-case letters.';
COMMENT ON COLUMN payouts.created IS 'When Stripe made it.';
COMMENT ON COLUMN payouts.arrival_date IS 'When it is expected at the bank.';
COMMENT ON COLUMN payouts.method IS 'standard | instant.';
COMMENT ON COLUMN payouts.failure_code IS 'Why it failed.';
COMMENT ON COLUMN payouts.settled IS 'false: two snapshots are incomparable; the row is provisional until Stripe has been asked.';
COMMENT ON COLUMN payouts.as_of IS 'The second by Stripe''s clock that the row is about.';
COMMENT ON COLUMN payouts.updated_at IS 'When the row last changed.';

CREATE TABLE accounts (
    account text NOT NULL,
    id text NOT NULL,
    deleted boolean NOT NULL,
    charges_enabled boolean,
    payouts_enabled boolean,
    details_submitted boolean,
    currently_due text[] NOT NULL,
    past_due text[] NOT NULL,
    current_deadline timestamptz,
    disabled_reason text,
    settled boolean NOT NULL,
    as_of timestamptz NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT accounts_pkey PRIMARY KEY (account, id)
) WITH (fillfactor = 75);
COMMENT ON TABLE accounts IS 'Connected accounts: what they can do and what they lack.';
COMMENT ON COLUMN accounts.account IS 'Connected account; the empty text is our own.';
COMMENT ON COLUMN accounts.id IS 'Stripe''s object id.';
COMMENT ON COLUMN accounts.deleted IS 'Deleted at Stripe, which then tells nothing else.';
COMMENT ON COLUMN accounts.charges_enabled IS 'It can take payments.';
COMMENT ON COLUMN accounts.payouts_enabled IS 'It gets its money.';
COMMENT ON COLUMN accounts.details_submitted IS 'Its owner has filled in the form.';
COMMENT ON COLUMN accounts.currently_due IS 'Requirements to be met before current_deadline.';
COMMENT ON COLUMN accounts.past_due IS 'Requirements that should have been met.';
COMMENT ON COLUMN accounts.current_deadline IS 'When currently_due must be met.';
COMMENT ON COLUMN accounts.disabled_reason IS 'Why it cannot do all it could; null: it can.';
COMMENT ON COLUMN accounts.settled IS 'false: two snapshots are incomparable; the row is provisional until Stripe has been asked.';
COMMENT ON COLUMN accounts.as_of IS 'The second by Stripe''s clock that the row is about.';
COMMENT ON COLUMN accounts.updated_at IS 'When the row last changed.';

CREATE TABLE entitlements (
    account text NOT NULL,
    source_id text NOT NULL,
    item_id text NOT NULL,
    customer text,
    kind text NOT NULL,
    subject text,
    lookup_key text,
    product text,
    quantity bigint,
    active boolean NOT NULL,
    active_from timestamptz,
    active_until timestamptz,
    settled boolean NOT NULL,
    as_of timestamptz NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT entitlements_kind_known CHECK (kind IN ('price', 'feature')),
    CONSTRAINT entitlements_pkey PRIMARY KEY (account, source_id, item_id)
) WITH (fillfactor = 75);
COMMENT ON TABLE entitlements IS 'Who may use what: one row a price of a subscription, or a feature that Stripe sums up. A price that left its subscription has no row.';
COMMENT ON COLUMN entitlements.account IS 'Connected account; the empty text is our own.';
COMMENT ON COLUMN entitlements.source_id IS 'The subscription, or active_entitlement_summary: and the customer.';
COMMENT ON COLUMN entitlements.item_id IS 'Subscription item (si_…) or active entitlement (ent_…).';
COMMENT ON COLUMN entitlements.customer IS 'Whose it is.';
COMMENT ON COLUMN entitlements.kind IS 'price | feature.';
COMMENT ON COLUMN entitlements.subject IS 'The price (price_…) or feature (feat_…).';
COMMENT ON COLUMN entitlements.lookup_key IS 'Its own name, stable when prices are replaced.';
COMMENT ON COLUMN entitlements.product IS 'The product of a price.';
COMMENT ON COLUMN entitlements.quantity IS 'Units of a price.';
COMMENT ON COLUMN entitlements.active IS 'It may be used: the subscription is trialing, active or past_due; a feature is listed.';
COMMENT ON COLUMN entitlements.active_from IS 'Since when, where Stripe says.';
COMMENT ON COLUMN entitlements.active_until IS 'When it ended or will, where Stripe says; null: open.';
COMMENT ON COLUMN entitlements.settled IS 'false: two snapshots are incomparable; the row is provisional until Stripe has been asked.';
COMMENT ON COLUMN entitlements.as_of IS 'The second by Stripe''s clock that the row is about.';
COMMENT ON COLUMN entitlements.updated_at IS 'When the row last changed.';

CREATE INDEX subscriptions_by_customer ON subscriptions (customer);
-- Who is about to lose access, or whose trial ends.
CREATE INDEX subscriptions_by_period_end ON subscriptions (current_period_end) WHERE ended_at IS NULL;
CREATE INDEX invoices_by_customer ON invoices (customer);
CREATE INDEX invoices_by_subscription ON invoices (subscription) WHERE subscription IS NOT NULL;
-- Dunning: what is open and when it is tried next.
CREATE INDEX invoices_open ON invoices (next_payment_attempt) WHERE status = 'open';
CREATE INDEX entitlements_by_customer ON entitlements (customer) WHERE active;

GRANT SELECT ON subscriptions, invoices, customers, payouts, accounts, entitlements
    TO bookend_processor, bookend_reconciler, bookend_console, bookend_reader;
GRANT INSERT, UPDATE ON subscriptions, invoices, customers, payouts, accounts, entitlements
    TO bookend_processor;
-- A projection is no evidence: a price that leaves its subscription leaves this table.
GRANT DELETE ON entitlements TO bookend_processor;

-- What the last fact about an object said, as bookings have it.
ALTER TABLE objects ADD COLUMN published_state text;
COMMENT ON COLUMN objects.published_state IS 'What the last fact about it said; null if none, or if it is of a kind without facts.';

-- Facts of what has no booking travel under the key of the record that caused them.
ALTER TABLE outbox RENAME COLUMN booking_id TO key;
COMMENT ON COLUMN outbox.key IS 'Key of the fact''s record: the booking, or the key of the record that caused it.';
COMMENT ON TABLE outbox IS 'Facts about bookings, subscriptions, invoices, customers, payouts, accounts and entitlements, to be published to booking.events.';

-- For detection: what a payment was made with, and how often an id came.
ALTER TABLE events ADD COLUMN payment_method_type text, ADD COLUMN copies integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN events.payment_method_type IS 'Class of payment method, for instance card or sepa_debit, where the payload has exactly one.';
COMMENT ON COLUMN events.copies IS 'How many further records brought this id.';
GRANT UPDATE (copies, payment_method_type) ON events TO bookend_processor;

-- What the processor finds while it folds: belonging that contradicts itself.
ALTER TABLE findings ALTER COLUMN sweep_id DROP NOT NULL;
COMMENT ON COLUMN findings.sweep_id IS 'The sweep; null: found by the processor while folding.';
ALTER TABLE findings DROP CONSTRAINT findings_kind_known;
ALTER TABLE findings ADD CONSTRAINT findings_kind_known CHECK (kind IN (
    'never_delivered', 'refused_by_us', 'acknowledged_but_lost', 'not_applied',
    'booking_differs', 'unknown', 'claims_differ', 'foreign_claim'));
-- One finding an object and kind, however often it is said.
CREATE UNIQUE INDEX findings_of_folding ON findings (account, object_id, kind) WHERE sweep_id IS NULL;
GRANT INSERT ON findings TO bookend_processor;

-- A thin event whose snapshot event is here needs no call to Stripe.
CREATE INDEX refetches_thin_pending ON refetches (fingerprint) WHERE state = 'pending' AND reason = 'thin';
ALTER TABLE refetches DROP CONSTRAINT refetches_state_known;
ALTER TABLE refetches ADD CONSTRAINT refetches_state_known CHECK (state IN ('pending', 'done', 'failed', 'answered'));
COMMENT ON COLUMN refetches.state IS 'pending | done | failed (for good: error says why) | answered (a snapshot event came first).';
GRANT UPDATE (state, done_at) ON refetches TO bookend_processor;
