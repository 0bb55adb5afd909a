// Decides one question and gives the reason. The function is pure: the caller has already read the member's grants.
import type { Scope } from '../../directory/rights/scope.ts';
import { coveringPatterns } from '../../protocol/permission.ts';
import type { Assignment, MemberGrants } from './member-grants.ts';

export const REASONS = [
  'granted',
  'no_permission',
  'scope_mismatch',
  'not_a_member',
  'membership_suspended',
  'user_disabled',
  'organization_suspended',
] as const;
export type Reason = (typeof REASONS)[number];

export interface Wanted {
  /** The permission as `resource:action`, without wildcards. */
  readonly permission: string;
  readonly scope: Scope;
}

interface RoleName {
  readonly id: string;
  readonly name: string;
}

export type Explanation =
  | {
      /** The member's permission pattern that includes the permission of the question. */
      readonly permission: string;
      readonly role: RoleName;
      readonly assignmentId: string;
      readonly scope: Scope;
    }
  | {
      readonly missing: string;
      readonly heldRoles: readonly string[];
      /**
       * The assignments whose role contains the permission, but which do not grant it in this scope or at this moment.
       */
      readonly wouldGrant: readonly { readonly role: RoleName; readonly scope: Scope }[];
    };

export interface Decision {
  readonly allowed: boolean;
  readonly reason: Reason;
  readonly explanation: Explanation;
}

/** Decides for a member with these grants. `undefined` means that the user is not a member. */
export function decide(grants: MemberGrants | undefined, wanted: Wanted): Decision {
  const holding = (grants?.assignments ?? []).flatMap((assignment) => {
    const pattern = heldPattern(assignment, wanted.permission);
    return pattern === undefined ? [] : [{ assignment, pattern }];
  });
  const granting = holding.find(({ assignment }) => isWithin(wanted.scope, assignment.scope));
  const obstacle = obstacleOf(grants);
  if (granting && !obstacle) {
    const { id, role, scope } = granting.assignment;
    const explanation = { permission: granting.pattern, role: nameOf(role), assignmentId: id, scope };
    return { allowed: true, reason: 'granted', explanation };
  }
  return {
    allowed: false,
    reason: obstacle ?? (holding.length > 0 ? 'scope_mismatch' : 'no_permission'),
    explanation: {
      missing: wanted.permission,
      heldRoles: [...new Set(grants?.assignments.map(({ role }) => role.name))],
      wouldGrant: holding.map(({ assignment: { role, scope } }) => ({ role: nameOf(role), scope })),
    },
  };
}

function obstacleOf(grants: MemberGrants | undefined): Reason | null {
  if (!grants) return 'not_a_member';
  if (!grants.organizationActive) return 'organization_suspended';
  if (!grants.userActive) return 'user_disabled';
  return grants.memberActive ? null : 'membership_suspended';
}

function heldPattern({ role }: Assignment, permission: string): string | undefined {
  return coveringPatterns(permission).find((pattern) => role.permissions.has(pattern));
}

/** Whether the scope of the question has an equal value, of the same type, for every key of the assignment's scope. */
function isWithin(asked: Scope, assigned: Scope): boolean {
  return Object.entries(assigned).every(([key, value]) => Object.hasOwn(asked, key) && asked[key] === value);
}

function nameOf({ id, name }: RoleName): RoleName {
  return { id, name };
}
