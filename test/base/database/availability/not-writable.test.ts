// A PostgreSQL that answers but stores nothing. Requests that change something get 503, and reads work. The service
// says that it is not ready and why, and works again without a restart.
import pg from 'pg';
import t, { type Test } from 'tap';
import { DatabaseNotWritable, openDatabase, statement } from '../../../../src/base/database/db.ts';
import { examineDatabase } from '../../../../src/base/database/examine.ts';
import { createWritability, WRITE_PROBE } from '../../../../src/base/database/probe.ts';
import { explainUnusable } from '../../../../src/base/database/unusable.ts';
import { toProblem } from '../../../../src/base/http/problems.ts';
import { systemClock } from '../../../../src/base/platform/clock.ts';
import { openLog } from '../../../../src/base/platform/log.ts';
import type { Reply } from '../../../support/client.ts';
import { createDatabase, endConnections, type TestDatabase } from '../../../support/database.ts';
import { newAccount } from '../../../support/fixtures/accounts.ts';
import { openService } from '../../../support/service.ts';
import { MIGRATIONS } from '../../../support/template.ts';
import { until } from '../../../support/until.ts';
import { createManualTiming } from '../../../verifier/manual-timing.ts';

const log = openLog({ level: 'silent', pretty: false });

/**
 * Makes the database read-only for every new connection, or writable again. If it becomes read-only, the connections of
 * the service are then ended, because a connection keeps the setting with which it began.
 */
async function setReadOnly({ name, query }: TestDatabase, isReadOnly: boolean): Promise<void> {
  await query('SET default_transaction_read_only = off');
  await query(`ALTER DATABASE ${name} ${isReadOnly ? 'SET default_transaction_read_only = on' : 'RESET ALL'}`);
  if (isReadOnly) await endConnections({ query }, name, 'tenantry');
}

function opened(t: Test, database: TestDatabase) {
  const db = openDatabase({ ...database, poolSize: 2, log });
  t.teardown(() => db.close());
  return db;
}

/** Repeats a call until it reaches PostgreSQL. Earlier calls may find a connection that has just been ended. */
async function settled(call: () => Promise<Reply>): Promise<Reply> {
  let reply = await call();
  await until(async () => {
    const isUnreachable = reply.code === 'database_unavailable' || reply.body?.reasons?.database === 'unreachable';
    if (isUnreachable) reply = await call();
    return !isUnreachable;
  });
  return reply;
}

t.test('while PostgreSQL is read-only, writes get 503, reads work, and readiness says why', async (t) => {
  const database = await createDatabase(t);
  const { api, app } = await openService(t, database);
  const account = await newAccount(api);
  const { email, password, accessToken: token, refreshToken } = account;
  t.equal((await api.get('/readyz')).status, 200);
  await setReadOnly(database, true);
  const readOnlySince = performance.now();
  const writes = [
    () => api.post('/auth/login', { email, password }),
    () => api.post('/auth/refresh', { refreshToken }),
    () => api.post('/auth/logout', { refreshToken }),
    () => api.post('/auth/register', { email: `x-${email}`, password, name: 'Ada', organizationName: 'Some' }),
    () => api.patch('/me', { name: 'Ada' }, { token }),
    () => api.post('/roles', { name: 'helper', level: 10, permissions: ['deals:write'] }, { token }),
  ];
  for (const [index, write] of writes.entries()) {
    const reply = await settled(write);
    t.strictSame([reply.status, reply.code], [503, 'database_not_writable'], `write ${index}`);
    t.match(reply.headers.get('retry-after'), /^[1-9]\d*$/);
    t.strictSame(reply.setCookie, []);
  }
  const ready = await settled(() => api.get('/readyz'));
  t.strictSame(
    [ready.status, ready.body.checks.database, ready.body.reasons],
    [503, 'failed', { database: 'read_only' }],
  );
  for (const path of ['/me', '/users', '/roles', '/me/sessions', '/verify']) {
    t.equal((await settled(() => api.get(path, { token }))).status, 200, `${path} works`);
  }
  t.equal((await settled(() => api.post('/auth/login', { email, password: 'not the password' }))).status, 401);
  const { revocations } = app.parts;
  await until(() => revocations.readSecondsAgo() * 1000 < performance.now() - readOnlySince);
  t.equal(revocations.doubtedBefore(), 0, 'revocations are read as before');

  await setReadOnly(database, false);
  await until(async () => (await api.get('/readyz')).status === 200);
  t.equal((await settled(() => api.post('/auth/refresh', { refreshToken }))).status, 200, 'no token was lost');
  t.equal((await settled(() => api.post('/auth/login', { email, password }))).status, 200);
});

