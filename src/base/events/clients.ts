// Events about service clients, of an organization or of the whole installation.
import { z } from 'zod';
import { count, type EventsOf, nothing, words } from './kind.ts';

const name = z.string();
const changedBy = { actor: ['user', 'operator'], target: 'client', organization: 'maybe' } as const;

export const CLIENT_EVENTS = {
  'client.created': {
    when: 'A client was made.',
    ...changedBy,
    data: z.strictObject({
      name,
      permissions: words,
      authentication: z.enum(['client_secret', 'private_key_jwt']),
    }),
  },
  'client.changed': {
    when: 'A client was changed otherwise than by enabling or disabling it; the name is the new one.',
    ...changedBy,
    data: z.strictObject({
      name,
      changed: z.array(z.enum(['name', 'description', 'permissions', 'audience', 'jwks'])).readonly(),
      permissionsAdded: words,
      permissionsRemoved: words,
    }),
  },
  'client.disabled': {
    when: 'A client was disabled; its access tokens are refused.',
    ...changedBy,
    data: z.strictObject({ name }),
  },
  'client.enabled': {
    when: 'A disabled client may get tokens again.',
    ...changedBy,
    data: z.strictObject({ name }),
  },
  'client.deleted': {
    when: 'A client was deleted with its secrets.',
    ...changedBy,
    data: z.strictObject({ name, permissions: words }),
  },
  'client.secret_rotated': {
    when: 'A client got a new secret; its older ones end after the overlap.',
    ...changedBy,
    data: z.strictObject({ name, overlapSeconds: count }),
  },
  'client.former_secrets_ended': {
    when: 'Every secret of a client but the newest was ended before its time.',
    ...changedBy,
    data: z.strictObject({ name, ended: count.describe('how many secrets') }),
  },
  'client.tokens_revoked': {
    when: 'A client revoked an access token of its own, and with it all that it had.',
    ...{ actor: ['client'], target: 'client', organization: 'maybe', data: nothing },
  },
} as const satisfies EventsOf<'client'>;
