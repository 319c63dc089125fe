-- Answered wishes were never carried out: they are asked again.
REVOKE UPDATE (state, done_at) ON refetches FROM bookend_processor;
UPDATE refetches SET state = 'pending' WHERE state = 'answered';
ALTER TABLE refetches DROP CONSTRAINT refetches_state_known;
ALTER TABLE refetches ADD CONSTRAINT refetches_state_known CHECK (state IN ('pending', 'done', 'failed'));
COMMENT ON COLUMN refetches.state IS 'pending | done | failed (for good: error says why).';
DROP INDEX refetches_thin_pending;

REVOKE INSERT ON findings FROM bookend_processor;
DROP INDEX findings_of_folding;
DELETE FROM findings WHERE sweep_id IS NULL;
ALTER TABLE findings DROP CONSTRAINT findings_kind_known;
ALTER TABLE findings ADD CONSTRAINT findings_kind_known CHECK (kind IN (
    'never_delivered', 'refused_by_us', 'acknowledged_but_lost', 'not_applied',
    'booking_differs', 'unknown'));
ALTER TABLE findings ALTER COLUMN sweep_id SET NOT NULL;
COMMENT ON COLUMN findings.sweep_id IS 'The sweep.';

ALTER TABLE events DROP COLUMN copies, DROP COLUMN payment_method_type;

-- Facts without a booking have no place in the table as it was.
DELETE FROM outbox WHERE kind <> 'booking.changed';
ALTER TABLE outbox RENAME COLUMN key TO booking_id;
COMMENT ON COLUMN outbox.booking_id IS 'The booking.';
COMMENT ON TABLE outbox IS 'Facts about bookings, to be published to booking.events.';
ALTER TABLE objects DROP COLUMN published_state;
DROP TABLE entitlements, accounts, payouts, customers, invoices, subscriptions;
