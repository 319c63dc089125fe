-- The relay publishes facts in 16 slots: whoever holds a slot's advisory lock publishes its
-- bookings' facts, in the order of writing, so that two relays never overtake each other.
ALTER TABLE outbox
    ADD COLUMN slot smallint NOT NULL GENERATED ALWAYS AS ((hashtext(booking_id) & 15)::smallint) STORED;
COMMENT ON COLUMN outbox.slot IS 'Which of the 16 slots publishes it: a hash of the booking.';
CREATE INDEX outbox_slot_not_published ON outbox (slot, seq) WHERE published_at IS NULL;
DROP INDEX outbox_not_published;
