-- Service clients; revocations that name clients, the organization of their cause, or everything before an instant.

-- A program that acts for an organization, or for the whole installation: then organization_id is null, and only operators
-- make it. owner_key is as in roles: one composite key for both kinds.
CREATE TABLE clients (
  id              uuid PRIMARY KEY,
  organization_id uuid REFERENCES organizations (id) ON DELETE CASCADE ON UPDATE CASCADE,
  owner_key       uuid NOT NULL,
  name            text NOT NULL,
  description     text NOT NULL DEFAULT '',
  permissions     text[] NOT NULL,
  audience        text,                        -- of its tokens; null: the installation's
  authentication  text NOT NULL,
  jwks            jsonb,                       -- its public keys, for private_key_jwt
  status          text NOT NULL DEFAULT 'active',
  epoch           integer NOT NULL DEFAULT 0,
  created_by      uuid,                        -- null: an operator
  created_at      timestamptz(3) NOT NULL DEFAULT now(),
  updated_at      timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT clients_owner_key_agrees
    CHECK (owner_key = COALESCE(organization_id, '00000000-0000-0000-0000-000000000000'::uuid)),
  CONSTRAINT clients_status_known CHECK (status IN ('active', 'disabled')),
  CONSTRAINT clients_authentication_known CHECK (authentication IN ('client_secret', 'private_key_jwt')),
  CONSTRAINT clients_keys_where_asked CHECK ((authentication = 'private_key_jwt') = (jwks IS NOT NULL)),
  CONSTRAINT clients_size CHECK (cardinality(permissions) <= 200 AND octet_length(name) <= 400
    AND octet_length(description) <= 2000 AND octet_length(audience) <= 200 AND octet_length(jwks::text) <= 32768),
  -- What an installation's client may do is no organization's matter.
  CONSTRAINT clients_installation_permissions
    CHECK (organization_id IS NOT NULL OR permissions <@ ARRAY['revocations:read']::text[]),
  CONSTRAINT clients_permissions_shape CHECK (
    array_position(permissions, NULL) IS NULL
    AND array_to_string(permissions, ' ')
      ~ '^(([a-z][a-z0-9_-]{0,39}|\*):([a-z][a-z0-9_-]{0,39}|\*)( (?=.)|$))*$'
    AND permissions = string_to_array(array_to_string(permissions, ' '), ' '))
);
CREATE UNIQUE INDEX clients_owner_key_id_key ON clients (owner_key, id);
CREATE INDEX clients_organization_id_idx ON clients (organization_id, created_at, id);

