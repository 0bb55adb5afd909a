-- An operator may retry a dead mail. So a mail keeps its receiver until it is done or removed.
DROP TRIGGER outbox_forget_recipient ON outbox;
CREATE TRIGGER outbox_forget_recipient BEFORE UPDATE ON outbox FOR EACH ROW
  WHEN (NEW.done_at IS NOT NULL AND NEW.recipient_sealed IS NOT NULL) EXECUTE FUNCTION outbox_forget_recipient();
