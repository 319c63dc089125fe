-- A database that came back from a backup: which part of the log it has forgotten, and the
-- generation that booking events bear since then.
CREATE TABLE restores (
    topic        text        NOT NULL,
    partition    integer     NOT NULL,
    from_offset  bigint      NOT NULL,
    to_offset    bigint      NOT NULL,
    generation   bigint      NOT NULL,
    noticed_at   timestamptz NOT NULL DEFAULT now(),
    caught_up_at timestamptz,
    CONSTRAINT restores_forward CHECK (from_offset < to_offset),
    CONSTRAINT restores_generation_positive CHECK (generation > 0)
);
COMMENT ON TABLE restores IS 'Ranges of the log that were applied once and that the database has forgotten: it was restored from a backup. Booking events wait until they are applied again.';
COMMENT ON COLUMN restores.topic IS 'Kafka topic.';
COMMENT ON COLUMN restores.partition IS 'Its partition.';
COMMENT ON COLUMN restores.from_offset IS 'First offset that is applied again.';
COMMENT ON COLUMN restores.to_offset IS 'First offset that was never applied, as far as the group''s committed offset and the processor''s memory tell.';
COMMENT ON COLUMN restores.generation IS 'Of the booking events that leave from then on; the second, since 1970, in which the restore was noticed.';
COMMENT ON COLUMN restores.noticed_at IS 'When the processor noticed.';
COMMENT ON COLUMN restores.caught_up_at IS 'When all of it was applied again, or the log turned out to be gone; null until then.';
-- One range a partition is open; a second restore in between widens it.
CREATE UNIQUE INDEX restores_open ON restores (topic, partition) WHERE caught_up_at IS NULL;
CREATE INDEX restores_by_generation ON restores (generation);

GRANT SELECT ON restores TO bookend_processor, bookend_reconciler, bookend_console, bookend_reader;
GRANT INSERT ON restores TO bookend_processor;
GRANT UPDATE (to_offset, generation, caught_up_at) ON restores TO bookend_processor;
