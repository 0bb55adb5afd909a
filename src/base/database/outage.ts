// Distinguishes an outage of PostgreSQL from an answer of PostgreSQL. During an outage, one request at a time tries to
// reach PostgreSQL. All other requests are refused at once and do not wait for the connect timeout.
import { monotonicMs } from '../platform/clock.ts';

/**
 * PostgreSQL did not answer. What was asked of it may have been carried out all the same: see sent.ts.
 */
export class DatabaseUnavailable extends Error {
  override readonly name = 'DatabaseUnavailable';
  readonly retryAfterSeconds = 1;
}

// Class 08: connection exception. 53: insufficient resources. 57: operator intervention (shutdown, timeout). 58: system
// error. XX: internal error. 28: a password that is being changed. 25006: a standby during failover. 40P01 and 40001: a
// transaction that was undone because of a conflict with another transaction.
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
// These codes of Prisma mean that PostgreSQL cannot be reached or timed out, that the connection was closed, or that
// the pool timed out. The others mean a transaction that could not begin, was lost, or was undone because of a
// conflict.
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
  /** Prisma keeps the driver's error in this member. */
  meta?: { driverAdapterError?: unknown };
}

/** Whether an error, or any error that it wraps, says that PostgreSQL could not answer. */
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

/**
 * Whether PostgreSQL undid a transaction because of a conflict with another transaction. Such a transaction may be run
 * again.
 */
export function isConflict(error: unknown, depth = 0): boolean {
  if (typeof error !== 'object' || error === null || depth > 5) return false;
  const { code, originalCode, cause, meta } = error as ErrorShape;
  if (CONFLICTS.has(code) || CONFLICTS.has(originalCode)) return true;
  return isConflict(cause, depth + 1) || isConflict(meta?.driverAdapterError, depth + 1);
}

export interface Breaker {
  /** Runs the work. Raises DatabaseUnavailable for an outage, without running the work while the breaker is open. */
  run<T>(work: () => Promise<T>): Promise<T>;
}

const PAUSE_MS = 200;
const SLOW_MS = 100;

/**
 * A circuit breaker for one database. It opens when a wait for PostgreSQL ended without an answer, and closes at the
 * first answer. A pool without a free connection neither opens nor closes the circuit breaker.
 */
export function createBreaker(): Breaker {
  let openSince: number | undefined;
  let probing = false;
  return {
    async run(work) {
      const probe = openSince !== undefined;
      if (openSince !== undefined) {
        if (probing || monotonicMs() - openSince < PAUSE_MS)
          throw new DatabaseUnavailable('PostgreSQL does not answer');
        probing = true;
      }
      const begun = monotonicMs();
      try {
        const result = await work();
        openSince = undefined;
        return result;
      } catch (error) {
        if (!isOutage(error)) {
          openSince = undefined; // an error that PostgreSQL returned is an answer too
          throw error;
        }
        const now = monotonicMs();
        if (isPoolExhausted(error)) {
          if (openSince !== undefined) openSince = now; // PostgreSQL has still not answered
        } else {
          // An immediate refusal costs a request no time, so every request may try again. The first one after the outage
          // then succeeds at once.
          openSince = now - begun > SLOW_MS && isUnreachable(error) ? now : undefined;
        }
        throw new DatabaseUnavailable('PostgreSQL could not be reached', { cause: error });
      } finally {
        if (probe) probing = false;
      }
    },
  };
}

/** Whether the error is about the whole database or its connections, and not about one slow statement. */
function isUnreachable(error: unknown): boolean {
  return /ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ENOENT|due to connection timeout|Query read timeout|57P01|57P02|57P03|P1001|P1002/.test(
    textOf(error),
  );
}

/**
 * Whether no connection was free in time. The message of the pool shows this, or the message of Prisma before a
 * transaction began. PostgreSQL received no query and may be healthy but busy. A connection that PostgreSQL does not
 * answer causes a different error.
 */
function isPoolExhausted(error: unknown): boolean {
  return /timeout exceeded when trying to connect|P2024|Unable to start a transaction/.test(textOf(error));
}

function textOf(error: unknown): string {
  const { code, message } = error as ErrorShape;
  return `${code ?? ''} ${message ?? ''}`;
}
