// The mail of an invitation: whether it may be sent now, and its content as text and HTML. Anybody may choose the names
// in it, so they are escaped and shortened, and nothing in them can look like a link. The only link is built from the
// configuration.

import type { MailKind } from '../../base/outbox/kinds.ts';
import { isNewestMail } from '../../base/outbox/store.ts';
import type { Random } from '../../base/platform/random.ts';
import { lockPendingInvitation, updateToken } from './mail-store.ts';
import { hashOfToken, newInvitationToken } from './token.ts';

/** The kind of the mail in the outbox. The row's subject is the invitation. */
export const INVITATION_MAIL = 'invitation';
/** How long a mail of a suspended organization waits before the next try. */
const SUSPENDED_SECONDS = 600;

/** The mail kind, for the outbox. Links in the mails begin with `appUrl`. */
export function invitationMail(deps: { readonly random: Random; readonly appUrl: string }): MailKind {
  return {
    kind: INVITATION_MAIL,
    async prepare(tx, row) {
      const { organizationId, subjectId } = row;
      if (organizationId === null) return null;
      const invitation = await lockPendingInvitation(tx, organizationId, subjectId);
      // Checked after the lock, so that of two mails of one invitation only the newer is sent, in any order of processing.
      if (!invitation || !(await isNewestMail(tx, row))) return null;
      if (invitation.organizationStatus !== 'active') {
        return { againSeconds: SUSPENDED_SECONDS, failure: 'organization_suspended' };
      }
      // The token is made now and stored only as a hash, so that somebody who reads the database cannot use it.
      const token = newInvitationToken(deps.random);
      await updateToken(tx, organizationId, subjectId, hashOfToken(token));
      return { to: invitation.email, ...writeInvitationMail({ ...invitation, appUrl: deps.appUrl, token }) };
    },
  };
}

export interface InvitationMail {
  readonly organizationName: string;
  /** Null when an operator invites. */
  readonly inviterName: string | null;
  /** The setting PUBLIC_APP_URL. */
  readonly appUrl: string;
  readonly token: string;
  readonly expiresAt: Date;
}

const NAME_LENGTH_MAX = 60;

/**
 * A name made safe for a mail: one line of at most 60 characters. Characters that could join the parts of an address or a
 * link are replaced by spaces, so that no mail program turns the name into a link.
 */
export function plainName(name: string): string {
  const neutral = name
    .normalize('NFKC')
    .replace(/[\p{C}\p{Z}]+/gu, ' ')
    .replace(/[.。](?=[^\s.])|@|:(?=\S)|[/\\<>]+/gu, ' ')
    .replace(/ +/g, ' ')
    .trim();
  const letters = [...neutral];
  return letters.length > NAME_LENGTH_MAX ? `${letters.slice(0, NAME_LENGTH_MAX - 1).join('')}…` : neutral;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

/** The link that accepts. The token is in the fragment, which browsers send to no server, so it is in no server's log. */
function acceptLink(appUrl: string, token: string): string {
  return `${appUrl}/invitations/accept#token=${token}`;
}

/** The subject and both bodies. */
export function writeInvitationMail(mail: InvitationMail): { subject: string; text: string; html: string } {
  const organization = plainName(mail.organizationName) || 'an organization';
  const inviter = mail.inviterName === null ? '' : plainName(mail.inviterName);
  const sentence = inviter
    ? `${inviter} invites you to join ${organization}.`
    : `You are invited to join ${organization}.`;
  const link = acceptLink(mail.appUrl, mail.token);
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
