// Distinguishes an outage of PostgreSQL from an answer of PostgreSQL, and says what kind of outage it is. breaker.ts
// decides whether a request may try to reach PostgreSQL.
import { type ErrorShape, errorsIn, sqlStateOf, textsOf } from './sql-state.ts';

/**
 * PostgreSQL did not answer. It may still have executed the statements: see platform/sent.ts.
 */
export class DatabaseUnavailable extends Error {
  override readonly name: string = 'DatabaseUnavailable';
  readonly retryAfterSeconds = 1;
}

/** PostgreSQL answers, but is too busy for this request, or the requester has used up its share of the connections. */
export class DatabaseBusy extends DatabaseUnavailable {
  override readonly name = 'DatabaseBusy';
}

/** Why PostgreSQL answers, but stores nothing. */
export type NotWritable = 'read_only' | 'disk_full' | 'io_error' | 'wraparound';

/** PostgreSQL answers, but cannot store a change now. Statements that only read still succeed. */
export class DatabaseNotWritable extends DatabaseUnavailable {
  override readonly name = 'DatabaseNotWritable';
  readonly reason: NotWritable;
  constructor(reason: NotWritable, options?: ErrorOptions) {
    super(SENTENCES[reason], options);
    this.reason = reason;
  }
}

const SENTENCES: Readonly<Record<NotWritable, string>> = {
  read_only: 'PostgreSQL is read-only: it is a standby, or default_transaction_read_only is on',
  disk_full: 'the disk of PostgreSQL is full',
  io_error: 'PostgreSQL cannot write to its disk',
  wraparound: 'PostgreSQL has no transaction IDs left until its tables are vacuumed',
};

// 08: connection exception. 28: a password that is being changed. 3D: a database that is being restored. 40: a
// transaction that was undone because of another one, or because its outcome is unknown. 53: insufficient resources.
// 57: operator intervention (shutdown, timeout). 58: system error. F0: a configuration file. XX: internal error. 25006:
// a standby during a failover. 25P03 and 25P04: a timeout of a transaction. 26000: a statement that was prepared on
// another connection. 55: the server or an object is not in the needed state, such as a lock that is not available.
const OUTAGE_STATES = /^(08|28|3D|40|53|55|57|58|F0|XX|25006|25P03|25P04|26000)/;
// Errors of a connection, of looking up its address, and of TLS. Some of these codes mean that a limit of this process
// or machine allows no further connection.
const OUTAGE_SYSTEM_CODES =
  /^(?:E(?:CONN\w+|PIPE|TIMEDOUT|HOST\w+|NET\w+|NOTFOUND|AI_\w+|NOENT|NOTCONN|PROTO|ADDRNOTAVAIL|[MN]FILE|NOBUFS|NOMEM)|ERR_STREAM_(?:DESTROYED|WRITE_AFTER_END)|ERR_(?:TLS|SSL|SOCKET)_\w+|(?:\w+_)?(?:CERT|CRL)(?:_\w+)?|UNABLE_TO_\w+|INVALID_CA|HOSTNAME_MISMATCH)$/;
// The kinds with which Prisma's adapter replaces the code of a socket or TLS error, and the kind for a transaction that
// is already closed.
const OUTAGE_KINDS = new Set<unknown>([
  'DatabaseNotReachable',
  'ConnectionClosed',
  'SocketTimeout',
  'TlsConnectionError',
  'TransactionAlreadyClosed',
]);
// Most of these codes of Prisma mean that PostgreSQL cannot be reached, refuses the connection or timed out, that the
// connection was closed, or that the pool timed out. P2028 means a transaction that could not begin or was lost, and
// P2034 a transaction that was undone because of a conflict.
const OUTAGE_PRISMA_CODES = new Set([
  'P1000',
  'P1001',
  'P1002',
  'P1003',
  'P1008',
  'P1010',
  'P1011',
  'P1017',
  'P1018',
  'P2024',
  'P2028',
  'P2034',
  'P2037',
]);
const OUTAGE_SENTENCES =
  /Connection terminated|timeout exceeded when trying to connect|timeout expired|Client has encountered a connection error|not queryable|Query read timeout|server closed the connection|Cannot use a pool after calling end|Connection ended unexpectedly|not currently accepting connections|does not support SSL|establishing an SSL connection/i;

/** Whether an error, or any error that it wraps, says that PostgreSQL could not answer. */
export function isOutage(error: unknown): boolean {
  return notWritable(error) !== null || errorsIn(error).some(isSignOfOutage);
}

