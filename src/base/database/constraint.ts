// Tells which constraint an answer of PostgreSQL speaks of, however the error came here.

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

/** Whether a statement failed by this foreign key: the row that it names was not there, or went away while it ran. */
export function isForeignKeyViolation(error: unknown, constraint: string): boolean {
  const { code, constraint: named, meta } = (error ?? {}) as ErrorShape;
  const cause = meta?.driverAdapterError?.cause;
  if (code === FOREIGN_KEY) return named === constraint;
  return cause?.originalCode === FOREIGN_KEY && cause.constraint?.index === constraint;
}
