// Reads the revocations that have been committed since the last reading.
import type { Database } from '../../base/database/db.ts';
import { NIL_ID } from '../../protocol/id.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import { READ_WITHIN_SECONDS } from './remembered.ts';
import { listRevocations, type RevocationPage, type RevocationPosition, type Seen } from './store.ts';

/** A position in PostgreSQL's order of transactions, the same for every replica. */
export interface RevocationCursor {
  /** All transactions before this one have been read (64 bit, decimal). */
  readonly tx: string;
  /** The database's clock at that reading, in ms since 1970; 0 before the first one. */
  readonly at: number;
}

/** How far this process has read. */
export interface Reading extends RevocationCursor {
  /** The snapshot of the reading, as PostgreSQL writes it; null before the first reading. */
  readonly snapshot: string | null;
  /** The newest transaction of the rows that were read. PostgreSQL has committed it. */
  readonly newestTx: string;
}

export const NOTHING_READ: Reading = { tx: '0', at: 0, snapshot: null, newestTx: '0' };

/**
 * The number of rows that one statement reads, in about 5 ms. A change of one role may revoke the tokens of many users.
 */
const PAGE_ROWS = 2_000;

/**
 * Passes to `take` every revocation that has been committed since a reading, and returns the new reading. The new
 * reading starts with the oldest transaction that was still running at the last reading, because every later commit is
 * of that transaction or a newer one. Raises DatabaseUnavailable.
 */
export async function readRevocations(
  db: Database,
  since: Reading,
  take: (revocation: Revocation) => void,
  withinSeconds = READ_WITHIN_SECONDS,
): Promise<Reading> {
  const reader = db.systemReader();
  const seen: Seen | null = since.snapshot === null ? null : { snapshot: since.snapshot, now: since.at };
  const asked = { seen, withinSeconds, limit: PAGE_ROWS };
  let reached: Reading | undefined;
  let after: RevocationPosition | null = { tx: since.tx, id: NIL_ID };
  while (after) {
    const page: RevocationPage = await listRevocations(reader, { after, ...asked });
    // A restored database continues with older transaction ids, so its revocations are read from the start.
    if (!reached && BigInt(page.horizon) < BigInt(since.tx))
      return readRevocations(db, NOTHING_READ, take, withinSeconds);
    page.revocations.forEach(take);
    reached ??= { tx: page.horizon, at: page.now, snapshot: page.snapshot, newestTx: since.newestTx };
    reached = { ...reached, newestTx: page.newestTx ?? reached.newestTx };
    after = page.next;
  }
  return reached ?? since;
}
