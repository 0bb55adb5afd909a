// The HTTP routes to register and to sign in with a password.
import type { ProblemCode } from '../../base/errors/problem.ts';
import { oneOrganization } from '../../base/headers/tenant.ts';
import { type Endpoint, endpoint, open } from '../../base/http/endpoint.ts';
import { enveloped } from '../../base/http/wire.ts';
import { preferredLanguage } from '../../base/page-kit/language.ts';
import { acceptByRegistering, type JoinDeps } from '../accept-invitation/accept-invitation.ts';
import { type RequestRegistrationDeps, requestRegistration } from '../registration/request-registration.ts';
import { assertSameSite, type CookieSettings, deliver, deviceOf } from '../sessions/cookie.ts';
import { SignedIn } from '../sessions/schema.ts';
import { type LoginDeps, login } from './login.ts';
import { type RegisterDeps, register } from './register.ts';
import { Login, Register, Registered, RegistrationRequested } from './schema.ts';

export interface PasswordRouteDeps extends LoginDeps, RegisterDeps, RequestRegistrationDeps, JoinDeps {
  readonly cookie: CookieSettings;
}

const SIGN_IN_PROBLEMS: readonly ProblemCode[] = [
  'invalid_credentials',
  'account_disabled',
  'organization_access_denied',
  'organization_suspended',
];

export function passwordRoutes(deps: PasswordRouteDeps): Endpoint[] {
  return [registerRoute(deps), loginRoute(deps)];
}

function registerRoute(deps: PasswordRouteDeps): Endpoint {
  return endpoint({
    method: 'POST',
    url: '/api/v1/auth/register',
    access: open(),
    limit: 'sign_in',
    id: 'register',
    summary: 'Create an account, optionally with an organization, and sign in; or ask for the mail that creates it',
    tag: 'Sign-in',
    body: Register,
    reply: { 201: enveloped(Registered), 202: enveloped(RegistrationRequested) },
    idempotent: true,
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
    handle: async ({ body, request, once }) => {
      if (body.transport === 'cookie') assertSameSite(deps.cookie, request);
      const locale = preferredLanguage(request.acceptLanguage);
      if (body.invitationToken !== undefined) {
        const { email, name, password, invitationToken: token } = body;
        const joining = { token, tenants: request.tenants, email, name, password, locale, device: deviceOf(request) };
        return once(
          async (kept) => (await acceptByRegistering(deps, joining, kept)).answer(),
          (joined, answer) => deliver(deps, answer, { ...joined, subscription: null }, body.transport),
        );
      }
      const { email, password, name, organizationName = null, organizationSlug = null } = body;
      const asked = { email, password, name, organizationName, organizationSlug, locale };
      if (deps.registrationMode === 'verified') {
        return once(
          (kept) => requestRegistration(deps, { ...asked, network: request.network }, kept),
          (registrationId, answer) => {
            answer.status(202);
            return { data: { requested: true, registrationId } };
          },
        );
      }
      return once(
        async (kept) => (await register(deps, { ...asked, device: deviceOf(request) }, kept)).answer(),
        (signed, answer) => deliver(deps, answer, signed, body.transport),
      );
    },
  });
}

function loginRoute(deps: PasswordRouteDeps): Endpoint {
  return endpoint({
    method: 'POST',
    url: '/api/v1/auth/login',
    access: open(),
    limit: 'sign_in',
    id: 'login',
    summary: 'Sign in with e-mail and password',
    tag: 'Sign-in',
    body: Login,
    reply: { 200: enveloped(SignedIn) },
    problems: [...SIGN_IN_PROBLEMS, 'cross_site_request'],
    handle: async ({ body, request, answer }) => {
      if (body.transport === 'cookie') assertSameSite(deps.cookie, request);
      const organization = oneOrganization([body.organization, body.organizationSlug, ...request.tenants]);
      const { email, password } = body;
      const device = deviceOf(request);
      const limitOrganization = (named: string) => request.draw('organization', named);
      const input = { email, password, organization, device, address: request.network, limitOrganization };
      const opened = await login(deps, input);
      return deliver(deps, answer, await opened.answer(), body.transport);
    },
  });
}
