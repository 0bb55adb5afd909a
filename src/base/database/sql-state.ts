// Reads from an error why PostgreSQL refused a statement. A single statement of a reader raises the driver's own error.
// A transaction raises an error of Prisma that contains the driver's error (P2003 for a model, P2010 for a raw
// statement).

const FOREIGN_KEY = '23503';
// Its classes begin with a digit, or are F0, HV, P0 and XX. A code of Prisma (P2010) or of the system (EPIPE) is not an
// SQLSTATE.
const SQL_STATE = /^(?:[0-9][0-9A-Z]|F0|HV|P0|XX)[0-9A-Z]{3}$/;

interface ErrorShape {
  readonly code?: unknown;
  readonly constraint?: unknown;
  /** The adapter of Prisma raises its own error for a BEGIN or COMMIT that was refused. */
  readonly cause?: { readonly originalCode?: unknown } | undefined;
  /** Prisma keeps the driver's error in this member. */
  readonly meta?: {
    readonly driverAdapterError?: {
      readonly cause?: { readonly originalCode?: unknown; readonly constraint?: { readonly index?: unknown } };
    };
  };
}

/** The SQLSTATE of an error that PostgreSQL answered with; undefined for any other error. */
export function sqlStateOf(error: unknown): string | undefined {
  const { code, cause, meta } = (error ?? {}) as ErrorShape;
  const state = meta?.driverAdapterError?.cause?.originalCode ?? cause?.originalCode ?? code;
  return typeof state === 'string' && SQL_STATE.test(state) ? state : undefined;
}

/**
 * Whether a statement violated this foreign key. The row that it refers to does not exist, or was deleted while the
 * statement ran.
 */
export function isForeignKeyViolation(error: unknown, constraint: string): boolean {
  if (sqlStateOf(error) !== FOREIGN_KEY) return false;
  const { constraint: named, meta } = error as ErrorShape;
  return (meta?.driverAdapterError?.cause?.constraint?.index ?? named) === constraint;
}
