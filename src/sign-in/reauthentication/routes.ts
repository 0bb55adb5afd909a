// The HTTP route to prove again who one is.
import { type Endpoint, endpoint, SIGN_IN_BODY_BYTES_MAX, signedIn } from '../../base/http/endpoint.ts';
import { enveloped } from '../../base/http/wire.ts';
import { SignedIn } from '../sessions/schema.ts';
import { type ReauthenticateDeps, reauthenticate } from './reauthenticate.ts';
import { Reauthenticate } from './schema.ts';

export function reauthenticationRoutes(deps: ReauthenticateDeps): Endpoint[] {
  return [
    endpoint({
      method: 'POST',
      url: '/api/v1/auth/reauthenticate',
      access: signedIn({ alsoSuspended: true }),
      limit: 'sign_in',
      id: 'reauthenticate',
      summary: 'Prove again who you are, for something sensitive in the next five minutes',
      tag: 'Sign-in',
      body: Reauthenticate,
      bodyBytesMax: SIGN_IN_BODY_BYTES_MAX,
      reply: { 200: enveloped(SignedIn) },
      problems: ['wrong_password', 'password_not_set', 'password_changed', 'account_disabled'],
      handle: async ({ caller, body: { password }, request: { network } }) => {
        const sign = await reauthenticate(deps, caller, { password, network });
        return { data: await sign() };
      },
    }),
  ];
}
