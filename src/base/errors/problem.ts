// The error that the caller of the API gets as an answer. `problem(code)` creates it. The table in catalogue.ts has the
// status of each code.
import { PROBLEMS } from './catalogue.ts';

export { PROBLEMS };

export type ProblemCode = keyof typeof PROBLEMS;

export interface FieldIssue {
  /** The position in the body, query or path, such as `organization.name`, or '' for the whole body. */
  readonly path: string;
  readonly message: string;
}

/** An organization because of which the request is refused. */
export interface BlockingOrganization {
  readonly id: string;
  readonly name: string;
  readonly slug: string;
  /** Whether the same request can also delete this organization, if it names the organization. */
  readonly canBeDeleted: boolean;
}

export interface ProblemExtras {
  readonly detail?: string;
  readonly issues?: readonly FieldIssue[];
  readonly organizations?: readonly BlockingOrganization[];
  readonly retryAfterSeconds?: number;
  /** True when the code that raises the problem knows that the request has changed nothing. */
  readonly isUnchanged?: true;
  /**
   * Replaces the status of the table. For example, organization_suspended has the status 401 when the token is refused.
   */
  readonly status?: 401;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An error that is sent to the caller. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: ProblemCode;
  readonly extras: ProblemExtras;
  constructor(code: ProblemCode, extras: ProblemExtras = {}, options?: ErrorOptions) {
    super(extras.detail ?? PROBLEMS[code].detail, options);
    this.code = code;
    this.extras = extras;
  }
  get status(): number {
    return this.extras.status ?? PROBLEMS[this.code].status;
  }
}

/** Returns a Problem for the caller to throw. */
export function problem(code: ProblemCode, extras?: ProblemExtras): Problem {
  return new Problem(code, extras);
}

/** Returns the Problem validation_failed about one field. `path` has the same meaning as in FieldIssue. */
export function invalid(path: string, message: string): Problem {
  return problem('validation_failed', { issues: [{ path, message }] });
}
