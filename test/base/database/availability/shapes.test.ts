// An error of PostgreSQL or of the network comes in many shapes: from the driver, from the adapter of Prisma and from
// Prisma, at BEGIN, in a statement and at COMMIT. The caller gets the same answer, whatever the shape is. In these
// tests the driver raises the errors that PostgreSQL and the system raise, because a test cannot fill a disk at a
// chosen statement.
import pg from 'pg';
import t, { type Test } from 'tap';
import { type Database, openDatabase, statement } from '../../../../src/base/database/db.ts';
import { toProblem } from '../../../../src/base/http/problems.ts';
import { openLog } from '../../../../src/base/platform/log.ts';
import { createDatabase } from '../../../support/database.ts';

type MakeError = () => Error;

/** An answer of PostgreSQL, as the driver raises it. */
function answered(code: string, message: string, severity = 'ERROR'): MakeError {
  return () => Object.assign(new pg.DatabaseError(message, message.length, 'error'), { code, severity });
}

/** An error of a system call on the connection. */
function failed(code: string, syscall: string, errno = -1): MakeError {
  return () => Object.assign(new Error(`${syscall} ${code}`), { code, syscall, errno });
}

/** An error with a message and perhaps a code, of the driver itself or of TLS. */
function said(message: string, code?: string): MakeError {
  return () => Object.assign(new Error(message), code === undefined ? {} : { code });
}

const FULL = 'No space left on device';
const NOT_WRITABLE: readonly MakeError[] = [
  answered('53100', `could not extend file "base/16384/16385": ${FULL}`),
  answered('53100', `could not write to file "base/pgsql_tmp/pgsql_tmp1.0": ${FULL}`),
  answered('53100', 'could not access status of transaction 4711'),
  answered('53100', `could not write to file "pg_wal/xlogtemp.1": ${FULL}`, 'PANIC'),
  answered('58030', 'could not write block 7 of relation base/16384/16385: Input/output error'),
  answered('58030', 'could not fdatasync file "000000010000000000000002": Input/output error', 'PANIC'),
  answered('XX000', `could not write to file "pg_logical/x": ${FULL}`),
  answered('XX000', 'could not extend file "base/16384/16385": Disk quota exceeded'),
  answered('XX000', 'could not extend file "base/16384/16385.1": File too large'),
  answered('42501', 'could not open file "base/16384/16385": Read-only file system'),
  answered('42501', 'could not create file "pg_snapshots/1.tmp": Permission denied'),
  answered('25006', 'cannot execute UPDATE in a read-only transaction'),
  answered(
    '54000',
    'database is not accepting commands that assign new transaction IDs to avoid wraparound data loss in database "x"',
  ),
  answered(
    '54000',
    'database is not accepting commands that generate new MultiXactIds to avoid wraparound data loss in database "x"',
  ),
];

const UNAVAILABLE: readonly MakeError[] = [
  answered('57P01', 'terminating connection due to administrator command', 'FATAL'),
  answered('57P02', 'terminating connection because of crash of another server process', 'FATAL'),
  answered('57P03', 'the database system is in recovery mode', 'FATAL'),
  answered('53200', 'out of memory'),
  answered('53300', 'sorry, too many clients already', 'FATAL'),
  answered('53400', 'temporary file size exceeds "temp_file_limit" (1kB)'),
  answered('58P01', 'could not open file "pg_xact/0000": No such file or directory'),
  answered('XX000', 'unexpected state'),
  answered('XX001', 'could not read block 7 in file "base/16384/16385"'),
  answered('08P01', 'invalid message format'),
  answered('28P01', 'password authentication failed for user "tenantry_app"', 'FATAL'),
  answered('3D000', 'database "tenantry" does not exist', 'FATAL'),
  failed('ECONNRESET', 'read'),
  failed('ECONNREFUSED', 'connect'),
  failed('ETIMEDOUT', 'read'),
  failed('ENOTFOUND', 'getaddrinfo'),
  failed('EPIPE', 'write'),
  failed('EHOSTUNREACH', 'connect'),
  failed('ENETDOWN', 'connect'),
  failed('EADDRNOTAVAIL', 'connect'),
  failed('EMFILE', 'connect'),
  said('Client network socket disconnected before secure TLS connection was established', 'ECONNRESET'),
  said('Connection terminated unexpectedly'),
  said('Client has encountered a connection error and is not queryable'),
  said('Cannot call write after a stream was destroyed', 'ERR_STREAM_DESTROYED'),
  said('write after end', 'ERR_STREAM_WRITE_AFTER_END'),
  said('certificate has expired', 'CERT_HAS_EXPIRED'),
  said('self-signed certificate', 'DEPTH_ZERO_SELF_SIGNED_CERT'),
  said("Hostname/IP does not match certificate's altnames", 'ERR_TLS_CERT_ALTNAME_INVALID'),
  said('The server does not support SSL connections'),
  said('There was an error establishing an SSL connection'),
];