t.test('the check of a read-only PostgreSQL, which ends idle connections, disturbs no request', async (t) => {
  const database = await createDatabase(t);
  const db = openDatabase({ ...database, poolSize: 4, log });
  t.teardown(() => db.close());
  await setReadOnly(database, true);
  const now = statement('SELECT 1 AS one');
  const read = () => db.systemReader().rows(now, []);
  for (let round = 0; round < 100; round += 1) {
    await Promise.all(Array.from({ length: 3 }, read));
    const refused = db.checkWrites().then(
      () => 'written',
      (error) => error.reason,
    );
    const reads = Array.from({ length: 40 }, async (_, turn) => {
      for (let wait = 0; wait < turn; wait += 1) await new Promise(setImmediate);
      return read();
    });
    t.strictSame(await Promise.all([refused, ...reads]), ['read_only', ...reads.map(() => [{ one: 1 }])]);
  }
});

t.test('a full disk is reported by its name, and reads work', async (t) => {
  const database = await createDatabase(t);
  const { api } = await openService(t, database);
  const { email, password, accessToken: token } = await newAccount(api);
  await database.query(`CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'could not extend file "base/1/2": No space left on device' USING ERRCODE = '53100'; END $$`);
  await database.query('CREATE TRIGGER fill BEFORE INSERT ON sessions FOR EACH STATEMENT EXECUTE FUNCTION fill()');
  t.equal((await api.get('/readyz')).status, 200, 'nothing was refused so far');
  const reply = await api.post('/auth/login', { email, password });
  t.strictSame([reply.status, reply.code], [503, 'database_not_writable']);
  const ready = await api.get('/readyz');
  t.strictSame([ready.status, ready.body.reasons], [503, { database: 'disk_full' }], 'although the probe could write');
  t.equal((await api.get('/me', { token })).status, 200);
});

// The SQLSTATEs with which a working PostgreSQL refuses a correct statement because it cannot write.
const NOT_WRITABLE = ['25006', '53100', '58030'];
// With these SQLSTATEs, PostgreSQL is only busy: a conflict with other transactions, or a statement that took too long.
const BUSY = ['40001', '40P01', '57014'];
const UNAVAILABLE = [
  ...['08000', '08006', '28000', '28P01', '3D000', '40003', '25P03', '25P04', '26000'],
  ...['53000', '53200', '53300', '53400', '55000', '55006', '55P03', '57000', '57P01', '57P02', '57P03'],
  ...['57P05', '58000', '58P01', 'F0000', 'XX000', 'XX001', 'XX002'],
];

t.test('no SQLSTATE of an outage becomes an internal error, in a reader or in a transaction', async (t) => {
  const db = opened(t, await createDatabase(t));
  for (const state of [...NOT_WRITABLE, ...BUSY, ...UNAVAILABLE]) {
    const raised = statement(`DO $$ BEGIN RAISE EXCEPTION 'state' USING ERRCODE = '${state}'; END $$`);
    const ways = [() => db.systemReader().rows(raised, []), () => db.system((tx) => tx.rows(raised, []))];
    for (const way of [...ways, () => db.userReader('').rows(raised, [])]) {
      const error = await way().then(
        () => null,
        (thrown: unknown) => thrown,
      );
      const other = BUSY.includes(state) ? 'service_busy' : 'database_unavailable';
      const expected = NOT_WRITABLE.includes(state) ? 'database_not_writable' : other;
      const { code, status } = toProblem(error, () => null);
      t.strictSame([status, code], [503, expected], state);
    }
  }
});

