// The HTTP routes for a forgotten password.
import { problem } from '../../base/errors/problem.ts';
import { type Endpoint, endpoint, open } from '../../base/http/endpoint.ts';
import { enveloped } from '../../base/http/wire.ts';
import { preferredLanguage } from '../../base/page-kit/language.ts';
import { type RequestResetDeps, requestReset } from './request-reset.ts';
import { type Proof, type ResetDeps, resetPassword } from './reset-password.ts';
import { ForgotPassword, Requested, ResetPassword } from './schema.ts';

export interface ForgottenPasswordDeps extends RequestResetDeps, ResetDeps {}

export function forgottenPasswordRoutes(deps: ForgottenPasswordDeps): Endpoint[] {
  return [
    endpoint({
      method: 'POST',
      url: '/api/v1/auth/forgot-password',
      access: open(),
      limit: 'sign_in',
      id: 'forgotPassword',
      summary: 'Request a mail with a link and a code for a new password',
      tag: 'Sign-in',
      body: ForgotPassword,
      reply: { 202: enveloped(Requested) },
      handle: async ({ body: { email }, request: { network } }) => {
        await requestReset(deps, { email, network });
        return { data: { requested: true } as const };
      },
    }),
    endpoint({
      method: 'POST',
      url: '/api/v1/auth/reset-password',
      access: open(),
      limit: 'sign_in',
      id: 'resetPassword',
      summary: 'Set a new password with the link or the code of a mail; this ends all of your sessions',
      tag: 'Sign-in',
      body: ResetPassword,
      reply: { 204: null },
      problems: ['invalid_or_expired_token'],
      handle: async ({ body: { token, email, code, password }, request: { network, acceptLanguage } }) => {
        const proof = proofOf({ token, email, code });
        await resetPassword(deps, { proof, password, locale: preferredLanguage(acceptLanguage), network });
      },
    }),
  ];
}

interface Sent {
  readonly token: string | undefined;
  readonly email: string | undefined;
  readonly code: string | undefined;
}

/** Returns the proof in a request. The schema lets no other combination pass. */
function proofOf({ token, email, code }: Sent): Proof {
  if (token !== undefined) return { token };
  if (email === undefined || code === undefined) throw problem('invalid_or_expired_token');
  return { email, code };
}
