-- The session of a browser that signed in by a page. The browser keeps a random key of 256 bits in a cookie, and the row has
-- its SHA-256. Every other session has none. The version before does not know the column, and goes on working beside it.
ALTER TABLE sessions ADD COLUMN browser_key bytea;
