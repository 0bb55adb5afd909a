// Settings that production allows, but for which the service logs a warning when it starts. Refused settings are in
// contradictions.ts.
import { isLocalHost } from '../platform/local-host.ts';
import type { Config } from './config.ts';
import { redisOf } from './derived.ts';

/** Returns the warnings about this configuration. Outside of production there are none. */
export function remarksOn(config: Config): string[] {
  return config.production ? [...aboutAudience(config), ...aboutRedis(config), ...aboutMail(config)] : [];
}

function aboutAudience({ TOKEN_AUDIENCE, PUBLIC_URL }: Config): string[] {
  if (TOKEN_AUDIENCE !== PUBLIC_URL) return [];
  return [
    'TOKEN_AUDIENCE is the same as PUBLIC_URL: a refresh token and an access token then have the same audience, so give access tokens an audience of their own',
  ];
}

function aboutRedis(config: Config): string[] {
  const redis = redisOf(config);
  if (!redis)
    return ['REDIS_URL is not set: a revocation reaches other replicas within a second instead of milliseconds'];
  if (redis.tls || redis.nodes.every(({ host }) => isLocalHost(host))) return [];
  return ['REDIS_URL is without TLS: make sure that the network to it is private, or use rediss://'];
}

function aboutMail({ SMTP_URL }: Config): string[] {
  if (SMTP_URL === undefined) return [];
  const { protocol, hostname, searchParams } = new URL(SMTP_URL);
  if (protocol === 'smtps:' || isLocalHost(hostname) || searchParams.get('tls') !== 'optional') return [];
  return [
    `SMTP_URL: mails to ${hostname} may be sent without TLS: leave out ?tls=optional, or make sure that the network to it is private`,
  ];
}
