// The wire shapes of invitations.
import { z } from 'zod';
import { Id, Instant, PageQuery } from '../../base/http/wire.ts';
import { AssignedRole, RoleChoices } from '../members/schema.ts';
import { Email } from '../users/schema.ts';

export const Invite = z.strictObject({ email: Email, roles: RoleChoices }).meta({ id: 'Invite' });

const InvitationStatus = z.enum(['pending', 'accepted', 'revoked', 'expired']);

export const Invitation = z
  .strictObject({
    id: Id,
    email: z.string(),
    status: InvitationStatus,
    roles: z.array(AssignedRole),
    invitedBy: z
      .strictObject({ id: Id, name: z.string() })
      .nullable()
      .meta({
        description: 'The member who sent the invitation last. Null for an operator and for a member who has left.',
      }),
    acceptedBy: Id.nullable().meta({ description: 'The user who accepted.' }),
    createdAt: Instant,
    expiresAt: Instant,
  })
  .meta({ id: 'Invitation' });

export const InvitationQuery = PageQuery.extend({ status: InvitationStatus.optional() });
