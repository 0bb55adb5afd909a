// Who may grant what. Every operation that gives rights uses these checks: creating, editing and assigning roles,
// inviting, accepting. Pure: the caller reads the rights in the transaction that grants.
import { problem } from '../../base/errors/problem.ts';
import { permits } from '../../protocol/permission.ts';

/** The level and the permissions that a role grants. */
export interface Grantable {
  readonly level: number;
  /** `resource:action` patterns; each part may be `*`. */
  readonly permissions: readonly string[];
}

/** A member's rights everywhere in an organization: the highest level and all permissions of their unscoped roles. */
export type Standing = Grantable;

/** Whether the granter's rights include the level and every permission. Only a wildcard includes a wildcard. */
export function covers(standing: Standing, granted: Grantable): boolean {
  return (
    granted.level <= standing.level && granted.permissions.every((wanted) => permits(standing.permissions, wanted))
  );
}

/** Raises grant_exceeds_own unless the granter's rights include all of them. */
export function assertMayGrant(standing: Standing, granted: readonly Grantable[]): void {
  if (!granted.every((role) => covers(standing, role))) throw problem('grant_exceeds_own');
}
