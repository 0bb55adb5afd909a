ALTER TABLE outbox ADD COLUMN recipient_lookup bytea;
CREATE INDEX outbox_recipient_lookup_idx ON outbox (recipient_lookup, created_at);
-- The rows that are not sealed yet. Once there are none, the index is empty.
CREATE INDEX outbox_unsealed_idx ON outbox (id) WHERE recipient_key IS NOT NULL AND recipient_lookup IS NULL;

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

GRANT INSERT (recipient_lookup) ON outbox TO tenantry_app;

-- Rows in clear have to be sealed, also when there is no user.
ALTER TABLE outbox NO FORCE ROW LEVEL SECURITY;
ALTER TABLE personal_data NO FORCE ROW LEVEL SECURITY;
UPDATE personal_data SET phase = 'expanding' WHERE EXISTS (SELECT FROM outbox WHERE recipient_key IS NOT NULL);
ALTER TABLE outbox FORCE ROW LEVEL SECURITY;
ALTER TABLE personal_data FORCE ROW LEVEL SECURITY;
