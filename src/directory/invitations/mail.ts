// The mail of an invitation: whether it may be sent now, its language, and its token.

import { type MailKit, writeMail } from '../../base/mail-kit/kit.ts';
import { type MailKind, newestOnly } from '../../base/outbox/kinds.ts';
import type { Random } from '../../base/platform/random.ts';
import { parseEmail } from '../users/email.ts';
import { findLocaleOfMailbox } from '../users/receiver-store.ts';
import { lockPendingInvitation, updateToken } from './mail-store.ts';
import { hashOfToken, newInvitationToken } from './token.ts';

/** The kind of the mail in the outbox. The subject of the outbox row is the invitation. */
export const INVITATION_MAIL = 'invitation';
/** How long the mail of a suspended organization waits before the next try. */
const SUSPENDED_SECONDS = 600;

/** Returns the mail kind for the outbox. */
export function invitationMail(deps: { readonly random: Random; readonly mailKit: MailKit }): MailKind {
  return {
    kind: INVITATION_MAIL,
    prepare: newestOnly({
      async lock(tx, { organizationId, subjectId }) {
        const invitation = organizationId && (await lockPendingInvitation(tx, organizationId, subjectId));
        return invitation ? { ...invitation, organizationId } : null;
      },
      async prepare(tx, { subjectId }, invitation) {
        const { organizationId, email, inviterLocale } = invitation;
        if (invitation.organizationStatus !== 'active') {
          return { againSeconds: SUSPENDED_SECONDS, failure: 'organization_suspended' };
        }
        // The token is made now, for the mail, and only its hash is stored, so that a person who reads the database
        // cannot learn the token.
        const token = newInvitationToken(deps.random);
        await updateToken(tx, organizationId, subjectId, hashOfToken(token));
        const key = parseEmail(email)?.key;
        const locale = key === undefined ? null : await findLocaleOfMailbox(tx, key);
        return {
          to: email,
          ...writeMail(deps.mailKit, INVITATION_MAIL, locale ?? inviterLocale, { ...invitation, token }),
        };
      },
    }),
  };
}
