// The wire shapes of users.
import { z } from 'zod';
import { Id, text } from '../../base/http/wire.ts';
import { parseEmail } from './email.ts';

/** An e-mail address as it was typed. The validation never shows whether an account has this address. */
export const Email = z
  .string()
  .max(320, 'must have at most 320 characters')
  .refine((value) => parseEmail(value) !== null, 'must be one e-mail address such as ada@example.com')
  .meta({ format: 'email' });

export const UserName = text(120);

export const UserSummary = z
  .strictObject({ id: Id, email: z.string(), name: z.string(), emailVerified: z.boolean() })
  .meta({ id: 'UserSummary' });
