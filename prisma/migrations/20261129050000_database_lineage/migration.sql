-- Which server and timeline the installation last used, so that a failover or a restored backup is noticed even by a
-- process that was started after it. The row is replicated like every other: after a failover it names the former
-- timeline. The version before does not know the table, and goes on working beside it.

CREATE TABLE database_lineage (
  id smallint PRIMARY KEY DEFAULT 1 CONSTRAINT database_lineage_once CHECK (id = 1),
  lineage text NOT NULL,       -- the server's identifier and its timeline, as they were last judged
  accepted text,               -- the lineage of which an operator has decided
  doubted_at timestamptz,      -- tokens from before this instant are refused until an operator decides; null: none is
  reason text,                 -- lost: a process knew what the database lacks; unwitnessed: no process was there
  changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT database_lineage_doubt
    CHECK ((doubted_at IS NULL) = (reason IS NULL) AND reason IN ('lost', 'unwitnessed'))
);

ALTER TABLE database_lineage ENABLE ROW LEVEL SECURITY;
ALTER TABLE database_lineage FORCE ROW LEVEL SECURITY;
CREATE POLICY system_all ON database_lineage TO tenantry_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON database_lineage TO tenantry_system;
