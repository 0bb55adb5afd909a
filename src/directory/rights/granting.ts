// Who may give what: the one judgement of every path on which rights change hands (creating, editing and assigning
// roles, inviting, accepting). Pure: what is judged was read in the transaction that grants.
import { problem } from '../../base/errors/problem.ts';
import { permits } from '../../protocol/permission.ts';

/** What a role gives. */
export interface Grantable {
  readonly level: number;
  /** `resource:action` patterns; each part may be `*`. */
  readonly permissions: readonly string[];
}

/** What somebody holds everywhere in an organization: the highest level and all permissions of their unscoped roles. */
export type Standing = Grantable;

/** Whether every permission and the level are within what the granter holds. A wildcard is covered by a wildcard only. */
export function covers(standing: Standing, granted: Grantable): boolean {
  return (
    granted.level <= standing.level && granted.permissions.every((wanted) => permits(standing.permissions, wanted))
  );
}

/** Raises grant_exceeds_own unless the standing covers all of them. */
export function assertMayGrant(standing: Standing, granted: readonly Grantable[]): void {
  if (!granted.every((role) => covers(standing, role))) throw problem('grant_exceeds_own');
}
