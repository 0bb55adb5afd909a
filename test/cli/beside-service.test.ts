// The command line next to a running service: on the service's database, on the embedded database, and for all sessions
// together.
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Reply } from '../support/client.ts';
import { createDatabase } from '../support/database.ts';
import { newAccount } from '../support/fixtures/accounts.ts';
import { seedPerson } from '../support/fixtures/people.ts';
import { UNREAD_USER } from '../support/personal.ts';
import { openService, spawnService } from '../support/service.ts';
import { until } from '../support/until.ts';
import { cliOn, spawnCli } from './command-line.ts';

function folderOf(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-cli-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Repeats the request until its status is not 200. */
async function untilRefused(ask: () => Promise<Reply>): Promise<Reply> {
  let reply = await ask();
  await until(async () => {
    if (reply.status === 200) reply = await ask();
    return reply.status !== 200;
  });
  return reply;
}

t.test('a running service refuses a session after a command has ended it', async (t) => {
  const database = await createDatabase(t);
  const service = await spawnService(t, { DATABASE_URL: database.ownerUrl });
  const cli = spawnCli({ NODE_ENV: 'test', DATABASE_URL: database.ownerUrl });
  const [one, other] = [await newAccount(service.api), await newAccount(service.api)];
  const ask = (token: string) => () => service.api.get('/me', { token });
  t.equal((await cli('users', 'disable', one.email, '--yes')).status, 0);
  const refused = await untilRefused(ask(one.accessToken));
  t.equal(refused.status, 401);
  t.equal((await ask(other.accessToken)()).status, 200);
  t.equal((await cli('sessions', 'revoke', '--all', '--yes')).status, 0);
  t.equal((await untilRefused(ask(other.accessToken))).status, 401);
});

t.test('the command that ends all sessions ends every earlier session, and no later session', async (t) => {
  const database = await createDatabase(t);
  const { app, api } = await openService(t, database);
  const cli = cliOn(database);
  const accounts = [await newAccount(api), await newAccount(api)];
  // There are more users than one batch reads, and each user has a session.
  const { userId } = await seedPerson(database);
  await database.query(
    `INSERT INTO users (id, status, ${UNREAD_USER.columns})
     SELECT gen_random_uuid(), 'active', ${UNREAD_USER.values('n::text')} FROM generate_series(1, 1203) n`,
  );
  await database.query(
    `INSERT INTO sessions (id, user_id, amr, created_at, last_seen_at, idle_expires_at, expires_at, confirmed, confirmed_at)
     SELECT gen_random_uuid(), id, '{pwd}', now(), now(), now() + interval '1 day', now() + interval '1 day',
       gen_random_uuid(), now() FROM users WHERE email_sealed = '\\x00'`,
  );
  const quiet = await database.query('SELECT epoch FROM users WHERE id = $1', [userId]);
  const ended = await cli('sessions', 'revoke', '--all', '--yes', '--json');
  t.same(ended.json, { data: { ended: 1203 + accounts.length } }, ended.stderr);
  t.equal(ended.stderr, '', 'no progress bar without a terminal');
  t.match(await database.query('SELECT count(*)::int AS live FROM sessions WHERE revoked_at IS NULL'), [{ live: 0 }]);
  t.same(
    await database.query('SELECT epoch FROM users WHERE id = $1', [userId]),
    quiet,
    'a user without sessions is unchanged',
  );
  await app.parts.revocations.synchronize();
  for (const { accessToken: token, refreshToken } of accounts) {
    t.equal((await api.get('/me', { token })).status, 401);
    t.equal((await api.post('/auth/refresh', { refreshToken })).status, 401);
  }
  const [{ email, password } = { email: '', password: '' }] = accounts;
  const again = (await api.post('/auth/login', { email, password })).body.data;
  t.equal((await api.get('/me', { token: again.accessToken })).status, 200);
  t.same((await cli('sessions', 'revoke', again.sessionId, '--json')).json, { data: { ended: 1 } });
  t.same((await cli('sessions', 'revoke', '--all', '--yes', '--json')).json, { data: { ended: 0 } });
  const events = await database.query(`SELECT data FROM events WHERE type = 'sessions.all_ended' ORDER BY at`);
  t.same(events, [{ data: { live: 1205 } }, { data: { live: 0 } }]);
});

t.test('a command uses the embedded database of a running service, or starts it only for itself', async (t) => {
  const folder = folderOf(t);
  const settings = { NODE_ENV: 'test', DATA_DIR: folder, KEYS_DIR: join(folder, 'keys') };
  const cli = spawnCli(settings);
  const isHeld = () => existsSync(join(folder, 'postgres', 'lock'));

  const doctor = await cli('doctor');
  t.match(doctor.stdout, /^warn +database +there is no embedded database yet/m);
  t.notOk(existsSync(join(folder, 'postgres')), 'reading creates nothing');
  const early = await cli('users', 'list');
  t.equal(early.status, 1);
  t.match(early.stderr, /the database is not set up yet: run tenantry migrate/);
  t.match((await cli('doctor')).stdout, /^fail +database +the database is not set up yet: run tenantry migrate/m);
  t.match((await cli('migrate')).stdout, /^Applied /);
  t.notOk(isHeld(), 'nothing keeps running');
  t.notOk(existsSync(join(folder, 'postgres', 'data', 'postmaster.pid')));
  t.match((await cli('seed', '--json')).json.data, { demo: { email: 'owner@demo.example' } });

  const service = await spawnService(t, settings);
  t.ok(isHeld());
  const listed = await Promise.all([cli('users', 'list', '--json'), cli('orgs', 'list', '--json')]);
  t.match(
    listed.map(({ json }) => json.pagination.total),
    [1, 1],
    listed.map(({ stderr }) => stderr).join(),
  );
  t.equal((await service.api.get('/healthz')).status, 200, 'the service continues');
  t.ok(isHeld());
  t.equal(await service.end('SIGTERM'), 0);
  t.match((await cli('users', 'list')).stdout, 'owner@demo.example');
  t.notOk(readdirSync(join(folder, 'postgres')).includes('lock'));
});

t.test('serve runs the service, which handles signals itself', async (t) => {
  const cli = spawnCli({ PORT: 'x' });
  const refused = await cli('serve');
  t.equal(refused.status, 1);
  t.match(refused.stderr, /^Tenantry cannot start:\n {2}PORT: must be a whole number/);
});
