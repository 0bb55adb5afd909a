// The queries of an invitation's mail: whether it must still be sent, and its token.
import { type SystemTx, statement } from '../../base/database/db.ts';

export interface MailableInvitation {
  readonly email: string;
  readonly expiresAt: Date;
  readonly organizationName: string;
  readonly organizationStatus: 'active' | 'suspended';
  readonly inviterName: string | null;
}

// The lock makes a renewal, revocation or acceptance at the same moment happen fully before or after this mail.
const LOCK = statement(`
SELECT i.email, i.expires_at AS "expiresAt", o.name AS "organizationName", o.status AS "organizationStatus",
  (SELECT u.name FROM users u WHERE u.id = i.invited_by) AS "inviterName"
FROM invitations i JOIN organizations o ON o.id = i.organization_id
WHERE i.organization_id = $1::uuid AND i.id = $2::uuid AND i.status = 'pending' AND i.expires_at > clock_timestamp()
FOR UPDATE OF i`);

/** The data for an invitation's mail. Locks the invitation until the end of the transaction. Null when it has ended. */
export async function lockPendingInvitation(
  tx: SystemTx,
  organizationId: string,
  invitationId: string,
): Promise<MailableInvitation | null> {
  const [row] = await tx.rows<MailableInvitation>(LOCK, [organizationId, invitationId]);
  return row ?? null;
}

const STORE_TOKEN = statement(`
UPDATE invitations SET token_hash = decode($3, 'hex') WHERE organization_id = $1::uuid AND id = $2::uuid`);

/** Makes this token the invitation's only one. `tokenHash` is in hexadecimal digits. */
export async function updateToken(
  tx: SystemTx,
  organizationId: string,
  invitationId: string,
  tokenHash: string,
): Promise<void> {
  await tx.rows(STORE_TOKEN, [organizationId, invitationId, tokenHash]);
}