t.test('a quota and a limit of the size of files count as a full disk', async (t) => {
  const db = opened(t, await createDatabase(t));
  for (const text of ['No space left on device', 'Disk quota exceeded', 'File too large']) {
    const raised = statement(
      `DO $$ BEGIN RAISE EXCEPTION 'could not extend file: ${text}' USING ERRCODE = 'XX000'; END $$`,
    );
    const full = { name: 'DatabaseNotWritable', reason: 'disk_full' };
    await t.rejects(db.systemReader().rows(raised, []), full);
    await t.rejects(
      db.system((tx) => tx.rows(raised, [])),
      full,
      'in a transaction',
    );
  }
});

t.test('the probe writes a record and a file, and leaves nothing behind', async (t) => {
  const database = await createDatabase(t);
  const client = new pg.Client({ connectionString: database.adminUrl });
  await client.connect();
  t.teardown(() => client.end());
  const ask = async (text: string) => (await client.query(text)).rows[0];
  await client.query('BEGIN');
  t.strictSame(await ask('SELECT pg_current_xact_id_if_assigned() AS id'), { id: null });
  const { written, readOnly } = await ask(WRITE_PROBE.text);
  t.equal(readOnly, false);
  t.not((await ask('SELECT pg_current_xact_id_if_assigned() AS id')).id, null, 'its commit is recorded and flushed');
  const isThere = `SELECT EXISTS (SELECT FROM pg_ls_dir('pg_snapshots') f WHERE right('${written}', length(f)) = f) AS found`;
  t.strictSame(await ask(isThere), { found: true });
  await client.query('COMMIT');
  t.strictSame(await ask(isThere), { found: false });
  await opened(t, database).checkWrites(); // as the role of the service
});

t.test('doctor says that PostgreSQL stores nothing, and what to do', async (t) => {
  const database = await createDatabase(t);
  const examined = async () => {
    const found = await examineDatabase(database, { migrationsDirectory: MIGRATIONS, clock: systemClock });
    return found.find(({ name }) => name === 'writes');
  };
  t.match(await examined(), { status: 'ok' });
  await setReadOnly(database, true);
  t.match(await examined(), { status: 'fail', detail: /read-only.*check that DATABASE_URL leads to the primary/ });
});

t.test('a start on a read-only or full PostgreSQL says so in one sentence', async (t) => {
  const of = (code: string, message: string) => explainUnusable(Object.assign(new Error(message), { code }))?.detail;
  t.match(
    of('25006', 'cannot execute ALTER ROLE in a read-only transaction'),
    /stores no changes.*leads to the primary/,
  );
  t.match(of('53100', 'could not extend file'), /stores no changes \(could not extend file\): free some space/);
});

function openWritability() {
  const timing = createManualTiming();
  const state = { probes: 0, error: null as Error | null, changes: [] as (string | null)[] };
  const writability = createWritability({
    timing,
    async probe() {
      state.probes += 1;
      if (state.error) throw state.error;
    },
    onChange: (reason) => state.changes.push(reason),
  });
  return { timing, state, writability };
}

t.test('frequent checks share one probe per second', async (t) => {
  const { timing, state, writability } = openWritability();
  await Promise.all(Array.from({ length: 20 }, () => writability.check()));
  await writability.check();
  t.equal(state.probes, 1);
  await timing.advance(1);
  await writability.check();
  t.equal(state.probes, 2);
});

t.test('a success from before a failed request does not count any more', async (t) => {
  const { state, writability } = openWritability();
  await writability.check();
  state.error = new DatabaseNotWritable('read_only');
  writability.note(state.error);
  await t.rejects(writability.check(), new DatabaseNotWritable('read_only'));
  t.strictSame(state.changes, ['read_only'], 'reported once');
});

t.test(
  'the read-only state ends with the first probe that writes, the full-disk state ten seconds after the last refusal',
  async (t) => {
    const { timing, state, writability } = openWritability();
    writability.note(new DatabaseNotWritable('read_only'));
    await timing.advance(0.01);
    await writability.check();
    t.strictSame(state.changes, ['read_only', null]);
    writability.note(new DatabaseNotWritable('disk_full'));
    await timing.advance(9);
    await t.rejects(writability.check(), new DatabaseNotWritable('disk_full'));
    await timing.advance(2);
    await writability.check();
    t.strictSame(state.changes, ['read_only', null, 'disk_full', null]);
  },
);
