// The wire shapes of accepting an invitation.
import { z } from 'zod';
import { Secret } from '../../base/http/wire.ts';
import { UserName } from '../../directory/users/schema.ts';
import { RefreshToken, Transport } from '../sessions/schema.ts';

// The schema limits only the length, so that an invalid token gets the same answer as an expired token.
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
      'If the request has an access token: `token`, and optionally `refreshToken`, which is then exchanged too. Otherwise: `token`, `name` and `password`.',
  });
export type AcceptInvitation = z.output<typeof AcceptInvitation>;
