// Explains to an operator why a database cannot be used. The start of the service and the commands use these sentences.
import { DatabaseBusy, DatabaseUnavailable, type NotWritable, notWritable } from './outage.ts';

export interface Unusable {
  readonly code: 'database_refused' | 'database_unavailable' | 'service_busy';
  /** One sentence. It gives the reason that PostgreSQL or the network reported, and says what to do. */
  readonly detail: string;
}

// A wrong password or role, or no such database.
const REFUSED = /^(28\w{3}|3D000)$/;
const REMEDIES: Readonly<Record<NotWritable, string>> = {
  read_only: 'check that DATABASE_URL leads to the primary, and that default_transaction_read_only is off',
  disk_full: 'free some space on the disk of PostgreSQL',
  io_error: 'check the disk of PostgreSQL and its log',
  wraparound: 'vacuum the database, as the log of PostgreSQL says',
};
export const NO_RIGHT = '42501';

/** The remedy when the tables exist, but the roles of the service have no right to them. */
export const RESTORED_WITHOUT_ROLES =
  'if a backup was restored without its roles, create the roles and restore it again into an empty database (docs/operations.md)';
// Error codes of the system, and SQLSTATEs for a PostgreSQL that starts or shuts down and for a broken connection.
const UNAVAILABLE = /^(E[A-Z]+|57P0\d|08\w{3})$/;

/**
 * Returns the explanation of an error about the database. Returns null when the error is about something else, such as
 * a file.
 */
export function explainUnusable(error: unknown): Unusable | null {
  if (!(error instanceof Error)) return null;
  const { code, path, message } = error as NodeJS.ErrnoException;
  if (error instanceof DatabaseBusy) {
    return { code: 'service_busy', detail: `PostgreSQL is busy (${reasonOf(error.cause) || message}): try again` };
  }
  const refusal = notWritable(error);
  if (refusal) {
    const detail = `PostgreSQL stores no changes (${reasonOf(error.cause) || message}): ${REMEDIES[refusal]}`;
    return { code: 'database_unavailable', detail };
  }
  if (error instanceof DatabaseUnavailable) return unavailable(reasonOf(error.cause) || message);
  if (code === undefined || path !== undefined) return null;
  if (REFUSED.test(code)) {
    const remedy = 'check DATABASE_URL; if the database is new, run tenantry migrate';
    return { code: 'database_refused', detail: `PostgreSQL refused the connection (${message}): ${remedy}` };
  }
  if (code === NO_RIGHT) {
    const remedy = `run tenantry migrate as the owner of the database, or check the role in DATABASE_URL; ${RESTORED_WITHOUT_ROLES}`;
    return { code: 'database_refused', detail: `A right in PostgreSQL is missing (${message}): ${remedy}` };
  }
  return UNAVAILABLE.test(code) ? unavailable(message || code) : null;
}

/** What PostgreSQL or the network said, '' when nothing is known. */
function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return '';
  return cause.message || (cause as NodeJS.ErrnoException).code || '';
}

function unavailable(reason: string): Unusable {
  return {
    code: 'database_unavailable',
    detail: `The database cannot be reached (${reason}): check DATABASE_URL and that PostgreSQL runs`,
  };
}
