// The settings for keys, tokens and sessions.
import { z } from 'zod';
import { audience, duration, list, wholeNumber } from '../fields.ts';

const DAY = 86_400;

export const TOKENS = {
  KEYS_DIR: z.string().optional().meta({
    description:
      'The folder with the signing keys, in access/ and refresh/, and with the keys of personal data, in data/. Default in development: DATA_DIR/keys, created when it is missing.',
  }),
  KEYS_PASSPHRASE: z.string().min(1).optional().meta({
    secret: true,
    description:
      'The passphrase of keys that are stored encrypted: private keys as PKCS#8, keys of personal data as JWE.',
  }),
  JWT_ACCESS_PRIVATE_KEY_PATH: z
    .string()
    .optional()
    .meta({ description: 'One PEM file with the key for access tokens, instead of KEYS_DIR/access.' }),
  JWT_REFRESH_PRIVATE_KEY_PATH: z
    .string()
    .optional()
    .meta({ description: 'One PEM file with the key for refresh tokens, instead of KEYS_DIR/refresh.' }),
  TOKEN_AUDIENCE: audience
    .default('tenantry')
    .meta({ description: 'The audience (aud) of access tokens. The services that verify them expect this value.' }),
  TOKEN_AUDIENCES: list.pipe(z.array(audience)).prefault('').meta({
    description:
      'The audiences that an organization may give its service clients, separated by commas: exact texts, never * or the issuer. TOKEN_AUDIENCE is always one of them.',
  }),
  ACCESS_TOKEN_TTL: duration(30, 900)
    .prefault('15m')
    .meta({ description: 'The lifetime of an access token, at most 15 minutes.' }),
  REFRESH_TOKEN_TTL: duration(60, 365 * DAY)
    .prefault('30d')
    .meta({ description: 'The lifetime of a refresh token. Each refresh starts it again.' }),
  SESSION_MAX_AGE: duration(60, 365 * DAY)
    .prefault('90d')
    .meta({ description: 'The longest lifetime of a session, which then ends even when it is in use.' }),
  SESSION_RETENTION: duration(0, 3650 * DAY)
    .prefault('30d')
    .meta({
      description: 'How long an ended session is kept before it is removed. It is kept for at least 26 minutes.',
    }),
  SESSIONS_PER_USER_MAX: wholeNumber(1, 10_000).default(100).meta({
    description:
      'How many live sessions a user may have. One more sign-in ends the session that was unused for the longest time.',
  }),
  REFRESH_REUSE_GRACE: duration(0, 60)
    .prefault('10s')
    .meta({ description: 'For this time a repeated refresh gets the same answer and does not count as reuse.' }),
} as const;
