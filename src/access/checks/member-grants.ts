// What a member holds in an organization: the facts that every check is decided by. Pure; reading them is
// membership-access.ts's matter.
import type { Scope } from '../../directory/rights/scope.ts';
import type { MemberGrantsRow, MemberRow } from './store.ts';

export interface HeldRole {
  readonly id: string;
  readonly name: string;
  readonly level: number;
  /** `resource:action` patterns. */
  readonly permissions: ReadonlySet<string>;
}

export interface Assignment {
  readonly id: string;
  readonly role: HeldRole;
  readonly scope: Scope;
}

export interface MemberGrants {
  readonly organizationId: string;
  readonly userId: string;
  readonly organizationActive: boolean;
  readonly userActive: boolean;
  readonly memberActive: boolean;
  /** The user's epoch at the moment of which all this is true: a higher one says that some of it has changed. */
  readonly epoch: number;
  /** Unscoped ones first, then by level, the highest first. */
  readonly assignments: readonly Assignment[];
}

/** The grants of the members in an answer of the store, by user. Somebody who is no member has none. */
export function toMemberGrants(organizationId: string, row: MemberGrantsRow | null): Map<string, MemberGrants> {
  const roles = new Map<string, HeldRole>();
  for (const { permissions, ...role } of row?.roles ?? []) {
    roles.set(role.id, { ...role, permissions: new Set(permissions) });
  }
  const all = (row?.members ?? []).map((member): [string, MemberGrants] => [
    member.userId,
    {
      organizationId,
      userId: member.userId,
      organizationActive: row?.status === 'active',
      userActive: member.userStatus === 'active',
      memberActive: member.status === 'active',
      epoch: member.epoch,
      assignments: assignmentsOf(member, roles),
    },
  ]);
  return new Map(all);
}

function assignmentsOf(member: MemberRow, roles: ReadonlyMap<string, HeldRole>): Assignment[] {
  const assignments = member.assignments.flatMap(({ id, roleId, scope }) => {
    const role = roles.get(roleId);
    return role ? [{ id, role, scope }] : [];
  });
  return assignments.sort(
    (a, b) =>
      Number(!isEverywhere(a.scope)) - Number(!isEverywhere(b.scope)) ||
      b.role.level - a.role.level ||
      (a.id < b.id ? -1 : 1),
  );
}

function isEverywhere(scope: Scope): boolean {
  return Object.keys(scope).length === 0;
}
