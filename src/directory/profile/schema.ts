// The wire shapes of the signed-in user's profile.
import { z } from 'zod';
import { Id, Instant } from '../../base/http/wire.ts';
import { OrganizationSummary } from '../organizations/schema.ts';
import { UserName, UserSummary } from '../users/schema.ts';

export const Profile = UserSummary.extend({
  createdAt: Instant,
  sessionId: Id,
  organization: OrganizationSummary.nullable(),
  roles: z.array(z.string()),
  permissions: z.array(z.string()),
}).meta({ id: 'Profile' });

export const ChangeProfile = z.strictObject({ name: UserName }).meta({ id: 'ChangeProfile' });
