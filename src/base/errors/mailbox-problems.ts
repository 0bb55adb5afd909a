// The problems of an address that nobody has proven yet.
import type { ProblemKind } from './service-problems.ts';

export const MAILBOX_PROBLEMS = {
  email_unverified: {
    status: 403,
    title: 'E-mail not proven',
    detail:
      'You may send mails to others once your own e-mail is proven: use the link or the code of the mail that you got, or request a new one (POST /api/v1/auth/verify-email/resend).',
  },
  email_change_for_another: {
    status: 403,
    title: 'Change of another account',
    detail:
      'Another account asked for the change of e-mail that this link confirms, and the link still works: sign in with that account and use it again.',
  },
  verification_for_another: {
    status: 403,
    title: 'Link for another account',
    detail:
      'This link proves the e-mail of another account, and it still works: sign out, or sign in with the account of that e-mail.',
  },
} as const satisfies Record<string, ProblemKind>;
