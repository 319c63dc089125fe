-- Refetches in bounds: how often an object was asked lately, and which accounts are not asked at all.

-- What one object was asked for one reason within a day is counted for each wish that is due.
CREATE INDEX refetches_done_by_object ON refetches (account, object_id, reason, done_at)
    WHERE state = 'done';
-- The wishes of an account that refuses us, or has disconnected, fail at once.
CREATE INDEX refetches_pending_of_accounts ON refetches (account)
    WHERE state = 'pending' AND account <> '';
-- Few accounts are gone, but each pass asks which.
CREATE INDEX accounts_deauthorized ON accounts (id) WHERE deauthorized;
