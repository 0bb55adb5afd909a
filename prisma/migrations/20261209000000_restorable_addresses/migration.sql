-- Finds out whether a former address of an account can still be taken back. Registration asks this. The table is small:
-- the service removes tokens that are over.
CREATE INDEX one_time_tokens_restorable_idx ON one_time_tokens (address_lookup)
  WHERE purpose = 'revert_email' AND used_at IS NULL AND ended_at IS NULL;

-- An account that takes an address back may have it again, also if a later change had disputed it.
GRANT UPDATE (address_lookup) ON email_reverts TO tenantry_system;
