// The mail of an invitation: when it may leave, and its words as text and as HTML. Names in it were chosen by strangers:
// they are escaped, cut short, and nothing in them can look like a link. The only link is the one that is built from
// configuration.

import type { MailKind } from '../../base/outbox/kinds.ts';
import { isNewestMail } from '../../base/outbox/store.ts';
import type { Random } from '../../base/platform/random.ts';
import { lockPendingInvitation, updateToken } from './mail-store.ts';
import { hashOfToken, newInvitationToken } from './token.ts';

/** As in the outbox. Its subject is the invitation. */
export const INVITATION_MAIL = 'invitation';
/** How long a mail waits before it is looked at again whether its organization is active. */
const SUSPENDED_SECONDS = 600;

/** The kind, for the outbox. Links in its mails begin with `appUrl`. */
export function invitationMail(deps: { readonly random: Random; readonly appUrl: string }): MailKind {
  return {
    kind: INVITATION_MAIL,
    async prepare(tx, row) {
      const { organizationId, subjectId } = row;
      if (organizationId === null) return null;
      const invitation = await lockPendingInvitation(tx, organizationId, subjectId);
      // Asked after the lock: of two mails of one invitation only the newer leaves, whatever came first here.
      if (!invitation || !(await isNewestMail(tx, row))) return null;
      if (invitation.organizationStatus !== 'active') {
        return { againSeconds: SUSPENDED_SECONDS, failure: 'organization_suspended' };
      }
      // The token is made now, and nowhere but in the mail: a look into the database redeems nothing.
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
  /** Of PUBLIC_APP_URL. */
  readonly appUrl: string;
  readonly token: string;
  readonly expiresAt: Date;
}

const NAME_LENGTH_MAX = 60;

/**
 * A name as it may stand in a mail: one line of at most 60 characters, in which no mail program finds an address or a
 * link, because what could join the parts of one is replaced by a blank.
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

/** The link that accepts. The token stands in the fragment, which browsers send to no server and no log. */
function acceptLink(appUrl: string, token: string): string {
  return `${appUrl}/invitations/accept#token=${token}`;
}

/** Subject and both bodies. */
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
