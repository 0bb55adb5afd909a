// A member's grants are the roles, scopes and statuses by which a check of this member is decided. The functions are
// pure. membership-access.ts reads the grants.
import type { Scope } from '../../directory/rights/scope.ts';
import type { MemberGrantsRow, MemberRow } from './store.ts';

export interface HeldRole {
  readonly id: string;
  readonly name: string;
  readonly level: number;
  /** Patterns of the form `resource:action`. */
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
  /**
   * The user's epoch at the moment of the query. A higher epoch of the user or of this membership means that the grants
   * may have changed since then.
   */
  readonly epoch: number;
  /**
   * The epoch of the organization's roles at the same moment. A higher one also means that the grants may have changed.
   */
  readonly rolesEpoch: number;
  /** Unscoped assignments come first. Within each group, the highest level comes first. */
  readonly assignments: readonly Assignment[];
}

/** Returns the grants of the members in a row of the store, by user id. A user who is not a member has no entry. */
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
      rolesEpoch: row?.rolesEpoch ?? 0,
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
