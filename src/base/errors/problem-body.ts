// The body of a problem (RFC 9457), for every layer that answers: the HTTP server, and the answers that are written to
// a connection by hand.
import { type BlockingOrganization, type FieldIssue, PROBLEMS, type Problem, type ProblemCode } from './problem.ts';

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

export interface ProblemBody {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ProblemCode;
  /** The same sentence as `detail`. */
  readonly error: string;
  readonly requestId: string;
  readonly issues?: readonly FieldIssue[];
  readonly organizations?: readonly BlockingOrganization[];
}

/** The body of a problem. */
export function problemBody(thrown: Problem, requestId: string): ProblemBody {
  const { title } = PROBLEMS[thrown.code];
  return {
    type: `/problems/${thrown.code.replaceAll('_', '-')}`,
    title,
    status: thrown.status,
    detail: thrown.message,
    code: thrown.code,
    error: thrown.message,
    requestId,
    ...(thrown.extras.issues ? { issues: thrown.extras.issues } : {}),
    ...(thrown.extras.organizations ? { organizations: thrown.extras.organizations } : {}),
  };
}
