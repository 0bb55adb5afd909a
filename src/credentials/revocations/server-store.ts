// The query for what PostgreSQL says about itself at each reading.
import { type SystemReader, statement } from '../../base/database/db.ts';

export interface ServerFacts {
  /** The clock of PostgreSQL, in ms since 1970. */
  readonly now: number;
  /** Whether PostgreSQL is a standby, which may lack what its primary has committed. */
  readonly isStandby: boolean;
}

const SERVER = statement(`
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now, pg_is_in_recovery() AS "isStandby"`);

/** Raises DatabaseUnavailable. */
export async function readServer(tx: SystemReader): Promise<ServerFacts> {
  const [row] = await tx.rows<ServerFacts>(SERVER, []);
  if (!row) throw new Error('PostgreSQL returned no row about itself');
  return row;
}
