// Reads from an error why PostgreSQL refused a statement. A single statement of a reader raises the driver's own error.
// A transaction raises an error of Prisma that contains the error of its adapter (P2003 for a model, P2010 for a raw
// statement), or for a BEGIN or COMMIT the error of the adapter itself. The error of the adapter contains the driver's
// error, or only a kind.

const FOREIGN_KEY = '23503';
// The classes of SQLSTATE begin with a digit, or are F0, HV, P0 and XX. A code of Prisma (P2010) or of the system
// (EPIPE) is not an SQLSTATE.
const SQL_STATE = /^(?:[0-9][0-9A-Z]|F0|HV|P0|XX)[0-9A-Z]{3}$/;

/** The properties of these errors that say what happened. */
export interface ErrorShape {
  readonly code?: unknown;
  /** The name of the constraint in the driver's error, or an object with the name in the error of Prisma's adapter. */
  readonly constraint?: unknown;
  readonly message?: unknown;
  readonly cause?: unknown;
  /** Node puts the errors of several addresses into one error. */
  readonly errors?: unknown;
  /** The adapter of Prisma keeps the code and the message of PostgreSQL in these properties. */
  readonly originalCode?: unknown;
  readonly originalMessage?: unknown;
  /** The adapter of Prisma sets a kind for each error. For an error of a socket or of TLS it sets nothing else. */
  readonly kind?: unknown;
  /** Prisma keeps the error of the adapter in this property. */
  readonly meta?: { readonly driverAdapterError?: unknown };
}

const DEPTH_MAX = 5;

/** The error itself and all errors that it contains. */
export function errorsIn(error: unknown, depth = 0): readonly ErrorShape[] {
  if (typeof error !== 'object' || error === null || depth > DEPTH_MAX) return [];
  const shape = error as ErrorShape;
  const several = Array.isArray(shape.errors) ? (shape.errors as readonly unknown[]) : [];
  const inner = [shape.cause, shape.meta?.driverAdapterError, ...several];
  return [shape, ...inner.flatMap((each) => errorsIn(each, depth + 1))];
}

/** What an error says, without the errors that it contains. */
export function textsOf({ message, originalMessage }: ErrorShape): string {
  return [message, originalMessage].filter((text) => typeof text === 'string').join(' ');
}

/** The SQLSTATE of an error that PostgreSQL answered with; undefined for any other error. */
export function sqlStateOf(error: unknown): string | undefined {
  const codes = errorsIn(error).flatMap(({ originalCode, code }) => [originalCode, code]);
  return codes.find((code): code is string => typeof code === 'string' && SQL_STATE.test(code));
}

/**
 * Whether a statement violated this foreign key. The row that it refers to does not exist, or was deleted while the
 * statement ran.
 */
export function isForeignKeyViolation(error: unknown, constraint: string): boolean {
  if (sqlStateOf(error) !== FOREIGN_KEY) return false;
  return errorsIn(error).some(({ constraint: named }) => named === constraint || indexOf(named) === constraint);
}

const indexOf = (constraint: unknown) => (constraint as { readonly index?: unknown } | undefined)?.index;
