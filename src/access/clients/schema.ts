// The wire shapes of service clients.
import { z } from 'zod';
import { Id, Instant, text } from '../../base/http/wire.ts';
import { canonicalPermissions, PERMISSION_PATTERN } from '../../protocol/permission.ts';
import { judgeTogether, KEYS_MAX, type PublicKey, readPublicKey } from './public-keys.ts';
import { OVERLAP_DEFAULT_SECONDS, OVERLAP_MAX_SECONDS } from './rotate.ts';

const PERMISSIONS_MAX = 200;

export const ClientName = text(100);
export const ClientDescription = text(500, 0);
const Permission = z.string().regex(PERMISSION_PATTERN, 'must be resource:action, each a name or *');
export const ClientPermissions = z
  .array(Permission)
  .max(PERMISSIONS_MAX, `must contain at most ${PERMISSIONS_MAX} permissions`)
  .transform(canonicalPermissions);

export const Audience = z
  .string()
  .regex(/^[\x21-\x7e]{1,200}$/, 'must be 1 to 200 visible ASCII characters')
  .nullable()
  .meta({
    description:
      'The audience (aud) of its tokens, from the operator’s list TOKEN_AUDIENCES; null for the audience of users’ tokens.',
  });

const Authentication = z.enum(['client_secret', 'private_key_jwt']);

/** A set of public keys (RFC 7517 §5). Only the members that verification needs are stored. */
export const Jwks = z
  .looseObject({
    keys: z
      .array(z.looseObject({ kty: z.string() }))
      .min(1, 'must contain a key')
      .max(KEYS_MAX, `must contain at most ${KEYS_MAX} keys`),
  })
  .transform((jwks, context) => {
    const keys: PublicKey[] = [];
    for (const [index, jwk] of jwks.keys.entries()) {
      const read = readPublicKey(jwk);
      if (typeof read === 'string') context.addIssue({ code: 'custom', path: ['keys', index], message: read });
      else keys.push(read);
    }
    const fault = judgeTogether(keys);
    if (fault !== null) context.addIssue({ code: 'custom', path: ['keys'], message: fault });
    return { keys };
  })
  .meta({
    id: 'ClientKeys',
    description: 'Public keys as a JWK set: RSA of 2048 bits or more, EC on P-256, P-384 or P-521, or Ed25519.',
  });

export const CreateClient = z
  .strictObject({
    name: ClientName,
    description: ClientDescription.prefault(''),
    permissions: ClientPermissions,
    audience: Audience.default(null),
    authentication: Authentication.default('client_secret'),
    jwks: Jwks.optional().meta({ description: 'Required with private_key_jwt, and not allowed otherwise.' }),
  })
  .superRefine(({ authentication, jwks }, context) => {
    const signs = authentication === 'private_key_jwt';
    if (signs === (jwks !== undefined)) return;
    const message = signs ? 'is required with private_key_jwt' : 'is only for private_key_jwt';
    context.addIssue({ code: 'custom', path: ['jwks'], message });
  })
  .meta({ id: 'CreateClient' });

export const ChangeClient = z
  .strictObject({
    name: ClientName.optional(),
    description: ClientDescription.optional(),
    permissions: ClientPermissions.optional(),
    audience: Audience.optional(),
    jwks: Jwks.optional().meta({ description: 'Replaces the keys of a client that signs assertions.' }),
    status: z.enum(['active', 'disabled']).optional(),
  })
  .refine((body) => Object.keys(body).length > 0, 'must name at least one member to change')
  .meta({ id: 'ChangeClient' });

export const RotateSecret = z
  .strictObject({
    overlapSeconds: z
      .int()
      .min(0)
      .max(OVERLAP_MAX_SECONDS)
      .default(OVERLAP_DEFAULT_SECONDS)
      .meta({ description: 'The maximum time for which every older secret stays valid; 0 ends them at once.' }),
  })
  .meta({ id: 'RotateSecret' });

const PublicKeyShown = z
  .strictObject({
    kty: z.string(),
    kid: z.string().optional(),
    alg: z.string().optional(),
    n: z.string().optional(),
    e: z.string().optional(),
    crv: z.string().optional(),
    x: z.string().optional(),
    y: z.string().optional(),
  })
  .meta({ id: 'ClientKey' });

export const Client = z
  .strictObject({
    id: Id,
    clientId: Id.meta({ description: 'The client_id of OAuth: the same as id.' }),
    name: z.string(),
    description: z.string(),
    permissions: z.array(z.string()),
    audience: z.string().nullable(),
    authentication: Authentication,
    jwks: z.strictObject({ keys: z.array(PublicKeyShown) }).nullable(),
    status: z.enum(['active', 'disabled']),
    secrets: z
      .array(z.strictObject({ createdAt: Instant, expiresAt: Instant.nullable() }))
      .meta({ description: 'When the valid secrets were created and will end, the newest first; null: no end.' }),
    createdBy: Id.nullable().meta({ description: 'The user who created it; null for an operator.' }),
    createdAt: Instant,
    updatedAt: Instant,
  })
  .meta({ id: 'Client' });

const ClientSecret = z.string().meta({ description: 'Shown in this answer and never again.' });

/** A new client. */
export const CreatedClient = Client.extend({
  clientSecret: ClientSecret.optional().meta({
    description: 'With client_secret. Shown in this answer and never again.',
  }),
}).meta({ id: 'CreatedClient' });

/** A client with a new secret. */
export const RotatedClient = Client.extend({ clientSecret: ClientSecret }).meta({ id: 'RotatedClient' });
