// The queries of revocations.
import { type SystemReader, statement } from '../platform/db.ts';

const REVOCATIONS = statement(`
SELECT kind, subject, epoch, state, (extract(epoch FROM at) * 1000)::float8 AS at FROM revocations
WHERE at > clock_timestamp() - $1::float8 * interval '1 second' ORDER BY revocations.at`);

export interface RevocationRow {
  readonly kind: 'session' | 'user' | 'organization' | 'client';
  readonly subject: string;
  readonly epoch: number | null;
  readonly state: 'active' | 'suspended' | null;
  /** Milliseconds since 1970, to the microsecond. */
  readonly at: number;
}

/** The revocations of the last so many seconds, oldest first. */
export function listRevocations(tx: SystemReader, withinSeconds: number): Promise<RevocationRow[]> {
  return tx.rows<RevocationRow>(REVOCATIONS, [withinSeconds]);
}

const REMOVE_REVOCATIONS = statement(`
DELETE FROM revocations WHERE at < clock_timestamp() - $1::float8 * interval '1 second'`);

/** Removes revocations that no unexpired access token can meet any more. */
export async function deleteRevocations(tx: SystemReader, olderThanSeconds: number): Promise<void> {
  await tx.rows(REMOVE_REVOCATIONS, [olderThanSeconds]);
}
