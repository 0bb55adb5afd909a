// Tells an outage of PostgreSQL from an answer of PostgreSQL, and keeps a dead one from costing every request its
// whole connect timeout: while the database is known to be away one request at a time asks again, the others are
// refused at once.
import { monotonicMs } from '../platform/clock.ts';

/** PostgreSQL cannot be asked now. Nothing was changed that the caller was told of; the same request may come again. */
export class DatabaseUnavailable extends Error {
  override readonly name = 'DatabaseUnavailable';
  readonly retryAfterSeconds = 1;
}

// Class 08 connection exception, 53 insufficient resources, 57 operator intervention (shutdown, timeout), 58 system
// error, XX internal, 28 a role whose password is being changed, 25006 a standby during failover; 40P01 and 40001, where
// a transaction was undone because it and another stood in each other's way.
const OUTAGE_STATES = /^(08|28|53|57|58|XX|25006|40P01|40001)/;
const OUTAGE_SYSTEM_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
]);
// Prisma: cannot reach, timed out, connection closed, pool timeout, transaction could not begin or was lost,
// or was undone for another's sake.
const OUTAGE_PRISMA_CODES = new Set([
  'P1000',
  'P1001',
  'P1002',
  'P1003',
  'P1008',
  'P1017',
  'P2024',
  'P2028',
  'P2034',
  'P2037',
]);
const OUTAGE_SENTENCES =
  /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|not queryable|Query read timeout|server closed the connection|Cannot use a pool after calling end|Connection ended unexpectedly|not currently accepting connections/i;

interface ErrorShape {
  code?: unknown;
  message?: unknown;
  cause?: unknown;
  errors?: unknown;
  originalCode?: unknown;
  /** Where Prisma keeps what the driver said. */
  meta?: { driverAdapterError?: unknown };
}

/** Whether an error, or anything that it wraps, says that PostgreSQL was not there to answer. */
export function isOutage(error: unknown, depth = 0): boolean {
  if (error instanceof DatabaseUnavailable) return true;
  if (typeof error !== 'object' || error === null || depth > 5) return false;
  const { code, message, cause, errors, originalCode, meta } = error as ErrorShape;
  for (const candidate of [code, originalCode]) {
    if (typeof candidate !== 'string') continue;
    if (OUTAGE_SYSTEM_CODES.has(candidate) || OUTAGE_PRISMA_CODES.has(candidate)) return true;
    if (/^[0-9A-Z]{5}$/.test(candidate) && OUTAGE_STATES.test(candidate)) return true;
  }
  if (typeof message === 'string' && OUTAGE_SENTENCES.test(message)) return true;
  if (Array.isArray(errors) && errors.some((inner) => isOutage(inner, depth + 1))) return true;
  return isOutage(cause, depth + 1) || isOutage(meta?.driverAdapterError, depth + 1);
}

const CONFLICTS = new Set<unknown>(['40P01', '40001', 'P2034']);

/** Whether PostgreSQL undid a transaction because it and another stood in each other's way: it may be run again. */
export function isConflict(error: unknown, depth = 0): boolean {
  if (typeof error !== 'object' || error === null || depth > 5) return false;
  const { code, originalCode, cause, meta } = error as ErrorShape;
  if (CONFLICTS.has(code) || CONFLICTS.has(originalCode)) return true;
  return isConflict(cause, depth + 1) || isConflict(meta?.driverAdapterError, depth + 1);
}

export interface Breaker {
  /** Runs the work; raises DatabaseUnavailable for an outage, at once while one is known. */
  run<T>(work: () => Promise<T>): Promise<T>;
}

const PAUSE_MS = 200;
const SLOW_MS = 100;

/**
 * A breaker over one database. It opens when PostgreSQL was waited for in vain and closes at the first answer. That all
 * connections were taken is neither: it changes nothing.
 */
export function createBreaker(): Breaker {
  let openSince: number | undefined;
  let probing = false;
  return {
    async run(work) {
      const probe = openSince !== undefined;
      if (openSince !== undefined) {
        if (probing || monotonicMs() - openSince < PAUSE_MS) throw new DatabaseUnavailable('PostgreSQL is away');
        probing = true;
      }
      const begun = monotonicMs();
      try {
        const result = await work();
        openSince = undefined;
        return result;
      } catch (error) {
        if (!isOutage(error)) {
          openSince = undefined; // an answer, if an unwelcome one
          throw error;
        }
        const now = monotonicMs();
        if (isNobodyAsked(error)) {
          if (openSince !== undefined) openSince = now; // still no sign of life
        } else {
          // A refusal that comes at once costs nobody anything, and asking again finds the database as soon as it is back.
          openSince = now - begun > SLOW_MS && isUnreachable(error) ? now : undefined;
        }
        throw new DatabaseUnavailable('PostgreSQL could not be asked', { cause: error });
      } finally {
        if (probe) probing = false;
      }
    },
  };
}

/** The database, or every connection to it, rather than one statement that took too long. */
function isUnreachable(error: unknown): boolean {
  return /ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ENOENT|due to connection timeout|Query read timeout|57P01|57P02|57P03|P1001|P1002/.test(
    textOf(error),
  );
}

/**
 * No connection was free in time (the pool's sentence, or Prisma's before a transaction began): PostgreSQL was not asked,
 * and may be well and busy. A connection that PostgreSQL does not answer ends in another error.
 */
function isNobodyAsked(error: unknown): boolean {
  return /timeout exceeded when trying to connect|P2024|Unable to start a transaction/.test(textOf(error));
}

function textOf(error: unknown): string {
  const { code, message } = error as ErrorShape;
  return `${code ?? ''} ${message ?? ''}`;
}
