-- Users, organizations, memberships, roles, sessions, subscriptions, events and revocations,
-- with row-level security from the start.
--
-- Two roles use these tables and own none of them:
--   tenantry_app     sees the rows of the organization named in app.current_org_id, or, when none is named,
--                    the own rows of the user named in app.current_user_id; with neither set it sees no row.
--   tenantry_system  looks across organizations (sign-in, refresh, jobs); has policies of its own, not BYPASSRLS.
-- Both may be login roles or groups that login roles are members of.

DO $$
DECLARE wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['tenantry_app', 'tenantry_system'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
      EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS', wanted);
    END IF;
  END LOOP;
END $$;

CREATE TABLE users (
  id             uuid PRIMARY KEY,
  email          text NOT NULL,               -- as it was typed, for display and for sending to
  email_key      text NOT NULL,               -- canonical form, for comparing
  name           text NOT NULL,
  email_verified_at timestamptz(3),
  status         text NOT NULL DEFAULT 'active',
  epoch          integer NOT NULL DEFAULT 0,  -- goes up when older access tokens must stop working
  created_at     timestamptz(3) NOT NULL DEFAULT now(),
  updated_at     timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT users_status_known CHECK (status IN ('active', 'disabled')),
  CONSTRAINT users_email_size CHECK (octet_length(email) <= 320 AND octet_length(email_key) <= 320)
);
CREATE UNIQUE INDEX users_email_key_key ON users (email_key);

-- Apart from users, so that no query of an organization can ever select a hash.
CREATE TABLE passwords (
  user_id    uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE ON UPDATE CASCADE,
  hash       text NOT NULL,
  changed_at timestamptz(3) NOT NULL DEFAULT now()
);

CREATE TABLE organizations (
  id         uuid PRIMARY KEY,
  name       text NOT NULL,
  slug       text NOT NULL,
  status     text NOT NULL DEFAULT 'active',
  settings   jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT organizations_status_known CHECK (status IN ('active', 'suspended')),
  CONSTRAINT organizations_slug_shape CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
  CONSTRAINT organizations_settings_object CHECK (jsonb_typeof(settings) = 'object' AND octet_length(settings::text) <= 32768)
);
CREATE UNIQUE INDEX organizations_slug_key ON organizations (slug);

CREATE TABLE memberships (
  organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE ON UPDATE CASCADE,
  user_id         uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE ON UPDATE CASCADE,
  status          text NOT NULL DEFAULT 'active',
  joined_at       timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT memberships_pkey PRIMARY KEY (organization_id, user_id),
  CONSTRAINT memberships_status_known CHECK (status IN ('active', 'suspended'))
);
CREATE INDEX memberships_user_id_idx ON memberships (user_id, organization_id);

-- owner_key is the organization, or the zero UUID for a system role. It makes one composite key of both kinds,
-- so that a foreign key can prove that an assignment uses a system role or a role of its own organization.
CREATE TABLE roles (
  id              uuid PRIMARY KEY,
  organization_id uuid REFERENCES organizations (id) ON DELETE CASCADE ON UPDATE CASCADE,
  owner_key       uuid NOT NULL,
  name            text NOT NULL,
  description     text NOT NULL DEFAULT '',
  level           integer NOT NULL,
  permissions     text[] NOT NULL,
  created_at      timestamptz(3) NOT NULL DEFAULT now(),
  updated_at      timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT roles_owner_key_agrees
    CHECK (owner_key = COALESCE(organization_id, '00000000-0000-0000-0000-000000000000'::uuid))
);
CREATE UNIQUE INDEX roles_owner_key_id_key ON roles (owner_key, id);
CREATE UNIQUE INDEX roles_owner_key_name_key ON roles (owner_key, name);
CREATE INDEX roles_organization_id_idx ON roles (organization_id, level);

CREATE TABLE role_assignments (
  id              uuid PRIMARY KEY,
  organization_id uuid NOT NULL,
  user_id         uuid NOT NULL,
  role_id         uuid NOT NULL,
  role_owner_key  uuid NOT NULL,
  scope           jsonb NOT NULL DEFAULT '{}', -- {} grants everywhere in the organization
  created_at      timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT role_assignments_role_of_this_organization
    CHECK (role_owner_key IN (organization_id, '00000000-0000-0000-0000-000000000000'::uuid)),
  CONSTRAINT role_assignments_scope_object CHECK (jsonb_typeof(scope) = 'object' AND octet_length(scope::text) <= 2048),
  CONSTRAINT role_assignments_organization_id_user_id_fkey FOREIGN KEY (organization_id, user_id)
    REFERENCES memberships (organization_id, user_id) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT role_assignments_role_owner_key_role_id_fkey FOREIGN KEY (role_owner_key, role_id)
    REFERENCES roles (owner_key, id) ON DELETE NO ACTION ON UPDATE CASCADE
);
CREATE UNIQUE INDEX role_assignments_once ON role_assignments (organization_id, user_id, role_id, scope);
CREATE INDEX role_assignments_user_id_idx ON role_assignments (user_id);
CREATE INDEX role_assignments_role_idx ON role_assignments (role_owner_key, role_id);

-- One signed-in device. Refresh tokens are not stored: confirmed, previous and successor hold identifiers (jti) only,
-- and the instants are kept to the microsecond because the next refresh token is signed again from them.
CREATE TABLE sessions (
  id               uuid PRIMARY KEY,
  user_id          uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE ON UPDATE CASCADE,
  organization_id  uuid,
  amr              text[] NOT NULL,
  user_agent       text,
  ip               text,
  created_at       timestamptz NOT NULL,
  last_seen_at     timestamptz NOT NULL,
  idle_expires_at  timestamptz NOT NULL,
  expires_at       timestamptz NOT NULL,
  revoked_at       timestamptz,
  revoked_reason   text,
  confirmed        uuid NOT NULL,
  confirmed_at     timestamptz NOT NULL,
  previous         uuid,
  successor        uuid,
  successor_at     timestamptz,
  CONSTRAINT sessions_successor_whole CHECK ((successor IS NULL) = (successor_at IS NULL)),
  CONSTRAINT sessions_revoked_whole CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL)),
  -- A removed member keeps the session, which then acts for no organization.
  CONSTRAINT sessions_organization_id_user_id_fkey FOREIGN KEY (organization_id, user_id)
    REFERENCES memberships (organization_id, user_id) ON DELETE SET NULL (organization_id) ON UPDATE CASCADE
);
CREATE INDEX sessions_organization_id_idx ON sessions (organization_id, user_id);
CREATE INDEX sessions_user_id_idx ON sessions (user_id, last_seen_at);
CREATE INDEX sessions_expires_at_idx ON sessions (idle_expires_at);
CREATE INDEX sessions_revoked_at_idx ON sessions (revoked_at);

