-- Parked events have their ledger rows: an older version knows no queue, so they are lost to it
-- unless replayed. They are marked dead, which is what that version can revive.
UPDATE events SET disposition = 'dead' WHERE disposition = 'parked';
UPDATE bookings SET hold = NULL WHERE hold = 'parked';
REVOKE DELETE ON object_links, object_claims FROM bookend_processor;
DROP TABLE shadow_bookings, shadow_objects, refold_runs, processor_instances, consumer_control;
DROP FUNCTION note_denied_action(text, text, text, text, text, json, text);
DROP TABLE operator_action_items, operator_actions, dead_letter_groups, parked_events;
REVOKE UPDATE (swept_at) ON log_holes FROM bookend_reconciler;
ALTER TABLE log_holes DROP COLUMN swept_at;
ALTER TABLE partition_progress DROP COLUMN held_since, DROP COLUMN held_reason;
DROP INDEX dead_letters_by_group;
UPDATE dead_letters SET error_class = 'infrastructure' WHERE error_class = 'unclassified';
ALTER TABLE dead_letters DROP CONSTRAINT dead_letters_class_known;
ALTER TABLE dead_letters ADD CONSTRAINT dead_letters_class_known
    CHECK (error_class IN ('poison', 'business', 'infrastructure'));
COMMENT ON COLUMN dead_letters.error_class IS 'poison | business | infrastructure.';
ALTER TABLE dead_letters
    DROP COLUMN headers, DROP COLUMN record_timestamp, DROP COLUMN error_kind,
    DROP COLUMN event_type, DROP COLUMN fingerprint, DROP COLUMN booking_id,
    DROP COLUMN processor_version, DROP COLUMN status_changed_at, DROP COLUMN status_action_id;