-- Its secrets: the newest has no end; older ones until the overlap of a rotation is over.
CREATE TABLE client_secrets (
  id              uuid PRIMARY KEY,
  organization_id uuid,
  owner_key       uuid NOT NULL,
  client_id       uuid NOT NULL,
  hash            bytea NOT NULL,              -- SHA-256 of 256 random bits
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at      timestamptz,
  CONSTRAINT client_secrets_owner_key_agrees
    CHECK (owner_key = COALESCE(organization_id, '00000000-0000-0000-0000-000000000000'::uuid)),
  CONSTRAINT client_secrets_hash_size CHECK (octet_length(hash) = 32),
  CONSTRAINT client_secrets_owner_key_client_id_fkey FOREIGN KEY (owner_key, client_id)
    REFERENCES clients (owner_key, id) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX client_secrets_organization_id_idx ON client_secrets (organization_id, client_id);
CREATE INDEX client_secrets_client_idx ON client_secrets (owner_key, client_id);
-- At most one secret without an end: of two rotations at once one waits for the other.
CREATE UNIQUE INDEX client_secrets_one_current ON client_secrets (client_id) WHERE expires_at IS NULL;

-- Assertions (private_key_jwt) that were presented: each opens the door once.
CREATE TABLE client_assertions (
  client_id  uuid NOT NULL REFERENCES clients (id) ON DELETE CASCADE ON UPDATE CASCADE,
  jti_hash   bytea NOT NULL,                   -- SHA-256
  expires_at timestamptz NOT NULL,
  CONSTRAINT client_assertions_pkey PRIMARY KEY (client_id, jti_hash),
  CONSTRAINT client_assertions_hash_size CHECK (octet_length(jti_hash) = 32)
);
CREATE INDEX client_assertions_expires_at_idx ON client_assertions (expires_at);

-- Revocations ---------------------------------------------------------------------------------------------------------

-- The organization in which the cause lies, where it lies in one: its clients are told, also of somebody who has left.
ALTER TABLE revocations ADD COLUMN caused_in uuid
  DEFAULT NULLIF(current_setting('app.current_org_id', true), '')::uuid;
ALTER TABLE revocations ADD COLUMN not_before timestamptz;
ALTER TABLE revocations DROP CONSTRAINT revocations_kind_known;
ALTER TABLE revocations ADD CONSTRAINT revocations_kind_known CHECK (
  (kind = 'session' AND epoch IS NULL AND state IS NULL AND not_before IS NULL)
  OR (kind IN ('user', 'client') AND epoch IS NOT NULL AND state IS NULL AND not_before IS NULL)
  OR (kind = 'organization' AND epoch IS NULL AND state IN ('active', 'suspended') AND not_before IS NULL)
  OR (kind = 'everything' AND epoch IS NULL AND state IS NULL AND not_before IS NOT NULL
    AND subject = '00000000-0000-0000-0000-000000000000'));

-- Only after a restored backup may epochs jump: past all that were ever handed out. Operators do that, as the system.
CREATE OR REPLACE FUNCTION users_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.epoch < OLD.epoch
    OR (NEW.epoch > OLD.epoch + 1 AND NOT pg_has_role(current_user, 'tenantry_system', 'USAGE')) THEN
    RAISE EXCEPTION 'an epoch only goes up, by one' USING ERRCODE = 'check_violation';
  END IF;
  IF NULLIF(current_setting('app.current_org_id', true), '') IS NOT NULL
    AND (to_jsonb(NEW) - 'epoch') IS DISTINCT FROM (to_jsonb(OLD) - 'epoch') THEN
    RAISE EXCEPTION 'an organization changes nothing of a person but the epoch' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION clients_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.epoch < OLD.epoch
    OR (NEW.epoch > OLD.epoch + 1 AND NOT pg_has_role(current_user, 'tenantry_system', 'USAGE')) THEN
    RAISE EXCEPTION 'an epoch only goes up, by one' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER clients_guard BEFORE UPDATE ON clients FOR EACH ROW EXECUTE FUNCTION clients_guard();

-- Volatile, so that it sees the epoch that the same statement has just raised. Null for one out of sight.
CREATE FUNCTION client_epoch_now(wanted uuid) RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN (SELECT c.epoch FROM public.clients c WHERE c.id = wanted);
END $$;

-- Row-level security -------------------------------------------------------------------------------------------------

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['clients', 'client_secrets', 'client_assertions'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY system_all ON %I TO tenantry_system USING (true) WITH CHECK (true)', t);
  END LOOP;
  FOREACH t IN ARRAY ARRAY['clients', 'client_secrets'] LOOP
    EXECUTE format($policy$CREATE POLICY organization_rows ON %I TO tenantry_app
      USING (organization_id = (SELECT NULLIF(current_setting('app.current_org_id', true), '')::uuid))
      WITH CHECK (organization_id = (SELECT NULLIF(current_setting('app.current_org_id', true), '')::uuid))$policy$, t);
  END LOOP;
END $$;

ALTER POLICY raise ON revocations
  WITH CHECK (caused_in IS NOT DISTINCT FROM NULLIF(current_setting('app.current_org_id', true), '')::uuid
    AND CASE kind
    WHEN 'session' THEN EXISTS (SELECT FROM sessions s WHERE s.id = subject)
    WHEN 'user' THEN epoch = epoch_now(subject)
    WHEN 'client' THEN epoch = client_epoch_now(subject)
    WHEN 'organization' THEN state = 'suspended'
      AND subject = (SELECT NULLIF(current_setting('app.current_org_id', true), '')::uuid)
    ELSE false END);

-- Grants: a secret's hash is the system's alone. -------------------------------------------------------------------------

GRANT SELECT, INSERT, UPDATE, DELETE ON clients, client_secrets, client_assertions TO tenantry_system;
GRANT SELECT, DELETE,
  INSERT (id, organization_id, owner_key, name, description, permissions, audience, authentication, jwks, created_by),
  UPDATE (name, description, permissions, audience, jwks, status, epoch, updated_at) ON clients TO tenantry_app;
GRANT SELECT (id, organization_id, owner_key, client_id, created_at, expires_at),
  INSERT (id, organization_id, owner_key, client_id, hash), UPDATE (expires_at), DELETE ON client_secrets TO tenantry_app;
