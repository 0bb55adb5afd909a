// The wire shapes of the requests and answers for a forgotten password.
import { z } from 'zod';
import { Secret } from '../../base/http/wire.ts';
import { CodeText, TokenText } from '../../credentials/one-time/schema.ts';
import { Email } from '../../directory/users/schema.ts';

export const ForgotPassword = z.strictObject({ email: Email }).meta({ id: 'ForgotPassword' });

/** The answer says nothing about the address. */
export const Requested = z.strictObject({ requested: z.literal(true) }).meta({ id: 'ResetRequested' });

export const ResetPassword = z
  .strictObject({
    token: TokenText.optional().meta({ description: 'The token of the link. Leave out email and code then.' }),
    email: Email.optional(),
    code: CodeText.optional().meta({ description: 'The eight digits of the mail. email is needed then.' }),
    password: Secret,
  })
  .refine(({ token, code }) => (token === undefined) !== (code === undefined), {
    path: ['token'],
    message: 'must be given, or email and code in its place',
  })
  .refine(({ email, code }) => (email === undefined) === (code === undefined), {
    path: ['email'],
    message: 'must be given together with code, and left out with token',
  })
  .meta({ id: 'ResetPassword' });
