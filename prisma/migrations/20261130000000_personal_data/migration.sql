-- Personal data is sealed: e-mail addresses, names, IP addresses and user agents. The database has no key. The columns in
-- clear stay for the version before, which works beside this one while the phase is `expanding`. Nothing here touches a
-- row, so each lock is short; the service seals existing rows later.

-- Which values may be in clear.
CREATE TABLE personal_data (
  id smallint PRIMARY KEY DEFAULT 1 CONSTRAINT personal_data_once CHECK (id = 1),
  phase text NOT NULL,         -- expanding: rows have both forms, or clear only; sealed: nothing new is stored in clear
  changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  lookup_check bytea,          -- a keyed hash of nothing, by which a wrong lookup key is noticed
  CONSTRAINT personal_data_phase_known CHECK (phase IN ('expanding', 'sealed'))
);
ALTER TABLE personal_data ENABLE ROW LEVEL SECURITY;
ALTER TABLE personal_data FORCE ROW LEVEL SECURITY;
CREATE POLICY system_all ON personal_data TO tenantry_system USING (true) WITH CHECK (true);
CREATE POLICY anybody ON personal_data FOR SELECT TO tenantry_app USING (true);
GRANT SELECT, UPDATE ON personal_data TO tenantry_system;
GRANT SELECT ON personal_data TO tenantry_app;

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
CREATE UNIQUE INDEX users_email_lookup_key ON users (email_lookup);

ALTER TABLE sessions
  ADD COLUMN user_agent_sealed bytea,
  ADD COLUMN ip_sealed bytea,
  ADD COLUMN child_reissued_lookup bytea;

ALTER TABLE invitations
  ADD COLUMN email_sealed bytea,
  ADD COLUMN email_lookup bytea,
  ALTER COLUMN email DROP NOT NULL,
  ALTER COLUMN email_key DROP NOT NULL,
  ADD CONSTRAINT invitations_email_stored CHECK (email_sealed IS NOT NULL AND email_lookup IS NOT NULL
    OR email IS NOT NULL AND email_key IS NOT NULL) NOT VALID,
  ADD CONSTRAINT invitations_sealed_size
    CHECK (octet_length(email_lookup) = 32 AND octet_length(email_sealed) <= 400) NOT VALID;
CREATE UNIQUE INDEX invitations_one_pending_sealed ON invitations (organization_id, email_lookup)
  WHERE status = 'pending';

ALTER TABLE outbox ADD COLUMN recipient_lookup bytea;
CREATE INDEX outbox_recipient_lookup_idx ON outbox (recipient_lookup, created_at);

-- The rows that are not sealed yet. Once there are none, these indexes are empty.
CREATE INDEX users_unsealed_idx ON users (id)
  WHERE email_sealed IS NULL OR email_lookup IS NULL OR name_sealed IS NULL;
CREATE INDEX sessions_unsealed_idx ON sessions (id)
  WHERE user_agent IS NOT NULL AND user_agent_sealed IS NULL OR ip IS NOT NULL AND ip_sealed IS NULL;
CREATE INDEX invitations_unsealed_idx ON invitations (id) WHERE email_sealed IS NULL OR email_lookup IS NULL;
CREATE INDEX outbox_unsealed_idx ON outbox (id) WHERE recipient_key IS NOT NULL AND recipient_lookup IS NULL;

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

-- An event never changes. The version before has written one value in clear, the network of a reissued child. Sealing it is
-- the one change that is possible.
CREATE FUNCTION events_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.type = 'session.child_reissued' AND jsonb_typeof(OLD.data -> 'network') = 'string'
    AND jsonb_typeof(NEW.data -> 'network') = 'object'
    AND to_jsonb(NEW) - 'data' = to_jsonb(OLD) - 'data' AND NEW.data - 'network' = OLD.data - 'network' THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'an event never changes' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER events_guard BEFORE UPDATE ON events FOR EACH ROW EXECUTE FUNCTION events_guard();
GRANT UPDATE (data) ON events TO tenantry_system;

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

