// The revocations that this process knows, in memory: five look-ups a token and no I/O. PostgreSQL is the truth and is
// read every second; what this process revokes is known here at once, what others revoke also by the stream, where there
// is one.
import { monotonicMs } from '../platform/clock.ts';
import type { Database } from '../platform/db.ts';
import type { Log } from '../platform/log.ts';
import { ACCESS_TTL_MAX_SECONDS } from '../protocol/claims.ts';
import type { RevocableToken, Revocation, RevocationVerdict } from '../protocol/revocation.ts';
import { createRevocationMap } from '../protocol/revocation-map.ts';
import { deleteRevocations, listRevocations, type RevocationPage, type RevocationPlace } from './store.ts';

export interface Revocations {
  /** Makes this process refuse from now on. Call it after the commit that wrote the revocation. */
  publish(revocation: Revocation): void;
  /** Why a token must be refused, or null. */
  judge(token: RevocableToken): RevocationVerdict;
  /** The newest epoch known of a user or client, 0 for none: what was read with a lower one has changed since. */
  epochOf(id: string): number;
  isSuspended(organizationId: string): boolean;
  /** How long ago the last complete reading of PostgreSQL began: what others did before it is known. */
  readSecondsAgo(): number;
  /** Everything that is remembered, as events. */
  list(): Revocation[];
  /** From where somebody who knows everything in `list()` has to read on: see `RevocationCursor`. */
  cursor(): RevocationCursor;
  /** Called with each event that is news to this process; gives the function that ends it. */
  onRevocation(listener: (revocation: Revocation) => void): () => void;
  /** Reads what others revoked. Raises DatabaseUnavailable. */
  synchronize(): Promise<void>;
  /** Starts reading every second until close. */
  follow(): void;
  close(): void;
}

/** A place in PostgreSQL's order of transactions, the same for every replica. */
export interface RevocationCursor {
  /** All transactions before this one have been read (64 bit, decimal). */
  readonly tx: string;
  /** The database's clock at that reading, in ms since 1970; 0 before the first one. */
  readonly at: number;
}

const FOLLOW_EVERY_MS = 1_000;
/**
 * How long an entry is remembered: the longest life that any configuration allows (a token may be older than the present
 * one), and some more.
 */
export const REVOCATIONS_REMEMBERED_SECONDS = ACCESS_TTL_MAX_SECONDS + 60;
/**
 * How long rows stay in PostgreSQL: an hour longer than any process looks back for them, so that one which could not
 * read for a while, or a statement that commits long after its row was stamped, finds what it has to.
 */
const ROWS_KEPT_SECONDS = REVOCATIONS_REMEMBERED_SECONDS + 3600;
/** How old a row may be that is still read: it may have been stamped long before its transaction was committed. */
export const READ_WITHIN_SECONDS = REVOCATIONS_REMEMBERED_SECONDS + 600;
/** Rows of one reading: many users may be revoked in one transaction, when a role changes that they all hold. */
const PAGE_ROWS = 20_000;
const FIRST_ID = '00000000-0000-0000-0000-000000000000';

/** Opens an empty map; `synchronize` fills it. Entries are forgotten once no unexpired token can meet them. */
export function openRevocations(deps: { db: Database; log: Log }): Revocations {
  // Of a clock that never steps: a step must not forget what still has to be refused.
  const seconds = () => monotonicMs() / 1000;
  const map = createRevocationMap(seconds, REVOCATIONS_REMEMBERED_SECONDS);
  const listeners = new Set<(revocation: Revocation) => void>();
  let cursor: RevocationCursor = { tx: '0', at: 0 };
  let readAt: number | undefined; // when the last complete reading began, in seconds
  let timer: NodeJS.Timeout | undefined;
  let failing = false;

  function take(revocation: Revocation): void {
    if (map.add(revocation)) for (const listener of listeners) listener(revocation);
  }

  async function synchronize(): Promise<void> {
    const begun = seconds();
    cursor = await readRevocations(deps.db, cursor, take);
    readAt = begun;
    map.forgetOld();
  }

  async function followOnce(): Promise<void> {
    try {
      await synchronize();
      failing = false;
    } catch (error) {
      if (!failing) deps.log.warn({ reason: (error as Error).message }, 'revocations cannot be read from PostgreSQL');
      failing = true;
    }
    if (timer) timer = setTimeout(followOnce, FOLLOW_EVERY_MS).unref();
  }

  return {
    publish: take,
    judge: map.judge,
    epochOf: map.epochOf,
    isSuspended: map.isSuspended,
    readSecondsAgo: () => (readAt === undefined ? Number.POSITIVE_INFINITY : seconds() - readAt),
    list: map.list,
    cursor: () => cursor,
    onRevocation(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    synchronize,
    follow() {
      timer ??= setTimeout(followOnce, FOLLOW_EVERY_MS).unref();
    },
    close() {
      clearTimeout(timer);
      timer = undefined;
    },
  };
}

/**
 * Hands out everything that was committed since a cursor, some of it perhaps again, and gives the cursor of now. It reads
 * on from the oldest transaction that was still running at the cursor's reading: whatever was committed since is of that
 * one or a later one. Raises DatabaseUnavailable.
 */
export async function readRevocations(
  db: Database,
  since: RevocationCursor,
  take: (revocation: Revocation) => void,
): Promise<RevocationCursor> {
  const reader = db.systemReader();
  let reached: RevocationCursor | undefined;
  let after: RevocationPlace | null = { tx: since.tx, id: FIRST_ID };
  while (after) {
    const page: RevocationPage = await listRevocations(reader, after, READ_WITHIN_SECONDS, PAGE_ROWS);
    page.revocations.forEach(take);
    reached ??= { tx: page.horizon, at: page.now };
    after = page.next;
  }
  return reached ?? since;
}

/** Removes rows that no process looks back for any more. Any number of replicas may do so at once. */
export async function removeOldRevocations(db: Database): Promise<void> {
  await deleteRevocations(db.systemReader(), ROWS_KEPT_SECONDS);
}