/** Errors of PostgreSQL that a fault of the service causes. */
const INTERNAL: readonly MakeError[] = [
  answered('42501', 'permission denied for table users'),
  answered('42P01', 'relation "x" does not exist'),
  answered('54001', 'stack depth limit exceeded'),
  answered('22012', 'division by zero'),
];

const MARK = 'SELECT 1 AS marked';
const marked = statement(MARK);

/** A call of the database, and the pattern of its statement that fails. */
interface Way {
  readonly name: string;
  readonly failing: RegExp;
  readonly run: (db: Database) => Promise<unknown>;
}

const WAYS: readonly Way[] = [
  { name: 'reader', failing: /AS marked/, run: (db) => db.systemReader().rows(marked, []) },
  { name: 'begin', failing: /^BEGIN/, run: (db) => db.system((tx) => tx.rows(marked, [])) },
  { name: 'raw statement', failing: /AS marked/, run: (db) => db.system((tx) => tx.rows(marked, [])) },
  { name: 'read of a model', failing: /FROM "public"."users"/, run: (db) => db.system((tx) => tx.models.user.count()) },
  {
    name: 'write of a model',
    failing: /^UPDATE "public"."users"/,
    run: (db) => db.system((tx) => tx.models.user.updateMany({ data: { status: 'active' } })),
  },
  { name: 'commit', failing: /^COMMIT/, run: (db) => db.system((tx) => tx.rows(marked, [])) },
  {
    name: 'commit of a user',
    failing: /^COMMIT/,
    run: (db) => db.user('', (tx) => tx.models.organization.findMany()),
  },
];

/** Makes the driver fail in statements whose text matches `fault.failing`. */
function breakDriver(t: Test) {
  const prototype = pg.Client.prototype as unknown as { query: (...args: unknown[]) => unknown };
  const query = prototype.query;
  const fault: { failing: RegExp | null; make: MakeError; count: number } = { failing: null, make: Error, count: 0 };
  prototype.query = function (this: unknown, ...args) {
    const [asked] = args as [string | { text?: string }];
    const text = typeof asked === 'string' ? asked : (asked.text ?? '');
    if (!fault.failing?.test(text)) return query.apply(this, args);
    fault.count += 1;
    const error = fault.make();
    const callback = args.at(-1);
    if (typeof callback === 'function') return void setImmediate(() => callback(error));
    return Promise.reject(error);
  };
  t.teardown(() => {
    prototype.query = query;
  });
  return fault;
}

/** Connects to the database anew for each call, so that the breaker has seen no other error. */
async function open(t: Test) {
  const database = await createDatabase(t);
  const log = openLog({ level: 'silent', pretty: false });
  const fault = breakDriver(t);
  return async ({ name, failing, run }: Way, make: MakeError): Promise<string> => {
    const db = openDatabase({ ...database, poolSize: 1, log });
    Object.assign(fault, { failing, make, count: 0 });
    const thrown = await run(db).then(
      () => null,
      (error: unknown) => error,
    );
    const { count } = fault;
    fault.failing = null;
    await db.close();
    t.ok(count > 0, `${name}: the statement was sent`);
    const { status, code } = toProblem(thrown, () => null);
    return `${status} ${code}`;
  };
}

for (const [title, errors, expected] of [
  ['nothing can be stored', NOT_WRITABLE, '503 database_not_writable'],
  ['PostgreSQL cannot be reached or has ended', UNAVAILABLE, '503 database_unavailable'],
  ['a fault of the service is no outage', INTERNAL, '500 internal_error'],
] as const) {
  t.test(`${title}: ${expected} for every shape of the error`, async (t) => {
    const codeOf = await open(t);
    for (const make of errors) {
      const { code, message } = make() as pg.DatabaseError;
      for (const way of WAYS) t.equal(await codeOf(way, make), expected, `${way.name}: ${code} ${message}`);
    }
  });
}
