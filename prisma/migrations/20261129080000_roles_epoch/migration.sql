-- The epoch of the roles of an organization. It rises when a role that more than 500 members have is changed. One row of
-- `revocations` then refuses the older tokens that name the role, so the change is seen as one. The `subject` and the
-- `membership_organization_id` of this row are both the organization.
--
-- The previous version continues to work beside this. It reads the row as a change of a user, whom nobody has. Its tokens have no
-- epoch of the roles, and are not judged by it. For both, the epochs of the memberships are still raised one after another.

ALTER TABLE organizations ADD COLUMN roles_epoch integer NOT NULL DEFAULT 0;
GRANT UPDATE (roles_epoch) ON organizations TO tenantry_app;

-- The name of the role before the change, as older tokens have it. Null for every other row.
ALTER TABLE revocations ADD COLUMN role_name text;
-- Not valid: no row has the new column yet, so nothing is looked through.
ALTER TABLE revocations ADD CONSTRAINT revocations_role_of_organization
  CHECK (role_name IS NULL OR (kind = 'user' AND membership_organization_id IS NOT NULL
    AND subject = membership_organization_id)) NOT VALID;
GRANT INSERT (role_name) ON revocations TO tenantry_app;

-- It only goes up, in an organization by one, so a token never has an epoch that a later change does not exceed.
CREATE FUNCTION organizations_guard_roles_epoch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the epoch of the roles only goes up, by one' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER organizations_guard_roles_epoch BEFORE UPDATE OF roles_epoch ON organizations FOR EACH ROW
  WHEN (NEW.roles_epoch < OLD.roles_epoch OR NEW.roles_epoch > OLD.roles_epoch + 1
    AND NULLIF(current_setting('app.current_org_id', true), '') IS NOT NULL)
  EXECUTE FUNCTION organizations_guard_roles_epoch();

CREATE FUNCTION roles_epoch_now(organization uuid) RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN (SELECT o.roles_epoch FROM public.organizations o WHERE o.id = organization);
END $$;

-- An organization names only memberships and roles of its own.
ALTER POLICY raise ON revocations
  WITH CHECK (caused_in IS NOT DISTINCT FROM NULLIF(current_setting('app.current_org_id', true), '')::uuid
    AND (membership_organization_id IS NULL
      OR membership_organization_id = (SELECT NULLIF(current_setting('app.current_org_id', true), '')::uuid)
        AND epoch = CASE WHEN role_name IS NULL THEN membership_epoch_now(membership_organization_id, subject)
          ELSE roles_epoch_now(membership_organization_id) END)
    AND CASE kind
    WHEN 'session' THEN EXISTS (SELECT FROM sessions s WHERE s.id = subject)
    WHEN 'user' THEN role_name IS NOT NULL OR epoch = epoch_now(subject)
    WHEN 'client' THEN epoch = client_epoch_now(subject)
    WHEN 'organization' THEN state = 'suspended'
      AND subject = (SELECT NULLIF(current_setting('app.current_org_id', true), '')::uuid)
    ELSE false END);
