// The wire shapes of accepting an invitation.
import { z } from 'zod';
import { Secret } from '../../base/http/wire.ts';
import { UserName } from '../../directory/users/schema.ts';
import { RefreshToken, Transport } from '../sessions/schema.ts';

// Any text is taken here: one that is no invitation token gets the same answer as one that has expired.
export const InvitationToken = z.string().max(512, 'must have at most 512 characters');

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
      'With an access token: the token of the invitation, and optionally a refreshToken to exchange. Without one: token, name, password.',
  });
export type AcceptInvitation = z.output<typeof AcceptInvitation>;
