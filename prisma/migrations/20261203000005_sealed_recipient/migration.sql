-- The receiver of a mail whose account is gone: address and language, sealed. It stays no longer than the mail needs it,
-- whichever version ends the mail.
ALTER TABLE outbox
  ADD COLUMN recipient_sealed bytea,
  ADD CONSTRAINT outbox_recipient_sealed_size CHECK (octet_length(recipient_sealed) <= 800) NOT VALID;

CREATE FUNCTION outbox_forget_recipient() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.recipient_sealed := NULL;
  RETURN NEW;
END $$;
CREATE TRIGGER outbox_forget_recipient BEFORE UPDATE ON outbox FOR EACH ROW
  WHEN (NEW.due_at IS NULL AND NEW.recipient_sealed IS NOT NULL) EXECUTE FUNCTION outbox_forget_recipient();
