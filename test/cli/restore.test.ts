// `tenantry restore`: it asks for a confirmation, prints the counts, refuses invalid values, and ends all tokens.
import t from 'tap';
import { createDatabase } from '../support/database.ts';
import { newAccount } from '../support/fixtures/accounts.ts';
import { openService } from '../support/service.ts';
import { cliOn } from './command-line.ts';

t.test('after a backup was restored, the command ends every session and token from before', async (t) => {
  const database = await createDatabase(t);
  const { app, api } = await openService(t, database);
  const account = await newAccount(api);
  const cli = cliOn(database);
  const [{ now } = { now: '' }] = await database.query<{ now: string }>(
    `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS now`,
  );
  const counts = { sessions: 1, users: 1, clients: 0, invitations: 0 };
  const dry = await cli('restore', '--restored-at', now, '--dry-run', '--json');
  t.equal(dry.status, 0, dry.stderr);
  t.same(dry.json, { data: { restoredAt: now, dryRun: true, ...counts } });
  const unasked = await cli('restore', '--restored-at', now, '--json');
  t.equal(unasked.status, 2);
  t.equal(unasked.json.error.code, 'confirmation_required');
  for (const [instant, status] of [
    ['2999-01-01T00:00:00Z', 1],
    ['yesterday', 2],
    ['2026-01-01', 2],
    ['2026-01-01T00:00:00', 2],
  ] as const) {
    const refused = await cli('restore', '--restored-at', instant, '--yes');
    t.equal(refused.status, status, instant);
    t.not(refused.stderr, '');
  }
  t.equal((await cli('restore', '--yes')).status, 2, 'the instant is required');
  await app.parts.revocations.synchronize();
  t.equal((await api.get('/me', { token: account.accessToken })).status, 200, 'nothing has changed so far');

  const done = await cli('restore', '--restored-at', now, '--yes');
  t.equal(done.status, 0, done.stderr);
  t.match(done.stdout, /^1 session from before .* ended\.\n/);
  await app.parts.revocations.synchronize();
  t.equal((await api.get('/me', { token: account.accessToken })).status, 401);
  t.equal((await api.post('/auth/refresh', { refreshToken: account.refreshToken })).code, 'session_revoked');
  t.same((await cli('restore', '--restored-at', now, '--yes', '--json')).json.data, {
    ...{ restoredAt: now, dryRun: false, sessions: 0, users: 1, clients: 0, invitations: 0 },
  });
  t.equal((await api.post('/auth/login', { email: account.email, password: account.password })).status, 200);
});

t.test('the old name of the command still works, and prints the new name', async (t) => {
  const cli = cliOn(await createDatabase(t));
  const instant = ['--restored-at', '2026-01-01T00:00:00Z', '--dry-run'];
  const [restore, recover, inJson] = [
    await cli('restore', ...instant),
    await cli('recover', ...instant),
    await cli('recover', ...instant, '--json'),
  ];
  t.same([restore.status, restore.stderr], [0, '']);
  t.same([recover.status, recover.stdout], [0, restore.stdout], 'it does the same');
  t.equal(recover.stderr, 'The command is now called tenantry restore; recover will be removed.\n');
  t.same([inJson.status, inJson.stderr], [0, ''], 'a program that reads JSON gets no extra line');
  t.notMatch((await cli('--help')).stdout, /recover/, 'help shows only the new name');
});
