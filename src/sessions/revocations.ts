// The revocations that this process knows, in memory: four look-ups a token and no I/O. PostgreSQL is the truth; what
// this process revokes is known here at once, what others revoke is read from PostgreSQL every second.
import { monotonicMs } from '../platform/clock.ts';
import type { Database } from '../platform/db.ts';
import type { Log } from '../platform/log.ts';
import { ACCESS_TTL_MAX_SECONDS } from '../protocol/claims.ts';
import type { RevocableToken, Revocation, RevocationVerdict } from '../protocol/revocation.ts';
import { listRevocations, type RevocationPage, type RevocationPlace, type RevocationRow } from './revocation-store.ts';

export interface Revocations {
  /** Makes this process refuse from now on. Call it after the commit that wrote the revocation. */
  publish(revocation: Revocation): void;
  /** Why a token must be refused, or null. */
  judge(token: RevocableToken): RevocationVerdict;
  /** The newest epoch known of a user, 0 for none: what was read with a lower one has changed since. */
  epochOf(userId: string): number;
  isSuspended(organizationId: string): boolean;
  /** How long ago the last complete reading of PostgreSQL began: what others did before it is known. */
  readSecondsAgo(): number;
  /** Reads what others revoked. Raises DatabaseUnavailable. */
  synchronize(): Promise<void>;
  /** Starts reading every second until close. */
  follow(): void;
  close(): void;
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
export const REVOCATION_ROWS_KEPT_SECONDS = REVOCATIONS_REMEMBERED_SECONDS + 3600;
/** How old a row may be that is still read: it may have been stamped long before its transaction was committed. */
const READ_WITHIN_SECONDS = REVOCATIONS_REMEMBERED_SECONDS + 600;
/** Rows of one reading: many users may be revoked in one transaction, when a role changes that they all hold. */
const PAGE_ROWS = 20_000;
const FIRST_ID = '00000000-0000-0000-0000-000000000000';

/** Opens an empty map; `synchronize` fills it. Entries are forgotten once no unexpired token can meet them. */
export function openRevocations(deps: { db: Database; log: Log }): Revocations {
  const sessions = new Map<string, number>();
  const epochs = new Map<string, { epoch: number; seen: number }>();
  const organizations = new Map<string, { suspended: boolean; at: number; seen: number }>();
  let readFrom = '0';
  let readAt: number | undefined; // when the last complete reading began, in seconds
  let timer: NodeJS.Timeout | undefined;
  let failing = false;

  // Of a clock that never steps: a step must not forget what still has to be refused.
  const seconds = () => monotonicMs() / 1000;

  function publish(revocation: Revocation): void {
    if (revocation.kind === 'session') sessions.set(revocation.sid, seconds());
    else if (revocation.kind === 'user') {
      const known = epochs.get(revocation.sub)?.epoch ?? 0;
      epochs.set(revocation.sub, { epoch: Math.max(known, revocation.epoch), seen: seconds() });
    } else {
      // A reading under way may bring what was so before this process changed it.
      const { org, state, at } = revocation;
      const known = organizations.get(org);
      if (!known || known.at <= at) organizations.set(org, { suspended: state === 'suspended', at, seen: seconds() });
    }
  }

  function forgetOld(): void {
    const horizon = seconds() - REVOCATIONS_REMEMBERED_SECONDS;
    for (const [sid, seen] of sessions) if (seen < horizon) sessions.delete(sid);
    for (const [sub, entry] of epochs) if (entry.seen < horizon) epochs.delete(sub);
    for (const [org, entry] of organizations) if (entry.seen < horizon) organizations.delete(org);
  }

  function isSuspended(organizationId: string): boolean {
    return organizations.get(organizationId)?.suspended === true;
  }

  // From the oldest transaction that was still running at the last complete reading: whatever was committed since is of
  // that one or a later one.
  async function synchronize(): Promise<void> {
    const begun = seconds();
    const reader = deps.db.systemReader();
    let horizon: string | undefined;
    let after: RevocationPlace | null = { tx: readFrom, id: FIRST_ID };
    while (after) {
      const page: RevocationPage = await listRevocations(reader, after, READ_WITHIN_SECONDS, PAGE_ROWS);
      for (const row of page.rows) {
        const revocation = toRevocation(row);
        if (revocation) publish(revocation);
      }
      horizon ??= page.horizon;
      after = page.next;
    }
    readFrom = horizon ?? readFrom;
    readAt = begun;
    forgetOld();
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
    publish,
    judge(token) {
      if (sessions.has(token.sessionId)) return 'session_revoked';
      const epoch = epochs.get(token.id)?.epoch;
      if (epoch !== undefined && token.epoch < epoch) return 'token_stale';
      if (token.organizationId !== null && isSuspended(token.organizationId)) return 'organization_suspended';
      return null;
    },
    epochOf: (userId) => epochs.get(userId)?.epoch ?? 0,
    isSuspended,
    readSecondsAgo: () => (readAt === undefined ? Number.POSITIVE_INFINITY : seconds() - readAt),
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

function toRevocation(row: RevocationRow): Revocation | null {
  if (row.kind === 'session') return { kind: 'session', sid: row.subject };
  if (row.kind === 'user') return { kind: 'user', sub: row.subject, epoch: row.epoch ?? 0 };
  if (row.kind === 'organization') {
    return { kind: 'organization', org: row.subject, state: row.state ?? 'suspended', at: row.at };
  }
  return null;
}
