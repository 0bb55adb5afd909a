-- Registrations that wait for the proof of their mailbox (REGISTRATION_MODE=verified). No user exists before the proof, so
-- no other table refers to such a row. The version before does not use the table.
--
-- E-mail, name and organization are sealed. The password is stored as a hash, as in `passwords`. The hashes of token and
-- code are those of one_time_tokens: the mail has both, and they are made when the mail is sent.
CREATE TABLE registrations (
  id                  uuid PRIMARY KEY,
  email_sealed        bytea NOT NULL,
  email_lookup        bytea NOT NULL,
  name_sealed         bytea NOT NULL,
  organization_sealed bytea,                   -- null: the person wants no organization
  password_hash       text NOT NULL,
  locale              text,                    -- null: the language is unknown
  token_hash          bytea,                   -- null until the mail is made
  code_hash           bytea,
  wrong_codes         smallint NOT NULL DEFAULT 0,
  created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at          timestamptz NOT NULL,
  code_expires_at     timestamptz,
  CONSTRAINT registrations_sealed_sizes CHECK (octet_length(email_sealed) <= 400 AND octet_length(name_sealed) <= 600
    AND octet_length(organization_sealed) <= 1000),
  CONSTRAINT registrations_lookup_whole CHECK (octet_length(email_lookup) = 32),
  CONSTRAINT registrations_hashes CHECK (octet_length(token_hash) = 32 AND octet_length(code_hash) = 32),
  CONSTRAINT registrations_proof_whole CHECK (num_nonnulls(token_hash, code_hash, code_expires_at) IN (0, 3)),
  CONSTRAINT registrations_wrong_codes_counted CHECK (wrong_codes BETWEEN 0 AND 5)
);
CREATE UNIQUE INDEX registrations_token_hash_key ON registrations (token_hash);
CREATE INDEX registrations_email_lookup_idx ON registrations (email_lookup, created_at);
CREATE INDEX registrations_expires_at_idx ON registrations (expires_at);

ALTER TABLE registrations ENABLE ROW LEVEL SECURITY;
ALTER TABLE registrations FORCE ROW LEVEL SECURITY;
CREATE POLICY system_all ON registrations TO tenantry_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON registrations TO tenantry_system;
