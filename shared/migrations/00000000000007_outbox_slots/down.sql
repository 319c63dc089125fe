-- Facts keep their order without slots; only two relays at once would not.
CREATE INDEX outbox_not_published ON outbox (seq) WHERE published_at IS NULL;
DROP INDEX outbox_slot_not_published;
ALTER TABLE outbox DROP COLUMN slot;
