-- Finds the session of a browser. It is built apart from the migration before, whose lock of the table must be short. Only
-- writes of sessions wait for it, and it has a row only for sessions of browsers.
CREATE UNIQUE INDEX sessions_browser_key_idx ON sessions (browser_key) WHERE browser_key IS NOT NULL;
