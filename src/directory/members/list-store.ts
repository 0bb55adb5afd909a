// The queries that list the members of an organization and find one member.
import { type OrganizationReader, statement } from '../../base/database/db.ts';
import { stored } from '../../base/secrets/personal.ts';
import { NIL_ID } from '../../protocol/id.ts';
import type { Scope } from '../rights/scope.ts';
import { withPerson } from '../users/person-store.ts';
import { AT_ONCE_MAX } from '../users/search-store.ts';

export interface MemberRow {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly status: 'active' | 'suspended';
  readonly roles: readonly { readonly id: string; readonly name: string; readonly scope: Scope }[];
  readonly joinedAt: Date;
}

const COLUMNS = `
m.user_id AS id, ${stored('u.email')} AS email, ${stored('u.name')} AS name, m.status, m.joined_at AS "joinedAt",
(SELECT coalesce(json_agg(json_build_object('id', r.id, 'name', r.name, 'scope', a.scope)
    ORDER BY r.level DESC, r.name, a.scope::text), '[]')
  FROM role_assignments a JOIN roles r ON r.owner_key = a.role_owner_key AND r.id = a.role_id
  WHERE a.organization_id = m.organization_id AND a.user_id = m.user_id) AS roles`;

/**
 * The SQL condition that a membership `m` matches a filter. `first` is the number of the first of three parameters,
 * which are the organization, the status, and the role (id or name). A status or role that is null adds no condition.
 * The last condition is a sub-select, because PostgreSQL may turn EXISTS into a join that reads a whole table. The
 * sub-select is one index lookup.
 */
export const wanted = (first: number) => `
m.organization_id = $${first}::uuid
AND ($${first + 1}::text IS NULL OR m.status = $${first + 1})
AND ($${first + 2}::text IS NULL OR (SELECT count(*) FROM role_assignments a
  JOIN roles r ON r.owner_key = a.role_owner_key AND r.id = a.role_id
  WHERE a.organization_id = m.organization_id AND a.user_id = m.user_id
    AND (r.name = $${first + 2} OR r.id::text = lower($${first + 2}))) > 0)`;
// $1 organization, $2 status, $3 role.
const WANTED = wanted(1);

const SLICE_MEMBERS = 5_000;

/**
 * The query that lists the members of a small organization. A test checks its plan. $1 to $3 are the parameters of
 * WANTED, $4 is the limit, $5 the offset. The answer has at least one row. For a large organization, it contains no
 * member.
 */
export const LIST = statement(`
WITH size AS MATERIALIZED (
  SELECT count(*) > ${AT_ONCE_MAX} AS large
  FROM (SELECT FROM memberships m WHERE m.organization_id = $1 LIMIT ${AT_ONCE_MAX + 1}) AS members
),
wanted AS MATERIALIZED (
  SELECT m.organization_id, m.user_id, m.status, m.joined_at FROM memberships m
  WHERE NOT (SELECT large FROM size) AND ${WANTED}
)
SELECT size.large, (SELECT count(*) FROM wanted)::int AS total, p.*
FROM size LEFT JOIN (
  SELECT ${COLUMNS}
  FROM (SELECT * FROM wanted ORDER BY joined_at, user_id LIMIT $4 OFFSET $5) m JOIN users u ON u.id = m.user_id
) AS p ON true ORDER BY p."joinedAt", p.id`);

// $1 to $3 are the parameters of WANTED, $4 the ids of members, $5 is the limit, $6 the offset. The answer has at least
// one row.
const AMONG = statement(`
WITH wanted AS MATERIALIZED (
  SELECT m.organization_id, m.user_id, m.status, m.joined_at FROM memberships m
  WHERE m.user_id = ANY($4::text[]::uuid[]) AND ${WANTED}
)
SELECT w.total, p.*
FROM (SELECT count(*)::int AS total FROM wanted) AS w LEFT JOIN (
  SELECT ${COLUMNS}
  FROM (SELECT * FROM wanted ORDER BY joined_at, user_id LIMIT $5 OFFSET $6) m JOIN users u ON u.id = m.user_id
) AS p ON true ORDER BY p."joinedAt", p.id`);

export interface MemberFilter {
  readonly status?: 'active' | 'suspended' | undefined;
  /** The id or name of a role that the member has, in any scope. */
  readonly role?: string | undefined;
}

function filterValues(organizationId: string, { status, role }: MemberFilter) {
  return [organizationId, status ?? null, role ?? null];
}

export type Page = { readonly limit: number; readonly offset: number };

/** A page of members, and how many members match in total. */
export interface MemberPage {
  readonly rows: readonly MemberRow[];
  readonly total: number;
}

/** A page of the members that match the filter, in the order in which they joined. Null for a large organization. */
export async function findMemberPage(
  tx: OrganizationReader,
  organizationId: string,
  filter: MemberFilter,
  page: Page,
): Promise<MemberPage | null> {
  const values = [...filterValues(organizationId, filter), page.limit, page.offset];
  const rows = await tx.rows<(MemberRow | { id: null }) & { large: boolean; total: number }>(LIST, values);
  if (rows[0]?.large) return null;
  return { rows: await opened(tx, rows), total: rows[0]?.total ?? 0 };
}

