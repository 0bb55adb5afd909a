// The HTTP route that accepts an invitation. With an access token, its user accepts. Without an access token, the
// request registers a new user.
import { problem } from '../../base/errors/problem.ts';
import { type Endpoint, endpoint, open, type RequestInfo } from '../../base/http/endpoint.ts';
import { enveloped } from '../../base/http/wire.ts';
import { preferredLanguage } from '../../base/page-kit/language.ts';
import type { Caller } from '../../protocol/caller.ts';
import {
  assertSameSite,
  type CookieSettings,
  deliver,
  deviceOf,
  limitRefresh,
  presentedToken,
} from '../sessions/cookie.ts';
import type { RefreshDeps } from '../sessions/refresh.ts';
import { SignedIn } from '../sessions/schema.ts';
import { acceptAsUser, acceptByRegistering, type JoinDeps } from './accept-invitation.ts';
import { AcceptInvitation } from './schema.ts';

export interface AcceptRouteDeps extends JoinDeps, RefreshDeps {
  readonly cookie: CookieSettings;
  /** The caller of a request with an access token. Raises the error that says why the token is refused. */
  readonly authenticateUser: (
    authorization: string | undefined,
    options: { readonly alsoSuspended: boolean },
  ) => Promise<Caller>;
}

export function acceptRoutes(deps: AcceptRouteDeps): Endpoint[] {
  return [
    endpoint({
      method: 'POST',
      url: '/api/v1/invitations/accept',
      access: open(),
      limit: 'sign_in',
      id: 'acceptInvitation',
      summary: 'Accept an invitation by its token: as the signed-in user, or by registering with a name and a password',
      tag: 'Invitations',
      body: AcceptInvitation,
      reply: { 200: enveloped(SignedIn) },
      problems: [
        'invitation_invalid',
        'invitation_for_another',
        'tenant_mismatch',
        'email_taken',
        'already_member',
        'team_member_limit',
        'cross_site_request',
        'unauthenticated',
        'invalid_token',
        'token_expired',
        'token_stale',
        'session_revoked',
        'account_disabled',
        'organization_access_denied',
        'organization_suspended',
        'invalid_refresh_token',
        'session_expired',
        'refresh_token_reused',
      ],
      handle: async ({ body, request, answer }) => {
        if (body.transport === 'cookie') assertSameSite(deps.cookie, request);
        if (request.authorization !== undefined) {
          const { signed, transport } = await asUser(deps, request, body);
          return deliver(deps, answer, signed, transport);
        }
        const { token, name, password, transport } = body;
        if (name === undefined || password === undefined) throw incomplete(name, password);
        if (body.refreshToken !== undefined) throw withoutUse(['refreshToken'], 'without an access token');
        const device = deviceOf(request);
        const locale = preferredLanguage(request.acceptLanguage);
        const joining = { token, tenants: request.tenants, email: null, name, password, locale, device };
        const opened = await acceptByRegistering(deps, joining);
        return deliver(deps, answer, await opened.answer(), transport);
      },
    }),
  ];
}

async function asUser(deps: AcceptRouteDeps, request: RequestInfo, body: AcceptInvitation) {
  const caller = await deps.authenticateUser(request.authorization, { alsoSuspended: true });
  const unused = (['name', 'password'] as const).filter((member) => body[member] !== undefined);
  if (unused.length > 0) throw withoutUse(unused, 'with an access token: the account has its own');
  const presented = presentedToken(deps, request, body.refreshToken);
  const sign = await acceptAsUser(deps, caller, {
    token: body.token,
    tenants: request.tenants,
    refreshToken: presented?.token ?? null,
    network: request.network,
    limitRefresh: limitRefresh(request),
  });
  return { signed: await sign(), transport: presented?.transport ?? 'body' } as const;
}

function incomplete(name: string | undefined, password: string | undefined) {
  const missing = Object.entries({ name, password }).filter(([, value]) => value === undefined);
  return problem('validation_failed', {
    issues: missing.map(([path]) => ({ path, message: 'is required without an access token' })),
  });
}

function withoutUse(paths: readonly string[], when: string) {
  return problem('validation_failed', { issues: paths.map((path) => ({ path, message: `must be left out ${when}` })) });
}
