-- The language of the mails to a user. NULL: the language is unknown, and the service chooses. A process of the version
-- before leaves it NULL. The constraint holds for each new value, and no older row has one, so no row is checked now.
ALTER TABLE users ADD COLUMN locale text;
ALTER TABLE users ADD CONSTRAINT users_locale_check CHECK (locale IN ('en', 'pt', 'es')) NOT VALID;
GRANT UPDATE (locale) ON users TO tenantry_app;
