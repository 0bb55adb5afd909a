-- When the user of a session last proved who they are. Null: when the session was opened. The version before does not know
-- the column, and goes on issuing tokens with the time at which the session was opened.
ALTER TABLE sessions ADD COLUMN authenticated_at timestamptz;
