// Events about people. They record changes of accounts and of platform administrators.
import { type EventsOf, nothing } from './kind.ts';

export const USER_EVENTS = {
  'user.registered': {
    when: 'A person created an account, by registering or by accepting an invitation.',
    ...{ actor: ['user'], target: 'user', organization: 'never', data: nothing },
  },
  'user.created': {
    when: 'An operator created an account for a person.',
    ...{ actor: ['operator'], target: 'user', organization: 'never', data: nothing },
  },
  'user.email_verified': {
    when: 'A user proved the e-mail address for the first time, by the link or the code of a mail or by accepting an invitation, or an operator marked it as proven.',
    ...{ actor: ['user', 'operator'], target: 'user', organization: 'never', data: nothing },
  },
  'user.claimed': {
    when: 'The owner of a mailbox took over an account that was registered with its address but never proven.',
    ...{ actor: ['user'], target: 'user', organization: 'never', data: nothing },
  },
  'user.email_change_requested': {
    when: 'A user asked for another e-mail address. Nothing changed yet.',
    ...{ actor: ['user'], target: 'user', organization: 'never', data: nothing },
  },
  'user.email_changed': {
    when: 'A user proved the other e-mail address that they had asked for, and the account now has this address. Every other session ended.',
    ...{ actor: ['user'], target: 'user', organization: 'never', data: nothing },
  },
  'user.email_reverted': {
    when: 'The owner of a former e-mail address undid the change to another one. The account has the former address again, its password is gone, and every session ended.',
    ...{ actor: ['user'], target: 'user', organization: 'never', data: nothing },
  },
  'user.renamed': {
    when: 'A user changed their name.',
    ...{ actor: ['user'], target: 'user', organization: 'never', data: nothing },
  },
  'user.locale_changed': {
    when: 'A user changed the language of the mails that they get.',
    ...{ actor: ['user'], target: 'user', organization: 'never', data: nothing },
  },
  'user.password_set': {
    when: 'An operator set the password. Every session of the user ended.',
    ...{ actor: ['operator'], target: 'user', organization: 'never', data: nothing },
  },
  'user.password_reset': {
    when: 'A user set a new password with the link or the code of a mail. Every session of the user ended.',
    ...{ actor: ['user'], target: 'user', organization: 'never', data: nothing },
  },
  'user.password_changed': {
    when: 'A user changed their password. Every other session of the user ended.',
    ...{ actor: ['user'], target: 'user', organization: 'never', data: nothing },
  },
  'user.disabled': {
    when: 'An operator disabled the account. Every session of the user ended.',
    ...{ actor: ['operator'], target: 'user', organization: 'never', data: nothing },
  },
  'user.enabled': {
    when: 'An operator enabled the account again.',
    ...{ actor: ['operator'], target: 'user', organization: 'never', data: nothing },
  },
  'user.exported': {
    when: 'A user got a copy of their own data, or an operator wrote one. A copy in several parts is recorded once.',
    ...{ actor: ['user', 'operator'], target: 'user', organization: 'never', data: nothing },
  },
  'user.closed': {
    when: 'The account was closed: by its user, by an operator, or by the service, because nobody had proven the mailbox. The personal data is gone.',
    ...{ actor: ['user', 'operator', 'system'], target: 'user', organization: 'never', data: nothing },
  },
  'platform_administrator.granted': {
    when: 'An operator made the user an administrator of the platform.',
    ...{ actor: ['operator'], target: 'user', organization: 'never', data: nothing },
  },
  'platform_administrator.revoked': {
    when: 'An operator ended the administration of the platform by the user, or the account of the user was closed.',
    ...{ actor: ['user', 'operator'], target: 'user', organization: 'never', data: nothing },
  },
} as const satisfies EventsOf<'user' | 'platform_administrator'>;
