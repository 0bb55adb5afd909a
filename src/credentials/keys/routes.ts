// The public keys for services that verify tokens (RFC 7517). The answer needs no PostgreSQL, is the same for every
// Host and may be cached.
import { z } from 'zod';
import { problem } from '../../base/errors/problem.ts';
import { type Answer, type Endpoint, endpoint, open, type RequestInfo } from '../../base/http/endpoint.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { jwksDocument } from './jwks.ts';
import type { KeyRing } from './ring.ts';

export interface KeyRouteDeps {
  readonly accessKeys: KeyRing;
  readonly clock: Clock;
}

// A key that follows another one is published at least ten minutes before it signs. A cache may use the old answer for
// six minutes at most. A new key signs at once only if no other key can sign.
const CACHE = 'public, max-age=300, stale-while-revalidate=60';

const Jwk = z.strictObject({
  kty: z.literal('RSA'),
  n: z.string(),
  e: z.string(),
  kid: z.string(),
  use: z.literal('sig'),
  alg: z.literal('RS256'),
});
const Jwks = z.strictObject({ keys: z.array(Jwk) }).meta({ id: 'JsonWebKeySet' });

export function keyRoutes(deps: KeyRouteDeps): Endpoint[] {
  return [
    endpoint({
      method: 'GET',
      url: '/.well-known/jwks.json',
      access: open(),
      limit: 'none',
      id: 'getJwks',
      summary: 'Read the public keys that access tokens are verified with',
      tag: 'Discovery',
      reply: { 200: { mediaType: 'application/json', schema: Jwks } },
      handle: ({ request, answer }) => {
        // An empty set is not sent, because verifiers would accept and cache it.
        if (deps.accessKeys.keys().length === 0) throw problem('signing_unavailable', { retryAfterSeconds: 5 });
        const { body, etag } = jwksDocument(deps.accessKeys, deps.clock.now());
        return cacheable(request, answer, body, etag);
      },
    }),
  ];
}

function cacheable(request: RequestInfo, answer: Answer, body: string, etag: string): string {
  answer.header('cache-control', CACHE);
  answer.header('etag', etag);
  answer.header('content-type', 'application/json; charset=utf-8');
  // RFC 9110 §13.1.2: weak comparison, a list or a star.
  const known = request.ifNoneMatch?.split(',').map((tag) => tag.trim().replace(/^W\//, '')) ?? [];
  if (!known.includes(etag) && !known.includes('*')) return body;
  answer.status(304);
  return '';
}
