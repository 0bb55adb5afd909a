-- Roles whose change has not yet reached all of their members. A role that many members have is changed in one short
-- transaction. Then the epochs of its members are raised in slices, each in its own transaction, and the row says how far
-- that has got. So a change that a crash interrupts is finished by any process.
--
-- The version before changes such a role in one transaction, and knows nothing of the table.

CREATE TABLE unfinished_role_changes (
  id              uuid NOT NULL,
  organization_id uuid REFERENCES organizations (id) ON DELETE CASCADE ON UPDATE CASCADE, -- null: a system role
  role_owner_key  uuid NOT NULL,
  role_id         uuid NOT NULL,   -- no foreign key: a role may be deleted, and then it has no members
  after_user_id   uuid NOT NULL,   -- the members up to this user are done
  advanced_at     timestamptz(6) NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT unfinished_role_changes_pkey PRIMARY KEY (id)
);
CREATE UNIQUE INDEX unfinished_role_changes_role_key ON unfinished_role_changes (role_owner_key, role_id);
CREATE INDEX unfinished_role_changes_organization_id_idx ON unfinished_role_changes (organization_id);

ALTER TABLE unfinished_role_changes ENABLE ROW LEVEL SECURITY;
ALTER TABLE unfinished_role_changes FORCE ROW LEVEL SECURITY;
CREATE POLICY system_all ON unfinished_role_changes TO tenantry_system USING (true) WITH CHECK (true);
CREATE POLICY organization_rows ON unfinished_role_changes TO tenantry_app
  USING (organization_id = (SELECT NULLIF(current_setting('app.current_org_id', true), '')::uuid))
  WITH CHECK (organization_id = (SELECT NULLIF(current_setting('app.current_org_id', true), '')::uuid)
    AND role_owner_key = organization_id);

GRANT SELECT, INSERT, UPDATE, DELETE ON unfinished_role_changes TO tenantry_system;
GRANT SELECT, INSERT, UPDATE (after_user_id, advanced_at) ON unfinished_role_changes TO tenantry_app;
