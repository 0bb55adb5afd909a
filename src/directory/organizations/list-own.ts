// Lists the organizations in which the signed-in user is an active member, and finds one of them.
import type { Database } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { type Page, paged } from '../../base/platform/page.ts';
import type { Caller } from '../../protocol/caller.ts';
import { countOwnMemberships, findOwnOrganization, listOwnMemberships } from './store.ts';

/** The caller's active memberships with their roles, the oldest first. */
export async function listOwnOrganizations(deps: { readonly db: Database }, caller: Caller, page: Page) {
  const reader = deps.db.userReader(caller.id, { bulk: true });
  const rows = await listOwnMemberships(reader, caller.id, page.limit, page.offset);
  return paged(rows, page, {
    toItem: ({ organization, roles, joinedAt }) => ({ organization, roles, joinedAt }),
    countAll: () => countOwnMemberships(reader, caller.id),
  });
}

/** The caller's organization with this id. Raises not_found. */
export async function getOwnOrganization(deps: { readonly db: Database }, caller: Caller, organizationId: string) {
  const found = await findOwnOrganization(deps.db.userReader(caller.id), caller.id, organizationId);
  if (!found) throw problem('not_found');
  return found;
}
