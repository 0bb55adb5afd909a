// The queries for what PostgreSQL reports about its state at each reading, and for the lineage that the processes have
// judged.
import { DatabaseUnavailable, type SystemReader, statement } from '../../base/database/db.ts';
import { CURRENT_LINEAGE } from '../../base/database/probe.ts';

export interface ServerFacts {
  /** The clock of PostgreSQL, in ms since 1970. */
  readonly now: number;
  /** Whether PostgreSQL is a standby, which may lack what its primary has committed. */
  readonly isStandby: boolean;
  /** The transaction id that follows every finished transaction (64 bit, decimal). */
  readonly nextTx: string;
  /** Null on a standby. `unknown` if the server has no timeline, or does not let the role of the service read it. */
  readonly lineage: string | null;
  /** The lineage that was last judged; null before the first time. */
  readonly judged: string | null;
  /** Tokens issued before this second are in doubt; 0 for none. */
  readonly doubtedBefore: number;
}

const serverWith = (lineage: string) =>
  statement(`
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now, pg_is_in_recovery() AS "isStandby",
  pg_snapshot_xmax(pg_current_snapshot())::text AS "nextTx",
  CASE WHEN pg_is_in_recovery() THEN NULL ELSE ${lineage} END AS lineage, l.lineage AS judged,
  coalesce(ceil(extract(epoch FROM l.doubted_at)), 0)::float8 AS "doubtedBefore"
FROM (VALUES (1)) one (row) LEFT JOIN database_lineage l ON true`);
const SERVER = serverWith(CURRENT_LINEAGE);
// Some hosted servers have no timeline, or do not let the role of the service read it.
const SERVER_WITHOUT_LINEAGE = serverWith("'unknown'");

/** Reads what PostgreSQL reports about its state. Raises DatabaseUnavailable. */
export async function readServer(tx: SystemReader): Promise<ServerFacts> {
  const rows = await tx.rows<ServerFacts>(SERVER, []).catch((error: unknown) => {
    if (error instanceof DatabaseUnavailable) throw error;
    return tx.rows<ServerFacts>(SERVER_WITHOUT_LINEAGE, []);
  });
  if (!rows[0]) throw new Error('PostgreSQL returned no row about itself');
  return rows[0];
}

export type Verdict = 'whole' | 'unwitnessed' | 'lost';

// A process that knows that nothing was lost ends a doubt only if the cause of the doubt is that no process was
// running. What another process knows to be lost stays in doubt until an operator decides, and what an operator has
// decided stays decided. A further loss also puts in doubt what has been issued since the first loss. $1 lineage, $2
// verdict, $3 whether the database went back within its lineage.
const JUDGE = statement(`
WITH first AS (
  INSERT INTO database_lineage (lineage) SELECT $1::text
  WHERE $2::text = 'whole' AND NOT EXISTS (SELECT FROM database_lineage) ON CONFLICT (id) DO NOTHING
),
judged AS (
  UPDATE database_lineage SET lineage = $1, changed_at = clock_timestamp(),
    doubted_at = CASE WHEN $2 <> 'whole' THEN clock_timestamp() WHEN reason = 'lost' THEN doubted_at END,
    reason = CASE WHEN $2 = 'lost' OR reason = 'lost' THEN 'lost' WHEN $2 = 'unwitnessed' THEN $2 END
  WHERE CASE $2
    WHEN 'whole' THEN lineage <> $1 OR reason = 'unwitnessed'
    WHEN 'unwitnessed' THEN lineage <> $1 AND accepted IS DISTINCT FROM $1
    ELSE $3::boolean OR (reason IS DISTINCT FROM 'lost' OR lineage <> $1) AND accepted IS DISTINCT FROM $1 END
  RETURNING reason
)
INSERT INTO events (id, type, data)
SELECT gen_random_uuid(), 'installation.database_doubted', json_build_object('reason', reason)::jsonb
FROM judged WHERE $2 <> 'whole'`);

/** Writes the verdict of a process on the lineage. Any number of processes may do so at the same time. */
export async function judgeLineage(
  tx: SystemReader,
  { lineage, verdict, wentBack }: { readonly lineage: string; readonly verdict: Verdict; readonly wentBack: boolean },
): Promise<void> {
  await tx.rows(JUDGE, [lineage, verdict, wentBack]);
}

const DOUBT = statement('SELECT doubted_at AS before, reason FROM database_lineage WHERE doubted_at IS NOT NULL');

export interface Doubt {
  /** Tokens from before this instant are refused. */
  readonly before: Date;
  readonly reason: 'lost' | 'unwitnessed';
}

/** What is in doubt until an operator decides; null if nothing is. */
export async function readDoubt(tx: SystemReader): Promise<Doubt | null> {
  const [row] = await tx.rows<Doubt>(DOUBT, []);
  return row ?? null;
}
