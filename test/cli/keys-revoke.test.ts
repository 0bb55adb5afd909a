// `tenantry keys revoke` beside a database: the revocation reaches processes that do not see the folder, or do not run.
import { mkdtempSync, rmSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { filesIn, openKeyFolders, openWithKeys, publishedBy } from '../credentials/revocations/key-folders.ts';
import { createDatabase } from '../support/database.ts';
import { newAccount } from '../support/fixtures/accounts.ts';
import { partsOf } from '../support/forge.ts';
import { spawnService } from '../support/service.ts';
import { until } from '../support/until.ts';
import { cliOn, openCli } from './command-line.ts';

t.test('a revocation on one machine reaches a service with a folder of its own, even without a file', async (t) => {
  const database = await createDatabase(t);
  const keys = await openKeyFolders(t);
  const { api, app, keysDirectory } = await openWithKeys(t, database, await keys.copy());
  const account = await newAccount(api);
  t.equal(partsOf(account.accessToken).header.kid, keys.newer.kid);
  const cli = cliOn(database, { KEYS_DIR: keys.directory });
  const revoked = await cli('keys', 'revoke', keys.newer.kid, '--yes');
  t.equal(revoked.status, 0, revoked.stderr);
  t.match(revoked.stdout, /^access: removed .*\.pem\nServices, verifiers and sidecars refuse the tokens/);
  await until(async () => (await api.get('/me', { token: account.accessToken })).code === 'invalid_token');
  t.same(await publishedBy({ api }), [keys.older.kid]);
  t.equal((await filesIn(keysDirectory)).length, 2, 'the files of the service are not changed');

  const document = (await cli('keys', 'revoke', keys.older.kid, '--yes', '--json')).json;
  t.match(document.data, { use: 'access', removed: [keys.older.file], recorded: true, made: { kid: String } });
  await until(() => app.parts.accessKeys.keys().length === 0);

  const again = ['keys', 'revoke', keys.older.kid, '--yes'];
  t.match(await cli(...again), { status: 1, stderr: /No usable key file/ }, 'a mistyped kid is noticed');
  t.equal((await cli(...again, '--removed')).status, 0, 'a repeated revocation changes nothing');
  const gone = `-${'g'.repeat(42)}`; // one kid in 64 begins with a hyphen
  t.match(await cli('keys', 'revoke', gone, '--removed'), { status: 2, stderr: /add --yes/ });
  t.match((await cli('keys', 'revoke', gone, '--removed', '--yes', '--json')).json, {
    data: { use: null, removed: [], made: null, recorded: true },
  });
  t.match(await cli('keys', 'revoke', 'mistyped', '--removed', '--yes'), { status: 1, stderr: /No usable key file/ });
  const rows = await database.query<{ kid: string }>('SELECT kid FROM revoked_keys ORDER BY revoked_at');
  t.same(
    rows.map(({ kid }) => kid),
    [keys.newer.kid, keys.older.kid, gone],
  );
  t.match((await cli('keys', 'list')).stdout, /^access: \S+ signing/, 'the replacement is not revoked');
});

t.test('without its database the command removes the file, and says what is missing', async (t) => {
  const keys = await openKeyFolders(t);
  const data = mkdtempSync(join(tmpdir(), 'tenantry-data-'));
  t.teardown(() => rmSync(data, { recursive: true, force: true }));
  const away = { DATABASE_URL: 'postgresql://tenantry@127.0.0.1:1/none' };
  for (const [key, settings] of [
    [keys.newer, { DATA_DIR: join(data, 'none') }],
    [keys.older, away],
  ] as const) {
    const cli = openCli({ NODE_ENV: 'test', KEYS_DIR: keys.directory, ...settings });
    const { status, stdout } = await cli('keys', 'revoke', key.kid, '--yes');
    t.equal(status, 0);
    t.match(stdout, /^access: removed .*\.pem.*\nThe revocation is not in the database: .+\.\n[\s\S]*--removed when/);
    t.notOk((await filesIn(keys.directory)).includes(key.file));
    const removed = await cli('keys', 'revoke', key.kid, '--removed', '--yes', '--json');
    t.match(removed, { status: 1, stderr: /"unrecorded"/ });
  }
});

t.test('the service does not start with keys that were all revoked, and says which', async (t) => {
  const database = await createDatabase(t);
  const keys = await openKeyFolders(t);
  const cli = cliOn(database, { KEYS_DIR: keys.directory });
  for (const { kid } of [keys.older, keys.newer]) await cli('keys', 'revoke', kid, '--removed', '--yes');
  t.equal((await filesIn(keys.directory)).length, 1, 'the files were there, so they are removed, and one was made');
  const copied = await openKeyFolders(t);
  const other = cliOn(database, { KEYS_DIR: await keys.copy() });
  for (const { kid } of [copied.older, copied.newer]) await other('keys', 'revoke', kid, '--removed', '--yes');
  const settings = { DATABASE_URL: database.ownerUrl, KEYS_DIR: copied.directory };
  const refused = await spawnService(t, settings).catch((error: Error) => error);
  if (!(refused instanceof Error)) return t.fail('the service has started');
  t.match(refused.message, /every key that could sign was revoked/);
  t.match(refused.message, `tenantry keys revoke ${copied.newer.kid}`);
  const service = await spawnService(t, { ...settings, KEYS_DIR: keys.directory });
  t.equal((await service.api.get('/readyz')).status, 200);
});

t.test('keys list and the doctor name revoked keys, and the files of revoked keys that have come back', async (t) => {
  const database = await createDatabase(t);
  const keys = await openKeyFolders(t);
  const cli = cliOn(database, { KEYS_DIR: keys.directory });
  const doctor = async () => (await cli('doctor')).stdout.split('\n').filter((line) => /keys? /.test(line));
  t.notMatch((await doctor()).join('\n'), /revoked/, 'no key was revoked');
  const backup = await keys.copy();
  await cli('keys', 'revoke', keys.newer.kid, '--yes');
  const since = /since \d{4}-\d\d-\d\dT[\d:.]+Z/;

  const gone = await cli('keys', 'list');
  t.match(gone.stdout, new RegExp(`^revoked: ${keys.newer.kid}, ${since.source}, no file here$`, 'm'));
  t.match(gone.stdout, new RegExp(`^access: ${keys.older.kid} signing`, 'm'));
  t.match((await cli('keys', 'list', '--json')).json, {
    data: [
      { use: 'access', kid: keys.older.kid, state: 'signing' },
      { use: 'refresh' },
      { use: 'data', state: 'sealing' },
      { use: 'data', state: 'lookup' },
      { use: null, kid: keys.newer.kid, state: 'revoked', file: null, revokedAt: String },
    ],
    meta: { revokedUnknown: null },
  });
  t.match(
    (await doctor()).join('\n'),
    new RegExp(`^ok +revoked keys +1 key was revoked.*${since.source}.*no file`, 'm'),
  );

  await cp(join(backup, 'access', keys.newer.file), join(keys.directory, 'access', keys.newer.file));
  const back = await cli('keys', 'list');
  t.match(
    back.stdout,
    new RegExp(`^access: ${keys.newer.kid} revoked, ${since.source}: no service uses its file`, 'm'),
  );
  t.match(back.stdout, new RegExp(`^access: ${keys.older.kid} signing`, 'm'), 'as in a service');
  t.notMatch(back.stdout, /no file here/);
  const refresh = await cli('keys', 'list', '--use', 'refresh');
  t.match(refresh.stdout, /^refresh: /);
  t.notMatch(refresh.stdout, /^access: |no file here/m, 'the file is in the other folder');
  t.match((await doctor()).join('\n'), new RegExp(`^warn +revoked keys +.*files are left.*${keys.newer.kid}`, 'm'));
  t.match((await doctor()).join('\n'), new RegExp(`^ok +access keys +${keys.older.kid} signs`, 'm'));

  await cli('keys', 'revoke', keys.older.kid, '--removed', '--yes');
  await cp(join(backup, 'access', keys.older.file), join(keys.directory, 'access', keys.older.file));
  for (const file of await filesIn(keys.directory)) {
    if (![keys.older.file, keys.newer.file].includes(file)) rmSync(join(keys.directory, 'access', file));
  }
  t.match((await doctor()).join('\n'), /^fail +access keys +no key can sign/m, 'every key was revoked');
});

t.test('without a database keys list and the doctor go on, and say that revoked keys are not known', async (t) => {
  const keys = await openKeyFolders(t);
  const data = mkdtempSync(join(tmpdir(), 'tenantry-data-'));
  t.teardown(() => rmSync(data, { recursive: true, force: true }));
  for (const settings of [
    { DATABASE_URL: 'postgresql://tenantry@127.0.0.1:1/none' },
    { DATA_DIR: join(data, 'none') },
  ]) {
    const cli = openCli({ NODE_ENV: 'test', KEYS_DIR: keys.directory, ...settings });
    const { status, stdout } = await cli('keys', 'list');
    t.equal(status, 0);
    t.match(stdout, new RegExp(`^access: ${keys.newer.kid} signing`, 'm'));
    t.match(stdout, /^revoked: not known, because the database cannot be read: .+$/m);
    t.match((await cli('keys', 'list', '--json')).json.meta, { revokedUnknown: /.+/ });
  }
  const away = openCli({
    ...{ NODE_ENV: 'test', KEYS_DIR: keys.directory },
    DATABASE_URL: 'postgresql://tenantry@127.0.0.1:1/none',
  });
  t.match((await away('doctor')).stdout, /^warn +revoked keys +not known: the database cannot be read$/m);
});
