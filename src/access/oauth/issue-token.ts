// The token endpoint (RFC 6749 §3.2). It issues a token to a client for the client itself, or for a user whose refresh
// token the client has.

import { oauthError } from '../../base/errors/oauth.ts';
import { Problem, type ProblemCode } from '../../base/errors/problem.ts';
import { issueClientToken } from '../../credentials/tokens/access.ts';
import { PERMISSIONS_IN_TOKEN_MAX } from '../../protocol/claims.ts';
import { canonicalPermissions, PERMISSION_PATTERN, permits } from '../../protocol/permission.ts';
import { type Refresh, type RefreshDeps, refresh } from '../../sign-in/sessions/refresh.ts';
import type { AuthenticatedClient } from '../client-authentication/authenticate.ts';
import { type AudiencePolicy, isAudienceAllowed } from '../clients/audiences.ts';
import { type AdmitDeps, admitClient, type Presented } from './admit-client.ts';

export const GRANT_TYPES = ['client_credentials', 'refresh_token'] as const;

export interface TokenRequest {
  readonly grantType: string;
  readonly scope?: string | undefined;
  readonly refreshToken?: string | undefined;
  /** The audience (RFC 8707). Some clients send `audience` instead of `resource`. */
  readonly resource?: string | undefined;
  readonly audience?: string | undefined;
  /** The network of the request. */
  readonly network: string;
  /** Raises too_many_requests when the session of a refresh token refreshes too often. */
  readonly limitRefresh: Refresh['limitRefresh'];
}

/** The answer of the token endpoint (RFC 6749 §5.1). */
export interface TokenAnswer {
  readonly access_token: string;
  readonly token_type: 'Bearer';
  /** The lifetime of the token in seconds. */
  readonly expires_in: number;
  readonly refresh_token?: string;
  readonly scope?: string;
}

export interface TokenDeps extends AdmitDeps, RefreshDeps, AudiencePolicy {}

/**
 * Issues a token to an authenticated client. A malformed scope, an unknown grant type and a missing refresh token are
 * refused before the client is authenticated, so that such a request does not use up an assertion. Raises the errors of
 * RFC 6749 §5.2, invalid_target, too_many_requests.
 */
export async function issueToken(deps: TokenDeps, presented: Presented, asked: TokenRequest): Promise<TokenAnswer> {
  const { grantType, refreshToken } = asked;
  if (grantType === 'client_credentials') {
    const scope = scopeTokens(asked.scope);
    return issueToClient(deps, await admitClient(deps, presented), asked, scope);
  }
  if (grantType !== 'refresh_token') throw oauthError('unsupported_grant_type');
  if (refreshToken === undefined) throw oauthError('invalid_request', 'refresh_token is required.');
  return refreshForClient(deps, await admitClient(deps, presented), asked, refreshToken);
}

/**
 * Returns the permissions of a scope parameter (RFC 6749 §3.3), or null without the parameter. Raises invalid_scope.
 */
function scopeTokens(scope: string | undefined): readonly string[] | null {
  if (scope === undefined) return null;
  const tokens = scope.split(' ');
  const known = tokens.length <= PERMISSIONS_IN_TOKEN_MAX && tokens.every((token) => PERMISSION_PATTERN.test(token));
  if (!known) throw oauthError('invalid_scope');
  return tokens;
}

function assertTarget(asked: TokenRequest, audience: string): void {
  for (const target of [asked.resource, asked.audience]) {
    if (target !== undefined && target !== audience) throw oauthError('invalid_target');
  }
}

const NOT_LISTED =
  'The audience of this client is not on the list of the operator, TOKEN_AUDIENCES: give the client another audience.';

/**
 * Raises invalid_target if the audience of the client is not allowed any more. The operator may have made the list
 * shorter since the client got its audience.
 */
function assertAllowedAudience(deps: TokenDeps, { organization, audience }: AuthenticatedClient): void {
  const allowed = isAudienceAllowed(deps, { organizationId: organization?.id ?? null, audience });
  if (!allowed) throw oauthError('invalid_target', NOT_LISTED);
}

/**
 * Issues a token to the client for itself (RFC 6749 §4.4). The answer has no refresh token, because the client can
 * request another token. A scope can only reduce the client's rights.
 */
async function issueToClient(
  deps: TokenDeps,
  client: AuthenticatedClient,
  asked: TokenRequest,
  scope: readonly string[] | null,
): Promise<TokenAnswer> {
  assertAllowedAudience(deps, client);
  assertTarget(asked, client.audience ?? deps.audience);
  const permissions = canonicalPermissions(scope ?? client.permissions);
  if (!permissions.every((permission) => permits(client.permissions, permission))) throw oauthError('invalid_scope');
  const { id: clientId, epoch, audience, organization } = client;
  const issued = await issueClientToken(deps, { clientId, epoch, audience, organization, permissions });
  return {
    access_token: issued.token,
    token_type: 'Bearer',
    expires_in: issued.expiresIn,
    ...(permissions.length > 0 ? { scope: permissions.join(' ') } : {}),
  };
}

// Only the user may see why the user's refresh token is refused. A client that presents the token does not get the
// reason.
const REFUSED: ReadonlySet<ProblemCode> = new Set<ProblemCode>([
  'invalid_refresh_token',
  'session_expired',
  'session_revoked',
  'refresh_token_reused',
  'account_disabled',
  'organization_access_denied',
  'organization_suspended',
]);

/**
 * Refreshes for a user who acts for the client's organization (RFC 6749 §6). The request is refused for a session of
 * another organization and for a user who is not an active member. A request that is refused for one of these two
 * reasons leaves the refresh token as it is.
 */
async function refreshForClient(
  deps: TokenDeps,
  { organization }: AuthenticatedClient,
  asked: TokenRequest,
  refreshToken: string,
): Promise<TokenAnswer> {
  if (organization === null) throw oauthError('unauthorized_client');
  if (asked.scope !== undefined) {
    throw oauthError('invalid_scope', 'The tokens of users say what their roles allow: leave scope out.');
  }
  assertTarget(asked, deps.audience);
  const { id } = organization;
  const input = {
    refreshToken,
    organization: [id],
    actingFor: id,
    network: asked.network,
    limitRefresh: asked.limitRefresh,
  };
  const signed = await refresh(deps, input).catch((error: unknown) => {
    throw error instanceof Problem && REFUSED.has(error.code) ? oauthError('invalid_grant') : error;
  });
  return {
    access_token: signed.accessToken,
    token_type: 'Bearer',
    expires_in: signed.expiresIn,
    ...(signed.refreshToken === undefined ? {} : { refresh_token: signed.refreshToken }),
  };
}
