// The lineage of a database: its server and the timeline of that server. It changes with every failover, with a backup
// that is restored to a point in time, and when the data moves to another server. A restart and a crash do not change it.

/** The SQL of the lineage as a text. PostgreSQL refuses it on a standby. */
export const CURRENT_LINEAGE = `(SELECT system_identifier::text FROM pg_control_system())
  || '/' || ltrim(left(pg_walfile_name(pg_current_wal_lsn()), 8), '0')`;
