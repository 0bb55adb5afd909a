// The queries of the phase of personal data, and of the check by which a wrong lookup key is noticed.
import { type SystemReader, statement } from '../../base/database/db.ts';
import { sqlStateOf } from '../../base/database/sql-state.ts';

const READ_ONLY = '25006';

export interface PhaseRow {
  readonly phase: 'expanding' | 'sealed';
  /** In base64; null until a process has stored it. */
  readonly check: string | null;
}

const READ = statement(`SELECT phase, encode(lookup_check, 'base64') AS check FROM personal_data`);

export async function readPhase(tx: SystemReader): Promise<PhaseRow> {
  const [row] = await tx.rows<PhaseRow>(READ, []);
  if (!row) throw new Error('The table personal_data is empty');
  return row;
}

const CLAIM = statement(`UPDATE personal_data SET lookup_check = decode($1, 'base64') WHERE lookup_check IS NULL`);

/**
 * Stores the check if there is none. Returns the stored check, or null if there is none and the database is read-only.
 */
export async function claimCheck(tx: SystemReader, own: string): Promise<string | null> {
  try {
    await tx.rows(CLAIM, [own]);
  } catch (error) {
    if (sqlStateOf(error) === READ_ONLY) return null;
    throw error;
  }
  return (await readPhase(tx)).check;
}
