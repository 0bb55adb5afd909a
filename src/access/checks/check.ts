// Permission checks. Each check answers whether a member of the caller's organization may do something.
import { invalid, problem } from '../../base/errors/problem.ts';
import type { Scope } from '../../directory/rights/scope.ts';
import type { OrganizationPrincipal } from '../../protocol/caller.ts';
import { type Decision, decide } from './decide.ts';
import type { MembershipAccess } from './membership-access.ts';

export interface CheckDeps {
  readonly access: MembershipAccess;
}

export interface Question {
  /** The id of the member. Without it, the question is about the caller, who must then be a user. */
  readonly userId?: string | undefined;
  readonly resource: string;
  readonly action: string;
  readonly scope: Scope;
  readonly explain: boolean;
}

export type Answer = Omit<Decision, 'explanation'> & Partial<Pick<Decision, 'explanation'>>;

const OTHERS = 'users:read';

/**
 * Answers questions about members of the caller's organization. The answers have the order of the questions, and all
 * are true at the same moment. Questions about the caller need no permission. A service client may ask about any
 * member. Raises permission_denied when a user asks about another user without users:read, and validation_failed when a
 * client names no user.
 */
export async function checkAll(
  deps: CheckDeps,
  caller: OrganizationPrincipal,
  questions: readonly Question[],
  placeOf: (index: number) => string,
): Promise<Answer[]> {
  const asked = questions.map((question, index) => ({
    ...question,
    userId: question.userId ?? ownIdOf(caller, placeOf(index)),
  }));
  const others = asked.some(({ userId }) => userId !== caller.id);
  if (caller.kind === 'user' && others && !(await deps.access.holds(caller, OTHERS))) {
    throw problem('permission_denied', { detail: `Asking about another user needs ${OTHERS} in this organization.` });
  }
  // When a decision may change, either an epoch of the user, of the membership or of the organization's roles rises, or
  // the organization is suspended. An explanation may change without either of these, so it needs a fresh read.
  const fresh = asked.some(({ explain }) => explain);
  const userIds = asked.map(({ userId }) => userId);
  const grants = await deps.access.grants(caller.organizationId, userIds, { fresh });
  return asked.map(({ userId, resource, action, scope, explain }) => {
    const permission = `${resource}:${action}`;
    const { explanation, ...decision } = decide(grants.get(userId), { permission, scope });
    return explain ? { ...decision, explanation } : decision;
  });
}

function ownIdOf(caller: OrganizationPrincipal, path: string): string {
  if (caller.kind === 'user') return caller.id;
  throw invalid(path, 'is required: a service client is not a member, so it must name one');
}
