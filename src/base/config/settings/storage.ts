// The settings for PostgreSQL and Redis.
import { postgresUrl, redisUrls, wholeNumber } from '../fields.ts';

export const STORAGE = {
  DATABASE_URL: postgresUrl.optional().meta({
    secret: true,
    description:
      'The address of PostgreSQL 15 or newer, with the role that owns the tables. Migrations run as this role; the service itself connects as two restricted roles. Unset: an embedded PostgreSQL (development only).',
  }),
  DATABASE_APP_URL: postgresUrl.optional().meta({
    secret: true,
    description:
      'The address of the database with the restricted role of the service (a member of tenantry_app). Default: tenantry_app on the server of DATABASE_URL. The role is created when it is missing, with a password derived from the owner’s.',
  }),
  DATABASE_SYSTEM_URL: postgresUrl.optional().meta({
    secret: true,
    description:
      'The same for the role that sign-in, refresh and background jobs use (a member of tenantry_system). Default: tenantry_system on the server of DATABASE_URL, created in the same way.',
  }),
  DATABASE_POOL_SIZE: wholeNumber(1, 200)
    .default(10)
    .meta({ description: 'The maximum number of connections of each of the two roles.' }),
  REDIS_URL: redisUrls.optional().meta({
    secret: true,
    description:
      'The address of Redis 7 or newer: redis[s]://[user:password@]host[:port][/database]. With Redis, replicas receive revocations within milliseconds. For a cluster, one node is enough; separate several nodes by commas. Unset: replicas read revocations from PostgreSQL, within a second.',
  }),
} as const;
