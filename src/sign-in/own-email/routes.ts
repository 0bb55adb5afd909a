// The HTTP routes to change one's own address, and to restore a former one.
import { type Endpoint, endpoint, open, SIGN_IN_BODY_BYTES_MAX, signedIn } from '../../base/http/endpoint.ts';
import { enveloped } from '../../base/http/wire.ts';
import { type ConfirmChangeDeps, confirmEmailChange } from './confirm-change.ts';
import { type RequestChangeDeps, requestEmailChange } from './request-change.ts';
import { revertEmailChange } from './revert-change.ts';
import {
  ChangeEmail,
  ChangeRequested,
  ConfirmEmailChange,
  EmailChanged,
  EmailReverted,
  RevertEmail,
} from './schema.ts';

export interface OwnEmailDeps extends RequestChangeDeps, ConfirmChangeDeps {}

export function ownEmailRoutes(deps: OwnEmailDeps): Endpoint[] {
  return [requestRoute(deps), confirmRoute(deps), revertRoute(deps)];
}

function requestRoute(deps: OwnEmailDeps): Endpoint {
  return endpoint({
    method: 'POST',
    url: '/api/v1/me/email',
    access: signedIn({ alsoSuspended: true }),
    limit: 'sign_in',
    id: 'changeMyEmail',
    summary: 'Ask for another e-mail: nothing changes until it is proven by the link or the code of the mail',
    tag: 'Me',
    body: ChangeEmail,
    bodyBytesMax: SIGN_IN_BODY_BYTES_MAX,
    reply: { 202: enveloped(ChangeRequested) },
    problems: [
      'reauthentication_required',
      'wrong_password',
      'password_not_set',
      'email_unchanged',
      'email_disputed',
      'account_disabled',
    ],
    handle: async ({ caller, body, request: { network } }) => {
      await requestEmailChange(deps, caller, { ...body, network });
      return { data: { requested: true } as const };
    },
  });
}

function confirmRoute(deps: OwnEmailDeps): Endpoint {
  return endpoint({
    method: 'POST',
    url: '/api/v1/auth/confirm-email-change',
    access: signedIn({ alsoSuspended: true }),
    limit: 'sign_in',
    id: 'confirmEmailChange',
    summary: 'Prove the new e-mail by the token of the link or by the code; this ends all other sessions',
    tag: 'Sign-in',
    body: ConfirmEmailChange,
    reply: { 200: enveloped(EmailChanged) },
    problems: ['invalid_or_expired_token', 'email_change_for_another'],
    handle: async ({ caller, body: { token, code = '' } }) => {
      await confirmEmailChange(deps, caller, token === undefined ? { code } : { token });
      return { data: { emailChanged: true } as const };
    },
  });
}

function revertRoute(deps: OwnEmailDeps): Endpoint {
  return endpoint({
    method: 'POST',
    url: '/api/v1/auth/revert-email',
    access: open(),
    limit: 'sign_in',
    id: 'revertEmail',
    summary: 'Take back an e-mail that was changed; this ends all sessions and removes the password',
    tag: 'Sign-in',
    body: RevertEmail,
    reply: { 200: enveloped(EmailReverted) },
    problems: ['invalid_or_expired_token', 'email_taken'],
    handle: async ({ body: { token } }) => {
      const { token: resetToken, expiresAt } = await revertEmailChange(deps, token);
      const resetTokenExpiresAt = expiresAt.toISOString();
      return { data: { emailReverted: true, passwordSet: false, resetToken, resetTokenExpiresAt } as const };
    },
  });
}
