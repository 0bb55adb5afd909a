// Events about people: their accounts, and who administers the platform.
import { type EventsOf, nothing } from './kind.ts';

export const USER_EVENTS = {
  'user.registered': {
    when: 'Somebody made an account of their own, by registering or by accepting an invitation.',
    ...{ actor: ['user'], target: 'user', organization: 'never', data: nothing },
  },
  'user.created': {
    when: 'An operator made an account for somebody.',
    ...{ actor: ['operator'], target: 'user', organization: 'never', data: nothing },
  },
  'user.email_verified': {
    when: 'A signed-in user proved the e-mail address for the first time, by accepting an invitation that was sent there.',
    ...{ actor: ['user'], target: 'user', organization: 'never', data: nothing },
  },
  'user.claimed': {
    when: 'Whoever proved the mailbox took over an account that had been registered with its address and never proven.',
    ...{ actor: ['user'], target: 'user', organization: 'never', data: nothing },
  },
  'user.renamed': {
    when: 'A user saved a name of their own.',
    ...{ actor: ['user'], target: 'user', organization: 'never', data: nothing },
  },
  'user.password_set': {
    when: 'An operator set the password; every session of the user ended.',
    ...{ actor: ['operator'], target: 'user', organization: 'never', data: nothing },
  },
  'user.disabled': {
    when: 'An operator disabled the account; every session of the user ended.',
    ...{ actor: ['operator'], target: 'user', organization: 'never', data: nothing },
  },
  'user.enabled': {
    when: 'An operator enabled the account again.',
    ...{ actor: ['operator'], target: 'user', organization: 'never', data: nothing },
  },
  'platform_administrator.granted': {
    when: 'An operator made the user an administrator of the platform.',
    ...{ actor: ['operator'], target: 'user', organization: 'never', data: nothing },
  },
  'platform_administrator.revoked': {
    when: 'An operator took that from the user again.',
    ...{ actor: ['operator'], target: 'user', organization: 'never', data: nothing },
  },
} as const satisfies EventsOf<'user' | 'platform_administrator'>;
