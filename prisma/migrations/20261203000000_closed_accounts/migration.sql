-- The row of a closed account stays without personal data, so that events and other rows still have their user. Existing
-- rows are not checked: none is closed.
--
-- The version before finds no closed account by its e-mail, refuses it as it refuses a disabled one, and cannot enable it:
-- an active row without an e-mail is refused.
ALTER TABLE users
  DROP CONSTRAINT users_status_known,
  DROP CONSTRAINT users_email_stored,
  DROP CONSTRAINT users_name_stored,
  ADD CONSTRAINT users_status_known CHECK (status IN ('active', 'disabled', 'closed')) NOT VALID,
  ADD CONSTRAINT users_email_stored CHECK (status = 'closed' OR email_sealed IS NOT NULL AND email_lookup IS NOT NULL
    OR email IS NOT NULL AND email_key IS NOT NULL) NOT VALID,
  ADD CONSTRAINT users_name_stored CHECK (status = 'closed' OR name_sealed IS NOT NULL OR name IS NOT NULL) NOT VALID,
  ADD CONSTRAINT users_closed_empty CHECK (status <> 'closed' OR num_nonnulls(email, email_key, name, email_sealed,
    email_lookup, name_sealed) = 0) NOT VALID;
