// The queries that create, renew, list and revoke invitations. The database's clock decides which invitations have
// expired.

import { type OrganizationReader, type OrganizationTx, type SystemTx, statement } from '../../base/database/db.ts';
import { stored } from '../../base/secrets/personal.ts';
import type { ScopedRole } from '../members/resolve-roles.ts';
import type { Scope } from '../rights/scope.ts';
import { parseEmail } from '../users/email.ts';
import { byEmail } from '../users/person-store.ts';

const MEMBER = byEmail(
  (is) => `
SELECT 1 FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.organization_id = $1::uuid AND ${is}`,
  { first: 2 },
);

/** Whether a member, active or not, has this canonical e-mail. */
export async function isMembersEmail(
  tx: OrganizationTx | SystemTx,
  organizationId: string,
  emailKey: string,
): Promise<boolean> {
  const { query, values } = MEMBER(tx, emailKey);
  return (await tx.rows(query, [organizationId, ...values])).length > 0;
}

const SEATS = byEmail(
  (is) => `
SELECT (s.limits->>'teamMembers')::float8 AS "limit",
  (SELECT count(*)::int FROM memberships m WHERE m.organization_id = $1::uuid) AS members,
  (SELECT count(*)::int FROM invitations i WHERE i.organization_id = $1::uuid AND i.status = 'pending'
    AND i.expires_at > clock_timestamp() AND ${is} IS NOT TRUE) AS pending
FROM (SELECT 1) AS one LEFT JOIN subscriptions s ON s.organization_id = $1::uuid`,
  { table: 'invitations', first: 2 },
);

export interface Seats {
  /** Null when the subscription does not limit the members. */
  readonly limit: number | null;
  readonly members: number;
  readonly pending: number;
}

/**
 * The limit of team members, and the number of members and invitations that count. The invitation of `exceptEmailKey`
 * does not count.
 */
export async function countSeats(
  tx: OrganizationTx | SystemTx,
  organizationId: string,
  exceptEmailKey: string,
): Promise<Seats> {
  const { query, values } = SEATS(tx, exceptEmailKey);
  const [row] = await tx.rows<Seats>(query, [organizationId, ...values]);
  return row ?? { limit: null, members: 0, pending: 0 };
}

const PENDING = byEmail(
  (is) => `
SELECT i.id::text FROM invitations i WHERE i.organization_id = $1::uuid AND i.status = 'pending' AND ${is}`,
  { table: 'invitations', first: 2 },
);
// The email_lookup of an existing invitation is not changed, because the invitation was found by it. $1 is the id of
// the invitation, $2 of the organization and $5 of the inviter, which is null for an operator. $3 is the e-mail and $4
// its canonical form, both null once nothing is stored unsealed. $6 is the lifetime in seconds, $7 the sealed e-mail
// and $8 its lookup.
const UPSERT = statement(`
INSERT INTO invitations (id, organization_id, email, email_key, invited_by, expires_at, email_sealed, email_lookup)
VALUES ($1::uuid, $2::uuid, $3, $4, $5::uuid, clock_timestamp() + $6::float8 * interval '1 second',
  decode($7, 'base64'), decode($8, 'base64'))
ON CONFLICT (id) DO UPDATE
  SET email = excluded.email, email_sealed = excluded.email_sealed, invited_by = excluded.invited_by,
    expires_at = excluded.expires_at, updated_at = clock_timestamp()
RETURNING id`);

export interface NewInvitation {
  readonly id: string;
  readonly organizationId: string;
  readonly email: string;
  readonly emailKey: string;
  readonly invitedBy: string | null;
  readonly ttlSeconds: number;
}

/**
 * Creates the pending invitation of the e-mail, or renews the existing one. Call this under the organization's lock, so
 * that nobody else creates another one meanwhile.
 */
export async function upsertInvitation(
  tx: OrganizationTx | SystemTx,
  invitation: NewInvitation,
): Promise<{ id: string; renewed: boolean }> {
  const { organizationId, email, emailKey, invitedBy, ttlSeconds } = invitation;
  const { personal } = tx;
  const pending = PENDING(tx, emailKey);
  const [known] = await tx.rows<{ id: string }>(pending.query, [organizationId, ...pending.values]);
  const id = known?.id ?? invitation.id;
  const values = [
    ...[id, organizationId, personal.clear(email), personal.clear(emailKey), invitedBy, ttlSeconds],
    ...[personal.seal('invitations.email', id, email), personal.lookup('invitations.email', emailKey)],
  ];
  const [row] = await tx.rows<{ id: string }>(UPSERT, values);
  if (!row) throw new Error('the invitation was not written');
  return { id, renewed: known !== undefined };
}

