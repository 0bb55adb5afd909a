// Reads the members of the current organization: a list with a search, or one member.

import type { Database, OrganizationReader } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { type Page, paged } from '../../base/platform/page.ts';
import type { OrganizationPrincipal } from '../../protocol/caller.ts';
import { countMembers, findMember, listMemberRows, type MemberFilter, type MemberRow } from './list-store.ts';

interface ReadDeps {
  readonly db: Database;
}

/** The members that match the filter, in the order in which they joined. */
export async function listMembers(
  deps: ReadDeps,
  { organizationId }: OrganizationPrincipal,
  query: MemberFilter & Page,
) {
  const { limit, offset, ...filter } = query;
  const reader = deps.db.organizationReader({ organizationId }, { bulk: true });
  const rows = await listMemberRows(reader, organizationId, filter, { limit, offset });
  return paged(
    rows,
    { limit, offset },
    { toItem: toMember, countAll: () => countMembers(reader, organizationId, filter) },
  );
}

/** One member. Raises not_found for a user who is not a member. */
export function getMember(deps: ReadDeps, { organizationId }: OrganizationPrincipal, userId: string) {
  return getMemberIn(deps.db.organizationReader({ organizationId }), organizationId, userId);
}

/** Does the same as getMember, within a transaction. */
export async function getMemberIn(tx: OrganizationReader, organizationId: string, userId: string) {
  const row = await findMember(tx, organizationId, userId);
  if (!row) throw noSuchMember();
  return toMember(row);
}

/** A member as the organization sees it. */
export type Member = ReturnType<typeof toMember>;

/** The message is the same for a user of another organization and for a user who does not exist. */
export function noSuchMember() {
  return problem('not_found', { detail: 'There is no such member: list the members first.' });
}

function toMember({ id, email, name, status, roles, joinedAt }: MemberRow) {
  return { id, email, name, status, roles, joinedAt: joinedAt.toISOString() };
}
