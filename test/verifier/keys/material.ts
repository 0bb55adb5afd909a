// A key, valid claims of each kind, and a verifier of these tokens at a fixed moment, for the tables of invalid tokens.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import type { Test } from 'tap';
import { createVerifier, type Verifier, type VerifierOptions } from '../../../src/verifier/index.ts';
import { forge, type Members, rsa } from '../../support/forge.ts';

export const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
export const ISSUER = 'https://auth.acme.test';
export const AUDIENCE = 'crm';
/** Seconds since 1970. */
export const NOW = 1_800_000_000;
export const header = { alg: 'RS256', typ: 'at+jwt', kid: 'now' };
export const [sub, sid, org, jti] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
const common = { iss: ISSUER, aud: AUDIENCE, sub, jti, iat: NOW - 60, exp: NOW + 840, epoch: 3 };
/** A user without an organization, a user with one, and a service client of that organization. */
export const user = { ...common, client_id: 'tenantry', auth_time: NOW - 100, amr: ['pwd'], sid };
export const member = { ...user, org, org_slug: 'acme', roles: ['owner'], permissions: ['deals:*'] };
export const client = { ...common, client_id: sub, org, org_slug: 'acme', permissions: ['deals:read'] };

/** A verifier whose clock shows `now`, in seconds since 1970. */
export function verifierAt(now = NOW, more: Partial<VerifierOptions> = {}): Verifier {
  const keys = { find: (kid: string) => (kid === 'now' ? publicKey : undefined) };
  return createVerifier({ issuer: ISSUER, audience: AUDIENCE, keys, clock: { now: () => now * 1000 }, ...more });
}

export const verifier = verifierAt();

/** Returns a token with the claims, signed with the right key. */
export function token(claims: Members, changes: Members = {}): string {
  return forge({ header: { ...header, ...changes }, claims }, rsa(privateKey));
}

export const good = token(member);

/** Asserts that a token is refused with 401 and the code. */
export async function refuses(
  t: Test,
  wrong: unknown,
  name: string,
  code = 'invalid_token',
  by: Verifier = verifier,
): Promise<void> {
  await t.rejects(by.verify(wrong as string), { name: 'VerificationError', code, status: 401 }, name);
}
