-- Epochs of memberships, and budgets of the changes that raise them. What happens in one organization makes the tokens of
-- that organization stale, and no other tokens of the person.
--
-- The epochs of a user and of the user's memberships come from one counter: the epoch of a membership is the value that
-- the user's epoch got at the last change of the membership. So a membership that begins again never has an epoch below
-- one that was revoked, and a token without an epoch of its membership can be judged by its epoch.
--
-- The version before goes on working beside this. It raises the user's epoch alone, which refuses all of the user's
-- tokens. It reads a change of a membership as a change of the user, which refuses more.

ALTER TABLE memberships
  ADD COLUMN epoch integer NOT NULL DEFAULT 0,
  ADD COLUMN changes_paid_until timestamptz;   -- the budget of changes by others; null or past: the budget is whole
ALTER TABLE organizations
  ADD COLUMN role_changes_paid_until timestamptz;

-- Null: a change of the person, or by the version before.
ALTER TABLE revocations ADD COLUMN membership_organization_id uuid;
-- Not valid: no row has the new column yet, so nothing is looked through.
ALTER TABLE revocations ADD CONSTRAINT revocations_membership_of_user
  CHECK (membership_organization_id IS NULL OR kind = 'user') NOT VALID;
-- Introspection asks what has raised the epoch of a user since a token was issued.
CREATE INDEX revocations_user_idx ON revocations (subject, epoch) WHERE kind = 'user';

-- A membership begins at the user's epoch, also one that the version before inserts. Later its epoch only goes up, at most
-- to the user's.
CREATE FUNCTION memberships_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    NEW.epoch := coalesce(public.epoch_now(NEW.user_id), 0);
  ELSIF NEW.epoch < OLD.epoch OR NEW.epoch > coalesce(public.epoch_now(NEW.user_id), 0) THEN
    RAISE EXCEPTION 'the epoch of a membership only goes up, to that of its user' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER memberships_guard BEFORE INSERT ON memberships FOR EACH ROW EXECUTE FUNCTION memberships_guard();
CREATE TRIGGER memberships_guard_epoch BEFORE UPDATE OF epoch ON memberships FOR EACH ROW
  WHEN (NEW.epoch <> OLD.epoch) EXECUTE FUNCTION memberships_guard();

CREATE FUNCTION membership_epoch_now(organization uuid, person uuid) RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN (SELECT m.epoch FROM public.memberships m WHERE m.organization_id = organization AND m.user_id = person);
END $$;

-- An organization names only memberships of its own.
ALTER POLICY raise ON revocations
  WITH CHECK (caused_in IS NOT DISTINCT FROM NULLIF(current_setting('app.current_org_id', true), '')::uuid
    AND (membership_organization_id IS NULL
      OR membership_organization_id = (SELECT NULLIF(current_setting('app.current_org_id', true), '')::uuid)
        AND epoch = membership_epoch_now(membership_organization_id, subject))
    AND CASE kind
    WHEN 'session' THEN EXISTS (SELECT FROM sessions s WHERE s.id = subject)
    WHEN 'user' THEN epoch = epoch_now(subject)
    WHEN 'client' THEN epoch = client_epoch_now(subject)
    WHEN 'organization' THEN state = 'suspended'
      AND subject = (SELECT NULLIF(current_setting('app.current_org_id', true), '')::uuid)
    ELSE false END);

GRANT INSERT (membership_organization_id) ON revocations TO tenantry_app;
GRANT UPDATE (epoch, changes_paid_until) ON memberships TO tenantry_app;
GRANT UPDATE (role_changes_paid_until) ON organizations TO tenantry_app;
