CREATE UNIQUE INDEX users_email_lookup_key ON users (email_lookup);
-- The rows that are not sealed yet. Once there are none, the index is empty.
CREATE INDEX users_unsealed_idx ON users (id)
  WHERE email_sealed IS NULL OR email_lookup IS NULL OR name_sealed IS NULL;
