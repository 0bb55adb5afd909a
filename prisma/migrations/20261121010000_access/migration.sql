-- Invitations, the outbox, the platform's administrators; and narrower rights for what the first tables left wide.

-- The role that makes its holder an owner: an organization keeps at least one active member who holds such a role
-- everywhere. Only system roles can be of that kind.
ALTER TABLE roles ADD COLUMN ownership boolean NOT NULL DEFAULT false;
ALTER TABLE roles ADD CONSTRAINT roles_ownership_is_the_systems CHECK (NOT ownership OR organization_id IS NULL);
UPDATE roles SET ownership = true WHERE organization_id IS NULL AND name = 'owner';
-- Every permission is `resource:action`, whoever writes it. The last line keeps one from being two with a blank between.
ALTER TABLE roles ADD CONSTRAINT roles_permissions_shape CHECK (
  array_position(permissions, NULL) IS NULL
  AND array_to_string(permissions, ' ')
    ~ '^(([a-z][a-z0-9_-]{0,39}|\*):([a-z][a-z0-9_-]{0,39}|\*)( (?=.)|$))*$'
  AND permissions = string_to_array(array_to_string(permissions, ' '), ' '));
ALTER TABLE roles ADD CONSTRAINT roles_size
  CHECK (cardinality(permissions) <= 1000 AND octet_length(name) <= 40 AND octet_length(description) <= 2000);

-- When an account that was never proven was handed to whoever proved its mailbox: older memberships come after newer ones.
ALTER TABLE users ADD COLUMN claimed_at timestamptz(3);

-- Invitations ---------------------------------------------------------------------------------------------------------

CREATE TABLE invitations (
  id              uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE ON UPDATE CASCADE,
  email           text NOT NULL,               -- as it was typed: where the mail goes
  email_key       text NOT NULL,               -- canonical form, for comparing
  status          text NOT NULL DEFAULT 'pending',
  token_hash      bytea,                       -- SHA-256 of the token of the last mail; null until one was made
  expires_at      timestamptz(3) NOT NULL,
  invited_by      uuid,                        -- the member whose rights are judged again at acceptance; null: an operator
  created_at      timestamptz(3) NOT NULL DEFAULT now(),
  updated_at      timestamptz(3) NOT NULL DEFAULT now(),
  accepted_by     uuid,
  CONSTRAINT invitations_status_known CHECK (status IN ('pending', 'accepted', 'revoked')),
  CONSTRAINT invitations_email_size CHECK (octet_length(email) <= 320 AND octet_length(email_key) <= 320),
  CONSTRAINT invitations_token_hash_size CHECK (octet_length(token_hash) = 32),
  CONSTRAINT invitations_accepted_whole CHECK ((status = 'accepted') = (accepted_by IS NOT NULL))
);
CREATE UNIQUE INDEX invitations_organization_id_id_key ON invitations (organization_id, id);
CREATE UNIQUE INDEX invitations_token_hash_key ON invitations (token_hash);
CREATE UNIQUE INDEX invitations_one_pending ON invitations (organization_id, email_key) WHERE status = 'pending';
CREATE INDEX invitations_organization_id_idx ON invitations (organization_id, status, created_at, id);
-- What an account has sent, wherever: it ends when the account is claimed.
CREATE INDEX invitations_invited_by_idx ON invitations (invited_by) WHERE status = 'pending';

