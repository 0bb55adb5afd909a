// The wire shapes of sessions and of the answer of every sign-in.
import { z } from 'zod';
import { Id, Instant } from '../../base/http/wire.ts';
import { OrganizationReference, OrganizationSummary } from '../../directory/organizations/schema.ts';
import { UserSummary } from '../../directory/users/schema.ts';

export const Transport = z
  .enum(['body', 'cookie'])
  .default('body')
  .meta({ description: 'Where the refresh token is sent: in the JSON body, or only in an HttpOnly cookie.' });

export const RefreshToken = z.string().min(1).max(8192);

export const Refresh = z
  .strictObject({ refreshToken: RefreshToken.optional(), organization: OrganizationReference.optional() })
  .meta({ id: 'Refresh' });

export const Logout = z.strictObject({ refreshToken: RefreshToken.optional() }).meta({ id: 'Logout' });

export const SwitchOrganization = z
  .strictObject({ organization: OrganizationReference, refreshToken: RefreshToken.optional() })
  .meta({ id: 'SwitchOrganization' });

export const SignedIn = z
  .strictObject({
    accessToken: z.string(),
    tokenType: z.literal('Bearer'),
    expiresIn: z.int().meta({ description: 'Seconds.' }),
    expiresAt: Instant,
    refreshToken: z.string().optional().meta({
      description:
        'Absent with the cookie transport, and when only the access token is renewed, as by switch-organization without a refresh token.',
    }),
    refreshExpiresAt: Instant,
    sessionId: Id,
    user: UserSummary,
    organization: OrganizationSummary.nullable(),
    roles: z.array(z.string()),
    memberships: z.array(z.strictObject({ organization: OrganizationSummary, roles: z.array(z.string()) })),
  })
  .meta({ id: 'SignedIn' });

export const OwnSession = z
  .strictObject({
    id: Id,
    current: z.boolean(),
    organization: OrganizationSummary.nullable(),
    userAgent: z.string().nullable(),
    ip: z.string().nullable(),
    createdAt: Instant,
    lastSeenAt: Instant,
    expiresAt: Instant,
  })
  .meta({ id: 'OwnSession' });

export const MemberSession = OwnSession.omit({ current: true }).meta({ id: 'MemberSession' });

export const EndedSessions = z.strictObject({ ended: z.int() }).meta({ id: 'EndedSessions' });
