// Access tokens: the profile of RFC 9068, signed with the access ring, verified without any I/O.

import type { Clock } from '../../base/platform/clock.ts';
import { newTokenId, type Random } from '../../base/platform/random.ts';
import { type Principal, principalOf } from '../../protocol/caller.ts';
import {
  ACCESS_TOKEN_TYPE,
  ACCESS_TTL_MAX_SECONDS,
  type AccessClaims,
  type ClientClaims,
  FIRST_PARTY_CLIENT,
  isAccessClaims,
  isClientClaims,
  PERMISSIONS_IN_TOKEN_MAX,
} from '../../protocol/claims.ts';
import { canonicalPermissions } from '../../protocol/permission.ts';
import type { KeyRing } from '../keys/ring.ts';
import { signClaims, verifySignature } from './signing.ts';

export interface AccessTokenDeps {
  readonly accessKeys: KeyRing;
  readonly clock: Clock;
  readonly random: Random;
  readonly issuer: string;
  readonly audience: string;
  readonly accessTtlSeconds: number;
}

/** The contents of a new access token of a user. */
export interface AccessGrant {
  readonly userId: string;
  readonly sessionId: string;
  readonly epoch: number;
  /** Seconds since 1970. */
  readonly authenticatedAt: number;
  readonly amr: readonly string[];
  /**
   * When the session ends if nobody uses it again. The access token expires by then, but lives for a second at least.
   */
  readonly notAfter: Date;
  /**
   * The organization that the token acts for, with the epochs of the user's membership and of the organization's roles.
   */
  readonly organization: {
    readonly id: string;
    readonly slug: string;
    readonly membershipEpoch: number;
    readonly rolesEpoch: number;
  } | null;
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
}

export interface IssuedAccessToken {
  readonly token: string;
  readonly expiresIn: number;
  readonly expiresAt: Date;
}

/** Signs an access token. Raises NoSigningKey. */
export async function issueAccessToken(deps: AccessTokenDeps, grant: AccessGrant): Promise<IssuedAccessToken> {
  const now = deps.clock.now();
  const iat = Math.floor(now.getTime() / 1000);
  const end = Math.floor(grant.notAfter.getTime() / 1000);
  const exp = Math.max(Math.min(iat + deps.accessTtlSeconds, end), iat + 1);
  const claims: AccessClaims = {
    iss: deps.issuer,
    aud: deps.audience,
    sub: grant.userId,
    client_id: FIRST_PARTY_CLIENT,
    jti: newTokenId(deps.random),
    iat,
    exp,
    auth_time: grant.authenticatedAt,
    amr: grant.amr,
    sid: grant.sessionId,
    epoch: grant.epoch,
    ...organizationClaims(grant),
  };
  const token = await signClaims(deps.accessKeys.signingKeyAt(now), ACCESS_TOKEN_TYPE, claims);
  return { token, expiresIn: exp - iat, expiresAt: new Date(exp * 1000) };
}

/** The contents of a new access token of a service client. */
export interface ClientGrant {
  readonly clientId: string;
  readonly epoch: number;
  /** Null for the audience of the installation. */
  readonly audience: string | null;
  readonly organization: { readonly id: string; readonly slug: string } | null;
  readonly permissions: readonly string[];
}

/** Signs the access token of a service client (RFC 9068 §2.2, RFC 6749 §4.4). Raises NoSigningKey. */
export async function issueClientToken(deps: AccessTokenDeps, grant: ClientGrant): Promise<IssuedAccessToken> {
  const now = deps.clock.now();
  const iat = Math.floor(now.getTime() / 1000);
  const exp = iat + deps.accessTtlSeconds;
  const { organization } = grant;
  const claims: ClientClaims = {
    iss: deps.issuer,
    aud: grant.audience ?? deps.audience,
    sub: grant.clientId,
    client_id: grant.clientId,
    jti: newTokenId(deps.random),
    iat,
    exp,
    epoch: grant.epoch,
    ...(organization ? { org: organization.id, org_slug: organization.slug } : {}),
    permissions: canonicalPermissions(grant.permissions),
  };
  const token = await signClaims(deps.accessKeys.signingKeyAt(now), ACCESS_TOKEN_TYPE, claims);
  return { token, expiresIn: exp - iat, expiresAt: new Date(exp * 1000) };
}

function organizationClaims({ organization, roles, permissions }: AccessGrant) {
  if (!organization) return {};
  const held = canonicalPermissions(permissions);
  const carried = held.length > PERMISSIONS_IN_TOKEN_MAX ? { permissions_ref: true as const } : { permissions: held };
  const { id: org, slug: org_slug, membershipEpoch: mep, rolesEpoch: rep } = organization;
  return { mep, rep, org, org_slug, roles, ...carried };
}

/** How far the clock of a process that signs or judges tokens may differ from the clock of PostgreSQL, in seconds. */
export const CLOCKS_APART_SECONDS_MAX = 60;
// One replica may be ahead of PostgreSQL and another one behind. So a token that the first has just issued may have an
// `iat` that is twice as far in the future for the second. A token does not live longer because of that: its `exp` has
// no leeway.
const FUTURE_LEEWAY_SECONDS = 2 * CLOCKS_APART_SECONDS_MAX;

export interface VerifiedAccessToken {
  readonly caller: Principal;
  /** Seconds since 1970. */
  readonly expiresAt: number;
}

/**
 * Checks signature, kind, issuer, audience and times, but not whether the token has expired: the caller compares
 * `expiresAt`. Returns null for anything that is not such an access token.
 */
export async function verifyAccessToken(
  deps: Omit<AccessTokenDeps, 'random'>,
  token: string,
): Promise<VerifiedAccessToken | null> {
  const read = await readAccessToken(deps, token);
  if (read?.claims.aud !== deps.audience) return null;
  return { caller: principalOf(read.claims, read.kid), expiresAt: read.claims.exp };
}

export interface ReadAccessToken {
  readonly claims: AccessClaims | ClientClaims;
  /** The key that signed the token. */
  readonly kid: string;
}

/**
 * The claims of an access token that this service has signed, expired or not; null for anything else. The token of a
 * service client may be for another audience. So use this only for answers about the token itself, such as
 * introspection.
 */
export async function readAccessToken(
  deps: Omit<AccessTokenDeps, 'random'>,
  token: string,
): Promise<ReadAccessToken | null> {
  const now = deps.clock.now();
  const verified = await verifySignature(deps.accessKeys, ACCESS_TOKEN_TYPE, token, now);
  if (!verified) return null;
  const isClient = isClientClaims(verified.payload);
  if (!isClient && !isAccessClaims(verified.payload)) return null;
  const claims = verified.payload as unknown as (AccessClaims | ClientClaims) & { nbf?: unknown };
  if (claims.iss !== deps.issuer || claims.nbf !== undefined) return null;
  if (isClient ? typeof claims.aud !== 'string' : claims.aud !== deps.audience) return null;
  if (claims.iat > now.getTime() / 1000 + FUTURE_LEEWAY_SECONDS) return null;
  // No configuration of this service allows such a lifetime.
  if (claims.exp <= claims.iat || claims.exp - claims.iat > ACCESS_TTL_MAX_SECONDS) return null;
  return { claims, kid: verified.kid };
}
