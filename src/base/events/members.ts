// Events about the members of an organization, their invitations and their roles. The id of a member is the id of the
// user.
import { z } from 'zod';
import { type EventsOf, nothing, words } from './kind.ts';

const roles = z.strictObject({ roles: words.describe('the names of the offered roles') });
const role = { name: z.string(), level: z.int() };

export const MEMBER_EVENTS = {
  'member.joined': {
    when: 'A user became a member, by an invitation or by an operator.',
    ...{ actor: ['user', 'operator'], target: 'user', organization: 'always' },
    data: z.union([z.strictObject({ invitationId: z.uuid() }), z.strictObject({ by: z.literal('operator') })]),
  },
  'member.roles_changed': {
    when: 'The roles of the member were changed.',
    ...{ actor: ['user', 'operator'], target: 'user', organization: 'always' },
    data: z.strictObject({
      added: words.describe('the names of roles; `(scoped)` follows a role that is limited to a scope'),
      removed: words,
    }),
  },
  'member.suspended': {
    when: 'The member was suspended and may not act in the organization.',
    ...{ actor: ['user'], target: 'user', organization: 'always', data: nothing },
  },
  'member.activated': {
    when: 'A suspended member was activated and may act again.',
    ...{ actor: ['user'], target: 'user', organization: 'always', data: nothing },
  },
  'member.removed': {
    when: 'The member was removed from the organization.',
    ...{ actor: ['user'], target: 'user', organization: 'always', data: nothing },
  },
  'member.left': {
    when: 'The member left the organization, or the account of the member was closed.',
    ...{ actor: ['user', 'operator', 'system'], target: 'user', organization: 'always' },
    data: z.strictObject({ reason: z.literal('account_closed').optional() }),
  },
} as const satisfies EventsOf<'member'>;

export const INVITATION_EVENTS = {
  'invitation.created': {
    when: 'A person was invited.',
    ...{ actor: ['user', 'operator'], target: 'invitation', organization: 'always', data: roles },
  },
  'invitation.renewed': {
    when: 'A pending invitation was sent again, maybe with other roles. Its older links no longer work.',
    ...{ actor: ['user', 'operator'], target: 'invitation', organization: 'always', data: roles },
  },
  'invitation.accepted': {
    when: 'The invited user joined. `member.joined` is recorded too.',
    ...{ actor: ['user'], target: 'invitation', organization: 'always', data: nothing },
  },
  'invitation.revoked': {
    when: 'A pending invitation was revoked: by a user or an operator, or because the account of its sender was claimed or closed.',
    ...{ actor: ['user', 'operator', 'system'], target: 'invitation', organization: 'always' },
    data: z.strictObject({ reason: z.enum(['account_claimed', 'account_closed']).optional() }),
  },
} as const satisfies EventsOf<'invitation'>;

export const ROLE_EVENTS = {
  'role.created': {
    when: 'A role of the organization was created.',
    ...{ actor: ['user'], target: 'role', organization: 'always' },
    data: z.strictObject({ ...role, permissions: words }),
  },
  'role.changed': {
    when: 'A role of the organization was changed. Name and level are the new ones.',
    ...{ actor: ['user'], target: 'role', organization: 'always' },
    data: z.strictObject({
      ...role,
      changed: z.array(z.enum(['name', 'description', 'level', 'permissions'])).readonly(),
      permissionsAdded: words,
      permissionsRemoved: words,
    }),
  },
  'role.deleted': {
    when: 'A role of the organization was deleted. No member had it.',
    ...{ actor: ['user'], target: 'role', organization: 'always' },
    data: z.strictObject({ ...role, permissions: words }),
  },
} as const satisfies EventsOf<'role'>;
