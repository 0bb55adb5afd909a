// The data about a user in the answer of a sign-in and in its tokens. The statements of sessions share the parts of SQL
// in this file. $1 is always the user, $2 the requested organization (id or slug) or null.

import type { SystemReader } from '../../base/database/db.ts';
import { isKeyRevokedSql } from '../../base/revoking/sql.ts';
import { stored } from '../../base/secrets/personal.ts';
import type { FoundSession } from '../../directory/users/live-session.ts';
import { withPerson } from '../../directory/users/person-store.ts';

export interface SubjectUser {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly emailVerified: boolean;
  readonly status: 'active' | 'disabled';
  readonly epoch: number;
}

export interface SubjectOrganization {
  readonly id: string;
  readonly name: string;
  readonly slug: string;
  readonly active: boolean;
  readonly memberActive: boolean;
  readonly membershipEpoch: number;
  readonly rolesEpoch: number;
}

export interface Grant {
  readonly name: string;
  readonly permissions: readonly string[];
  readonly scoped: boolean;
}

/**
 * All data about the user in the answer of a sign-in and in its tokens. The statement that changes the session reads
 * this data.
 */
export interface Subject {
  readonly user: SubjectUser;
  /**
   * The requested organization, or else the one to which the statement falls back (see `subject`). Null if there is no
   * such organization or the user is not a member of it.
   */
  readonly organization: SubjectOrganization | null;
  readonly grants: readonly Grant[];
  readonly memberships: readonly {
    readonly organization: { readonly id: string; readonly name: string; readonly slug: string };
    readonly roles: readonly string[];
  }[];
}

// $1 is the user. `chosen` is the organization that $2 names (id or slug). If $2 is null, it is the oldest membership
// that fits the `fallback` of the statement. Memberships from before the account was taken over come last, because the
// current user may never have seen them.
export const subject = (fallback: string) => `
person AS (SELECT * FROM users WHERE id = $1),
chosen AS (
  SELECT o.id, o.name, o.slug, o.status = 'active' AS active, m.status = 'active' AS member_active, m.epoch AS member_epoch,
    o.roles_epoch
  FROM memberships m JOIN organizations o ON o.id = m.organization_id AND o.deleted_at IS NULL
  WHERE m.user_id = $1 AND CASE WHEN $2::text IS NULL THEN ${fallback} ELSE o.slug = $2 OR o.id::text = $2 END
  ORDER BY m.joined_at < (SELECT claimed_at FROM person) IS TRUE, m.joined_at, o.id LIMIT 1
)`;

export const SUBJECT_COLUMNS = `
json_build_object('id', p.id, 'email', ${stored('p.email')}, 'name', ${stored('p.name')}, 'emailVerified', p.email_verified_at IS NOT NULL,
  'status', p.status, 'epoch', p.epoch) AS user,
(SELECT json_build_object('id', c.id, 'name', c.name, 'slug', c.slug, 'active', c.active, 'memberActive', c.member_active,
    'membershipEpoch', c.member_epoch, 'rolesEpoch', c.roles_epoch)
  FROM chosen c) AS organization,
(SELECT coalesce(json_agg(json_build_object('name', r.name, 'permissions', r.permissions, 'scoped', a.scope <> '{}')
    ORDER BY r.level DESC, r.name), '[]')
  FROM chosen c JOIN role_assignments a ON a.organization_id = c.id AND a.user_id = p.id
    JOIN roles r ON r.owner_key = a.role_owner_key AND r.id = a.role_id) AS grants,
(SELECT coalesce(json_agg(json_build_object(
    'organization', json_build_object('id', o.id, 'name', o.name, 'slug', o.slug),
    'roles', (SELECT coalesce(json_agg(DISTINCT r.name), '[]') FROM role_assignments a
      JOIN roles r ON r.owner_key = a.role_owner_key AND r.id = a.role_id
      WHERE a.organization_id = m.organization_id AND a.user_id = m.user_id)) ORDER BY m.joined_at, o.id), '[]')
  FROM memberships m JOIN organizations o ON o.id = m.organization_id
  WHERE m.user_id = p.id AND m.status = 'active' AND o.status = 'active') AS memberships`;

/** The columns of the subject in a row. E-mail and name are opened. */
export function subjectOf(
  { personal }: Pick<SystemReader, 'personal'>,
  { user, organization, grants, memberships }: Subject,
): Promise<Subject> {
  return personal.opening((open) => ({ user: withPerson(open, user), organization, grants, memberships }));
}

/** The answer of a statement that changes a session. */
export interface ChangedSession extends FoundSession {
  readonly subject: Subject;
  /** The session as it is now. Null when nothing was changed. */
  readonly session: {
    readonly authenticatedAt: Date;
    readonly idleExpiresAt: Date;
    readonly amr: readonly string[];
  } | null;
}

/**
 * SQL: the end of a statement that changes a session. `changed` is the query of the changed row, with
 * `authenticated_at`, `idle_expires_at` and `amr`. $1 user, $3 session, $4 the key of the caller's token.
 */
export const selectChanged = (changed: string) => `
SELECT ${SUBJECT_COLUMNS}, s.authenticated_at, s.idle_expires_at, s.amr,
  EXISTS (SELECT FROM sessions WHERE id = $3 AND user_id = $1 AND revoked_at IS NULL
    AND idle_expires_at > clock_timestamp() AND expires_at > clock_timestamp()) AS live,
  ${isKeyRevokedSql('$4::text')} AS "keyRevoked"
FROM person p LEFT JOIN ${changed} s ON true`;

export interface ChangedRow extends Subject, FoundSession {
  readonly authenticated_at: Date | null;
  readonly idle_expires_at: Date;
  readonly amr: string[];
}

/** The answer in a row of selectChanged. Null without a row: the user is unknown. */
export async function changedSessionOf(
  tx: Pick<SystemReader, 'personal'>,
  row: ChangedRow | undefined,
): Promise<ChangedSession | null> {
  if (!row) return null;
  const { authenticated_at: authenticatedAt, idle_expires_at: idleExpiresAt, amr } = row;
  const session = authenticatedAt && { authenticatedAt, idleExpiresAt, amr };
  return { subject: await subjectOf(tx, row), live: row.live, keyRevoked: row.keyRevoked, session };
}
