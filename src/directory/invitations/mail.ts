// The mail of an invitation. This file decides whether the mail may be sent now, and writes its content as text and
// HTML. Anybody can choose the names in the mail. So the names are escaped and shortened, and no part of a name can
// look like a link. The only link in the mail is built from the configuration.

import { headerText } from '../../base/mail/header-text.ts';
import type { MailKind } from '../../base/outbox/kinds.ts';
import { isNewestMail } from '../../base/outbox/store.ts';
import type { Random } from '../../base/platform/random.ts';
import { lockPendingInvitation, updateToken } from './mail-store.ts';
import { hashOfToken, newInvitationToken } from './token.ts';

/** The kind of the mail in the outbox. The subject of the outbox row is the invitation. */
export const INVITATION_MAIL = 'invitation';
/** How long the mail of a suspended organization waits before the next try. */
const SUSPENDED_SECONDS = 600;

/** Returns the mail kind for the outbox. The links in the mails lead to `acceptPage`. */
export function invitationMail(deps: { readonly random: Random; readonly acceptPage: string }): MailKind {
  return {
    kind: INVITATION_MAIL,
    async prepare(tx, row) {
      const { organizationId, subjectId } = row;
      if (organizationId === null) return null;
      const invitation = await lockPendingInvitation(tx, organizationId, subjectId);
      // This check runs after the lock. So of two mails of one invitation only the newer is sent, whichever is
      // processed first.
      if (!invitation || !(await isNewestMail(tx, row))) return null;
      if (invitation.organizationStatus !== 'active') {
        return { againSeconds: SUSPENDED_SECONDS, failure: 'organization_suspended' };
      }
      // The token is made now and only its hash is stored, so that a person who reads the database cannot use the
      // token.
      const token = newInvitationToken(deps.random);
      await updateToken(tx, organizationId, subjectId, hashOfToken(token));
      return { to: invitation.email, ...writeInvitationMail({ ...invitation, acceptPage: deps.acceptPage, token }) };
    },
  };
}

export interface InvitationMail {
  readonly organizationName: string;
  /** Null when an operator sends the invitation. */
  readonly inviterName: string | null;
  /** The page where people accept invitations. */
  readonly acceptPage: string;
  readonly token: string;
  readonly expiresAt: Date;
}

const NAME_LENGTH_MAX = 60;

/**
 * Makes a name safe for a mail: one line of at most 60 characters without encoded words (base/mail/header-text.ts).
 * Spaces replace the characters that could join the parts of an address or a link, so that no mail program turns the
 * name into a link.
 */
export function plainName(name: string): string {
  const unlinked = headerText(name, Number.POSITIVE_INFINITY).replace(/[.。](?=[^\s.])|@|:(?=\S)|[/\\<>]+/gu, ' ');
  return headerText(unlinked, NAME_LENGTH_MAX);
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

/**
 * The link that accepts the invitation. Its token is in the fragment. Browsers never send a fragment, so no server logs
 * the token.
 */
function acceptLink(acceptPage: string, token: string): string {
  return `${acceptPage}#token=${token}`;
}

/** The subject of the mail, and its body as text and as HTML. */
export function writeInvitationMail(mail: InvitationMail): { subject: string; text: string; html: string } {
  const organization = plainName(mail.organizationName) || 'an organization';
  const inviter = mail.inviterName === null ? '' : plainName(mail.inviterName);
  const sentence = inviter
    ? `${inviter} invites you to join ${organization}.`
    : `You are invited to join ${organization}.`;
  const link = acceptLink(mail.acceptPage, mail.token);
  const until = `${mail.expiresAt.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  const terms = `The link works once, until ${until}. A newer mail ends it.`;
  const unasked = 'If you did not expect this, ignore the mail: nothing happens.';
  const text = `${sentence}\n\nAccept the invitation:\n${link}\n\n${terms}\n${unasked}\n`;
  const html = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Invitation</title></head>
<body style="font-family: sans-serif; line-height: 1.5">
<p>${escapeHtml(sentence)}</p>
<p><a href="${escapeHtml(link)}">Accept the invitation</a></p>
<p>${escapeHtml(terms)}<br>${unasked}</p>
</body>
</html>
`;
  return { subject: `Invitation to ${organization}`, text, html };
}
