// What is allowed and yet worth a line in the log of a production start. What is refused stands in contradictions.ts.
import { isIP } from 'node:net';
import type { Config } from './config.ts';
import { redisOf } from './handed-on.ts';

/** The sentences for this configuration; none outside of production. */
export function remarksOn(config: Config): string[] {
  if (!config.production) return [];
  const redis = redisOf(config);
  if (!redis)
    return ['REDIS_URL is not set: of several replicas each learns of the others’ revocations within a second'];
  if (redis.tls || redis.nodes.every(({ host }) => isHere(host))) return [];
  return ['REDIS_URL is without TLS: let nobody else into the network to it, or use rediss://'];
}

function isHere(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
