// The queries that list the members of an organization and find one member.
import { type OrganizationReader, statement } from '../../base/database/db.ts';
import type { Scope } from '../rights/scope.ts';

export interface MemberRow {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly status: 'active' | 'suspended';
  readonly roles: readonly { readonly id: string; readonly name: string; readonly scope: Scope }[];
  readonly joinedAt: Date;
}

const COLUMNS = `
m.user_id AS id, u.email, u.name, m.status, m.joined_at AS "joinedAt",
(SELECT coalesce(json_agg(json_build_object('id', r.id, 'name', r.name, 'scope', a.scope)
    ORDER BY r.level DESC, r.name, a.scope::text), '[]')
  FROM role_assignments a JOIN roles r ON r.owner_key = a.role_owner_key AND r.id = a.role_id
  WHERE a.organization_id = m.organization_id AND a.user_id = m.user_id) AS roles`;

// If the database has the locale C, lower() changes only ASCII letters. With the root collation of ICU it changes all
// letters.
const contains = (column: string) => `strpos(lower(${column} COLLATE "und-x-icu"), lower($2 COLLATE "und-x-icu")) > 0`;

// $1 organization, $2 part of a name or e-mail, $3 status, $4 role (id or name). A null value adds no condition. These
// conditions are sub-selects, because PostgreSQL may turn EXISTS into a join that reads a whole table. Each sub-select
// is one index lookup.
const WANTED = `
m.organization_id = $1
AND ($3::text IS NULL OR m.status = $3)
AND ($2::text IS NULL OR (SELECT ${contains('u.name')} OR ${contains('u.email')} FROM users u WHERE u.id = m.user_id))
AND ($4::text IS NULL OR (SELECT count(*) FROM role_assignments a
  JOIN roles r ON r.owner_key = a.role_owner_key AND r.id = a.role_id
  WHERE a.organization_id = m.organization_id AND a.user_id = m.user_id
    AND (r.name = $4 OR r.id::text = lower($4))) > 0)`;

/**
 * The query of the list. A test checks its plan. $1 to $4 are the parameters of WANTED, $5 is the limit, $6 the offset.
 */
export const LIST = statement(`
WITH wanted AS MATERIALIZED (
  SELECT m.organization_id, m.user_id, m.status, m.joined_at FROM memberships m WHERE ${WANTED}
)
SELECT ${COLUMNS}, (SELECT count(*) FROM wanted)::int AS total
FROM (SELECT * FROM wanted ORDER BY joined_at, user_id LIMIT $5 OFFSET $6) m JOIN users u ON u.id = m.user_id
ORDER BY m.joined_at, m.user_id`);

export interface MemberFilter {
  /** A part of the name or e-mail, in upper or lower case. */
  readonly q?: string | undefined;
  readonly status?: 'active' | 'suspended' | undefined;
  /** The id or name of a role that the member has, in any scope. */
  readonly role?: string | undefined;
}

function filterValues(organizationId: string, { q, status, role }: MemberFilter) {
  return [organizationId, q ?? null, status ?? null, role ?? null];
}

/** The members that match the filter, in the order in which they joined. */
export function listMemberRows(
  tx: OrganizationReader,
  organizationId: string,
  filter: MemberFilter,
  page: { readonly limit: number; readonly offset: number },
): Promise<(MemberRow & { readonly total: number })[]> {
  return tx.rows(LIST, [...filterValues(organizationId, filter), page.limit, page.offset]);
}

const COUNT = statement(`SELECT count(*)::int AS total FROM memberships m WHERE ${WANTED}`);

export async function countMembers(
  tx: OrganizationReader,
  organizationId: string,
  filter: MemberFilter,
): Promise<number> {
  const [row] = await tx.rows<{ total: number }>(COUNT, filterValues(organizationId, filter));
  return row?.total ?? 0;
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
  const [row] = await tx.rows<MemberRow>(FIND, [organizationId, userId]);
  return row ?? null;
}
