// The HTTP routes that prove an address. With an access token, its user proves their own address. Without one, the
// request has the token of the link, or the code and the id of a registration.
import { problem } from '../../base/errors/problem.ts';
import { type Endpoint, endpoint, open, signedIn } from '../../base/http/endpoint.ts';
import { enveloped } from '../../base/http/wire.ts';
import { preferredLanguage } from '../../base/page-kit/language.ts';
import type { Caller } from '../../protocol/caller.ts';
import { VerifiedEmail, VerifyEmail, VerifyMailRequested } from './schema.ts';
import type { Verified } from './verified.ts';
import {
  type Proof,
  requestVerifyMail,
  type VerifyDeps,
  verifyAsUser,
  verifyByMailbox,
  verifyByPassword,
} from './verify-email.ts';
import { verifyRegistrationByCode } from './verify-registration.ts';

export interface VerifyRouteDeps extends VerifyDeps {
  /** The caller of a request with an access token. Raises the error that says why the token is refused. */
  readonly authenticateUser: (
    authorization: string | undefined,
    options: { readonly alsoSuspended: boolean },
  ) => Promise<Caller>;
}

export function verifyRoutes(deps: VerifyRouteDeps): Endpoint[] {
  return [verifyRoute(deps), resendRoute(deps)];
}

const CODE_ALONE = 'A code needs the access token of its user, or the registrationId of a registration.';

function verifyRoute(deps: VerifyRouteDeps): Endpoint {
  return endpoint({
    method: 'POST',
    url: '/api/v1/auth/verify-email',
    access: open(),
    limit: 'sign_in',
    id: 'verifyEmail',
    summary:
      'Prove an e-mail: when signed in, by code or token; otherwise by the token of the link, with or without the password, or by the code with the id of a registration',
    tag: 'Sign-in',
    body: VerifyEmail,
    reply: { 200: enveloped(VerifiedEmail) },
    problems: [
      'invalid_or_expired_token',
      'verification_for_another',
      'registration_closed',
      'invalid_credentials',
      'unauthenticated',
      'invalid_token',
      'token_expired',
      'token_stale',
      'session_revoked',
      'account_disabled',
      'organization_access_denied',
    ],
    handle: async ({ body, request: { authorization, acceptLanguage, network } }) => {
      const { token, code, password, registrationId } = body;
      if (authorization !== undefined) {
        if (password !== undefined) throw withoutUse('password', 'with an access token');
        if (registrationId !== undefined) throw withoutUse('registrationId', 'with an access token');
        const caller = await deps.authenticateUser(authorization, { alsoSuspended: true });
        return { data: answerOf(await verifyAsUser(deps, caller, proofOf(token, code))) };
      }
      if (registrationId !== undefined) {
        return { data: answerOf(await verifyRegistrationByCode(deps, { registrationId, code: code ?? '' })) };
      }
      if (token === undefined) throw problem('unauthenticated', { detail: CODE_ALONE });
      const verified =
        password === undefined
          ? await verifyByMailbox(deps, { token, newPassword: null, locale: preferredLanguage(acceptLanguage) })
          : await verifyByPassword(deps, { token, password, network });
      return { data: answerOf(verified) };
    },
  });
}

/** The schema lets no other combination pass. */
function proofOf(token: string | undefined, code: string | undefined): Proof {
  return token === undefined ? { code: code ?? '' } : { token };
}

function answerOf({ isAgain, isPasswordSet, reset }: Verified) {
  return {
    emailVerified: true,
    alreadyVerified: isAgain,
    passwordSet: isPasswordSet,
    resetToken: reset?.token ?? null,
    resetTokenExpiresAt: reset?.expiresAt.toISOString() ?? null,
  } as const;
}

function withoutUse(path: string, when: string) {
  return problem('validation_failed', { issues: [{ path, message: `must be left out ${when}` }] });
}

function resendRoute(deps: VerifyRouteDeps): Endpoint {
  return endpoint({
    method: 'POST',
    url: '/api/v1/auth/verify-email/resend',
    access: signedIn({ alsoSuspended: true }),
    limit: 'sign_in',
    id: 'resendVerification',
    summary: 'Request a new mail with the link and the code that prove your e-mail',
    tag: 'Sign-in',
    reply: { 202: enveloped(VerifyMailRequested) },
    handle: async ({ caller }) => {
      await requestVerifyMail(deps, caller);
      return { data: { requested: true } as const };
    },
  });
}
