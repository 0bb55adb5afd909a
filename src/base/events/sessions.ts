// Events about sessions. An event belongs to the organization that the session acts for, if there is one.
import { z } from 'zod';
import { count, type EventsOf, nothing, sealedForPerson, words } from './kind.ts';

const EndReason = z.enum([
  'logout',
  'ended_by_user',
  'ended_by_organization',
  'ended_by_operator',
  'membership_removed', // only in events of earlier versions
  'too_many_sessions',
  'revoked_by_client',
  'mailbox_proven',
  'password_set',
  'password_reset',
  'password_changed',
  'email_changed',
  'email_reverted',
  'account_disabled',
  'account_enabled',
  'account_closed',
]);

/** The reasons why a session ended. A reused refresh token and a restored backup are not in this list. */
export type EndReason = z.infer<typeof EndReason>;

export const SESSION_EVENTS = {
  'session.opened': {
    when: 'A user signed in.',
    ...{ actor: ['user'], target: 'session', organization: 'maybe' },
    data: z.strictObject({ amr: words.describe('how the user proved who they are (RFC 8176)') }),
  },
  'session.organization_switched': {
    when: 'The session was switched to another organization of its user. The organization of the event is the new one.',
    ...{ actor: ['user'], target: 'session', organization: 'always', data: nothing },
  },
  'session.reauthenticated': {
    when: 'The user of a session proved again who they are, with the password.',
    ...{ actor: ['user'], target: 'session', organization: 'maybe', data: nothing },
  },
  'session.ended': {
    when: 'A session was ended, but not by a reused refresh token (see `session.reuse_detected`). Each session has its own event. A session that expires, or that `tenantry restore` ends, has none.',
    ...{ actor: ['user', 'client', 'operator', 'system'], target: 'session', organization: 'maybe' },
    data: z.strictObject({ reason: EndReason }),
  },
  'session.reuse_detected': {
    when: 'A refresh token was used twice, so two parties may have it, and the session was ended. The actor is the user of the session, even when another party sent the token.',
    ...{ actor: ['user'], target: 'session', organization: 'maybe' },
    data: z.strictObject({ jti: z.uuid().describe('the id of the refresh token') }),
  },
  'session.child_reissued': {
    when: 'A refresh token was sent again more than REFRESH_REUSE_GRACE after its child was issued, while the child was not used, and got another child. The answer with the former child was lost, or somebody has a copy of the token. The event is recorded at most once an hour for a session, and once a minute if the network changes.',
    ...{ actor: ['user'], target: 'session', organization: 'maybe' },
    data: z.strictObject({
      network: sealedForPerson.describe(
        'the IPv4 address, or the /64 of the IPv6 address, that sent the token, sealed: `key` names its key, and without that key nobody can read it',
      ),
      ageSeconds: count.describe('the age of the former child at that moment'),
    }),
  },
  'sessions.all_ended': {
    when: 'An operator ended every session of the installation. Each session has a `session.ended` before it.',
    ...{ actor: ['operator'], target: 'installation', organization: 'never' },
    data: z.strictObject({ live: count.describe('the number of sessions that had not expired') }),
  },
} as const satisfies EventsOf<'session' | 'sessions'>;
