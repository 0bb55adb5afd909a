// The queries for the mail of an invitation. One reads whether the mail must still be sent, and another one stores the
// token of the mail.
import { type SystemTx, statement } from '../../base/database/db.ts';
import type { Language } from '../../base/page-kit/language.ts';
import { stored } from '../../base/secrets/personal.ts';

export interface MailableInvitation {
  readonly email: string;
  readonly expiresAt: Date;
  readonly organizationName: string;
  readonly organizationStatus: 'active' | 'suspended';
  readonly inviterName: string | null;
  readonly inviterLocale: Language | null;
}

// The lock orders this mail and a renewal, revocation or acceptance at the same moment: one of them finishes first.
const LOCK = statement(`
SELECT ${stored('i.email')} AS email, i.invited_by::text AS "inviterId", i.expires_at AS "expiresAt", o.name AS "organizationName", o.status AS "organizationStatus",
  (SELECT ${stored('u.name')} FROM users u WHERE u.id = i.invited_by) AS "inviterName",
  (SELECT u.locale FROM users u WHERE u.id = i.invited_by) AS "inviterLocale"
FROM invitations i JOIN organizations o ON o.id = i.organization_id AND o.deleted_at IS NULL
WHERE i.organization_id = $1::uuid AND i.id = $2::uuid AND i.status = 'pending' AND i.expires_at > clock_timestamp()
FOR UPDATE OF i`);

/**
 * The data for an invitation's mail, or null when the invitation has ended. Locks the invitation until the end of the
 * transaction.
 */
export async function lockPendingInvitation(
  tx: SystemTx,
  organizationId: string,
  invitationId: string,
): Promise<MailableInvitation | null> {
  const [row] = await tx.rows<MailableInvitation & { inviterId: string | null }>(LOCK, [organizationId, invitationId]);
  if (!row) return null;
  const { inviterId, ...mailable } = row;
  return tx.personal.opening((open) => ({
    ...mailable,
    email: open('invitations.email', invitationId, mailable.email),
    inviterName: inviterId === null ? null : open('users.name', inviterId, mailable.inviterName),
  }));
}

const STORE_TOKEN = statement(`
UPDATE invitations SET token_hash = decode($3, 'hex') WHERE organization_id = $1::uuid AND id = $2::uuid`);

/** Makes this token the only token of the invitation. `tokenHash` is in hexadecimal digits. */
export async function updateToken(
  tx: SystemTx,
  organizationId: string,
  invitationId: string,
  tokenHash: string,
): Promise<void> {
  await tx.rows(STORE_TOKEN, [organizationId, invitationId, tokenHash]);
}
