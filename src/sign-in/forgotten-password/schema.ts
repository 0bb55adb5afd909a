// The wire shapes of the requests and answers for a forgotten password.
import { z } from 'zod';
import { Secret } from '../../base/http/wire.ts';
import { Email } from '../../directory/users/schema.ts';

export const ForgotPassword = z.strictObject({ email: Email }).meta({ id: 'ForgotPassword' });

/** The answer says nothing about the address. */
export const Requested = z.strictObject({ requested: z.literal(true) }).meta({ id: 'ResetRequested' });

export const ResetToken = z.string().min(1, 'must not be empty').max(200, 'must have at most 200 characters');
export const ResetCode = z.string().min(1, 'must not be empty').max(64, 'must have at most 64 characters');

export const ResetPassword = z
  .strictObject({
    token: ResetToken.optional().meta({ description: 'The token of the link. Leave out email and code then.' }),
    email: Email.optional(),
    code: ResetCode.optional().meta({ description: 'The eight digits of the mail. email is needed then.' }),
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
