// Permission checks: may this member of the caller's organization do that?
import { invalid, problem } from '../../base/errors/problem.ts';
import type { Scope } from '../../directory/rights/scope.ts';
import type { OrganizationPrincipal } from '../../protocol/caller.ts';
import { type Decision, decide } from './decide.ts';
import type { MembershipAccess } from './membership-access.ts';

export interface CheckDeps {
  readonly access: MembershipAccess;
}

export interface Question {
  /** Left out: the caller, who then has to be a user. */
  readonly userId?: string | undefined;
  readonly resource: string;
  readonly action: string;
  readonly scope: Scope;
  readonly explain: boolean;
}

export type Answer = Omit<Decision, 'explanation'> & Partial<Pick<Decision, 'explanation'>>;

const OTHERS = 'users:read';

/**
 * Answers questions about members of the caller's organization, in their order and all of one moment. About oneself
 * nothing is needed, and a service client may ask about everybody; raises permission_denied when a question is about
 * somebody else and the user who asks lacks users:read, validation_failed when a client asks about itself.
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
  // The epoch tells when a decision may change, not when a role is renamed: who asks why is told what is there now.
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
  throw invalid(path, 'is required: a service client is no member, and asks about one');
}
