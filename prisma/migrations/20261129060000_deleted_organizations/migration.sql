-- Deleting an organization marks its row in one short transaction, which ends it for everybody. Its rows are removed
-- afterwards in portions, and the marked row last: one statement for a hundred thousand members would run into its time
-- limit.
--
-- For the version before, a marked organization is a suspended one. It refuses it in the same way, cannot activate it,
-- and does not find it under its former slug, which is free again.

ALTER TABLE organizations ADD COLUMN deleted_at timestamptz;

-- The rest of the mark. Afterwards nothing about the row changes, whoever asks.
CREATE FUNCTION organizations_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.deleted_at IS NOT NULL THEN
    RETURN NULL;
  END IF;
  NEW.status := 'suspended';
  NEW.slug := 'deleted-' || gen_random_uuid(); -- nobody can take it before
  RETURN NEW;
END $$;
CREATE TRIGGER organizations_guard BEFORE UPDATE ON organizations FOR EACH ROW
  WHEN (OLD.deleted_at IS NOT NULL OR NEW.deleted_at IS NOT NULL) EXECUTE FUNCTION organizations_guard();

GRANT UPDATE (deleted_at) ON organizations TO tenantry_app;
