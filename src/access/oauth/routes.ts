// The HTTP routes of OAuth: the token, introspection and revocation endpoints for service clients, and the metadata
// (RFC 8414).
import type { z } from 'zod';
import { type Endpoint, endpoint, open, type RequestInfo } from '../../base/http/endpoint.ts';
import { TOKEN_BYTES_MAX } from '../../protocol/jws.ts';
import { limitRefresh } from '../../sign-in/sessions/cookie.ts';
import type { Presented } from './admit-client.ts';
import { type IntrospectDeps, introspectToken } from './introspect-token.ts';
import { issueToken, type TokenDeps } from './issue-token.ts';
import { revokeToken } from './revoke-token.ts';
import * as wire from './schema.ts';

export interface OAuthRouteDeps extends TokenDeps, IntrospectDeps {}

/**
 * Clients may keep the metadata for 300 seconds. A service that verifies tokens may keep the key set for the same time.
 */
const CACHE = 'public, max-age=300, stale-while-revalidate=60';
/**
 * The maximum size of a body. An access token with many permissions is long, and the body may also contain an
 * assertion.
 */
const TOKEN_BODY_BYTES_MAX = TOKEN_BYTES_MAX + 16 * 1024;

const OF_EVERY_CLIENT = ['invalid_request', 'invalid_client'] as const;
const COMMON = { method: 'POST', access: open(), limit: 'client', wire: 'oauth', tag: 'OAuth' } as const;

export function oauthRoutes(deps: OAuthRouteDeps): Endpoint[] {
  return [tokenRoute(deps), introspectRoute(deps), revokeRoute(deps), metadataRoute(deps)];
}

type Credentials = Pick<
  z.output<typeof wire.AboutToken>,
  'client_id' | 'client_secret' | 'client_assertion' | 'client_assertion_type'
>;

function presentedBy(request: RequestInfo, body: Credentials): Presented {
  return {
    authorization: request.authorization,
    clientId: body.client_id,
    clientSecret: body.client_secret,
    assertion: body.client_assertion,
    assertionType: body.client_assertion_type,
    network: request.network,
    noteClient: request.noteServiceClient.bind(request),
    limitClient: (clientId) => request.draw('client', clientId),
  };
}

function tokenRoute(deps: OAuthRouteDeps): Endpoint {
  return endpoint({
    ...COMMON,
    url: '/oauth/token',
    id: 'issueToken',
    summary: 'Get an access token for a service client, or exchange the refresh token of a user',
    body: wire.TokenRequest,
    reply: { 200: wire.TokenAnswer },
    oauthErrors: [
      ...OF_EVERY_CLIENT,
      'invalid_grant',
      'unauthorized_client',
      'unsupported_grant_type',
      'invalid_scope',
      'invalid_target',
    ],
    handle: ({ body, request }) => {
      const { grant_type: grantType, refresh_token: refreshToken, scope, resource, audience } = body;
      const { network } = request;
      const asked = { grantType, refreshToken, scope, resource, audience, network };
      return issueToken(deps, presentedBy(request, body), { ...asked, limitRefresh: limitRefresh(request) });
    },
  });
}

function introspectRoute(deps: OAuthRouteDeps): Endpoint {
  return endpoint({
    ...COMMON,
    url: '/oauth/introspect',
    id: 'introspectToken',
    summary: 'Say whether a token is valid at this moment, and return its content',
    body: wire.AboutToken,
    bodyBytesMax: TOKEN_BODY_BYTES_MAX,
    reply: { 200: wire.Introspection },
    oauthErrors: OF_EVERY_CLIENT,
    handle: ({ body, request }) => introspectToken(deps, presentedBy(request, body), body.token),
  });
}

function revokeRoute(deps: OAuthRouteDeps): Endpoint {
  return endpoint({
    ...COMMON,
    url: '/oauth/revoke',
    id: 'revokeToken',
    summary: 'End the session of a user’s token, or all tokens of the client; repeating it is not an error',
    body: wire.AboutToken,
    bodyBytesMax: TOKEN_BODY_BYTES_MAX,
    reply: { 200: null },
    oauthErrors: OF_EVERY_CLIENT,
    handle: ({ body, request }) => revokeToken(deps, presentedBy(request, body), body.token),
  });
}

function metadataRoute(deps: Pick<OAuthRouteDeps, 'issuer'>): Endpoint {
  return endpoint({
    method: 'GET',
    url: '/.well-known/oauth-authorization-server',
    access: open(),
    limit: 'none',
    id: 'getMetadata',
    summary: 'Read the authorization server metadata',
    tag: 'Discovery',
    reply: { 200: { mediaType: 'application/json', schema: wire.Metadata } },
    handle: ({ answer }) => {
      answer.header('cache-control', CACHE);
      answer.header('content-type', 'application/json; charset=utf-8');
      return JSON.stringify(wire.metadataOf(deps.issuer));
    },
  });
}
