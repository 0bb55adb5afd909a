// A token service in memory for tests of applications that use the verifier: a key, a clock and revocations, without a
// server or a network.
import { createPublicKey, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';
import { ACCESS_TOKEN_TYPE, FIRST_PARTY_CLIENT, isUuid } from '../../protocol/claims.ts';
import { permits } from '../../protocol/permission.ts';
import { type Revocation, revocationOf } from '../../protocol/revocation.ts';
import { createRevocationMap } from '../../protocol/revocation-map.ts';
import { SYSTEM_TIMING } from '../core/clock.ts';
import type { RevocationSource, Verifier } from '../core/contract.ts';
import type { Fetch, VerifierOptions } from '../core/options.ts';
import { createVerifier } from '../core/verifier.ts';
import { createListeners } from '../feed/listeners.ts';

export interface TestIssuerOptions {
  /** Default: https://tenantry.test */
  readonly issuer?: string;
  /** Default: tests */
  readonly audience?: string;
  /** The time of the clock. Default: now. Only `advance` changes the time. */
  readonly now?: Date;
  /**
   * The RSA key of 2048 bits or more that signs first. Default: a new key, which takes about a tenth of a second to
   * generate. Several issuers may have the same key. Each issuer gives the key its own `kid`.
   */
  readonly privateKey?: KeyObject;
}

/** Claims to set or replace. The value undefined leaves a claim out. */
export type ClaimOverrides = Readonly<Record<string, unknown>>;

export interface TokenExtras {
  /** Members of the header to set or replace. The value undefined leaves a member out. */
  readonly header?: Readonly<Record<string, unknown>>;
  /** How long the token lives, in seconds. Default: 900. */
  readonly life?: number;
}

export interface TestIssuer {
  readonly issuer: string;
  readonly audience: string;
  /** The default user, organization and client of tokens. */
  readonly userId: string;
  readonly organizationId: string;
  readonly clientId: string;
  /** The public keys, as a JWKS endpoint returns them. */
  jwks(): { readonly keys: readonly Readonly<Record<string, string>>[] };
  /**
   * A user's access token with a new session, for the organization, without roles or permissions. Raises TypeError for
   * a `sub`, `sid` or `org` that is a text but not a UUID, because no verifier would accept such a claim.
   */
  token(claims?: ClaimOverrides, extras?: TokenExtras): string;
  /** The token of a service client of the organization. */
  clientToken(claims?: ClaimOverrides, extras?: TokenExtras): string;
  /** A user's token that was good and has expired. */
  expiredToken(claims?: ClaimOverrides): string;
  /** The time, in milliseconds since 1970. */
  now(): number;
  advance(seconds: number): void;
  /**
   * Adds a revocation, which the verifiers know at once. Raises TypeError for a revocation of an unknown kind or shape.
   */
  revoke(revocation: Revocation): void;
  /** Sets how long the feed has been silent, in seconds. True means infinitely long. 0 or false ends the silence. */
  setStale(stale: number | boolean): void;
  /** Signs with a new key from now on. The old keys stay published unless `forgetOld` is true. */
  rotate(options?: { readonly forgetOld?: boolean }): void;
  /**
   * Revokes the signing key, and signs with a new key from then on. The verifiers learn of it at once. Returns the
   * `kid` of the revoked key. As at the service, the keys are published without the revoked one.
   */
  revokeKey(): string;
  /** Adds permissions that the check endpoint grants to a user whose token says `permissions_ref`. */
  grant(userId: string, ...permissions: readonly string[]): void;
  /** Creates a verifier of the tokens of this issuer. */
  verifier(options?: Partial<VerifierOptions>): Verifier;
}

interface TestKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const LIFE_SECONDS = 900;

/** Creates a token service in memory with one signing key. */
export function createTestIssuer(options: TestIssuerOptions = {}): TestIssuer {
  const { issuer = 'https://tenantry.test', audience = 'tests' } = options;
  const [userId, organizationId, clientId] = [randomUUID(), randomUUID(), randomUUID()];
  let now = (options.now ?? new Date(SYSTEM_TIMING.now())).getTime();
  let keys: readonly [TestKey, ...TestKey[]] = [options.privateKey ? keyOf(options.privateKey) : makeKey()];
  const revocations = createTestRevocations(() => now / 1000);
  const granted = new Map<string, string[]>();

  function make(claims: object, overrides: ClaimOverrides, { header, life = LIFE_SECONDS }: TokenExtras): string {
    for (const name of ['sub', 'sid', 'org']) assertId(name, overrides[name]);
    const iat = Math.floor(now / 1000);
    const common = { iss: issuer, aud: audience, jti: randomUUID(), iat, exp: iat + life, epoch: 1 };
    const [{ kid, privateKey }] = keys;
    return signed(
      { alg: 'RS256', typ: ACCESS_TOKEN_TYPE, kid, ...header },
      { ...common, ...claims, ...overrides },
      privateKey,
    );
  }

  function token(claims: ClaimOverrides = {}, extras: TokenExtras = {}): string {
    const isMember = !('org' in claims && claims.org === undefined);
    const own = {
      sub: userId,
      client_id: FIRST_PARTY_CLIENT,
      auth_time: Math.floor(now / 1000),
      amr: ['pwd'],
      sid: randomUUID(),
      ...(isMember ? { mep: 1, rep: 1, org: organizationId, org_slug: 'test', roles: [] } : {}),
      ...(isMember && claims.permissions_ref !== true ? { permissions: [] } : {}),
    };
    return make(own, claims, extras);
  }

  return {
    issuer,
    audience,
    userId,
    organizationId,
    clientId,
    jwks: () => ({ keys: keys.map(({ kid, publicKey }) => ({ ...jwkOf(publicKey), kid, use: 'sig', alg: 'RS256' })) }),
    token,
    clientToken(claims = {}, extras = {}) {
      const id = claims.sub ?? clientId;
      const own = { sub: id, client_id: id, org: organizationId, org_slug: 'test', permissions: [] };
      return make(own, claims, extras);
    },
    expiredToken(claims = {}) {
      const iat = Math.floor(now / 1000) - 2 * LIFE_SECONDS;
      return token({ iat, exp: iat + LIFE_SECONDS, auth_time: iat, ...claims });
    },
    now: () => now,
    advance(seconds) {
      now += seconds * 1000;
    },
    ...{ revoke: revocations.revoke, setStale: revocations.setStale },
    rotate({ forgetOld = false } = {}) {
      keys = forgetOld ? [makeKey()] : [makeKey(), ...keys];
    },
    revokeKey() {
      const [{ kid }, ...others] = keys;
      keys = [makeKey(), ...others];
      revocations.revoke({ kind: 'key', kid });
      return kid;
    },
    grant(id, ...permissions) {
      granted.set(id, [...(granted.get(id) ?? []), ...permissions]);
    },
    verifier: (more = {}) =>
      createVerifier({
        issuer,
        audience,
        clock: { now: () => now },
        keys: { find: (kid) => keys.find((key) => key.kid === kid)?.publicKey },
        revocations: revocations.source,
        fetch: checkEndpointAt(`${issuer.replace(/\/$/, '')}/api/v1/authz/check`, granted),
        ...more,
      }),
  };
}

function assertId(name: string, value: unknown): void {
  if (typeof value !== 'string' || isUuid(value)) return;
  throw new TypeError(`${name} must be a UUID in lower case, as the service's own are: randomUUID() of node:crypto`);
}

function makeKey(): TestKey {
  return { kid: randomUUID(), ...generateKeyPairSync('rsa', { modulusLength: 2048 }) };
}

function keyOf(privateKey: KeyObject): TestKey {
  return { kid: randomUUID(), privateKey, publicKey: createPublicKey(privateKey) };
}

function jwkOf(key: KeyObject): Record<string, string> {
  const { kty = '', n = '', e = '' } = key.export({ format: 'jwk' }) as { kty?: string; n?: string; e?: string };
  return { kty, n, e };
}

function signed(header: object, claims: object, key: KeyObject): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${encode(header)}.${encode(claims)}`;
  return `${text}.${sign('RSA-SHA256', Buffer.from(text), key).toString('base64url')}`;
}

function createTestRevocations(seconds: () => number) {
  const map = createRevocationMap(seconds, Number.POSITIVE_INFINITY);
  const listeners = createListeners((error) => {
    throw error;
  });
  let stale = 0;
  const source: RevocationSource = {
    judge: (token) => map.judge(token),
    isKeyRevoked: (kid) => map.isKeyRevoked(kid),
    staleSeconds: () => stale,
    onRevocation: (listener) => listeners.add(listener),
  };
  return {
    source,
    revoke(revocation: Revocation) {
      if (revocationOf(revocation) === null) throw new TypeError('there is no such revocation: is the id a UUID?');
      if (map.add(revocation)) listeners.tell(revocation);
    },
    setStale(value: number | boolean) {
      stale = typeof value === 'number' ? value : value ? Number.POSITIVE_INFINITY : 0;
    },
  };
}

/** A `fetch` for which only the check endpoint exists. */
function checkEndpointAt(address: string, granted: ReadonlyMap<string, readonly string[]>): Fetch {
  return async (url, init) => (url === address ? checkAnswer(init, granted) : new Response(null, { status: 404 }));
}

// The check endpoint. It reads the user from the token.
function checkAnswer(init: RequestInit, granted: ReadonlyMap<string, readonly string[]>): Response {
  const [, payload = ''] = new Headers(init.headers).get('authorization')?.split('.') ?? [];
  const { sub } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { sub: string };
  const { resource, action } = JSON.parse(String(init.body)) as { resource: string; action: string };
  const allowed = permits(granted.get(sub) ?? [], `${resource}:${action}`);
  return Response.json({ data: { allowed, reason: allowed ? 'granted' : 'missing' } });
}
