// The HTTP route to change one's own password.
import { type Endpoint, endpoint, SIGN_IN_BODY_BYTES_MAX, signedIn } from '../../base/http/endpoint.ts';
import { enveloped } from '../../base/http/wire.ts';
import { SignedIn } from '../sessions/schema.ts';
import { type ChangePasswordDeps, changePassword } from './change-password.ts';
import { ChangePassword } from './schema.ts';

export function ownPasswordRoutes(deps: ChangePasswordDeps): Endpoint[] {
  return [
    endpoint({
      method: 'POST',
      url: '/api/v1/me/password',
      access: signedIn({ alsoSuspended: true }),
      limit: 'sign_in',
      id: 'changeMyPassword',
      summary: 'Change your password; this ends all of your other sessions',
      tag: 'Me',
      body: ChangePassword,
      bodyBytesMax: SIGN_IN_BODY_BYTES_MAX,
      reply: { 200: enveloped(SignedIn) },
      problems: ['wrong_password', 'password_not_set', 'password_unchanged', 'password_changed', 'account_disabled'],
      handle: async ({ caller, body, request: { network } }) => {
        const sign = await changePassword(deps, caller, { ...body, network });
        return { data: await sign() };
      },
    }),
  ];
}
