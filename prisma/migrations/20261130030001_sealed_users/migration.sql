-- The sealed columns of users, and what belongs to a person: the hashes of a search, and keys.

ALTER TABLE users
  ADD COLUMN email_sealed bytea,
  ADD COLUMN name_sealed bytea,
  ADD COLUMN email_lookup bytea,
  ALTER COLUMN email DROP NOT NULL,
  ALTER COLUMN email_key DROP NOT NULL,
  ALTER COLUMN name DROP NOT NULL,
  ADD CONSTRAINT users_email_stored CHECK (email_sealed IS NOT NULL AND email_lookup IS NOT NULL
    OR email IS NOT NULL AND email_key IS NOT NULL) NOT VALID,
  ADD CONSTRAINT users_name_stored CHECK (name_sealed IS NOT NULL OR name IS NOT NULL) NOT VALID,
  ADD CONSTRAINT users_sealed_size CHECK (octet_length(email_lookup) = 32 AND octet_length(email_sealed) <= 400
    AND octet_length(name_sealed) <= 4096) NOT VALID;

-- Keyed hashes of the parts of names and e-mail addresses, by which people are found. It is a table of its own, so that
-- raising an epoch does not copy them.
CREATE TABLE user_search (
  user_id     uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE ON UPDATE CASCADE,
  name_grams  bigint[] NOT NULL DEFAULT '{}',
  email_grams bigint[] NOT NULL DEFAULT '{}'
);
-- A search reads the list of pending entries from end to end, so the list stays short.
CREATE INDEX user_search_grams_idx ON user_search USING gin (name_grams, email_grams) WITH (gin_pending_list_limit = 512);
ALTER TABLE user_search ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_search FORCE ROW LEVEL SECURITY;
CREATE POLICY system_all ON user_search TO tenantry_system USING (true) WITH CHECK (true);
CREATE POLICY own_row ON user_search TO tenantry_app
  USING (user_id = (SELECT NULLIF(current_setting('app.current_user_id', true), '')::uuid))
  WITH CHECK (user_id = (SELECT NULLIF(current_setting('app.current_user_id', true), '')::uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON user_search TO tenantry_system;
GRANT SELECT, INSERT (user_id, name_grams), UPDATE (name_grams) ON user_search TO tenantry_app;

-- The keys of values in events. Without its key a value cannot be read, so deleting the keys of a person erases the values,
-- and the events stay.
CREATE TABLE person_keys (
  id            uuid PRIMARY KEY,
  user_id       uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE ON UPDATE CASCADE,
  secret_sealed bytea NOT NULL
);
CREATE INDEX person_keys_user_id_idx ON person_keys (user_id);
ALTER TABLE person_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE person_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY system_all ON person_keys TO tenantry_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE (secret_sealed), DELETE ON person_keys TO tenantry_system;

-- The version before writes in clear only. While the phase is `expanding`, its change makes the sealed value void, and the
-- service seals the row again. In the phase `sealed` its change is refused, and a clear value that a service wrote together
-- with the sealed one, because it did not know of the phase yet, is dropped.
CREATE FUNCTION users_personal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF NEW.email IS NOT NULL AND NEW.email_sealed IS NOT DISTINCT FROM OLD.email_sealed
      AND (NEW.email, NEW.email_key) IS DISTINCT FROM (OLD.email, OLD.email_key) THEN
      NEW.email_sealed := NULL;
      NEW.email_lookup := NULL;
    END IF;
    IF NEW.name IS NOT NULL AND NEW.name_sealed IS NOT DISTINCT FROM OLD.name_sealed
      AND NEW.name IS DISTINCT FROM OLD.name THEN
      NEW.name_sealed := NULL;
    END IF;
  END IF;
  IF (SELECT phase FROM public.personal_data) = 'sealed' THEN
    IF NEW.email_sealed IS NULL OR NEW.email_lookup IS NULL OR NEW.name_sealed IS NULL THEN
      RAISE EXCEPTION 'personal data is sealed: the version before cannot write it any more'
        USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    NEW.email := NULL;
    NEW.email_key := NULL;
    NEW.name := NULL;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER users_personal BEFORE INSERT OR UPDATE ON users FOR EACH ROW
  WHEN (NEW.email IS NOT NULL OR NEW.email_key IS NOT NULL OR NEW.name IS NOT NULL)
  EXECUTE FUNCTION users_personal();

GRANT UPDATE (name_sealed) ON users TO tenantry_app;

-- A new installation stores nothing in clear. The policies of a table also hold for its owner, who would see no row.
ALTER TABLE users NO FORCE ROW LEVEL SECURITY;
ALTER TABLE personal_data NO FORCE ROW LEVEL SECURITY;
INSERT INTO personal_data (phase) SELECT CASE WHEN EXISTS (SELECT FROM users) THEN 'expanding' ELSE 'sealed' END;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
ALTER TABLE personal_data FORCE ROW LEVEL SECURITY;
