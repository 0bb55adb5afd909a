// The checks of who may grant which rights. The operations by which a member grants rights use these checks: creating,
// changing and assigning a role, sending an invitation and accepting it, and giving permissions to a service client.
// The functions are pure. The caller reads the rights in the transaction that grants.
import { problem } from '../../base/errors/problem.ts';
import { permits } from '../../protocol/permission.ts';

/** The level and the permissions that a role grants. */
export interface Grantable {
  readonly level: number;
  /** Patterns of the form `resource:action`. Each part may be `*`. */
  readonly permissions: readonly string[];
}

/**
 * The rights of a member everywhere in an organization: the highest level and all permissions of the member's unscoped
 * roles.
 */
export type Standing = Grantable;

/**
 * Whether the rights of the granter include the level and every permission. A wildcard is included only in another
 * wildcard.
 */
export function covers(standing: Standing, granted: Grantable): boolean {
  return (
    granted.level <= standing.level && granted.permissions.every((wanted) => permits(standing.permissions, wanted))
  );
}

/** Raises grant_exceeds_own when the rights of the granter do not include all of `granted`. */
export function assertMayGrant(standing: Standing, granted: readonly Grantable[]): void {
  if (!granted.every((role) => covers(standing, role))) throw problem('grant_exceeds_own');
}
