// Introspection (RFC 7662). It returns the content of a token that is valid now according to PostgreSQL. The answer
// is the same for a token that is not valid and for a token that the client may not read. It does not give the reason.

import type { Database } from '../../base/database/db.ts';
import type { Revocations } from '../../credentials/revocations/revocations.ts';
import { type AccessTokenDeps, type ReadAccessToken, readAccessToken } from '../../credentials/tokens/access.ts';
import { type RefreshTokenDeps, revocableOf, verifyRefreshToken } from '../../credentials/tokens/refresh.ts';
import { principalOf } from '../../protocol/caller.ts';
import { FIRST_PARTY_CLIENT } from '../../protocol/claims.ts';
import type { RevocableToken } from '../../protocol/revocation.ts';
import { assertNotInDoubt, assertNotLost } from '../../sign-in/sessions/authenticate.ts';
import type { AuthenticatedClient } from '../client-authentication/authenticate.ts';
import { type AdmitDeps, admitClient, type Presented } from './admit-client.ts';
import { findClientTokenState, findRefreshTokenState, findUserTokenState } from './store.ts';

export interface IntrospectDeps extends AdmitDeps, Omit<AccessTokenDeps, 'random'>, RefreshTokenDeps {
  readonly db: Database;
  readonly revocations: Revocations;
  readonly graceSeconds: number;
}

/** The answer of introspection for a valid token (RFC 7662 §2.2). Instants are seconds since 1970. */
export interface ActiveToken {
  readonly active: true;
  /**
   * With the value `refresh_token`, the token is not an access token. A service that checks a presented token must
   * check this field.
   */
  readonly token_type: 'Bearer' | 'refresh_token';
  readonly client_id: string;
  readonly sub: string;
  readonly aud: string;
  readonly iss: string;
  readonly exp: number;
  readonly iat: number;
  readonly jti: string;
  readonly scope?: string;
  readonly sid?: string;
  readonly org?: string;
  readonly org_slug?: string;
  readonly roles?: readonly string[];
  readonly permissions?: readonly string[];
  readonly permissions_ref?: true;
  readonly epoch?: number;
  readonly mep?: number;
  readonly rep?: number;
}
export type Introspection = ActiveToken | { readonly active: false };

const INACTIVE: Introspection = Object.freeze({ active: false });

/**
 * Introspects a token for a client. A client of an organization gets only the content of tokens of that organization.
 * Changes nothing. Raises the errors of admitClient, database_set_back while it is unknown whether the token is valid,
 * and DatabaseUnavailable.
 */
export async function introspectToken(
  deps: IntrospectDeps,
  presented: Presented,
  token: string,
): Promise<Introspection> {
  const client = await admitClient(deps, presented);
  const access = await readAccessToken(deps, token);
  return (await (access ? ofAccessToken(deps, client, access) : ofRefreshToken(deps, client, token))) ?? INACTIVE;
}

function mayRead({ organization }: AuthenticatedClient, organizationId: string | null | undefined): boolean {
  return organization === null || organization.id === organizationId;
}

/**
 * Whether this process knows that the token is revoked for good, so that no query is needed. This process may know
 * about the revocation before it is in the database.
 */
function isKnownRevoked({ revocations }: IntrospectDeps, token: RevocableToken): boolean {
  return ['invalid_token', 'session_revoked', 'token_stale'].includes(revocations.judge(token) ?? '');
}

async function ofAccessToken(
  deps: IntrospectDeps,
  client: AuthenticatedClient,
  { claims, kid }: ReadAccessToken,
): Promise<ActiveToken | null> {
  const isOver = claims.exp <= deps.clock.now().getTime() / 1000;
  if (isOver || !mayRead(client, claims.org) || isKnownRevoked(deps, principalOf(claims, kid))) return null;
  // While a token is in doubt, the database may lack what made the token active, or what ended it.
  const beganAt = 'auth_time' in claims ? claims.auth_time : claims.iat;
  assertNotInDoubt(deps.revocations, beganAt);
  const reader = deps.db.systemReader();
  const asked = 'sid' in claims ? findUserTokenState(reader, claims, kid) : findClientTokenState(reader, claims, kid);
  const state = await asked;
  if (state === null || state.ahead) await assertNotLost(deps.revocations, beganAt);
  if (!state?.live) return null;
  const { iss, aud, sub, client_id, jti, iat, exp, epoch, org, org_slug, permissions } = claims;
  return {
    active: true,
    token_type: 'Bearer',
    ...{ client_id, sub, aud, iss, exp, iat, jti },
    ...(permissions && permissions.length > 0 ? { scope: permissions.join(' ') } : {}),
    ...('sid' in claims ? { sid: claims.sid } : {}),
    ...(org === undefined ? {} : { org }),
    ...(org_slug === undefined ? {} : { org_slug }),
    ...('roles' in claims ? { roles: claims.roles } : {}),
    ...(permissions ? { permissions } : {}),
    ...('permissions_ref' in claims ? { permissions_ref: claims.permissions_ref } : {}),
    epoch,
    ...('mep' in claims ? { mep: claims.mep } : {}),
    ...('rep' in claims ? { rep: claims.rep } : {}),
  };
}

/**
 * The content of a refresh token. Only Tenantry itself accepts refresh tokens, so the answer contains no roles and no
 * permissions.
 */
async function ofRefreshToken(
  deps: IntrospectDeps,
  client: AuthenticatedClient,
  token: string,
): Promise<ActiveToken | null> {
  const verified = await verifyRefreshToken(deps, token);
  if (!verified || verified.expired) return null;
  const { sub, sid, iss, aud, exp, iat, jti } = verified.claims;
  if (isKnownRevoked(deps, revocableOf(verified))) return null;
  assertNotInDoubt(deps.revocations, iat); // no session begins after its tokens
  const found = await findRefreshTokenState(deps.db.systemReader(), verified, deps.graceSeconds);
  if (found === null) await assertNotLost(deps.revocations, 0);
  if (!found || !mayRead(client, found.organizationId)) return null;
  assertNotInDoubt(deps.revocations, found.openedAt.getTime() / 1000);
  if (!found.live) return null;
  return {
    active: true,
    token_type: 'refresh_token',
    client_id: FIRST_PARTY_CLIENT,
    ...{ sub, aud, iss, exp, iat, jti, sid },
    ...(found.organizationId === null ? {} : { org: found.organizationId }),
    ...(found.organizationSlug === null ? {} : { org_slug: found.organizationSlug }),
  };
}
