// The wire shapes of organizations.
import { z } from 'zod';
import { Id, Instant, text } from '../../base/http/wire.ts';
import { judgeSettings, SETTINGS_BYTES_MAX } from './settings.ts';
import { isSlugAllowed } from './slug.ts';

export const OrganizationSummary = z
  .strictObject({ id: Id, name: z.string(), slug: z.string() })
  .meta({ id: 'OrganizationSummary' });

export const OrganizationName = text(120);

/** A slug that a caller requests. */
export const Slug = z
  .string()
  .max(63, 'must have at most 63 characters')
  .refine(isSlugAllowed, 'must be lower-case letters, digits and inner hyphens, not an id and not a reserved name');

/** An organization as a caller names it, by id or slug. */
export const OrganizationReference = z
  .string()
  .max(63)
  .regex(/^[A-Za-z0-9][A-Za-z0-9-]*$/, 'must be the id or the slug of an organization')
  .transform((value) => value.toLowerCase());

export const Subscription = z
  .strictObject({
    plan: z.string(),
    status: z.enum(['trialing', 'active', 'past_due', 'canceled']),
    trialEndsAt: Instant.nullable(),
    limits: z.strictObject({ teamMembers: z.int(), messages: z.int(), phoneNumbers: z.int() }),
  })
  .meta({ id: 'Subscription' });

export const OrganizationStatus = z.enum(['active', 'suspended']);

const settings = z.record(z.string(), z.unknown());

/** An organization as its members see it. */
export const Organization = OrganizationSummary.extend({
  status: OrganizationStatus,
  settings: settings.meta({ description: 'Settings that the organization chooses.' }),
  createdAt: Instant,
  updatedAt: Instant,
}).meta({ id: 'Organization' });

const SettingsChange = settings
  .superRefine((value, context) => {
    const message = judgeSettings(value);
    if (message !== null) context.addIssue({ code: 'custom', message });
  })
  .meta({
    description:
      'Merged into the settings (JSON Merge Patch, RFC 7396): null removes a key, and a key that is not named stays. ' +
      `The result has at most ${SETTINGS_BYTES_MAX} bytes as compact JSON.`,
  });

export const ChangeOrganization = z
  .strictObject({ name: OrganizationName.optional(), settings: SettingsChange.optional() })
  .refine((body) => body.name !== undefined || body.settings !== undefined, 'must have name, settings, or both')
  .meta({ id: 'ChangeOrganization' });

export const SubscriptionUse = Subscription.extend({
  trialExpired: z.boolean().meta({ description: 'True if the organization is still in its trial after trialEndsAt.' }),
  usage: z.strictObject({ teamMembers: z.int(), pendingInvitations: z.int() }).meta({
    description:
      'The usage that Tenantry counts. Members of any status and pending invitations share the limit teamMembers.',
  }),
}).meta({ id: 'SubscriptionUse' });

export const CreateOrganization = z
  .strictObject({ name: OrganizationName, slug: Slug.optional() })
  .meta({ id: 'CreateOrganization' });

export const CreatedOrganization = OrganizationSummary.extend({ subscription: Subscription }).meta({
  id: 'CreatedOrganization',
});

export const OwnOrganization = z
  .strictObject({ organization: OrganizationSummary, roles: z.array(z.string()), joinedAt: Instant })
  .meta({ id: 'OwnOrganization' });
