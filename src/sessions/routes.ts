// HTTP of signing in, refreshing, signing out and of a user's own sessions; decides between body and cookie.
import { z } from 'zod';
import { type ProblemCode, problem } from '../errors.ts';
import {
  type Answer,
  type Client,
  type Endpoint,
  endpoint,
  open,
  SIGN_IN_BODY_BYTES_MAX,
  signedIn,
} from '../http/endpoint.ts';
import { oneOrganization } from '../http/tenant.ts';
import { enveloped, Id, PageQuery, page } from '../http/wire.ts';
import type { Principal } from '../protocol/caller.ts';
import { acceptByRegistering, type JoinDeps } from './accept-invitation.ts';
import { assertSameSite, type CookieSettings, clearCookie, cookieToken, setCookie } from './cookie.ts';
import { endOtherSessions, endOwnSession, logout } from './end-session.ts';
import { listOwnSessions } from './list-sessions.ts';
import { type LoginDeps, login } from './login.ts';
import type { SignedIn as SignedInAnswer } from './open-session.ts';
import { type RefreshDeps, refresh } from './refresh.ts';
import { type RegisterDeps, register } from './register.ts';
import * as wire from './schema.ts';
import { switchOrganization } from './switch-organization.ts';

export interface SessionRouteDeps
  extends Omit<LoginDeps, 'limitOrganization'>,
    RegisterDeps,
    JoinDeps,
    Omit<RefreshDeps, 'limitRefresh'> {
  readonly cookie: CookieSettings;
  /** Whose token this is, however old or stale; null when it is none of ours. */
  readonly identify: (authorization: string) => Promise<Principal | null>;
}

const SIGN_IN_PROBLEMS: readonly ProblemCode[] = [
  'invalid_credentials',
  'account_disabled',
  'organization_access_denied',
  'organization_suspended',
];
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
  return [
    registerRoute(deps),
    loginRoute(deps),
    refreshRoute(deps),
    logoutRoute(deps),
    switchRoute(deps),
    ...ownSessions(deps),
  ];
}

export function deviceOf(client: Client) {
  return { userAgent: client.userAgent, ip: client.ip };
}

/** Moves the refresh token from the answer into the cookie, where the call asked for that. */
export function deliver<A extends SignedInAnswer>(
  deps: { readonly cookie: CookieSettings },
  answer: Answer,
  signed: A,
  transport: 'body' | 'cookie',
) {
  if (transport === 'body' || signed.refreshToken === undefined) return { data: signed };
  answer.header('set-cookie', setCookie(deps.cookie, signed.refreshToken, signed.refreshExpiresAt));
  return { data: { ...signed, refreshToken: undefined } };
}

function registerRoute(deps: SessionRouteDeps): Endpoint {
  return endpoint({
    method: 'POST',
    url: '/api/v1/auth/register',
    access: open(),
    limit: 'sign_in',
    id: 'register',
    summary: 'Create an account, optionally with an organization, and sign in',
    tag: 'Sign-in',
    body: wire.Register,
    reply: { 201: enveloped(wire.Registered) },
    problems: [
      'email_taken',
      'slug_taken',
      'registration_closed',
      'cross_site_request',
      'invitation_invalid',
      'invitation_for_another',
      'tenant_mismatch',
      'already_member',
      'team_member_limit',
    ],
    handle: async ({ body, client, answer }) => {
      if (body.transport === 'cookie') assertSameSite(deps.cookie, client);
      if (body.invitationToken !== undefined) {
        const { email, name, password, invitationToken: token } = body;
        const joining = { token, tenants: client.tenants, email, name, password, device: deviceOf(client) };
        const joined = await acceptByRegistering(deps, joining);
        return deliver(deps, answer, { ...joined, subscription: null }, body.transport);
      }
      const signed = await register(deps, {
        email: body.email,
        password: body.password,
        name: body.name,
        organizationName: body.organizationName ?? null,
        organizationSlug: body.organizationSlug ?? null,
        device: deviceOf(client),
      });
      return deliver(deps, answer, signed, body.transport);
    },
  });
}

function loginRoute(deps: SessionRouteDeps): Endpoint {
  return endpoint({
    method: 'POST',
    url: '/api/v1/auth/login',
    access: open(),
    limit: 'sign_in',
    id: 'login',
    summary: 'Sign in with e-mail and password',
    tag: 'Sign-in',
    body: wire.Login,
    reply: { 200: enveloped(wire.SignedIn) },
    problems: [...SIGN_IN_PROBLEMS, 'cross_site_request'],
    handle: async ({ body, client, answer }) => {
      if (body.transport === 'cookie') assertSameSite(deps.cookie, client);
      const organization = oneOrganization([body.organization, body.organizationSlug, ...client.tenants]);
      const { email, password } = body;
      const device = deviceOf(client);
      const limitOrganization = (named: string) => client.draw('organization', named);
      const input = { email, password, organization, device, address: client.network };
      const signed = await login({ ...deps, limitOrganization }, input);
      return deliver(deps, answer, signed, body.transport);
    },
  });
}

/** The token of the body, or else of the cookie, and by which of the two the next one travels. */
export function presentedToken(deps: { readonly cookie: CookieSettings }, client: Client, inBody: string | undefined) {
  if (inBody !== undefined) return { token: inBody, transport: 'body' as const };
  const inCookie = cookieToken(deps.cookie, client);
  return inCookie === null ? null : { token: inCookie, transport: 'cookie' as const };
}

export function limitRefresh(client: Client) {
  return { limitRefresh: (sessionId: string) => client.draw('session', sessionId) };
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
    handle: async ({ body, client, answer }) => {
      const presented = presentedToken(deps, client, body.refreshToken);
      if (!presented) {
        throw problem('invalid_refresh_token', { detail: 'Send the refresh token in the body or in its cookie.' });
      }
      const organization = oneOrganization([body.organization, ...client.tenants]);
      const input = { refreshToken: presented.token, organization };
      const signed = await refresh({ ...deps, ...limitRefresh(client) }, input);
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
    summary: 'End the session of a refresh token (body or cookie) or of the access token; repeatable',
    tag: 'Sign-in',
    body: wire.Logout,
    bodyOptional: true,
    bodyBytesMax: SIGN_IN_BODY_BYTES_MAX,
    reply: { 204: null },
    problems: ['cross_site_request'],
    handle: async ({ body, client, answer }) => {
      const presented = presentedToken(deps, client, body.refreshToken);
      // Also a stale or expired token names the session that is to end.
      const found = client.authorization === undefined ? null : await deps.identify(client.authorization);
      const caller = found?.kind === 'user' ? found : null; // a service client has no session
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
    handle: async ({ caller, body, client, answer }) => {
      const presented = presentedToken(deps, client, body.refreshToken);
      const input = { organization: body.organization, refreshToken: presented?.token ?? null };
      const signed = await switchOrganization({ ...deps, ...limitRefresh(client) }, caller, input);
      return deliver(deps, answer, signed, presented?.transport ?? 'body');
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
      summary: 'End all of your sessions but this one',
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
