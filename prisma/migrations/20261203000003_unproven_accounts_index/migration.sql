-- Finds the accounts whose mailbox nobody has proven, the oldest first.
CREATE INDEX users_unproven_idx ON users (created_at, id) WHERE email_verified_at IS NULL AND status = 'active';
