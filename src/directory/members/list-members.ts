// Reads the members of the current organization: a list with a search, or one member. A large organization is read in
// slices, so that no statement runs long, and only one of these readings runs at a time.

import type { Database, OrganizationReader } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { type Page, type Paged, pageOf } from '../../base/platform/page.ts';
import type { OrganizationPrincipal } from '../../protocol/caller.ts';
import {
  countMembers,
  type FoundMember,
  findInSlice,
  findMember,
  findMemberPage,
  listMemberRows,
  listMembersByIds,
  listSlices,
  type MemberFilter,
  type MemberPage,
  type MemberRow,
} from './list-store.ts';

interface ReadDeps {
  readonly db: Database;
}

export type Member = ReturnType<typeof toMember>;

/**
 * The members that match the filter, in the order in which they joined. Raises DatabaseBusy when too many lists of a
 * large organization are requested at the same time.
 */
export async function listMembers(
  deps: ReadDeps,
  { organizationId }: OrganizationPrincipal,
  query: MemberFilter & Page,
): Promise<Paged<Member>> {
  const { limit, offset, ...filter } = query;
  const page = { limit, offset };
  const reader = deps.db.organizationReader({ organizationId }, { bulk: true });
  const found =
    (await findMemberPage(reader, organizationId, filter, page)) ??
    (await deps.db.scanOrganization({ organizationId }, (scanning) =>
      isEmpty(filter)
        ? pageOfAll(scanning, organizationId, page)
        : searchInSlices(scanning, organizationId, filter, page),
    ));
  return pageOf(found.rows.map(toMember), found.total, page);
}

const isEmpty = ({ q, status, role }: MemberFilter) => q === undefined && status === undefined && role === undefined;

async function pageOfAll(tx: OrganizationReader, organizationId: string, page: Page): Promise<MemberPage> {
  const total = await countMembers(tx, organizationId);
  return { total, rows: page.offset < total ? await listMemberRows(tx, organizationId, page) : [] };
}

/** Finds every match. Of the matches, only those up to the end of the page are kept. */
async function searchInSlices(
  tx: OrganizationReader,
  organizationId: string,
  filter: MemberFilter,
  { limit, offset }: Page,
): Promise<MemberPage> {
  const kept = offset + limit;
  let total = 0;
  let first: FoundMember[] = [];
  for (const slice of await listSlices(tx, organizationId)) {
    const inSlice = await findInSlice(tx, organizationId, filter, { ...slice, limit: kept });
    total += inSlice.total;
    first = [...first, ...inSlice.found].sort(byJoining).slice(0, kept);
  }
  const ids = first.slice(offset).map(({ id }) => id);
  return { total, rows: ids.length === 0 ? [] : await listMembersByIds(tx, organizationId, ids) };
}

function byJoining(one: FoundMember, other: FoundMember): number {
  return one.joinedAt.getTime() - other.joinedAt.getTime() || (one.id < other.id ? -1 : 1);
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

/** The message is the same for a user of another organization and for a user who does not exist. */
export function noSuchMember() {
  return problem('not_found', { detail: 'There is no such member: list the members first.' });
}

function toMember({ id, email, name, status, roles, joinedAt }: MemberRow) {
  return { id, email, name, status, roles, joinedAt: joinedAt.toISOString() };
}
