// The wire shapes of registering and of signing in with a password.
import { z } from 'zod';
import { Id, Secret } from '../../base/http/wire.ts';
import { OrganizationName, OrganizationReference, Slug, Subscription } from '../../directory/organizations/schema.ts';
import { Email, UserName } from '../../directory/users/schema.ts';
import { InvitationToken } from '../accept-invitation/schema.ts';
import { SignedIn, Transport } from '../sessions/schema.ts';

export const Register = z
  .strictObject({
    email: Email,
    password: Secret,
    name: UserName,
    organizationName: OrganizationName.optional(),
    organizationSlug: Slug.optional(),
    invitationToken: InvitationToken.optional().meta({
      description: 'Joins the organization that invited this e-mail. It works even when registration is closed.',
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

/** With REGISTRATION_MODE=verified. The answer says nothing about the address. */
export const RegistrationRequested = z
  .strictObject({
    requested: z.literal(true),
    registrationId: Id.meta({
      description: 'Proves the registration together with the code of the mail: POST /api/v1/auth/verify-email.',
    }),
  })
  .meta({ id: 'RegistrationRequested' });

export const Registered = SignedIn.extend({ subscription: Subscription.nullable() }).meta({ id: 'Registered' });