CREATE TABLE invitation_roles (
  organization_id uuid NOT NULL,
  invitation_id   uuid NOT NULL,
  role_id         uuid NOT NULL,
  role_owner_key  uuid NOT NULL,
  scope           jsonb NOT NULL DEFAULT '{}',
  CONSTRAINT invitation_roles_pkey PRIMARY KEY (organization_id, invitation_id, role_id, scope),
  CONSTRAINT invitation_roles_role_of_this_organization
    CHECK (role_owner_key IN (organization_id, '00000000-0000-0000-0000-000000000000'::uuid)),
  CONSTRAINT invitation_roles_scope_object CHECK (jsonb_typeof(scope) = 'object' AND octet_length(scope::text) <= 2048),
  CONSTRAINT invitation_roles_organization_id_invitation_id_fkey FOREIGN KEY (organization_id, invitation_id)
    REFERENCES invitations (organization_id, id) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT invitation_roles_role_owner_key_role_id_fkey FOREIGN KEY (role_owner_key, role_id)
    REFERENCES roles (owner_key, id) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX invitation_roles_role_idx ON invitation_roles (role_owner_key, role_id);

-- What must happen after a commit, written with its cause. It names what it is about and holds no secret: a token is
-- made when its mail is, so that nothing redeemable is ever at rest. Kept a while after it was done, to count by: also
-- beyond the organization, hence without a foreign key, or deleting one would give an address' mails back.
CREATE TABLE outbox (
  id              uuid PRIMARY KEY,
  organization_id uuid NOT NULL,
  kind            text NOT NULL,
  subject_id      uuid NOT NULL,
  recipient_key   text NOT NULL,               -- canonical e-mail, for the budgets
  actor_id        uuid,                        -- who caused it, for the budgets; null: an operator
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  due_at          timestamptz DEFAULT clock_timestamp(), -- null: done, or given up
  attempts        integer NOT NULL DEFAULT 0,
  done_at         timestamptz,
  failure         text,                        -- the last one, without addresses
  CONSTRAINT outbox_kind_known CHECK (kind IN ('invitation'))
);
CREATE INDEX outbox_organization_id_idx ON outbox (organization_id, created_at);
CREATE INDEX outbox_recipient_key_idx ON outbox (recipient_key, created_at);
CREATE INDEX outbox_actor_id_idx ON outbox (actor_id, created_at);
CREATE INDEX outbox_due_at_idx ON outbox (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX outbox_created_at_idx ON outbox (created_at);

-- Who may look across organizations over HTTP. Written by operators only.
CREATE TABLE platform_administrators (
  user_id    uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE ON UPDATE CASCADE,
  granted_at timestamptz(3) NOT NULL DEFAULT now()
);

-- Which transaction wrote a revocation. Rows become visible when they are committed, not when they are stamped: who reads
-- on from the oldest transaction that was still running at the last reading misses none, however long it took.
ALTER TABLE revocations ADD COLUMN tx bigint NOT NULL DEFAULT (pg_current_xact_id()::text)::bigint;
CREATE INDEX revocations_tx_id_idx ON revocations (tx, id);
CREATE INDEX revocations_organization_idx ON revocations (subject, at) WHERE kind = 'organization';

-- Lists and searches -------------------------------------------------------------------------------------------------

CREATE INDEX memberships_joined_at_idx ON memberships (organization_id, joined_at, user_id);
CREATE INDEX organizations_status_idx ON organizations (status, id);
CREATE INDEX organizations_slug_search_idx ON organizations (lower(slug) text_pattern_ops);
-- A database of locale C knows the cases of ASCII only; the root collation of ICU knows those of all letters.
CREATE INDEX organizations_name_search_idx ON organizations (lower(name COLLATE "und-x-icu") text_pattern_ops);

-- Row-level security -------------------------------------------------------------------------------------------------

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['invitations', 'invitation_roles', 'outbox', 'platform_administrators'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY system_all ON %I TO tenantry_system USING (true) WITH CHECK (true)', t);
  END LOOP;
  FOREACH t IN ARRAY ARRAY['invitations', 'invitation_roles', 'outbox'] LOOP
    EXECUTE format($policy$CREATE POLICY organization_rows ON %I TO tenantry_app
      USING (organization_id = (SELECT NULLIF(current_setting('app.current_org_id', true), '')::uuid))
      WITH CHECK (organization_id = (SELECT NULLIF(current_setting('app.current_org_id', true), '')::uuid))$policy$, t);
  END LOOP;
END $$;

-- An organization makes nobody a member but the user on whose behalf the transaction runs: otherwise it could read
-- anybody's name by inserting a membership first.
CREATE POLICY joins_by_oneself ON memberships AS RESTRICTIVE FOR INSERT TO tenantry_app
  WITH CHECK (user_id = (SELECT NULLIF(current_setting('app.current_user_id', true), '')::uuid));
-- Of its members an organization changes one thing: the epoch, so that their older access tokens stop working.
CREATE POLICY members_epoch ON users FOR UPDATE TO tenantry_app
  USING ((SELECT count(*) FROM memberships m WHERE m.user_id = users.id
    AND m.organization_id = (SELECT NULLIF(current_setting('app.current_org_id', true), '')::uuid)) > 0)
  WITH CHECK ((SELECT count(*) FROM memberships m WHERE m.user_id = users.id
    AND m.organization_id = (SELECT NULLIF(current_setting('app.current_org_id', true), '')::uuid)) > 0);
-- Counting is one look into an index for each user; of EXISTS PostgreSQL makes a hash of all members to look at one.
ALTER POLICY members ON users
  USING ((SELECT count(*) FROM memberships m WHERE m.user_id = users.id
    AND m.organization_id = (SELECT NULLIF(current_setting('app.current_org_id', true), '')::uuid)) > 0);

CREATE FUNCTION users_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.epoch NOT IN (OLD.epoch, OLD.epoch + 1) THEN
    RAISE EXCEPTION 'an epoch only goes up, by one' USING ERRCODE = 'check_violation';
  END IF;
  IF NULLIF(current_setting('app.current_org_id', true), '') IS NOT NULL
    AND (to_jsonb(NEW) - 'epoch') IS DISTINCT FROM (to_jsonb(OLD) - 'epoch') THEN
    RAISE EXCEPTION 'an organization changes nothing of a person but the epoch' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER users_guard BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION users_guard();

-- Volatile, so that it sees the epoch that the same statement has just raised. Null for somebody out of sight.
CREATE FUNCTION epoch_now(wanted uuid) RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN (SELECT u.epoch FROM public.users u WHERE u.id = wanted);
END $$;
-- A revocation says what is so: the epoch that a user has, and of an organization only that its tokens are refused.
ALTER POLICY raise ON revocations
  WITH CHECK (CASE kind
    WHEN 'session' THEN EXISTS (SELECT FROM sessions s WHERE s.id = subject)
    WHEN 'user' THEN epoch = epoch_now(subject)
    WHEN 'organization' THEN state = 'suspended'
      AND subject = (SELECT NULLIF(current_setting('app.current_org_id', true), '')::uuid)
    ELSE false END);

-- A token ends with every change of its invitation but the one that makes it, so that whoever changes an invitation
-- need neither see nor write a token.
CREATE FUNCTION invitations_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.token_hash IS NOT DISTINCT FROM OLD.token_hash THEN
    NEW.token_hash := NULL;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER invitations_guard BEFORE UPDATE ON invitations FOR EACH ROW EXECUTE FUNCTION invitations_guard();

-- Grants: what the service does, column by column where a row holds more than one kind of thing. ----------------------

REVOKE INSERT, UPDATE, DELETE ON users FROM tenantry_app;
GRANT UPDATE (name, epoch, updated_at) ON users TO tenantry_app;
REVOKE UPDATE ON memberships, organizations FROM tenantry_app;
GRANT UPDATE (status) ON memberships TO tenantry_app;
GRANT UPDATE (name, settings, updated_at) ON organizations TO tenantry_app;
REVOKE INSERT, UPDATE ON sessions FROM tenantry_app;
GRANT UPDATE (revoked_at, revoked_reason) ON sessions TO tenantry_app;
REVOKE UPDATE, DELETE ON subscriptions FROM tenantry_app;
REVOKE INSERT, UPDATE ON passwords FROM tenantry_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON invitations, invitation_roles TO tenantry_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON invitation_roles TO tenantry_app;
-- A token's hash is the system's alone: with one of its own choice an organization would prove anybody's mailbox.
GRANT SELECT (id, organization_id, email, email_key, status, expires_at, invited_by, created_at, updated_at, accepted_by),
  INSERT (id, organization_id, email, email_key, expires_at, invited_by),
  UPDATE (email, status, expires_at, invited_by, updated_at), DELETE ON invitations TO tenantry_app;
-- When a mail was asked for, and what became of it, counts for every organization.
GRANT SELECT, INSERT (id, organization_id, kind, subject_id, recipient_key, actor_id) ON outbox TO tenantry_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox, platform_administrators TO tenantry_system;