function isSignOfOutage(error: ErrorShape): boolean {
  if (error instanceof DatabaseUnavailable || OUTAGE_KINDS.has(error.kind)) return true;
  const isOutageCode = (code: unknown) =>
    typeof code === 'string' &&
    (OUTAGE_PRISMA_CODES.has(code) ||
      OUTAGE_SYSTEM_CODES.test(code) ||
      (/^[0-9A-Z]{5}$/.test(code) && OUTAGE_STATES.test(code)));
  return [error.code, error.originalCode].some(isOutageCode) || OUTAGE_SENTENCES.test(textsOf(error));
}

const NOT_WRITABLE: Readonly<Record<string, NotWritable>> = {
  '25006': 'read_only',
  '53100': 'disk_full',
  '58030': 'io_error',
};
// PostgreSQL has no SQLSTATE of its own for these failures, and reports an internal error, a missing right or a limit
// of a program.
const BY_TEXT: readonly (readonly [RegExp, RegExp, NotWritable])[] = [
  [/^XX/, /No space left on device|Disk quota exceeded|File too large/i, 'disk_full'],
  [/^42501/, /could not \w+ (?:\w+ )?(?:file|directory|symbolic link)/i, 'io_error'],
  [/^54000/, /not accepting commands/i, 'wraparound'],
];

/** Why PostgreSQL could not store a change, by the error of a statement; null for any other error. */
export function notWritable(error: unknown): NotWritable | null {
  if (error instanceof DatabaseNotWritable) return error.reason;
  const state = sqlStateOf(error) ?? '';
  const known = NOT_WRITABLE[state];
  if (known) return known;
  const [, , reason] = BY_TEXT.find(([states, texts]) => states.test(state) && texts.test(allTexts(error))) ?? [];
  return reason ?? null;
}

const allTexts = (error: unknown) => errorsIn(error).map(textsOf).join(' ');

/** The error of an outage as callers of the database see it. */
export function asUnavailable(error: unknown): DatabaseUnavailable {
  if (error instanceof DatabaseUnavailable) return error;
  const reason = notWritable(error);
  if (reason) return new DatabaseNotWritable(reason, { cause: error });
  if (isBusy(error)) return new DatabaseBusy('PostgreSQL is busy', { cause: error });
  return new DatabaseUnavailable('PostgreSQL could not be reached', { cause: error });
}

const CONFLICTS = new Set<unknown>(['40P01', '40001', 'P2034']);
const STATEMENT_CANCELLED = new Set<unknown>(['57014']); // the statement exceeded statement_timeout, or was cancelled

function hasCode(error: unknown, codes: ReadonlySet<unknown>): boolean {
  return errorsIn(error).some(({ code, originalCode }) => codes.has(code) || codes.has(originalCode));
}

/**
 * Whether PostgreSQL undid a transaction because of a conflict with another transaction. Such a transaction may be run
 * again.
 */
export function isConflict(error: unknown): boolean {
  return hasCode(error, CONFLICTS);
}

/** Whether PostgreSQL answered that it could not finish the work in time, or because of other work. */
function isBusy(error: unknown): boolean {
  return hasCode(error, STATEMENT_CANCELLED) || isConflict(error);
}

const UNREACHABLE =
  /ECONNREFUSED|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ENOENT|due to connection timeout|timeout expired|Query read timeout|57P01|57P02|57P03|P1001|P1002/;
const UNREACHABLE_KINDS = new Set<unknown>(['DatabaseNotReachable', 'SocketTimeout']);

/** Whether the error is about the whole database or its connections, and not about one slow statement. */
export function isUnreachable(error: unknown): boolean {
  return UNREACHABLE.test(textOf(error)) || errorsIn(error).some(({ kind }) => UNREACHABLE_KINDS.has(kind));
}

/**
 * Whether no connection was free in time. The message of the pool shows this, or the message of Prisma before a
 * transaction began. PostgreSQL received no query and may be healthy but busy. A connection that PostgreSQL does not
 * answer causes a different error.
 */
export function isPoolExhausted(error: unknown): boolean {
  return /timeout exceeded when trying to connect|P2024|Unable to start a transaction/.test(textOf(error));
}

function textOf(error: unknown): string {
  const { code, message } = (error ?? {}) as ErrorShape;
  return `${code ?? ''} ${message ?? ''}`;
}
