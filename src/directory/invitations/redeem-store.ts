// The queries that accept an invitation. They find the invitation by its token, read what it offers, and mark it as
// accepted.
import { type SystemReader, type SystemTx, statement } from '../../base/database/db.ts';
import { stored } from '../../base/secrets/personal.ts';
import { parseEmail } from '../users/email.ts';

export interface Redeemable {
  readonly id: string;
  readonly organizationId: string;
  readonly organizationSlug: string;
  readonly organizationName: string;
  /** The address as the inviter typed it. The token was sent to this address. */
  readonly email: string;
  readonly emailKey: string;
}

const FIND = statement(`
SELECT i.id::text, o.id::text AS "organizationId", o.slug AS "organizationSlug", o.name AS "organizationName",
  ${stored('i.email')} AS email
FROM invitations i JOIN organizations o ON o.id = i.organization_id AND o.status = 'active'
WHERE i.token_hash = decode($1, 'hex') AND i.status = 'pending' AND i.expires_at > clock_timestamp()`);

/**
 * The invitation that can be accepted now with the token of this hash (in hexadecimal digits); null if there is none.
 */
export async function findByTokenHash(tx: SystemReader, tokenHash: string): Promise<Redeemable | null> {
  const [row] = await tx.rows<Omit<Redeemable, 'emailKey'>>(FIND, [tokenHash]);
  if (!row) return null;
  const email = await tx.personal.opening((open) => open('invitations.email', row.id, row.email));
  return { ...row, email, emailKey: parseEmail(email)?.key ?? '' };
}

/** What an invitation says to the person who holds its token. */
export interface Offer extends Redeemable {
  /** Null when an operator sent the invitation. */
  readonly inviterName: string | null;
  /** The names of the roles. */
  readonly roles: readonly string[];
  readonly expiresAt: Date;
}

// $1 organization, $2 invitation.
const DESCRIBE = statement(`
SELECT i.expires_at AS "expiresAt", i.invited_by::text AS "inviterId",
  (SELECT ${stored('u.name')} FROM users u WHERE u.id = i.invited_by) AS "inviterName",
  ARRAY(SELECT r.name FROM invitation_roles o JOIN roles r ON r.owner_key = o.role_owner_key AND r.id = o.role_id
    WHERE o.organization_id = i.organization_id AND o.invitation_id = i.id
    GROUP BY r.id, r.name, r.level ORDER BY r.level DESC, r.name) AS roles
FROM invitations i WHERE i.organization_id = $1::uuid AND i.id = $2::uuid`);

/** Returns what the invitation says. Returns null when it was removed in the meantime. */
export async function describeInvitation(tx: SystemReader, invitation: Redeemable): Promise<Offer | null> {
  const [row] = await tx.rows<{ expiresAt: Date; inviterId: string | null; inviterName: string; roles: string[] }>(
    DESCRIBE,
    [invitation.organizationId, invitation.id],
  );
  if (!row) return null;
  const { inviterId, expiresAt, roles } = row;
  const inviterName =
    inviterId && (await tx.personal.opening((open) => open('users.name', inviterId, row.inviterName)));
  return { ...invitation, inviterName, expiresAt, roles };
}

// $1 organization, $2 invitation, $3 hash of the token in hexadecimal digits, $4 the user who accepts.
const ACCEPT = statement(`
UPDATE invitations SET status = 'accepted', accepted_by = $4::uuid, token_hash = NULL, updated_at = clock_timestamp()
WHERE organization_id = $1::uuid AND id = $2::uuid AND token_hash = decode($3, 'hex')
  AND status = 'pending' AND expires_at > clock_timestamp()
RETURNING invited_by::text AS "invitedBy"`);

/**
 * Accepts the invitation for this user and makes its token invalid. If several calls run at the same moment, only one
 * succeeds. Returns null when the token is no longer valid. `invitedBy` is null when an operator sent the invitation.
 */
export async function markAccepted(
  tx: SystemTx,
  invitation: Redeemable,
  tokenHash: string,
  userId: string,
): Promise<{ readonly invitedBy: string | null } | null> {
  const values = [invitation.organizationId, invitation.id, tokenHash, userId];
  const [row] = await tx.rows<{ invitedBy: string | null }>(ACCEPT, values);
  return row ?? null;
}
