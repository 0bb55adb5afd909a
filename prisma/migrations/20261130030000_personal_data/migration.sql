-- Personal data is sealed: e-mail addresses, names, IP addresses and user agents. The database has no key. The columns in
-- clear stay for the version before, which works beside this one while the phase is `expanding`. No row is
-- changed, so each lock is short; the service seals existing rows later. Each table has a migration of its own, because a
-- transaction that waits for the lock of one table must not hold the lock of another.

-- Which values may be in clear.
CREATE TABLE personal_data (
  id smallint PRIMARY KEY DEFAULT 1 CONSTRAINT personal_data_once CHECK (id = 1),
  phase text NOT NULL,         -- expanding: rows have both forms, or clear only; sealed: nothing new is stored in clear
  changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  lookup_check bytea,          -- a keyed hash of nothing, by which a wrong lookup key is noticed
  CONSTRAINT personal_data_phase_known CHECK (phase IN ('expanding', 'sealed'))
);
ALTER TABLE personal_data ENABLE ROW LEVEL SECURITY;
ALTER TABLE personal_data FORCE ROW LEVEL SECURITY;
CREATE POLICY system_all ON personal_data TO tenantry_system USING (true) WITH CHECK (true);
CREATE POLICY anybody ON personal_data FOR SELECT TO tenantry_app USING (true);
GRANT SELECT, UPDATE ON personal_data TO tenantry_system;
GRANT SELECT ON personal_data TO tenantry_app;
