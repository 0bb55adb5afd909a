-- One-time tokens and codes, which a mail carries: they prove an address, reset a password, change the address, or revert
-- such a change. Only hashes are stored. The SHA-256 of 256 random bits gives nothing away. A code has eight digits, so its
-- hash has a key that the database does not have. The version before does not use these tables.

CREATE TABLE one_time_tokens (
  id              uuid PRIMARY KEY,
  user_id         uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE ON UPDATE CASCADE,
  purpose         text NOT NULL,
  token_hash      bytea NOT NULL,
  code_hash       bytea,                       -- null: there is a link only
  wrong_codes     smallint NOT NULL DEFAULT 0,
  address_sealed  bytea,                       -- the address that it is about
  address_lookup  bytea,
  about_at        timestamptz NOT NULL,        -- when that happened which the mail is about
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at      timestamptz NOT NULL,
  code_expires_at timestamptz,
  used_at         timestamptz,
  ended_at        timestamptz,                 -- a newer one, or another change of the account, has ended it
  CONSTRAINT one_time_tokens_purpose_known
    CHECK (purpose IN ('verify_email', 'reset_password', 'change_email', 'revert_email')),
  CONSTRAINT one_time_tokens_hashes CHECK (octet_length(token_hash) = 32 AND octet_length(code_hash) = 32),
  CONSTRAINT one_time_tokens_code_whole CHECK ((code_hash IS NULL) = (code_expires_at IS NULL)),
  CONSTRAINT one_time_tokens_wrong_codes_counted CHECK (wrong_codes BETWEEN 0 AND 5),
  CONSTRAINT one_time_tokens_address_whole CHECK ((address_sealed IS NULL) = (address_lookup IS NULL)
    AND octet_length(address_sealed) <= 400 AND octet_length(address_lookup) = 32),
  CONSTRAINT one_time_tokens_one_end CHECK (used_at IS NULL OR ended_at IS NULL)
);
CREATE UNIQUE INDEX one_time_tokens_token_hash_key ON one_time_tokens (token_hash);
CREATE INDEX one_time_tokens_user_id_idx ON one_time_tokens (user_id, purpose);
CREATE INDEX one_time_tokens_expires_at_idx ON one_time_tokens (expires_at);
-- A newer one ends the older one. Every former address of an account has its own way back.
CREATE UNIQUE INDEX one_time_tokens_one_live ON one_time_tokens (user_id, purpose)
  WHERE used_at IS NULL AND ended_at IS NULL AND purpose <> 'revert_email';
CREATE UNIQUE INDEX one_time_tokens_one_live_revert ON one_time_tokens (user_id, address_lookup)
  WHERE used_at IS NULL AND ended_at IS NULL AND purpose = 'revert_email';
-- What is over and will be removed.
CREATE INDEX one_time_tokens_over_idx ON one_time_tokens (id) WHERE used_at IS NOT NULL OR ended_at IS NOT NULL;

-- The wrong codes of an account on one day, over all of its tokens.
CREATE TABLE one_time_code_failures (
  user_id uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE ON UPDATE CASCADE,
  day     date NOT NULL,                       -- in UTC
  wrong   integer NOT NULL,
  CONSTRAINT one_time_code_failures_counted CHECK (wrong > 0)
);
CREATE INDEX one_time_code_failures_day_idx ON one_time_code_failures (day);

ALTER TABLE one_time_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE one_time_tokens FORCE ROW LEVEL SECURITY;
CREATE POLICY system_all ON one_time_tokens TO tenantry_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON one_time_tokens TO tenantry_system;

ALTER TABLE one_time_code_failures ENABLE ROW LEVEL SECURITY;
ALTER TABLE one_time_code_failures FORCE ROW LEVEL SECURITY;
CREATE POLICY system_all ON one_time_code_failures TO tenantry_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON one_time_code_failures TO tenantry_system;
