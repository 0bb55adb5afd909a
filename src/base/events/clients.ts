// Events about service clients, of an organization or of the whole installation.
import { z } from 'zod';
import { count, type EventsOf, nothing, words } from './kind.ts';

const name = z.string();
const changedBy = { actor: ['user', 'operator'], target: 'client', organization: 'maybe' } as const;

export const CLIENT_EVENTS = {
  'client.created': {
    when: 'A client was created.',
    ...changedBy,
    data: z.strictObject({
      name,
      permissions: words,
      authentication: z.enum(['client_secret', 'private_key_jwt']),
    }),
  },
  'client.changed': {
    when: 'A client was changed, but not enabled or disabled. The name is the new one.',
    ...changedBy,
    data: z.strictObject({
      name,
      changed: z.array(z.enum(['name', 'description', 'permissions', 'audience', 'jwks'])).readonly(),
      permissionsAdded: words,
      permissionsRemoved: words,
    }),
  },
  'client.disabled': {
    when: 'A client was disabled. Its access tokens are refused.',
    ...changedBy,
    data: z.strictObject({ name }),
  },
  'client.enabled': {
    when: 'A disabled client was enabled. It may get tokens again.',
    ...changedBy,
    data: z.strictObject({ name }),
  },
  'client.deleted': {
    when: 'A client was deleted with its secrets.',
    ...changedBy,
    data: z.strictObject({ name, permissions: words }),
  },
  'client.secret_rotated': {
    when: 'A client got a new secret. Its older secrets end after the overlap.',
    ...changedBy,
    data: z.strictObject({ name, overlapSeconds: count }),
  },
  'client.former_secrets_ended': {
    when: 'All secrets of a client except the newest were ended early.',
    ...changedBy,
    data: z.strictObject({ name, ended: count.describe('the number of secrets') }),
  },
  'client.tokens_revoked': {
    when: 'A client revoked one of its own access tokens. All its access tokens are refused.',
    ...{ actor: ['client'], target: 'client', organization: 'maybe', data: nothing },
  },
} as const satisfies EventsOf<'client'>;
