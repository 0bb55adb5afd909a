// The cursor of the feed as clients hold it: an opaque text that names a place in one database's order of transactions,
// the same for every replica. What it means for a reading is feed-store.ts' matter.
import type { RevocationCursor } from '../revocations/revocations.ts';

export interface FeedCursor extends RevocationCursor {
  /** Tells databases apart: a place means nothing in another one. */
  readonly database: string;
}

const PLACE = /^([0-9a-f]{8})\.(\d{1,19})\.(\d{1,15})$/;
const MAX_TX = 2n ** 63n - 1n;
/** What could have been made by this service, now or in another version. */
export const PLAUSIBLE_CURSOR = /^[A-Za-z0-9_-]{1,128}$/;

/** The text of a cursor. */
export function encodeCursor({ database, tx, at }: FeedCursor): string {
  // Up, not down: all that is older than the cursor was stamped at or before this instant.
  return Buffer.from(`${database}.${tx}.${Math.ceil(at)}`).toString('base64url');
}

/** The place that a text names, or null. */
export function decodeCursor(text: string): FeedCursor | null {
  const [, database, tx, at] = PLACE.exec(Buffer.from(text, 'base64url').toString('latin1')) ?? [];
  if (database === undefined || tx === undefined || BigInt(tx) > MAX_TX) return null;
  return { database, tx, at: Number(at) };
}
