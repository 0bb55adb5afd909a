// A user's own live sessions.
import type { Database } from '../platform/db.ts';
import { type Page, paged } from '../platform/page.ts';
import type { Caller } from '../protocol/caller.ts';
import { countLiveSessions, listLiveSessions } from './store.ts';

/** The caller's live sessions, the most recently used first; `current` marks the one that asks. */
export async function listOwnSessions(deps: { readonly db: Database }, caller: Caller, page: Page) {
  const reader = deps.db.userReader(caller.id);
  const rows = await listLiveSessions(reader, caller.id, page.limit, page.offset);
  return paged(rows, page, {
    toItem: (row) => ({
      id: row.id,
      current: row.id === caller.sessionId,
      organization: row.organization,
      userAgent: row.userAgent,
      ip: row.ip,
      createdAt: row.createdAt.toISOString(),
      lastSeenAt: row.lastSeenAt.toISOString(),
      expiresAt: row.expiresAt.toISOString(),
    }),
    countAll: () => countLiveSessions(reader, caller.id),
  });
}
