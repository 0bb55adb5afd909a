// Events about sessions. They belong to the organization that the session acts for, where it acts for one.
import { z } from 'zod';
import { count, type EventsOf, nothing, words } from './kind.ts';

const EndReason = z.enum([
  'logout',
  'ended_by_user',
  'ended_by_organization',
  'ended_by_operator',
  'membership_removed',
  'too_many_sessions',
  'revoked_by_client',
  'mailbox_proven',
  'password_set',
  'account_disabled',
  'account_enabled',
]);

/** Why a session ended, but for a refresh token that two parties held and for a restored backup. */
export type EndReason = z.infer<typeof EndReason>;

export const SESSION_EVENTS = {
  'session.opened': {
    when: 'A user signed in.',
    ...{ actor: ['user'], target: 'session', organization: 'maybe' },
    data: z.strictObject({ amr: words.describe('how the user proved who they are (RFC 8176)') }),
  },
  'session.organization_switched': {
    when: 'The session acts for another organization of its user from now on, which is the one of the event.',
    ...{ actor: ['user'], target: 'session', organization: 'always', data: nothing },
  },
  'session.ended': {
    when: 'A session was ended, one event for each; sessions that expire, or that a restored backup ends, have none.',
    ...{ actor: ['user', 'client', 'operator'], target: 'session', organization: 'maybe' },
    data: z.strictObject({ reason: EndReason }),
  },
  'session.reuse_detected': {
    when: 'A refresh token turned out to be held by two parties, and the session ended; the actor is its user, whoever sent it.',
    ...{ actor: ['user'], target: 'session', organization: 'maybe' },
    data: z.strictObject({ jti: z.uuid().describe('of the refresh token') }),
  },
  'sessions.all_ended': {
    when: 'An operator ended every session of the installation, after one `session.ended` for each.',
    ...{ actor: ['operator'], target: 'installation', organization: 'never' },
    data: z.strictObject({ live: count.describe('sessions that had not expired') }),
  },
} as const satisfies EventsOf<'session' | 'sessions'>;
