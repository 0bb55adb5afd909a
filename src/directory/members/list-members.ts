// Reads the members of the current organization: a list with a search, or one member. The members of a large
// organization are filtered in slices, so that no statement runs long. For each large organization, only one list is
// read at a time.

import type { Database, OrganizationReader, SystemReader } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { type Page, type Paged, pageOf } from '../../base/platform/page.ts';
import type { OrganizationPrincipal } from '../../protocol/caller.ts';
import { findContaining, findFew, findPeople } from '../users/search.ts';
import {
  countMembers,
  type FoundMember,
  findInSlice,
  findMember,
  findMemberPage,
  findPageAmong,
  listMemberRows,
  listMembersByIds,
  listSlices,
  type MemberFilter,
  type MemberPage,
  type MemberRow,
} from './list-store.ts';
import { findMatchingPage, listMatching } from './search-store.ts';

interface ReadDeps {
  readonly db: Database;
}

/** Which members to list. `q` is a part of the name or e-mail, whatever the case of its letters. */
export type MemberQuery = MemberFilter & Page & { readonly q?: string | undefined };

export type Member = ReturnType<typeof toMember>;

/**
 * The members that match the filter, in the order in which they joined. Raises DatabaseBusy when too many lists of a
 * large organization are requested at the same time.
 */
export async function listMembers(
  deps: ReadDeps,
  { organizationId }: OrganizationPrincipal,
  query: MemberQuery,
): Promise<Paged<Member>> {
  const { q, limit, offset, ...filter } = query;
  const page = { limit, offset };
  const reader = deps.db.organizationReader({ organizationId }, { bulk: true });
  if (q !== undefined) {
    const found = await searchMembers(deps, reader, { organizationId, q, filter, page });
    return pageOf(found.rows.map(toMember), found.total, page);
  }
  const found =
    (await findMemberPage(reader, organizationId, filter, page)) ??
    (await deps.db.scanOrganization({ organizationId }, (scanning) =>
      isEmpty(filter)
        ? pageOfAll(scanning, organizationId, page)
        : searchInSlices(scanning, organizationId, filter, page),
    ));
  return pageOf(found.rows.map(toMember), found.total, page);
}

const isEmpty = ({ status, role }: MemberFilter) => status === undefined && role === undefined;

interface Search {
  readonly organizationId: string;
  readonly q: string;
  readonly filter: MemberFilter;
  readonly page: Page;
}

/** Finds the people first. Then reads, in the scope of the organization, those who are its members. */
async function searchMembers(
  { db }: ReadDeps,
  reader: OrganizationReader,
  { organizationId, q, filter, page }: Search,
): Promise<MemberPage> {
  const searching = db.systemReader({ bulk: true });
  const few = await findFew(searching, q, organizationId);
  if (few) return findPageAmong(reader, organizationId, few, filter, page);
  return db.scanOrganization({ organizationId }, async (scanning) => {
    // Until every row is sealed, a search by the parts of names does not find everybody.
    if (!searching.personal.isSealed) {
      const many = await findPeople(searching, q, organizationId);
      return findPageAmong(scanning, organizationId, many, filter, page);
    }
    const { ids, total } = await findMany(searching, { organizationId, q, filter, page });
    return { total, rows: ids.length === 0 ? [] : await listMembersByIds(scanning, organizationId, ids) };
  });
}

/** The ids of one page of the matches in a large organization. */
async function findMany(searching: SystemReader, { organizationId, q, filter, page }: Search) {
  const { grams, isExact } = searching.personal.searched(q);
  const sought = { organizationId, grams, filter };
  if (isExact) return findMatchingPage(searching, sought, page);
  const all = await findContaining(searching, q, await listMatching(searching, sought));
  return { ids: all.slice(page.offset, page.offset + page.limit), total: all.length };
}

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
