// The problems of people who look after their own account: the proof of who they are, their password and their e-mail.
import type { ProblemKind } from './service-problems.ts';

export const ACCOUNT_PROBLEMS = {
  reauthentication_required: {
    status: 401,
    title: 'Prove again who you are',
    detail:
      'This needs a proof that is at most five minutes old: send the current password with the request, or call POST /api/v1/auth/reauthenticate first.',
  },
  wrong_password: {
    status: 403,
    title: 'Wrong password',
    detail: 'This is not the current password of your account, and nothing was changed: check it.',
  },
  password_not_set: {
    status: 409,
    title: 'No password',
    detail: 'Your account has no password: set one with a link by mail (POST /api/v1/auth/forgot-password).',
  },
  password_unchanged: {
    status: 422,
    title: 'Password unchanged',
    detail: 'The new password is the current one: choose another one.',
  },
  email_unchanged: {
    status: 422,
    title: 'E-mail unchanged',
    detail: 'This is the e-mail of your account already: enter another one.',
  },
  email_disputed: {
    status: 422,
    title: 'E-mail disputed',
    detail:
      'The owner of this account undid an earlier change of its e-mail to this address, so the account cannot have this address any more: enter another one.',
  },
  password_changed: {
    status: 409,
    title: 'Password changed meanwhile',
    detail: 'Another request changed the password a moment ago, and this one has changed nothing: sign in again.',
  },
} as const satisfies Record<string, ProblemKind>;