const CLEAR_ROLES = statement(`
DELETE FROM invitation_roles WHERE organization_id = $1::uuid AND invitation_id = $2::uuid`);
const OFFER = statement(`
INSERT INTO invitation_roles (organization_id, invitation_id, role_id, role_owner_key, scope)
SELECT $1::uuid, $2::uuid, o."roleId", o."ownerKey", o.scope
FROM jsonb_to_recordset($3::jsonb) AS o ("roleId" uuid, "ownerKey" uuid, scope jsonb)
ON CONFLICT DO NOTHING`);

/**
 * Replaces the roles that an invitation offers with exactly these roles. A repeated pair of role and scope counts once.
 */
export async function setOfferedRoles(
  tx: OrganizationTx | SystemTx,
  organizationId: string,
  invitationId: string,
  roles: readonly ScopedRole[],
): Promise<void> {
  await tx.rows(CLEAR_ROLES, [organizationId, invitationId]);
  const offered = roles.map(({ id, ownerKey, scope }) => ({ roleId: id, ownerKey, scope }));
  await tx.rows(OFFER, [organizationId, invitationId, JSON.stringify(offered)]);
}

const OFFERED = `
SELECT r.id::text, r.owner_key::text AS "ownerKey", r.name, r.level::int, r.permissions, o.scope
FROM invitation_roles o JOIN roles r ON r.owner_key = o.role_owner_key AND r.id = o.role_id
WHERE o.organization_id = $1::uuid AND o.invitation_id = $2::uuid`;
const LIST_OFFERED = statement(OFFERED);

/** The roles that an invitation offers, with their current content. */
export function listOfferedRoles(
  tx: OrganizationTx | SystemTx,
  organizationId: string,
  invitationId: string,
): Promise<ScopedRole[]> {
  return tx.rows<ScopedRole>(LIST_OFFERED, [organizationId, invitationId]);
}

// Roles are locked in the order of the ids of the roles, and before users. Applying a preset uses the same order.
const LOCK_OFFERED = statement(`${OFFERED} ORDER BY r.id FOR KEY SHARE OF r`);

/** Returns the same as listOfferedRoles, and keeps these roles unchanged until the end of the transaction. */
export function lockOfferedRoles(tx: SystemTx, organizationId: string, invitationId: string): Promise<ScopedRole[]> {
  return tx.rows<ScopedRole>(LOCK_OFFERED, [organizationId, invitationId]);
}

