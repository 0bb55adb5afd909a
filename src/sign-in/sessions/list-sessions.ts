// Lists a user's own live sessions. Also converts the rows of every list of sessions.
import type { Database } from '../../base/database/db.ts';
import { type Page, paged } from '../../base/platform/page.ts';
import type { Caller } from '../../protocol/caller.ts';
import { countLiveSessions, listLiveSessions, type SessionRow } from './store.ts';

/** A session as lists show it. Instants are in ISO 8601 format and in UTC. */
export function toSession({ id, organization, userAgent, ip, createdAt, lastSeenAt, expiresAt }: SessionRow) {
  return {
    id,
    organization,
    userAgent,
    ip,
    createdAt: createdAt.toISOString(),
    lastSeenAt: lastSeenAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
  };
}

/** The caller's live sessions, the most recently used first. `current` is true for the session of this request. */
export async function listOwnSessions(deps: { readonly db: Database }, caller: Caller, page: Page) {
  const reader = deps.db.userReader(caller.id, { bulk: true });
  const rows = await listLiveSessions(reader, caller.id, page.limit, page.offset);
  return paged(rows, page, {
    toItem: (row) => ({ ...toSession(row), current: row.id === caller.sessionId }),
    countAll: () => countLiveSessions(reader, caller.id),
  });
}
