// Tells what PostgreSQL refused, however the error came here: the driver's own error of a reader, or what Prisma makes
// of it in a transaction (P2003 of a model, P2010 of a raw statement).

const FOREIGN_KEY = '23503';

interface ErrorShape {
  readonly code?: unknown;
  readonly constraint?: unknown;
  /** Where Prisma keeps what the driver said. */
  readonly meta?: {
    readonly driverAdapterError?: {
      readonly cause?: { readonly originalCode?: unknown; readonly constraint?: { readonly index?: unknown } };
    };
  };
}

/** The SQLSTATE of an answer of PostgreSQL; undefined for any other error. */
export function sqlStateOf(error: unknown): string | undefined {
  const { code, meta } = (error ?? {}) as ErrorShape;
  const state = meta?.driverAdapterError?.cause?.originalCode ?? code;
  return typeof state === 'string' && /^[0-9A-Z]{5}$/.test(state) ? state : undefined;
}

/** Whether a statement failed by this foreign key: the row that it names was not there, or went away while it ran. */
export function isForeignKeyViolation(error: unknown, constraint: string): boolean {
  if (sqlStateOf(error) !== FOREIGN_KEY) return false;
  const { constraint: named, meta } = error as ErrorShape;
  return (meta?.driverAdapterError?.cause?.constraint?.index ?? named) === constraint;
}
