// The wire shapes of changing one's own address.
import { z } from 'zod';
import { Instant, Secret } from '../../base/http/wire.ts';
import { CodeText, TokenText } from '../../credentials/one-time/schema.ts';
import { Email } from '../../directory/users/schema.ts';

export const ChangeEmail = z
  .strictObject({
    newEmail: Email,
    currentPassword: Secret.optional().meta({
      description: 'Needed unless you have proven who you are in this session in the last five minutes.',
    }),
  })
  .meta({ id: 'ChangeEmail' });

/** The answer says nothing about the address. */
export const ChangeRequested = z.strictObject({ requested: z.literal(true) }).meta({ id: 'EmailChangeRequested' });

export const ConfirmEmailChange = z
  .strictObject({
    token: TokenText.optional().meta({ description: 'The token of the link. Leave out code then.' }),
    code: CodeText.optional().meta({ description: 'The eight digits of the mail. Leave out token then.' }),
  })
  .refine(({ token, code }) => (token === undefined) !== (code === undefined), {
    path: ['token'],
    message: 'must be given, or code in its place',
  })
  .meta({ id: 'ConfirmEmailChange' });

export const EmailChanged = z.strictObject({ emailChanged: z.literal(true) }).meta({ id: 'EmailChanged' });

export const RevertEmail = z.strictObject({ token: TokenText }).meta({ id: 'RevertEmail' });

export const EmailReverted = z
  .strictObject({
    emailReverted: z.literal(true),
    passwordSet: z.literal(false).meta({
      description: 'False: the password was removed, because somebody else may know it. Set a new one with resetToken.',
    }),
    resetToken: z.string().meta({
      description:
        'A one-time token that sets a password (POST /api/v1/auth/reset-password), as the link of a mail for a new password does. Works for 30 minutes.',
    }),
    resetTokenExpiresAt: Instant,
  })
  .meta({ id: 'EmailReverted' });
