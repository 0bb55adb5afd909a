-- The session that asked for something is known when the link of the mail is used: a change of the address keeps this
-- session. It may have ended and be removed meanwhile. The version before does not read or write the column.
ALTER TABLE one_time_tokens ADD COLUMN session_id uuid;

-- Changes of an address that were undone, with each address that the account must not ask for again. Only keyed hashes
-- are stored.
CREATE TABLE email_reverts (
  id             uuid PRIMARY KEY,
  user_id        uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE ON UPDATE CASCADE,
  address_lookup bytea,                        -- null: the account had the former address again already
  undone_since   timestamptz NOT NULL,         -- the first change that was undone; all later ones are undone, too
  created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT email_reverts_address_whole CHECK (octet_length(address_lookup) = 32)
);
CREATE INDEX email_reverts_user_id_idx ON email_reverts (user_id);

ALTER TABLE email_reverts ENABLE ROW LEVEL SECURITY;
ALTER TABLE email_reverts FORCE ROW LEVEL SECURITY;
CREATE POLICY system_all ON email_reverts TO tenantry_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, DELETE ON email_reverts TO tenantry_system;
