// Settings that production allows, but for which the service logs a warning when it starts. Refused settings are in
// contradictions.ts.
import { isIP } from 'node:net';
import type { Config } from './config.ts';
import { redisOf } from './derived.ts';

/** Returns the warnings about this configuration. Outside of production there are none. */
export function remarksOn(config: Config): string[] {
  if (!config.production) return [];
  const redis = redisOf(config);
  if (!redis)
    return ['REDIS_URL is not set: a revocation reaches other replicas within a second instead of milliseconds'];
  if (redis.tls || redis.nodes.every(({ host }) => isHere(host))) return [];
  return ['REDIS_URL is without TLS: make sure that the network to it is private, or use rediss://'];
}

function isHere(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
