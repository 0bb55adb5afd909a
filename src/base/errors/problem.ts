// What is thrown for everything that a caller is told about. Raise one with `problem(code)`; the table of the codes, in
// errors/problems.ts, decides the status.
import { PROBLEMS } from './catalogue.ts';

export { PROBLEMS };

export type ProblemCode = keyof typeof PROBLEMS;

export interface FieldIssue {
  /** Where in the body, query or path: `organization.name`, or '' for the whole. */
  readonly path: string;
  readonly message: string;
}

export interface ProblemExtras {
  readonly detail?: string;
  readonly issues?: readonly FieldIssue[];
  readonly retryAfterSeconds?: number;
  /** Instead of the table's: organization_suspended is 401 where it is the token that is refused. */
  readonly status?: 401;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What is thrown for everything that goes wrong in a way that the caller is told about. */
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

/** Makes a Problem to throw. */
export function problem(code: ProblemCode, extras?: ProblemExtras): Problem {
  return new Problem(code, extras);
}

/** The Problem validation_failed about one field: `path` says where it is, as in FieldIssue. */
export function invalid(path: string, message: string): Problem {
  return problem('validation_failed', { issues: [{ path, message }] });
}
