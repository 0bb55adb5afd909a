// The rate limits. They say how many calls per minute are allowed for a network, a principal, a session, an
// organization or a service client.
import { isIP } from 'node:net';
import rateLimit, { type CreateRateLimitOptions, normalizeIP } from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { problem } from '../errors/problem.ts';
import { type Count, createLimitAround, type LimitedWork } from './limit-around.ts';

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
 * Counts one call against the allowance of a caller, network or organization, which `key` names. Sets the RateLimit-*
 * headers. For an organization, it sets them only when the allowance is used up. Raises too_many_requests when the
 * allowance is used up.
 */
export interface DrawLimit {
  (request: FastifyRequest, reply: FastifyReply, which: Allowance, key: string): Promise<void>;
  /** Raises too_many_requests when the allowance is used up, and counts nothing. */
  assertLeft(request: FastifyRequest, reply: FastifyReply, which: Allowance, key: string): Promise<void>;
  /** Runs work of a session within its allowance: see limit-around.ts. Raises too_many_requests. */
  around<T>(request: FastifyRequest, reply: FastifyReply, limited: LimitedWork<T>): Promise<T>;
}

const IPV6_SUBNET = 64;
/** How many addresses are remembered with what was computed from them. Each takes about 150 bytes. */
const ADDRESSES_MAX = 2_000;
/** The maximum length of an address. A proxy may pass on a longer text, which must not be remembered. */
const ADDRESS_LENGTH_MAX = 45;
/**
 * The maximum number of keys of each allowance. They take about 12 MB. The least recently used key is forgotten first.
 */
const KEYS_MAX = 50_000;

/**
 * Returns the network of an address. An IPv4 address is its own network. The network of an IPv6 address is its /64,
 * because one machine may have a whole /64. All values from a proxy that are not addresses share one key, so a sender
 * gains nothing by inventing them.
 */
export const networkOf = rememberAddresses((ip) => (isIP(ip) === 0 ? 'unknown' : normalizeIP(ip, IPV6_SUBNET)));

/**
 * Returns the /24 of an IPv4 address or the /48 of an IPv6 address. The result identifies a network, but not a person.
 */
export const wideNetworkOf = rememberAddresses((ip) => {
  const network = normalizeIP(ip, 48); // an IPv4 address inside an IPv6 address becomes IPv4
  return network.includes(':') ? network : network.replace(/\.\d+$/, '.0/24');
});

/**
 * Returns a function that remembers the results of `of`, because parsing an IPv6 address takes long. `of` must depend
 * on nothing but the address. Without an address, the result is 'unknown'.
 */
export function rememberAddresses(of: (ip: string) => string): (ip: string | undefined) => string {
  const known = new Map<string, string>();
  return (ip) => {
    if (!ip) return 'unknown';
    if (ip.length > ADDRESS_LENGTH_MAX) return of(ip);
    let result = known.get(ip);
    if (result === undefined) {
      result = of(ip);
      if (known.size >= ADDRESSES_MAX) known.clear();
      known.set(ip, result);
    }
    return result;
  };
}

/**
 * Counts one call of an endpoint with the limit `sign_in` and of the form that shares its allowance: for the user who
 * is signed in, or else for the network of the request. Raises too_many_requests.
 */
export function drawSignIn(
  draw: DrawLimit,
  { id, limitAs }: { readonly id: string; readonly limitAs?: string | undefined },
  request: FastifyRequest,
  reply: FastifyReply,
  user: { readonly id: string } | null = null,
): Promise<void> {
  return draw(request, reply, 'signIn', `${limitAs ?? id} ${user ? `user ${user.id}` : `ip ${networkOf(request.ip)}`}`);
}

/** Creates the allowances of a server. */
export async function openLimits(app: FastifyInstance, settings: LimitSettings): Promise<DrawLimit> {
  if (!settings.enabled) return Object.assign(async () => undefined, UNLIMITED_WORK);
  await app.register(rateLimit, { global: false });
  const keys = new WeakMap<FastifyRequest, string>();
  const keyGenerator = (request: FastifyRequest) => keys.get(request) ?? 'unknown';
  // The types of the package leave out `cache`. Each allowance has a store of its own, which takes the size from here.
  const allowance = (max: number) =>
    app.createRateLimit({ max, timeWindow: 60_000, keyGenerator, cache: KEYS_MAX } as CreateRateLimitOptions);
  const allowances = {
    signIn: allowance(settings.signIn),
    session: allowance(settings.session),
    other: allowance(settings.other),
    organization: allowance(settings.organization),
    client: allowance(settings.client),
  };
  async function count(request: FastifyRequest, which: Allowance, key: string, increment: boolean): Promise<Count> {
    keys.set(request, key);
    const drawn = await allowances[which](request, { increment });
    return drawn.isAllowed ? UNLIMITED : drawn;
  }
  async function draw(request: FastifyRequest, reply: FastifyReply, which: Allowance, key: string): Promise<void> {
    const drawn = await count(request, which, key, true);
    // The remaining allowance of an organization would show anyone that other people sign in to that organization.
    if (which === 'organization' && !drawn.isExceeded) return;
    show(reply, drawn);
    if (drawn.isExceeded) throw tooMany(drawn);
  }
  const around = createLimitAround();
  return Object.assign(draw, {
    async assertLeft(request: FastifyRequest, reply: FastifyReply, which: Allowance, key: string): Promise<void> {
      const left = await count(request, which, key, false);
      if (left.remaining > 0) return;
      show(reply, left);
      throw tooMany(left);
    },
    around: <T>(request: FastifyRequest, reply: FastifyReply, limited: LimitedWork<T>) => {
      const counter = (key: string, increment: boolean) => count(request, 'session', key, increment);
      return around({ counter, show: (drawn) => show(reply, drawn), refuse: tooMany }, limited);
    },
  });
}

const UNLIMITED: Count = { max: Infinity, remaining: Infinity, ttlInSeconds: 0, isExceeded: false };

const UNLIMITED_WORK = {
  assertLeft: async () => undefined,
  around: <T>(_request: FastifyRequest, _reply: FastifyReply, { work }: LimitedWork<T>): Promise<T> => work(),
};

function show(reply: FastifyReply, { max, remaining, ttlInSeconds }: Count): void {
  reply.header('ratelimit-limit', String(max));
  reply.header('ratelimit-remaining', String(remaining));
  reply.header('ratelimit-reset', String(ttlInSeconds));
}

function tooMany({ ttlInSeconds }: Count) {
  return problem('too_many_requests', { retryAfterSeconds: ttlInSeconds });
}
