// The cursor of the feed as clients see it: an opaque text for a position in one database's order of transactions. A
// cursor is the same for every replica.
import type { RevocationCursor } from '../revocations/revocations.ts';

export interface FeedCursor extends RevocationCursor {
  /** Identifies the database, because a position has no meaning in another database. */
  readonly database: string;
}

const CURSOR = /^([0-9a-f]{8})\.(\d{1,19})\.(\d{1,15})$/;
const MAX_TX = 2n ** 63n - 1n;
/** The form of a cursor's text in this and in other versions of the service. */
export const PLAUSIBLE_CURSOR = /^[A-Za-z0-9_-]{1,128}$/;

/** The text of a cursor. */
export function encodeCursor({ database, tx, at }: FeedCursor): string {
  // The time is rounded up, so every row that is older than the cursor has a time at or before the cursor's time.
  return Buffer.from(`${database}.${tx}.${Math.ceil(at)}`).toString('base64url');
}

/** The cursor that a text encodes, or null if it encodes none. */
export function decodeCursor(text: string): FeedCursor | null {
  const [, database, tx, at] = CURSOR.exec(Buffer.from(text, 'base64url').toString('latin1')) ?? [];
  if (database === undefined || tx === undefined || BigInt(tx) > MAX_TX) return null;
  return { database, tx, at: Number(at) };
}
