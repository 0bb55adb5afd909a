-- The outbox holds mails of every kind. The version before goes on working beside this: what it writes has the defaults,
-- and it is kept off the kinds that it does not know.

ALTER TABLE outbox
  ALTER COLUMN organization_id DROP NOT NULL,  -- null: a mail to a person, of no organization
  ALTER COLUMN recipient_key DROP NOT NULL,    -- null: counts in no budget of an address
  ADD COLUMN user_id uuid,                     -- whom it is to, where that is somebody with an account
  ADD COLUMN dedupe_key text,                  -- what has this key is asked for once, as long as the row is kept
  ADD COLUMN tried_at timestamptz,             -- when it was taken last; with attempts it says whose claim this is
  ADD COLUMN outcome text;                     -- of what is done; null there: sent, by the version before

ALTER TABLE outbox DROP CONSTRAINT outbox_kind_known;
-- Not valid: what is there was held to a narrower rule, so nothing is looked through.
ALTER TABLE outbox
  ADD CONSTRAINT outbox_kind_shape CHECK (kind ~ '^[a-z][a-z0-9_]{0,39}$') NOT VALID,
  ADD CONSTRAINT outbox_outcome_known
    CHECK (outcome IN ('sent', 'unwanted', 'dropped') AND done_at IS NOT NULL OR outcome IS NULL) NOT VALID,
  ADD CONSTRAINT outbox_size CHECK (octet_length(dedupe_key) <= 200 AND octet_length(failure) <= 400) NOT VALID;

-- By organization: none can take a key from another.
CREATE UNIQUE INDEX outbox_dedupe_key ON outbox (organization_id, kind, dedupe_key) NULLS NOT DISTINCT
  WHERE dedupe_key IS NOT NULL;

-- The version before takes whatever is due, and would settle another kind as an invitation that has ended. It does not
-- say when it has taken a row: then it gets none of them.
CREATE FUNCTION outbox_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RETURN NULL;
END $$;
CREATE TRIGGER outbox_guard BEFORE UPDATE OF attempts ON outbox FOR EACH ROW
  WHEN (OLD.kind <> 'invitation' AND NEW.attempts > OLD.attempts AND NEW.tried_at IS NOT DISTINCT FROM OLD.tried_at)
  EXECUTE FUNCTION outbox_guard();

-- Row-level security is that of the table: an organization's rows are its own, and those of none are the system's alone.
GRANT INSERT (user_id, dedupe_key) ON outbox TO tenantry_app;
