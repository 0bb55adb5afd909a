// The wire shapes of signing in and of sessions.
import { z } from 'zod';
import { Id, Instant, Secret } from '../http/wire.ts';
import {
  OrganizationName,
  OrganizationReference,
  OrganizationSummary,
  Slug,
  Subscription,
} from '../organizations/schema.ts';
import { Email, UserName, UserSummary } from '../users/schema.ts';

const Transport = z
  .enum(['body', 'cookie'])
  .default('body')
  .meta({ description: 'Where the refresh token travels: in JSON, or only in an HttpOnly cookie.' });

const RefreshToken = z.string().min(1).max(8192);

// Whatever it is: what is no token is answered as what is one no longer.
const InvitationToken = z.string().max(512, 'must have at most 512 characters');

export const Register = z
  .strictObject({
    email: Email,
    password: Secret,
    name: UserName,
    organizationName: OrganizationName.optional(),
    organizationSlug: Slug.optional(),
    invitationToken: InvitationToken.optional().meta({
      description: 'Joins the organization that invited this e-mail; also where registration is closed.',
    }),
    transport: Transport,
  })
  .refine((body) => body.invitationToken === undefined || body.organizationName === undefined, {
    path: ['organizationName'],
    message: 'must be left out together with invitationToken',
  })
  .refine((body) => body.organizationSlug === undefined || body.organizationName !== undefined, {
    path: ['organizationName'],
    message: 'must be given together with organizationSlug',
  })
  .meta({ id: 'Register' });

export const AcceptInvitation = z
  .strictObject({
    token: InvitationToken,
    name: UserName.optional(),
    password: Secret.optional(),
    refreshToken: RefreshToken.optional(),
    transport: Transport,
  })
  .meta({
    id: 'AcceptInvitation',
    description:
      'With an access token: the token, and refreshToken to have it exchanged as well. Without one: token, name, password.',
  });
export type AcceptInvitation = z.output<typeof AcceptInvitation>;

export const Login = z
  .strictObject({
    email: z.string().min(1, 'must not be empty').max(320, 'must have at most 320 characters'),
    password: Secret,
    organization: OrganizationReference.optional(),
    organizationSlug: OrganizationReference.optional(),
    transport: Transport,
  })
  .refine((body) => !body.organization || !body.organizationSlug || body.organization === body.organizationSlug, {
    path: ['organizationSlug'],
    message: 'must name the same organization as organization, or be left out',
  })
  .meta({ id: 'Login' });

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
      description: 'Absent with the cookie transport, and from switch-organization unless one was presented.',
    }),
    refreshExpiresAt: Instant,
    sessionId: Id,
    user: UserSummary,
    organization: OrganizationSummary.nullable(),
    roles: z.array(z.string()),
    memberships: z.array(z.strictObject({ organization: OrganizationSummary, roles: z.array(z.string()) })),
  })
  .meta({ id: 'SignedIn' });

export const Registered = SignedIn.extend({ subscription: Subscription.nullable() }).meta({ id: 'Registered' });

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
