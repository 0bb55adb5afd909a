// Settings that production allows, but for which the service logs a warning when it starts. Refused settings are in
// contradictions.ts.
import { isLocalHost } from '../platform/local-host.ts';
import type { Config } from './config.ts';
import { redisOf } from './derived.ts';

/** Returns the warnings about this configuration. Outside of production there are none. */
export function remarksOn(config: Config): string[] {
  if (!config.production) return [];
  return [...aboutProxies(config), ...aboutAudience(config), ...aboutRedis(config), ...aboutMail(config)];
}

// Production needs https, and the service itself speaks plain HTTP. So there is a proxy in front of it.
function aboutProxies({ TRUSTED_PROXIES, RATE_LIMIT_SIGN_IN }: Config): string[] {
  if (TRUSTED_PROXIES.length > 0) return [];
  return [
    `TRUSTED_PROXIES is not set: everybody seems to have the address of the proxy, so all people together may sign in ${RATE_LIMIT_SIGN_IN} times a minute: set it to the address of your proxy, such as 127.0.0.1`,
  ];
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
