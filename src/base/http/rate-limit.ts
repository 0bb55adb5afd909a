// The allowances: how often a network, a principal, a session, an organization or a service client may be heard in a
// minute.
import { isIP } from 'node:net';
import rateLimit, { normalizeIP } from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { problem } from '../errors/problem.ts';

export interface LimitSettings {
  readonly enabled: boolean;
  readonly signIn: number;
  readonly session: number;
  readonly other: number;
  readonly organization: number;
  readonly client: number;
}

export type Allowance = 'signIn' | 'session' | 'other' | 'organization' | 'client';

/**
 * Draws one on the allowance of a key, tells the rest in RateLimit-* headers (of an organization's only past it), and
 * raises too_many_requests past it.
 */
export type DrawLimit = (request: FastifyRequest, reply: FastifyReply, which: Allowance, key: string) => Promise<void>;

const IPV6_SUBNET = 64;
const KEYS_MAX = 50_000;

/**
 * The network of an address: itself, or its /64 (a household or machine has a whole one). What a proxy passes on as an
 * address and is none shares one bucket, so that inventing addresses gains nothing.
 */
export function networkOf(ip: string | undefined): string {
  return ip && isIP(ip) !== 0 ? normalizeIP(ip, IPV6_SUBNET) : 'unknown';
}

/** The first bits of an IPv6 address; an IPv4 address whole. */
export function prefixOf(ip: string, bits: number): string {
  return normalizeIP(ip, bits);
}

/** Prepares the allowances of a server. */
export async function openLimits(app: FastifyInstance, settings: LimitSettings): Promise<DrawLimit> {
  if (!settings.enabled) return async () => undefined;
  await app.register(rateLimit, { global: false, cache: KEYS_MAX });
  const keys = new WeakMap<FastifyRequest, string>();
  const keyGenerator = (request: FastifyRequest) => keys.get(request) ?? 'unknown';
  const allowance = (max: number) => app.createRateLimit({ max, timeWindow: 60_000, keyGenerator });
  const allowances = {
    signIn: allowance(settings.signIn),
    session: allowance(settings.session),
    other: allowance(settings.other),
    organization: allowance(settings.organization),
    client: allowance(settings.client),
  };
  return async (request, reply, which, key) => {
    keys.set(request, key);
    const drawn = await allowances[which](request);
    if (drawn.isAllowed) return;
    // What is left of an organization's allowance would tell a stranger that others sign in to it.
    if (which === 'organization' && !drawn.isExceeded) return;
    reply.header('ratelimit-limit', String(drawn.max));
    reply.header('ratelimit-remaining', String(drawn.remaining));
    reply.header('ratelimit-reset', String(drawn.ttlInSeconds));
    if (drawn.isExceeded) throw problem('too_many_requests', { retryAfterSeconds: drawn.ttlInSeconds });
  };
}