CREATE FUNCTION invitations_personal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.email IS NOT NULL AND NEW.email_sealed IS NOT DISTINCT FROM OLD.email_sealed
    AND (NEW.email, NEW.email_key) IS DISTINCT FROM (OLD.email, OLD.email_key) THEN
    NEW.email_sealed := NULL;
    NEW.email_lookup := NULL;
  END IF;
  IF (SELECT phase FROM public.personal_data) = 'sealed' THEN
    IF NEW.email_sealed IS NULL OR NEW.email_lookup IS NULL THEN
      RAISE EXCEPTION 'personal data is sealed: the version before cannot write it any more'
        USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    NEW.email := NULL;
    NEW.email_key := NULL;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER invitations_personal BEFORE INSERT OR UPDATE ON invitations FOR EACH ROW
  WHEN (NEW.email IS NOT NULL OR NEW.email_key IS NOT NULL) EXECUTE FUNCTION invitations_personal();

-- The version before changes one value of a session: the network to which a child was reissued.
CREATE FUNCTION sessions_personal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT phase FROM public.personal_data) = 'sealed' THEN
    IF NEW.user_agent IS NOT NULL AND NEW.user_agent_sealed IS NULL OR NEW.ip IS NOT NULL AND NEW.ip_sealed IS NULL
      OR TG_OP = 'UPDATE' AND NEW.child_reissued_to IS DISTINCT FROM OLD.child_reissued_to
        AND NEW.child_reissued_to IS NOT NULL THEN
      RAISE EXCEPTION 'personal data is sealed: the version before cannot write it any more'
        USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    NEW.user_agent := NULL;
    NEW.ip := NULL;
    NEW.child_reissued_to := NULL;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER sessions_personal BEFORE INSERT OR UPDATE ON sessions FOR EACH ROW
  WHEN (NEW.user_agent IS NOT NULL OR NEW.ip IS NOT NULL OR NEW.child_reissued_to IS NOT NULL)
  EXECUTE FUNCTION sessions_personal();

CREATE FUNCTION outbox_personal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT phase FROM public.personal_data) = 'sealed' THEN
    IF NEW.recipient_lookup IS NULL THEN
      RAISE EXCEPTION 'personal data is sealed: the version before cannot write it any more'
        USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    NEW.recipient_key := NULL;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER outbox_personal BEFORE INSERT OR UPDATE ON outbox FOR EACH ROW
  WHEN (NEW.recipient_key IS NOT NULL) EXECUTE FUNCTION outbox_personal();

-- Sealing an invitation, or sealing it with another key, is no change of the invitation, so its token stays. Only the system
-- may say so.
CREATE OR REPLACE FUNCTION invitations_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.token_hash IS NOT DISTINCT FROM OLD.token_hash
    AND NOT (current_setting('app.sealing', true) IS NOT DISTINCT FROM 'on'
      AND pg_has_role(current_user, 'tenantry_system', 'USAGE')) THEN
    NEW.token_hash := NULL;
  END IF;
  RETURN NEW;
END $$;

GRANT UPDATE (name_sealed) ON users TO tenantry_app;
GRANT SELECT (email_sealed, email_lookup), INSERT (email_sealed, email_lookup), UPDATE (email_sealed)
  ON invitations TO tenantry_app;
GRANT INSERT (recipient_lookup) ON outbox TO tenantry_app;

-- A new installation stores nothing in clear. The policies of a table also hold for its owner, who would see no row.
ALTER TABLE users NO FORCE ROW LEVEL SECURITY;
ALTER TABLE outbox NO FORCE ROW LEVEL SECURITY;
ALTER TABLE invitations NO FORCE ROW LEVEL SECURITY;
ALTER TABLE personal_data NO FORCE ROW LEVEL SECURITY;
INSERT INTO personal_data (phase) SELECT CASE WHEN EXISTS (SELECT FROM users) OR EXISTS (SELECT FROM outbox)
  OR EXISTS (SELECT FROM invitations) THEN 'expanding' ELSE 'sealed' END;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
ALTER TABLE outbox FORCE ROW LEVEL SECURITY;
ALTER TABLE invitations FORCE ROW LEVEL SECURITY;
ALTER TABLE personal_data FORCE ROW LEVEL SECURITY;
