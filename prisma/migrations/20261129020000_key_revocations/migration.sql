-- Revocations of signing keys. A row of `revocations` tells running processes within a second. A row of `revoked_keys`
-- stays for good: the file of a revoked key may come back from a backup at any time, and must not sign again.
--
-- The version before goes on working beside this. It reads a revocation of a key as one of the organization that
-- `subject` names, which no organization has.

CREATE TABLE revoked_keys (
  kid        text PRIMARY KEY,                    -- RFC 7638 thumbprint
  revoked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT revoked_keys_kid_shape CHECK (kid ~ '^[A-Za-z0-9_-]{43}$')
);
ALTER TABLE revoked_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE revoked_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY system_all ON revoked_keys TO tenantry_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON revoked_keys TO tenantry_system;

ALTER TABLE revocations ADD COLUMN kid text;
ALTER TABLE revocations DROP CONSTRAINT revocations_kind_known;
-- Not valid: what is there was held to a narrower rule, so nothing is looked through.
ALTER TABLE revocations ADD CONSTRAINT revocations_kind_known CHECK (
  (kind = 'key') = (kid IS NOT NULL) AND (
    (kind = 'session' AND epoch IS NULL AND state IS NULL AND not_before IS NULL)
    OR (kind IN ('user', 'client') AND epoch IS NOT NULL AND state IS NULL AND not_before IS NULL)
    OR (kind = 'organization' AND epoch IS NULL AND state IN ('active', 'suspended') AND not_before IS NULL)
    OR (kind = 'everything' AND epoch IS NULL AND state IS NULL AND not_before IS NOT NULL
      AND subject = '00000000-0000-0000-0000-000000000000')
    OR (kind = 'key' AND epoch IS NULL AND state IS NULL AND not_before IS NULL
      AND subject = '00000000-0000-0000-0000-000000000000' AND kid ~ '^[A-Za-z0-9_-]{43}$'))) NOT VALID;
