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
-- The rows that are not sealed yet. Once there are none, the index is empty.
CREATE INDEX invitations_unsealed_idx ON invitations (id) WHERE email_sealed IS NULL OR email_lookup IS NULL;

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

GRANT SELECT (email_sealed, email_lookup), INSERT (email_sealed, email_lookup), UPDATE (email_sealed)
  ON invitations TO tenantry_app;

-- Rows in clear have to be sealed, also when there is no user.
ALTER TABLE invitations NO FORCE ROW LEVEL SECURITY;
ALTER TABLE personal_data NO FORCE ROW LEVEL SECURITY;
UPDATE personal_data SET phase = 'expanding' WHERE EXISTS (SELECT FROM invitations);
ALTER TABLE invitations FORCE ROW LEVEL SECURITY;
ALTER TABLE personal_data FORCE ROW LEVEL SECURITY;
