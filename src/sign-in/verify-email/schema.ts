// The wire shapes of proving an address.
import { z } from 'zod';
import { Id, Instant, Secret } from '../../base/http/wire.ts';
import { CodeText, TokenText } from '../../credentials/one-time/schema.ts';

export const VerifyEmail = z
  .strictObject({
    token: TokenText.optional().meta({ description: 'The token of the link. Leave out code then.' }),
    code: CodeText.optional().meta({
      description: 'The eight digits of the mail, with an access token or with registrationId.',
    }),
    password: Secret.optional().meta({
      description:
        'The password of the account or of the registration, with token and without an access token. It shows that you are the person who registered.',
    }),
    registrationId: Id.optional().meta({
      description: 'The registrationId that POST /api/v1/auth/register returned, together with code.',
    }),
  })
  .refine(({ token, code }) => (token === undefined) !== (code === undefined), {
    path: ['token'],
    message: 'must be given, or code in its place',
  })
  .refine(({ code, password }) => code === undefined || password === undefined, {
    path: ['password'],
    message: 'must be left out together with code',
  })
  .refine(({ code, registrationId }) => code !== undefined || registrationId === undefined, {
    path: ['registrationId'],
    message: 'must be given together with code',
  })
  .meta({ id: 'VerifyEmail' });

export const VerifiedEmail = z
  .strictObject({
    emailVerified: z.literal(true),
    alreadyVerified: z.boolean().meta({ description: 'Whether the e-mail was proven before this request.' }),
    passwordSet: z.boolean().meta({
      description:
        'False after a proof by the link alone: what the person who registered had typed or left in the account was deleted, the password too. Set a new one with resetToken.',
    }),
    resetToken: z.string().nullable().meta({
      description:
        'A one-time token that sets a password, as the link of a mail for a new password does. Works for 30 minutes.',
    }),
    resetTokenExpiresAt: Instant.nullable(),
  })
  .meta({ id: 'VerifiedEmail' });

/** The answer says nothing about the address. */
export const VerifyMailRequested = z.strictObject({ requested: z.literal(true) }).meta({ id: 'VerifyMailRequested' });
