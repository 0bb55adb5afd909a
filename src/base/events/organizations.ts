// Events about organizations and their subscriptions, and about the installation as a whole.
import { z } from 'zod';
import { count, type EventsOf, nothing, words } from './kind.ts';

const slug = z.strictObject({ slug: z.string() });

export const ORGANIZATION_EVENTS = {
  'organization.created': {
    when: 'An organization was created, with its first owner.',
    ...{ actor: ['user', 'operator'], target: 'organization', organization: 'always', data: slug },
  },
  'organization.changed': {
    when: 'The name or the settings of the organization were changed.',
    ...{ actor: ['user'], target: 'organization', organization: 'always' },
    data: z.strictObject({ changed: z.array(z.enum(['name', 'settings'])).readonly() }),
  },
  'organization.suspended': {
    when: 'An administrator of the platform or an operator suspended the organization. Its access tokens are refused.',
    ...{ actor: ['user', 'operator'], target: 'organization', organization: 'always', data: nothing },
  },
  'organization.activated': {
    when: 'A suspended organization was activated.',
    ...{ actor: ['user', 'operator'], target: 'organization', organization: 'always', data: nothing },
  },
  'organization.deleted': {
    when: 'The organization was deleted with all its data. Its events stay.',
    ...{ actor: ['user', 'operator', 'system'], target: 'organization', organization: 'always', data: slug },
  },
  'subscription.changed': {
    when: 'An operator changed the plan, its status, the end of the trial or a limit. The data has the new values.',
    ...{ actor: ['operator'], target: 'organization', organization: 'always' },
    data: z.strictObject({
      plan: z.string(),
      status: z.string(),
      trialEndsAt: z.iso.datetime().nullable(),
      limits: z.record(z.string(), count).readonly(),
    }),
  },
} as const satisfies EventsOf<'organization' | 'subscription'>;

export const INSTALLATION_EVENTS = {
  'roles.preset_applied': {
    when: 'A preset was applied to the system roles, by an operator or at the first start of the service.',
    ...{ actor: ['operator', 'system'], target: 'installation', organization: 'never' },
    data: z.strictObject({
      preset: z.string(),
      created: words,
      updated: words,
      removed: words,
      usersAffected: count.describe('the number of users with a role whose permissions or ownership changed'),
    }),
  },
  'installation.recovered': {
    when: 'An operator ran `tenantry restore` after a backup was restored. Every session and token from before `restoredAt` ended. This event has the number of the sessions, which have no `session.ended`.',
    ...{ actor: ['operator'], target: 'installation', organization: 'never' },
    data: z.strictObject({
      restoredAt: z.iso.datetime(),
      ...{ sessions: count, users: count, clients: count, invitations: count },
    }),
  },
  'installation.database_doubted': {
    when: 'The service noticed that a failover or a restored backup has set the database back. Sessions and tokens from before are refused until an operator decides.',
    ...{ actor: ['system'], target: 'installation', organization: 'never' },
    data: z.strictObject({
      reason: z
        .enum(['lost', 'unwitnessed'])
        .describe(
          'lost: the database lacks an event that a process knew; unwitnessed: no process that has reported so far ran during the failover',
        ),
    }),
  },
  'installation.database_accepted': {
    when: 'An operator ran `tenantry database accept`: sessions and tokens from before a failover are valid again.',
    ...{ actor: ['operator'], target: 'installation', organization: 'never' },
    data: nothing,
  },
  'key.revoked': {
    when: 'A signing key was revoked, by an operator or because its file was deleted. Every token that it signed is refused.',
    ...{ actor: ['operator', 'system'], target: 'installation', organization: 'never' },
    data: z.strictObject({ kid: z.string().describe('the RFC 7638 thumbprint of the key') }),
  },
} as const satisfies EventsOf<'roles' | 'installation' | 'key'>;
