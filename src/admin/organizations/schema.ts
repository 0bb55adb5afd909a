// The wire shapes of the routes that manage organizations, and the fields of a subscription that an operator may set.
import { z } from 'zod';
import { Instant, PageQuery, text } from '../../base/http/wire.ts';
import { OrganizationStatus, OrganizationSummary, Subscription } from '../../directory/organizations/schema.ts';

export const AdministeredOrganization = OrganizationSummary.extend({
  status: OrganizationStatus,
  subscription: Subscription.nullable(),
  createdAt: Instant,
  updatedAt: Instant,
}).meta({ id: 'AdministeredOrganization' });

export const OrganizationQuery = PageQuery.extend({
  q: text(120).optional().meta({ description: 'The beginning of the slug or the name, ignoring case.' }),
  status: OrganizationStatus.optional(),
});

const limit = z.int().min(0).max(1_000_000_000).optional();

/** A change of a subscription by an operator. At least one field is required. */
export const ChangeSubscription = z
  .strictObject({
    plan: z
      .string()
      .regex(/^[a-z][a-z0-9_-]{0,39}$/, 'must be lower-case letters, digits, _ and -')
      .optional(),
    status: Subscription.shape.status.optional(),
    trialEndsAt: z.date().optional(),
    limits: z.strictObject({ teamMembers: limit, messages: limit, phoneNumbers: limit }).optional(),
  })
  .refine((change) => Object.values(change).some((value) => value !== undefined), 'must change something');
