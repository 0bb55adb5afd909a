// Settings in the form in which parts of the program take them, wherever they are put together.
import type { Config } from './config.ts';

/** How passwords are hashed (passwords/hashing.ts). */
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

/** What a new organization begins with (members/insert-organization.ts). */
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

/** Where Redis is (platform/redis.ts); null without REDIS_URL. */
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
