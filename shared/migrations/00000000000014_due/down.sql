DELETE FROM sender_alarms WHERE alarm = 'account_not_swept';
ALTER TABLE sender_alarms DROP CONSTRAINT sender_alarms_known;
ALTER TABLE sender_alarms ADD CONSTRAINT sender_alarms_known CHECK (alarm IN (
    'no_endpoint', 'endpoint_disabled', 'endpoint_gone', 'url_changed', 'version_changed',
    'types_changed', 'other_mode', 'silence', 'retries_end', 'horizon'));
COMMENT ON COLUMN sender_alarms.alarm IS 'no_endpoint, endpoint_disabled, endpoint_gone, url_changed, version_changed, types_changed: the webhook endpoint; other_mode: the key lists the other mode''s events; silence: Stripe lists events and none arrives; retries_end, horizon: what is not proven complete nears the end of Stripe''s retries, or of its list.';
DROP INDEX findings_unknown, dead_letters_open, findings_open_of_sweeps, events_charges_succeeded,
    registrations_not_folded_by_time, bookings_lapsing;
COMMENT ON COLUMN cursors.sweep IS 'Kind of sweep: tail, deep, backfill.';
DELETE FROM cursors WHERE sweep IN ('pending', 'pending_backwards', 'pending_lapsed');
DROP TABLE booking_checks, seen_accounts;