CREATE TABLE subscriptions (
  organization_id uuid PRIMARY KEY REFERENCES organizations (id) ON DELETE CASCADE ON UPDATE CASCADE,
  plan            text NOT NULL,
  status          text NOT NULL,
  trial_ends_at   timestamptz(3),
  limits          jsonb NOT NULL,
  created_at      timestamptz(3) NOT NULL DEFAULT now(),
  updated_at      timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT subscriptions_status_known CHECK (status IN ('trialing', 'active', 'past_due', 'canceled')),
  CONSTRAINT subscriptions_limits_object CHECK (jsonb_typeof(limits) = 'object')
);

-- What happened, written in the transaction of its cause. It only grows, and outlives what it speaks of:
-- hence no foreign keys.
CREATE TABLE events (
  id              uuid PRIMARY KEY,
  organization_id uuid,
  type            text NOT NULL,
  actor_id        uuid,
  target_id       uuid,
  data            jsonb NOT NULL DEFAULT '{}',
  at              timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX events_organization_id_idx ON events (organization_id, at, id);

-- The sessions, users and organizations whose unexpired access tokens must be refused. Written in the transaction of
-- the cause; a row is of no use once the access tokens that it speaks of have expired.
CREATE TABLE revocations (
  id      uuid PRIMARY KEY,
  kind    text NOT NULL,
  subject uuid NOT NULL,
  epoch   integer,
  state   text,
  at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT revocations_kind_known CHECK (
    (kind = 'session' AND epoch IS NULL AND state IS NULL)
    OR (kind IN ('user', 'client') AND epoch IS NOT NULL AND state IS NULL)
    OR (kind = 'organization' AND epoch IS NULL AND state IN ('active', 'suspended')))
);
CREATE INDEX revocations_at_idx ON revocations (at);

-- Row-level security -------------------------------------------------------------------------------------------------

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['users', 'passwords', 'organizations', 'memberships', 'roles', 'role_assignments', 'sessions',
                           'subscriptions', 'events', 'revocations'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY system_all ON %I TO tenantry_system USING (true) WITH CHECK (true)', t);
  END LOOP;
  -- The rows of the organization that the transaction acts for.
  FOREACH t IN ARRAY ARRAY['memberships', 'role_assignments', 'sessions', 'subscriptions', 'events', 'roles'] LOOP
    EXECUTE format($policy$CREATE POLICY organization_rows ON %I TO tenantry_app
      USING (organization_id = (SELECT NULLIF(current_setting('app.current_org_id', true), '')::uuid))
      WITH CHECK (organization_id = (SELECT NULLIF(current_setting('app.current_org_id', true), '')::uuid))$policy$, t);
  END LOOP;
END $$;

CREATE POLICY organization_rows ON organizations TO tenantry_app
  USING (id = (SELECT NULLIF(current_setting('app.current_org_id', true), '')::uuid))
  WITH CHECK (id = (SELECT NULLIF(current_setting('app.current_org_id', true), '')::uuid));

-- System roles can be read by every organization, and by a user alone; written by none.
CREATE POLICY system_roles ON roles FOR SELECT TO tenantry_app
  USING (organization_id IS NULL AND (
    NULLIF(current_setting('app.current_org_id', true), '') IS NOT NULL
    OR NULLIF(current_setting('app.current_user_id', true), '') IS NOT NULL));

-- A user who acts for no organization sees what is theirs, wherever it is.
CREATE POLICY own_row ON users TO tenantry_app
  USING (id = (SELECT NULLIF(current_setting('app.current_user_id', true), '')::uuid))
  WITH CHECK (id = (SELECT NULLIF(current_setting('app.current_user_id', true), '')::uuid));
CREATE POLICY members ON users FOR SELECT TO tenantry_app
  USING (EXISTS (SELECT FROM memberships m WHERE m.user_id = users.id
    AND m.organization_id = (SELECT NULLIF(current_setting('app.current_org_id', true), '')::uuid)));
CREATE POLICY own_row ON passwords TO tenantry_app
  USING (user_id = (SELECT NULLIF(current_setting('app.current_user_id', true), '')::uuid))
  WITH CHECK (user_id = (SELECT NULLIF(current_setting('app.current_user_id', true), '')::uuid));
CREATE POLICY own_rows ON memberships FOR SELECT TO tenantry_app
  USING ((SELECT NULLIF(current_setting('app.current_org_id', true), '')) IS NULL
    AND user_id = (SELECT NULLIF(current_setting('app.current_user_id', true), '')::uuid));
CREATE POLICY own_rows ON role_assignments FOR SELECT TO tenantry_app
  USING ((SELECT NULLIF(current_setting('app.current_org_id', true), '')) IS NULL
    AND user_id = (SELECT NULLIF(current_setting('app.current_user_id', true), '')::uuid));
CREATE POLICY own_rows ON sessions TO tenantry_app
  USING ((SELECT NULLIF(current_setting('app.current_org_id', true), '')) IS NULL
    AND user_id = (SELECT NULLIF(current_setting('app.current_user_id', true), '')::uuid))
  WITH CHECK ((SELECT NULLIF(current_setting('app.current_org_id', true), '')) IS NULL
    AND user_id = (SELECT NULLIF(current_setting('app.current_user_id', true), '')::uuid));
-- What a user does to their own account or sessions is recorded for no organization, or for one of their own.
CREATE POLICY own_rows ON events FOR INSERT TO tenantry_app
  WITH CHECK ((organization_id IS NULL OR organization_id IN (SELECT m.organization_id FROM memberships m))
    AND (SELECT NULLIF(current_setting('app.current_org_id', true), '')) IS NULL
    AND actor_id = (SELECT NULLIF(current_setting('app.current_user_id', true), '')::uuid));
CREATE POLICY own_organizations ON organizations FOR SELECT TO tenantry_app
  USING ((SELECT NULLIF(current_setting('app.current_org_id', true), '')) IS NULL
    AND id IN (SELECT m.organization_id FROM memberships m
      WHERE m.user_id = (SELECT NULLIF(current_setting('app.current_user_id', true), '')::uuid)));
CREATE POLICY own_roles ON roles FOR SELECT TO tenantry_app
  USING ((SELECT NULLIF(current_setting('app.current_org_id', true), '')) IS NULL
    AND id IN (SELECT a.role_id FROM role_assignments a
      WHERE a.user_id = (SELECT NULLIF(current_setting('app.current_user_id', true), '')::uuid)));
-- A revocation may be raised for what can be seen, and read by nobody but the system.
CREATE POLICY raise ON revocations FOR INSERT TO tenantry_app
  WITH CHECK (CASE kind
    WHEN 'session' THEN EXISTS (SELECT FROM sessions s WHERE s.id = subject)
    WHEN 'user' THEN EXISTS (SELECT FROM users u WHERE u.id = subject)
    WHEN 'organization' THEN subject = (SELECT NULLIF(current_setting('app.current_org_id', true), '')::uuid)
    ELSE false END);

-- Grants: nothing is owned, nothing can be truncated, events are never changed. --------------------------------------

GRANT USAGE ON SCHEMA public TO tenantry_app, tenantry_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON users, organizations, memberships, roles, role_assignments, sessions, subscriptions
  TO tenantry_app, tenantry_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON passwords, revocations TO tenantry_system;
GRANT SELECT (user_id), INSERT, UPDATE ON passwords TO tenantry_app;
GRANT INSERT (id, kind, subject, epoch, state) ON revocations TO tenantry_app;
GRANT SELECT, INSERT ON events TO tenantry_app, tenantry_system;

-- The service checks at its start that the database is at its version. The table is not there in a shadow database.
DO $$
BEGIN
  IF to_regclass('public._prisma_migrations') IS NOT NULL THEN
    GRANT SELECT ON _prisma_migrations TO tenantry_app, tenantry_system;
  END IF;
END $$;
