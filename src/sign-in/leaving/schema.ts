// The wire shapes of closing an account and of exporting its data.
import { z } from 'zod';
import { Id, Instant, Secret } from '../../base/http/wire.ts';
import { OrganizationSummary } from '../../directory/organizations/schema.ts';

/** At most this many organizations can be deleted with one account. */
export const DELETED_WITH_MAX = 100;

export const CloseAccount = z
  .strictObject({
    password: Secret.optional().meta({
      description:
        'The current password. It may be left out within five minutes after the user proved who they are in this session.',
    }),
    deleteOrganizations: z.array(Id).max(DELETED_WITH_MAX).default([]).meta({
      description:
        'The ids of organizations that are deleted with the account. Each must have no other owner and no other active member, and must not be suspended.',
    }),
  })
  .meta({ id: 'CloseAccount' });

export const ExportQuery = z.object({
  cursor: z.string().max(200).optional().meta({ description: 'The `nextCursor` of the previous page.' }),
});

const ExportedInvitation = z.strictObject({
  id: Id,
  organization: OrganizationSummary.nullable().meta({ description: 'null: the organization was deleted.' }),
  email: z.string(),
  status: z.string(),
  createdAt: Instant,
  roles: z.array(z.string()),
});

const ExportedMembership = z.strictObject({
  organization: OrganizationSummary,
  status: z.string(),
  joinedAt: Instant,
  roles: z.array(z.strictObject({ name: z.string(), scope: z.record(z.string(), z.unknown()) })),
});

const ExportedSession = z.strictObject({
  id: Id,
  organizationId: Id.nullable(),
  userAgent: z.string().nullable(),
  ip: z.string().nullable(),
  amr: z.array(z.string()),
  createdAt: Instant,
  lastSeenAt: Instant,
  expiresAt: Instant,
  endedAt: Instant.nullable(),
  endReason: z.string().nullable(),
});

const ExportedEvent = z.strictObject({
  id: Id,
  at: Instant,
  type: z.string(),
  organizationId: Id.nullable(),
  targetId: Id.nullable(),
  data: z.record(z.string(), z.unknown()).meta({ description: 'A value is null if it was erased.' }),
});

/** A page of what is stored about a person. */
export const PersonalExportPage = z
  .strictObject({
    data: z.strictObject({
      exportedAt: Instant,
      account: z.strictObject({
        id: Id,
        email: z.string(),
        name: z.string(),
        locale: z.string().nullable().meta({ description: 'The language of mails. null: the service chooses it.' }),
        emailVerified: z.boolean(),
        platformAdministrator: z.boolean(),
        createdAt: Instant,
      }),
      memberships: z.array(ExportedMembership),
      sessions: z.array(ExportedSession).meta({ description: 'The devices that were signed in, the oldest first.' }),
      invitationsSent: z.array(ExportedInvitation),
      invitationsAccepted: z.array(ExportedInvitation),
      events: z.array(ExportedEvent).meta({ description: 'What the person did, the oldest first.' }),
    }),
    pagination: z.strictObject({
      limit: z.int().meta({ description: 'The rows of all lists in one page.' }),
      nextCursor: z.string().nullable().meta({
        description: 'Where the export goes on: request it again with this `cursor`. null: nothing is left.',
      }),
      hasMore: z.boolean(),
    }),
  })
  .meta({ id: 'PersonalExport' });
