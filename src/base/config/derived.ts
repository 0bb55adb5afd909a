// Groups of settings in the form that a part of the program takes, for the service and for the command line.
import type { Config } from './config.ts';

const KEY_OVERLAP_SECONDS = 300;

/** How passwords are hashed (credentials/passwords/hashing.ts). */
export function hashingOf(config: Config) {
  return {
    parameters: {
      memoryKiB: config.PASSWORD_HASH_MEMORY_KIB,
      iterations: config.PASSWORD_HASH_ITERATIONS,
      parallelism: config.PASSWORD_HASH_PARALLELISM,
    },
    concurrency: config.PASSWORD_HASH_CONCURRENCY,
    queueMax: config.PASSWORD_HASH_QUEUE,
  };
}

/** The trial of a new organization (directory/organizations). */
export function trialOf(config: Config) {
  return {
    trialDays: config.TRIAL_DAYS,
    trialLimits: {
      teamMembers: config.TRIAL_TEAM_MEMBERS,
      messages: config.TRIAL_MESSAGES,
      phoneNumbers: config.TRIAL_PHONE_NUMBERS,
    },
  };
}

/** The address of Redis (platform/redis.ts); null without REDIS_URL. */
export function redisOf({ REDIS_URL }: Config) {
  const urls = REDIS_URL?.map((url) => new URL(url)) ?? [];
  const [first] = urls;
  if (!first) return null;
  return {
    nodes: urls.map(({ hostname, port }) => ({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 6379) })),
    tls: first.protocol === 'rediss:',
    username: decodeURIComponent(first.username),
    password: decodeURIComponent(first.password),
    database: Number(first.pathname.slice(1)),
  };
}

/** Words of the installation, which people put into their passwords (credentials/passwords/policy.ts). */
export function wordsOf({ PUBLIC_URL, PUBLIC_APP_URL = PUBLIC_URL, MAIL_FROM }: Config): readonly string[] {
  return ['tenantry', new URL(PUBLIC_URL).hostname, new URL(PUBLIC_APP_URL).hostname, MAIL_FROM];
}

/** The time for which an access key still verifies tokens after a newer key has begun to sign, in seconds. */
export function accessKeyRetention(config: Config): number {
  return config.ACCESS_TOKEN_TTL + KEY_OVERLAP_SECONDS;
}
