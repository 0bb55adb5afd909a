// Finds the caller of a page by the cookie of its browser. The row of the session decides at each request, so a session
// that has been ended anywhere is over at once. Only pages use this guard. The API never takes this cookie.
import { type Database, isOutage } from '../../base/database/db.ts';
import type { Revocations } from '../../credentials/revocations/revocations.ts';
import type { Caller } from '../../protocol/caller.ts';
import { assertNotInDoubt } from '../sessions/authenticate.ts';
import { type BrowserSessionRow, findBrowserSession, touchSession } from '../sessions/store.ts';
import { browserKeyHash } from './key.ts';

export interface BrowserGuardDeps {
  readonly db: Database;
  readonly revocations: Pick<Revocations, 'judge' | 'doubtedBefore'>;
  /** For how long a session lives without use. */
  readonly idleSeconds: number;
  readonly graceSeconds: number;
}

/**
 * Returns the caller with the live session of this key, or null if there is none. Such a caller has no permissions, and
 * acts only on their own account. Raises database_set_back.
 */
export async function authenticateBrowser(deps: BrowserGuardDeps, key: string): Promise<Caller | null> {
  const hash = browserKeyHash(key);
  const row = hash && (await findBrowserSession(deps.db.systemReader(), hash));
  if (!row) return null;
  const caller = callerOf(row);
  // This process may know that the session has ended although a failover of the database has just lost the record of
  // its end.
  if (deps.revocations.judge({ ...caller, epoch: Number.MAX_SAFE_INTEGER, organizationId: null })) return null;
  assertNotInDoubt(deps.revocations, caller.issuedAt);
  if (row.isDue) await noteUse(deps, row.sessionId);
  return caller;
}

/**
 * Notes that the session has been used. A database that accepts no writes at the moment must not keep anybody from
 * reading a page.
 */
async function noteUse(deps: BrowserGuardDeps, sessionId: string): Promise<void> {
  try {
    await touchSession(deps.db.systemReader(), sessionId, deps);
  } catch (error) {
    if (!isOutage(error)) throw error;
  }
}

function callerOf(row: BrowserSessionRow): Caller {
  const seconds = (at: Date) => Math.floor(at.getTime() / 1000);
  return Object.freeze({
    kind: 'user',
    id: row.userId,
    sessionId: row.sessionId,
    organizationId: row.organizationId,
    organizationSlug: row.organizationSlug,
    roles: [],
    permissions: [],
    permissionsElsewhere: false,
    epoch: row.epoch,
    membershipEpoch: row.membershipEpoch,
    rolesEpoch: null,
    authenticatedAt: seconds(row.authenticatedAt),
    issuedAt: seconds(row.openedAt),
  });
}
