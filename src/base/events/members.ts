// Events about the members of an organization, how they are invited, and the roles that they hold. A member is named by
// the id of the user.
import { z } from 'zod';
import { type EventsOf, nothing, words } from './kind.ts';

const roles = z.strictObject({ roles: words.describe('names of those that are offered') });
const role = { name: z.string(), level: z.int() };

export const MEMBER_EVENTS = {
  'member.joined': {
    when: 'A user became a member, by an invitation or by an operator.',
    ...{ actor: ['user', 'operator'], target: 'user', organization: 'always' },
    data: z.union([z.strictObject({ invitationId: z.uuid() }), z.strictObject({ by: z.literal('operator') })]),
  },
  'member.roles_changed': {
    when: 'What the member holds was changed.',
    ...{ actor: ['user', 'operator'], target: 'user', organization: 'always' },
    data: z.strictObject({
      added: words.describe('names of roles; `(scoped)` follows one that does not hold everywhere'),
      removed: words,
    }),
  },
  'member.suspended': {
    when: 'The member may not act in the organization until further notice.',
    ...{ actor: ['user'], target: 'user', organization: 'always', data: nothing },
  },
  'member.activated': {
    when: 'A suspended member may act again.',
    ...{ actor: ['user'], target: 'user', organization: 'always', data: nothing },
  },
  'member.removed': {
    when: 'Somebody removed the member.',
    ...{ actor: ['user'], target: 'user', organization: 'always', data: nothing },
  },
  'member.left': {
    when: 'The member left.',
    ...{ actor: ['user'], target: 'user', organization: 'always', data: nothing },
  },
} as const satisfies EventsOf<'member'>;

export const INVITATION_EVENTS = {
  'invitation.created': {
    when: 'Somebody was invited.',
    ...{ actor: ['user', 'operator'], target: 'invitation', organization: 'always', data: roles },
  },
  'invitation.renewed': {
    when: 'A pending invitation was sent again, maybe with other roles; older links of it no longer work.',
    ...{ actor: ['user', 'operator'], target: 'invitation', organization: 'always', data: roles },
  },
  'invitation.accepted': {
    when: 'The invited user joined; `member.joined` comes with it.',
    ...{ actor: ['user'], target: 'invitation', organization: 'always', data: nothing },
  },
  'invitation.revoked': {
    when: 'A pending invitation was ended, or ended because the account that had sent it was claimed.',
    ...{ actor: ['user'], target: 'invitation', organization: 'always' },
    data: z.strictObject({ reason: z.literal('account_claimed').optional() }),
  },
} as const satisfies EventsOf<'invitation'>;

export const ROLE_EVENTS = {
  'role.created': {
    when: 'A role of the organization was made.',
    ...{ actor: ['user'], target: 'role', organization: 'always' },
    data: z.strictObject({ ...role, permissions: words }),
  },
  'role.changed': {
    when: 'A role of the organization was changed; name and level are the new ones.',
    ...{ actor: ['user'], target: 'role', organization: 'always' },
    data: z.strictObject({
      ...role,
      changed: z.array(z.enum(['name', 'description', 'level', 'permissions'])).readonly(),
      permissionsAdded: words,
      permissionsRemoved: words,
    }),
  },
  'role.deleted': {
    when: 'A role of the organization that nobody held was deleted.',
    ...{ actor: ['user'], target: 'role', organization: 'always' },
    data: z.strictObject({ ...role, permissions: words }),
  },
} as const satisfies EventsOf<'role'>;
