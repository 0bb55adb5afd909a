// The HTTP routes to refresh, to sign out, to switch the organization, and to manage a user's own sessions.
import { z } from 'zod';
import { type ProblemCode, problem } from '../../base/errors/problem.ts';
import { oneOrganization } from '../../base/headers/tenant.ts';
import { type Endpoint, endpoint, open, SIGN_IN_BODY_BYTES_MAX, signedIn } from '../../base/http/endpoint.ts';
import { enveloped, Id, PageQuery, page } from '../../base/http/wire.ts';
import type { Identified } from './authenticate.ts';
import { type CookieSettings, clearCookie, deliver, limitRefresh, presentedToken } from './cookie.ts';
import { type EndSessionDeps, endOtherSessions, endOwnSession, logout } from './end-session.ts';
import { listOwnSessions } from './list-sessions.ts';
import { type RefreshDeps, refresh } from './refresh.ts';
import * as wire from './schema.ts';
import { switchOrganization } from './switch-organization.ts';

export interface SessionRouteDeps extends RefreshDeps, EndSessionDeps {
  readonly cookie: CookieSettings;
  /** The principal of a token, even of an expired or stale token. Null for a token that this service did not sign. */
  readonly identify: (authorization: string) => Promise<Identified | null>;
}

const REFRESH_PROBLEMS: readonly ProblemCode[] = [
  'account_disabled',
  'invalid_refresh_token',
  'session_expired',
  'session_revoked',
  'refresh_token_reused',
  'cross_site_request',
  'organization_access_denied',
  'organization_suspended',
];

export function sessionRoutes(deps: SessionRouteDeps): Endpoint[] {
  return [refreshRoute(deps), logoutRoute(deps), switchRoute(deps), ...ownSessions(deps)];
}

function refreshRoute(deps: SessionRouteDeps): Endpoint {
  return endpoint({
    method: 'POST',
    url: '/api/v1/auth/refresh',
    access: open(),
    limit: 'session',
    id: 'refresh',
    summary: 'Exchange a refresh token (body or cookie) for a new pair',
    tag: 'Sign-in',
    body: wire.Refresh,
    bodyOptional: true,
    bodyBytesMax: SIGN_IN_BODY_BYTES_MAX,
    reply: { 200: enveloped(wire.SignedIn) },
    problems: REFRESH_PROBLEMS,
    handle: async ({ body, request, answer }) => {
      const presented = presentedToken(deps, request, body.refreshToken);
      if (!presented) {
        throw problem('invalid_refresh_token', { detail: 'Send the refresh token in the body or in its cookie.' });
      }
      const organization = oneOrganization([body.organization, ...request.tenants]);
      const { network } = request;
      const input = { refreshToken: presented.token, organization, network, limitRefresh: limitRefresh(request) };
      const signed = await refresh(deps, input);
      return deliver(deps, answer, signed, presented.transport);
    },
  });
}

function logoutRoute(deps: SessionRouteDeps): Endpoint {
  return endpoint({
    method: 'POST',
    url: '/api/v1/auth/logout',
    access: open(),
    id: 'logout',
    summary: 'End the session of a refresh token (body or cookie) or of the access token; repeating it is not an error',
    tag: 'Sign-in',
    body: wire.Logout,
    bodyOptional: true,
    bodyBytesMax: SIGN_IN_BODY_BYTES_MAX,
    reply: { 204: null },
    problems: ['cross_site_request'],
    handle: async ({ body, request, answer }) => {
      const presented = presentedToken(deps, request, body.refreshToken);
      const found = request.authorization === undefined ? null : await deps.identify(request.authorization);
      // A service client has no session.
      const caller = found?.principal.kind === 'user' ? { ...found.principal, isCurrent: found.isCurrent } : null;
      await logout(deps, caller, presented?.token ?? null);
      if (presented?.transport === 'cookie') answer.header('set-cookie', clearCookie(deps.cookie));
    },
  });
}

function switchRoute(deps: SessionRouteDeps): Endpoint {
  return endpoint({
    method: 'POST',
    url: '/api/v1/auth/switch-organization',
    access: signedIn({ alsoSuspended: true }),
    id: 'switchOrganization',
    summary: 'Let this session act for another of your organizations',
    tag: 'Sign-in',
    body: wire.SwitchOrganization,
    bodyBytesMax: SIGN_IN_BODY_BYTES_MAX,
    reply: { 200: enveloped(wire.SignedIn) },
    problems: REFRESH_PROBLEMS,
    handle: async ({ caller, body, request, answer }) => {
      const presented = presentedToken(deps, request, body.refreshToken);
      const sign = await switchOrganization(deps, caller, {
        organization: body.organization,
        refreshToken: presented?.token ?? null,
        network: request.network,
        limitRefresh: limitRefresh(request),
      });
      return deliver(deps, answer, await sign(), presented?.transport ?? 'body');
    },
  });
}

function ownSessions(deps: SessionRouteDeps): Endpoint[] {
  return [
    endpoint({
      method: 'GET',
      url: '/api/v1/me/sessions',
      access: signedIn({ alsoSuspended: true }),
      id: 'listMySessions',
      summary: 'List your live sessions, the most recently used first',
      tag: 'Me',
      query: PageQuery,
      reply: { 200: page(wire.OwnSession) },
      handle: ({ caller, query }) => listOwnSessions(deps, caller, query),
    }),
    endpoint({
      method: 'DELETE',
      url: '/api/v1/me/sessions',
      access: signedIn({ alsoSuspended: true }),
      id: 'endMyOtherSessions',
      summary: 'End all of your sessions except this one',
      tag: 'Me',
      reply: { 200: enveloped(wire.EndedSessions) },
      handle: async ({ caller }) => ({ data: { ended: await endOtherSessions(deps, caller) } }),
    }),
    endpoint({
      method: 'DELETE',
      url: '/api/v1/me/sessions/:id',
      access: signedIn({ alsoSuspended: true }),
      id: 'endMySession',
      summary: 'End one of your sessions',
      tag: 'Me',
      params: z.strictObject({ id: Id }),
      reply: { 204: null },
      problems: ['not_found'],
      handle: ({ caller, params }) => endOwnSession(deps, caller, params.id),
    }),
  ];
}
