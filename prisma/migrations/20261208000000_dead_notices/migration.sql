-- A mail to a former address has the link that takes the address back. An operator may retry such a mail after it was
-- given up, so it keeps its receiver until it is done, or until the service removes the receiver of an old mail. Any other
-- mail loses its receiver when it is given up, as before. The version before retries and removes these mails in the same
-- way.
CREATE OR REPLACE TRIGGER outbox_forget_recipient BEFORE UPDATE ON outbox FOR EACH ROW
  WHEN (NEW.recipient_sealed IS NOT NULL AND NEW.due_at IS NULL
    AND (NEW.done_at IS NOT NULL OR NEW.kind <> 'email_change_notice'))
  EXECUTE FUNCTION outbox_forget_recipient();

-- Finds the mails with a receiver: those about a person, and old ones.
CREATE INDEX outbox_recipient_sealed_idx ON outbox (subject_id) WHERE recipient_sealed IS NOT NULL;