export interface InvitationRow {
  readonly id: string;
  readonly email: string;
  readonly emailKey: string;
  readonly status: 'pending' | 'accepted' | 'revoked' | 'expired';
  readonly roles: readonly { id: string; name: string; scope: Scope }[];
  readonly invitedBy: { readonly id: string; readonly name: string } | null;
  readonly acceptedBy: string | null;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

const STATUS = `CASE WHEN i.status = 'pending' AND i.expires_at <= clock_timestamp() THEN 'expired' ELSE i.status END`;
const COLUMNS = `
i.id, ${stored('i.email')} AS email, ${STATUS} AS status, i.created_at AS "createdAt",
i.expires_at AS "expiresAt", i.accepted_by AS "acceptedBy",
(SELECT json_build_object('id', u.id, 'name', ${stored('u.name')}) FROM memberships m JOIN users u ON u.id = m.user_id
  WHERE m.organization_id = i.organization_id AND m.user_id = i.invited_by) AS "invitedBy",
(SELECT coalesce(json_agg(json_build_object('id', r.id, 'name', r.name, 'scope', o.scope)
    ORDER BY r.level DESC, r.name, o.scope::text), '[]')
  FROM invitation_roles o JOIN roles r ON r.owner_key = o.role_owner_key AND r.id = o.role_id
  WHERE o.organization_id = i.organization_id AND o.invitation_id = i.id) AS roles`;

const FIND = statement(`
SELECT ${COLUMNS} FROM invitations i WHERE i.organization_id = $1::uuid AND i.id = $2::uuid`);

/** One invitation of the organization, in any status. */
export async function findInvitation(
  tx: OrganizationReader | OrganizationTx | SystemTx,
  organizationId: string,
  invitationId: string,
): Promise<InvitationRow | null> {
  const rows = await tx.rows<StoredInvitation>(FIND, [organizationId, invitationId]);
  const [invitation] = await opened(tx, rows);
  return invitation ?? null;
}

type StoredInvitation = Omit<InvitationRow, 'emailKey'>;

function opened<Row extends StoredInvitation>(
  tx: OrganizationReader | SystemTx,
  rows: readonly Row[],
): Promise<(Row & InvitationRow)[]> {
  return tx.personal.opening((open) =>
    rows.map((row) => {
      const email = open('invitations.email', row.id, row.email);
      const { invitedBy } = row;
      const inviter = invitedBy && { ...invitedBy, name: open('users.name', invitedBy.id, invitedBy.name) };
      return { ...row, email, emailKey: parseEmail(email)?.key ?? '', invitedBy: inviter };
    }),
  );
}

// The row of an expired invitation has the status 'pending'. With the condition on the row's status, the search for
// pending and the search for expired invitations can both use the index.
const OF_STATUS = `i.organization_id = $1::uuid AND ($2::text IS NULL OR (
  i.status = CASE WHEN $2 = 'expired' THEN 'pending' ELSE $2 END AND ${STATUS} = $2))`;
// $1 organization, $2 status or null, $3 limit, $4 offset.
const LIST = statement(`
SELECT ${COLUMNS}, (count(*) OVER ())::int AS total FROM invitations i
WHERE ${OF_STATUS} ORDER BY i.created_at DESC, i.id DESC LIMIT $3::int OFFSET $4::int`);
const COUNT = statement(`SELECT count(*)::int AS total FROM invitations i WHERE ${OF_STATUS}`);

/** The organization's invitations, the newest first. With `status` null, invitations of every status are returned. */
export async function listInvitationRows(
  tx: OrganizationReader,
  organizationId: string,
  query: { readonly status: string | null; readonly limit: number; readonly offset: number },
): Promise<(InvitationRow & { readonly total: number })[]> {
  const values = [organizationId, query.status, query.limit, query.offset];
  return opened(tx, await tx.rows<StoredInvitation & { readonly total: number }>(LIST, values));
}

export async function countInvitations(
  tx: OrganizationReader,
  organizationId: string,
  status: string | null,
): Promise<number> {
  const [row] = await tx.rows<{ total: number }>(COUNT, [organizationId, status]);
  return row?.total ?? 0;
}

const REVOKE = statement(`
UPDATE invitations SET status = 'revoked', updated_at = clock_timestamp()
WHERE organization_id = $1::uuid AND id = $2::uuid AND status = 'pending' RETURNING id`);

/** Revokes a pending or expired invitation. Returns false when there is no such invitation. */
export async function markRevoked(
  tx: OrganizationTx | SystemTx,
  organizationId: string,
  invitationId: string,
): Promise<boolean> {
  return (await tx.rows(REVOKE, [organizationId, invitationId])).length > 0;
}

// The invitations are locked in the order of their ids, so that two of these statements cannot deadlock.
// $1 user, $2 reason, $3 actor or null.
const REVOKE_SENT = statement(`
WITH locked AS (
  SELECT id FROM invitations WHERE invited_by = $1::uuid AND status = 'pending' ORDER BY id FOR UPDATE
),
ended AS (
  UPDATE invitations SET status = 'revoked', token_hash = NULL, updated_at = clock_timestamp()
  WHERE id IN (SELECT id FROM locked) AND invited_by = $1::uuid AND status = 'pending' RETURNING id, organization_id
)
INSERT INTO events (id, organization_id, type, actor_id, target_id, data)
SELECT gen_random_uuid(), organization_id, 'invitation.revoked', $3::uuid, id,
  json_build_object('reason', $2::text)::jsonb FROM ended`);

/**
 * Revokes the pending invitations, in every organization, whose last sender is this user. Records the events, whose
 * actor is the user, or nobody if somebody else closes the account.
 */
export async function markSentRevoked(
  tx: SystemTx,
  userId: string,
  reason: 'account_claimed' | 'account_closed',
  actorId: string | null = userId,
): Promise<void> {
  await tx.rows(REVOKE_SENT, [userId, reason, actorId]);
}

const DELETE_ACCEPTED = statement('DELETE FROM invitations WHERE accepted_by = $1::uuid');

/** Removes the invitations that the user has accepted, because they contain the address of the user. */
export async function deleteAccepted(tx: SystemTx, userId: string): Promise<void> {
  await tx.rows(DELETE_ACCEPTED, [userId]);
}
