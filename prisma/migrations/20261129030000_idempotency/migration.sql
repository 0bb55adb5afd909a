-- Requests with an Idempotency-Key that have been done, with their answers, for 24 hours. Nothing of the request, of the
-- answer or of the key is stored in clear. The version before does not use this table.

CREATE TABLE idempotency_keys (
  id              bytea PRIMARY KEY,           -- derived from the key, the caller and the route
  organization_id uuid REFERENCES organizations (id) ON DELETE CASCADE ON UPDATE CASCADE, -- null: of no organization
  caller_id       uuid,                        -- the user or service client; null: anybody
  secret_id       text NOT NULL,               -- the signing key from which the other half of the secret is derived
  fingerprint     bytea NOT NULL,              -- of the request
  answer          bytea NOT NULL,              -- sealed
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at      timestamptz NOT NULL DEFAULT clock_timestamp() + interval '24 hours',
  CONSTRAINT idempotency_keys_size CHECK (octet_length(id) = 32 AND octet_length(fingerprint) = 32
    AND octet_length(secret_id) <= 200 AND octet_length(answer) <= 524288)
);
CREATE INDEX idempotency_keys_caller_id_idx ON idempotency_keys (caller_id, expires_at);
CREATE INDEX idempotency_keys_organization_id_idx ON idempotency_keys (organization_id);
CREATE INDEX idempotency_keys_expires_at_idx ON idempotency_keys (expires_at);

ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY system_all ON idempotency_keys TO tenantry_system USING (true) WITH CHECK (true);
CREATE POLICY organization_rows ON idempotency_keys TO tenantry_app
  USING (organization_id = (SELECT NULLIF(current_setting('app.current_org_id', true), '')::uuid))
  WITH CHECK (organization_id = (SELECT NULLIF(current_setting('app.current_org_id', true), '')::uuid));

-- An organization only adds rows, in the transaction of the change. The system reads and removes them.
GRANT SELECT, INSERT, DELETE ON idempotency_keys TO tenantry_system;
GRANT UPDATE (expires_at) ON idempotency_keys TO tenantry_system; -- to lock the rows that are removed
GRANT INSERT (id, organization_id, caller_id, secret_id, fingerprint, answer) ON idempotency_keys TO tenantry_app;