/** A page of the members with these ids that match the filter, in the order in which they joined. */
export async function findPageAmong(
  tx: OrganizationReader,
  organizationId: string,
  ids: readonly string[],
  filter: MemberFilter,
  page: Page,
): Promise<MemberPage> {
  const values = [...filterValues(organizationId, filter), ids, page.limit, page.offset];
  const rows = await tx.rows<(MemberRow | { id: null }) & { total: number }>(AMONG, values);
  return { rows: await opened(tx, rows), total: rows[0]?.total ?? 0 };
}

/** The members of the rows, with e-mail and name opened. */
function opened(tx: OrganizationReader, rows: readonly (MemberRow | { id: null })[]): Promise<MemberRow[]> {
  return tx.personal.opening((open) => rows.flatMap((row) => (row.id === null ? [] : [withPerson(open, row)])));
}

// $1 organization, $2 limit, $3 offset.
const PAGE = statement(`
SELECT ${COLUMNS} FROM (
  SELECT w.organization_id, w.user_id, w.status, w.joined_at FROM memberships w WHERE w.organization_id = $1::uuid
  ORDER BY w.joined_at, w.user_id LIMIT $2::int OFFSET $3::int
) m JOIN users u ON u.id = m.user_id ORDER BY m.joined_at, m.user_id`);

/** A page of all members, in the order in which they joined. */
export async function listMemberRows(tx: OrganizationReader, organizationId: string, page: Page): Promise<MemberRow[]> {
  return opened(tx, await tx.rows<MemberRow>(PAGE, [organizationId, page.limit, page.offset]));
}

const COUNT = statement('SELECT count(*)::int AS total FROM memberships m WHERE m.organization_id = $1::uuid');

export async function countMembers(tx: OrganizationReader, organizationId: string): Promise<number> {
  const [row] = await tx.rows<{ total: number }>(COUNT, [organizationId]);
  return row?.total ?? 0;
}

const ENDS = statement(`
SELECT user_id::text AS id FROM (
  SELECT m.user_id, row_number() OVER (ORDER BY m.user_id) AS number FROM memberships m WHERE m.organization_id = $1::uuid
) AS numbered WHERE number % ${SLICE_MEMBERS} = 0 ORDER BY user_id`);

/** Part of the members of an organization: those whose id is greater than `after`, up to `upTo`. */
export interface Slice {
  readonly after: string;
  readonly upTo: string;
}

/** Slices that together contain every member. One statement can look through one slice. */
export async function listSlices(tx: OrganizationReader, organizationId: string): Promise<Slice[]> {
  const rows = await tx.rows<{ id: string }>(ENDS, [organizationId]);
  const ends = [NIL_ID, ...rows.map(({ id }) => id), GREATEST_ID];
  return ends.slice(1).map((upTo, index) => ({ after: ends[index] ?? NIL_ID, upTo }));
}

const GREATEST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

// $1 to $3 are the parameters of WANTED, $4 and $5 the ends of the slice, $6 the limit.
const IN_SLICE = statement(`
WITH wanted AS MATERIALIZED (
  SELECT m.user_id, m.joined_at FROM memberships m WHERE m.user_id > $4::uuid AND m.user_id <= $5::uuid AND ${WANTED}
)
SELECT user_id::text AS id, joined_at AS "joinedAt", (SELECT count(*) FROM wanted)::int AS total
FROM wanted ORDER BY joined_at, user_id LIMIT $6::int`);

export interface FoundMember {
  readonly id: string;
  readonly joinedAt: Date;
}

/** The members of a slice that match the filter: how many, and those that joined first. */
export async function findInSlice(
  tx: OrganizationReader,
  organizationId: string,
  filter: MemberFilter,
  { after, upTo, limit }: Slice & { readonly limit: number },
): Promise<{ readonly found: readonly FoundMember[]; readonly total: number }> {
  const values = [...filterValues(organizationId, filter), after, upTo, limit];
  const rows = await tx.rows<FoundMember & { total: number }>(IN_SLICE, values);
  return { found: rows, total: rows[0]?.total ?? 0 };
}

const BY_IDS = statement(`
SELECT ${COLUMNS} FROM memberships m JOIN users u ON u.id = m.user_id
WHERE m.organization_id = $1::uuid AND m.user_id = ANY($2::text[]::uuid[]) ORDER BY m.joined_at, m.user_id`);

/** The members with these ids, in the order in which they joined. */
export async function listMembersByIds(
  tx: OrganizationReader,
  organizationId: string,
  ids: readonly string[],
): Promise<MemberRow[]> {
  return opened(tx, await tx.rows<MemberRow>(BY_IDS, [organizationId, ids]));
}

const FIND = statement(`
SELECT ${COLUMNS} FROM memberships m JOIN users u ON u.id = m.user_id
WHERE m.organization_id = $1::uuid AND m.user_id = $2::uuid`);

/** One member, or null for a user who is not a member. */
export async function findMember(
  tx: OrganizationReader,
  organizationId: string,
  userId: string,
): Promise<MemberRow | null> {
  const [member] = await opened(tx, await tx.rows<MemberRow>(FIND, [organizationId, userId]));
  return member ?? null;
}
