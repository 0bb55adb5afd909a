// The organizations that the signed-in user is an active member of.
import type { Database } from '../platform/db.ts';
import type { Caller } from '../protocol/caller.ts';
import { countOwnMemberships, listOwnMemberships } from './store.ts';

/** The caller's active memberships with their roles, the oldest first. */
export async function listOwnOrganizations(
  deps: { readonly db: Database },
  caller: Caller,
  page: { readonly limit: number; readonly offset: number },
) {
  const reader = deps.db.userReader(caller.id);
  const rows = await listOwnMemberships(reader, caller.id, page.limit, page.offset);
  const total = rows[0]?.total ?? (page.offset === 0 ? 0 : await countOwnMemberships(reader, caller.id));
  return {
    data: rows.map(({ organization, roles, joinedAt }) => ({ organization, roles, joinedAt })),
    pagination: { total, ...page, hasMore: page.offset + rows.length < total },
  };
}
