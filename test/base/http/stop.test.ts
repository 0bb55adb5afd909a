// The process stops in order: first it reports that it is not ready and still serves. A second signal ends it at once.
// A signal during the start ends the start.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import t from 'tap';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { openTransaction, waiters } from '../../support/locks.ts';
import { PROGRAM_ENVIRONMENT, ROOT, spawnService } from '../../support/service.ts';
import { until } from '../../support/until.ts';

/** The lock of migrations, see src/base/database/migrate.ts. */
const MIGRATION_LOCK = 72707369;

t.test('after SIGTERM the service is not ready, and still serves new and old connections', async (t) => {
  const database = await createDatabase(t);
  // The delay is much longer than the test. The second signal ends the process before the delay is over.
  const service = await spawnService(t, { DATABASE_URL: database.ownerUrl, SHUTDOWN_DELAY: '300' });
  const { api } = service;
  const account = await newAccount(api);
  t.equal((await api.get('/readyz')).status, 200);
  service.child.kill('SIGTERM');
  await until(async () => (await api.get('/readyz')).status === 503);
  t.match((await api.get('/readyz')).body, { status: 'not_ready', checks: { database: 'ok', keys: 'ok' } });
  t.equal((await api.get('/healthz')).status, 200, 'the process is still alive');
  for (const connection of ['keep-alive', 'close']) {
    const options = { token: account.accessToken, headers: { connection } };
    t.equal((await api.get('/me', options)).status, 200, connection);
  }
  t.equal(
    (await api.post('/auth/refresh', { refreshToken: account.refreshToken })).status,
    200,
    'a request that writes succeeds too',
  );
  t.equal((await api.post('/auth/login', { email: account.email, password: account.password })).status, 200);
  t.equal(await service.end('SIGTERM'), 143, 'the second signal ends the process at once');
});

t.test('without a delay the service stops as soon as its connections have ended', async (t) => {
  const database = await createDatabase(t);
  const service = await spawnService(t, { DATABASE_URL: database.ownerUrl });
  const { accessToken: token } = await newAccount(service.api);
  t.equal((await service.api.get('/me', { token })).status, 200);
  t.equal(await service.end('SIGINT'), 0);
  t.match(service.lines.join('\n'), /"delaySeconds":0,"msg":"stopping"/);
});

t.test('a signal during the start ends the start after its current step, and nothing listens', async (t) => {
  for (const [signals, code] of [
    [['SIGTERM'], 0],
    [['SIGTERM', 'SIGINT'], 130],
  ] as const) {
    const database = await createDatabase(t);
    const held = await openTransaction(t, database);
    await held.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const child = spawn(process.execPath, [join(ROOT, 'src', 'main.ts')], {
      env: {
        ...PROGRAM_ENVIRONMENT,
        NODE_ENV: 'test',
        PORT: '0',
        PUBLIC_URL: 'http://localhost:3000',
        DATABASE_URL: database.ownerUrl,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    t.teardown(() => child.kill('SIGKILL'));
    const said: string[] = [];
    for (const output of [child.stdout, child.stderr]) output.on('data', (chunk) => said.push(String(chunk)));
    const ended = once(child, 'exit');
    await waiters(database, 1);
    for (const signal of signals) {
      child.kill(signal);
      if (signals.length > 1) await until(() => said.join('').includes('stopping'));
    }
    if (signals.length === 1) {
      await until(() => said.join('').includes('stopping'));
      await held.query('ROLLBACK');
      await held.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]);
    }
    t.equal((await ended)[0], code, signals.join());
    t.notMatch(said.join(''), /listening|cannot start/);
  }
});
