// The wire shapes of the signed-in user's profile.
import { z } from 'zod';
import { Id, Instant } from '../../base/http/wire.ts';
import { LANGUAGES } from '../../base/page-kit/language.ts';
import { OrganizationSummary } from '../organizations/schema.ts';
import { UserName, UserSummary } from '../users/schema.ts';

/** The language of the mails to a user; null for the default of the service. */
const Locale = z.enum(LANGUAGES);

export const Profile = UserSummary.extend({
  locale: Locale.nullable(),
  createdAt: Instant,
  sessionId: Id,
  organization: OrganizationSummary.nullable(),
  roles: z.array(z.string()),
  permissions: z.array(z.string()),
}).meta({ id: 'Profile' });

export const ChangeProfile = z
  .strictObject({ name: UserName.optional(), locale: Locale.nullable().optional() })
  .refine((body) => body.name !== undefined || body.locale !== undefined, {
    path: ['name'],
    message: 'must be given, unless locale is',
  })
  .meta({ id: 'ChangeProfile' });
