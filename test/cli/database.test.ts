// The commands that prepare a database and maintain its roles: migrate, seed, roles, doctor.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { writeDataKeys } from '../support/data-keys.ts';
import { createDatabase } from '../support/database.ts';
import { newAccount } from '../support/fixtures/accounts.ts';
import { openService } from '../support/service.ts';
import { openCli } from './command-line.ts';

function folderOf(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-cli-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

t.test('an empty database is migrated once and seeded once, and the doctor then reports no failure', async (t) => {
  const database = await createDatabase(t, null);
  const folder = folderOf(t);
  writeDataKeys(join(folder, 'keys'));
  const cli = openCli({
    ...{ NODE_ENV: 'test', DATABASE_URL: database.ownerUrl },
    ...{ DATA_DIR: folder, KEYS_DIR: join(folder, 'keys') },
  });

  const early = await cli('users', 'list', '--json');
  t.equal(early.status, 1);
  t.equal(early.json.error.code, 'migration_refused');
  const unfit = await cli('doctor', '--json');
  t.equal(unfit.status, 1);
  t.match(
    unfit.json.data.checks.filter(({ status }: { status: string }) => status === 'fail'),
    [{ name: 'migrations', detail: /is not migrated yet .*tenantry migrate/ }],
  );

  const first = await cli('migrate', '--json');
  t.equal(first.status, 0);
  t.match(first.json.data.applied[0], /_foundation$/);
  const second = await cli('migrate');
  t.equal(second.stdout, 'Nothing to do.\n');

  const ownerless = await cli('doctor');
  t.equal(ownerless.status, 1);
  t.match(ownerless.stdout, /^fail +role of owners +no system role gives ownership.*tenantry seed --no-demo/m);
  t.match(
    (await cli.fed('gravel umbrella tuesday', 'users', 'create', 'a@x.example', '--name', 'A', '--password-stdin'))
      .status,
    0,
  );
  const roleless = await cli('orgs', 'create', 'Early', '--owner', 'a@x.example');
  t.equal(roleless.status, 1);
  t.match(roleless.stderr, /run tenantry seed --no-demo/);

  const seeded = await cli('seed', '--preset', 'workspace', '--json');
  t.equal(seeded.status, 0);
  t.ok(seeded.json.data.roles.includes('admin'));
  const { email, password } = JSON.parse(readFileSync(join(folder, 'demo.json'), 'utf8'));
  t.equal(seeded.json.data.demo.email, email);
  t.notMatch(seeded.stdout, password, 'the password is only in the file');
  const again = await cli('seed');
  t.match(again.stdout, /System roles already exist/);
  t.match(await database.query('SELECT count(*)::int AS users FROM users'), [{ users: 2 }]);

  t.equal((await cli('keys', 'generate')).status, 0);
  const healthy = await cli('doctor', '--json');
  t.equal(healthy.status, 0);
  t.equal(healthy.json.data.healthy, true);
  t.match(
    healthy.json.data.checks.filter(({ status }: { status: string }) => status !== 'ok'),
    [{ name: 'roles', status: 'warn', detail: 'equal to the preset workspace, not crm: set ROLE_PRESET=workspace' }],
  );
  const named = openCli({ NODE_ENV: 'test', DATABASE_URL: database.ownerUrl, ROLE_PRESET: 'workspace' });
  t.match((await named('doctor')).stdout, /^ok +roles +equal to the preset workspace$/m);
  await database.query(`UPDATE roles SET level = 41 WHERE name = 'member'`);
  t.match((await named('doctor')).stdout, /^warn +roles +1 system role differs .*or set ROLE_PRESET/m);
  const { api } = await openService(t, database);
  t.equal((await api.post('/auth/login', { email, password })).status, 200, 'the owner of the demo can sign in');
});

t.test('the doctor names the errors of keys, mail and policies', async (t) => {
  const database = await createDatabase(t);
  const folder = folderOf(t);
  const base = { DATABASE_URL: database.ownerUrl, KEYS_DIR: folder };
  await openCli(base)('keys', 'generate', '--use', 'access');
  writeFileSync(join(folder, 'access', '2020-01-01T00-00-00Z.pem'), 'not a key');
  await database.query('ALTER TABLE invitations NO FORCE ROW LEVEL SECURITY');
  const { status, stdout } = await openCli({ ...base, SMTP_URL: 'smtp://user:pass-of-user@127.0.0.1:1' })('doctor');
  t.equal(status, 1);
  t.match(stdout, /^warn +access keys +refused "2020-01-01T00-00-00Z.pem"/m);
  t.match(stdout, /^warn +refresh keys +npm start makes the first key/m);
  t.match(stdout, /^fail +policies +some tables have no forced row-level security .*\(invitations\)/m);
  t.match(
    stdout,
    /^fail +mail +127\.0\.0\.1 does not accept mail: no program listens on the port of the mail server: check host and port in SMTP_URL, .*\[connection_refused /m,
  );
  t.notMatch(stdout, /pass-of-user/);
  const broken = await openCli({ DATABASE_URL: 'mysql://x', PORT: '99999' })('doctor');
  t.equal(broken.status, 1);
  t.match(broken.stdout, /^fail +configuration +DATABASE_URL: /m);
  t.match(broken.stdout, /^fail +configuration +PORT: /m);
});

t.test('the doctor names a backup that was restored without its roles, and says what to do', async (t) => {
  const database = await createDatabase(t);
  await database.query('REVOKE ALL ON ALL TABLES IN SCHEMA public FROM tenantry_app, tenantry_system');
  const { status, stdout } = await openCli({ NODE_ENV: 'test', DATABASE_URL: database.ownerUrl })('doctor');
  t.equal(status, 1);
  t.match(
    stdout,
    /^fail +migrations +the role of the service may not read .*restored without its roles, create the roles/m,
  );
});

t.test('the doctor warns in production about an unknown proxy and a missing Redis', async (t) => {
  const database = await createDatabase(t);
  const production = {
    NODE_ENV: 'production',
    DATABASE_URL: database.ownerUrl,
    PUBLIC_URL: 'https://auth.example.com',
    KEYS_DIR: folderOf(t),
    SMTP_URL: 'smtps://127.0.0.1:1',
    MAIL_FROM: 'auth@example.com',
  };
  const warnings = async (env: Record<string, string>) => {
    const { stdout } = await openCli({ ...production, ...env })('doctor');
    t.match(stdout, /^ok +configuration +production, /m);
    return [...stdout.matchAll(/^warn +\S+ +(\w+) is not set/gm)].map(([, name]) => name);
  };
  t.same(await warnings({}), ['TRUSTED_PROXIES', 'REDIS_URL']);
  t.same(await warnings({ TRUSTED_PROXIES: '10.0.0.1' }), ['REDIS_URL']);
});

t.test('a second "roles apply" and a dry run change nothing, and a difference gives exit code 1', async (t) => {
  const database = await createDatabase(t);
  const folder = folderOf(t);
  const cli = openCli({ NODE_ENV: 'test', DATABASE_URL: database.ownerUrl, INIT_CWD: folder });
  const { api } = await openService(t, database);
  const owner = await newAccount(api);
  const roles = () => database.query('SELECT name, permissions, level FROM roles ORDER BY name');

  t.equal((await cli('roles', 'apply')).stdout, '0 changes\n', 'the preset of the configuration is applied');
  t.equal((await cli('roles', 'diff')).status, 0);

  const preset = (await cli('roles', 'export', '--name', 'mine')).stdout;
  t.match(preset, /^name: mine$/m);
  writeFileSync(join(folder, 'mine.yaml'), preset);
  t.equal((await cli('roles', 'diff', './mine.yaml')).stdout, '0 changes\n', 'the export equals the stored roles');

  await database.query(`UPDATE roles SET level = 41, permissions = '{contacts:read}' WHERE name = 'agent'`);
  await database.query(
    `INSERT INTO roles (id, owner_key, name, level, permissions)
     VALUES (gen_random_uuid(), '00000000-0000-0000-0000-000000000000', 'extra', 1, '{}')`,
  );
  const before = await roles();
  const drift = await cli('roles', 'diff', './mine.yaml');
  t.equal(drift.status, 1);
  t.match(drift.stdout, /^~ update agent\n {4}level: 41 → 40$/m);
  t.match(drift.stdout, /^ {2}extra is not in the preset and stays$/m);
  const dry = await cli('roles', 'apply', './mine.yaml', '--prune', '--dry-run', '--json');
  t.match(dry.json.data, { applied: false, plan: { changes: 2 } });
  t.same(await roles(), before, 'a dry run changes nothing');

  const unasked = await cli('roles', 'apply', './mine.yaml', '--prune', '--json');
  t.equal(unasked.status, 2);
  t.equal(unasked.json.error.code, 'confirmation_required');
  t.same(await roles(), before);
  t.match((await cli('roles', 'apply', './mine.yaml', '--prune', '--yes')).stdout, /^- remove extra\n2 changes\n$/m);
  t.equal((await cli('roles', 'apply', './mine.yaml', '--prune')).stdout, '0 changes\n');

  writeFileSync(join(folder, 'broken.yaml'), preset.replace('ownership: true', 'ownership: false'));
  const broken = await cli('roles', 'apply', 'broken.yaml', '--json');
  t.equal(broken.status, 1);
  t.equal(broken.json.error.code, 'preset_refused');

  writeFileSync(
    join(folder, 'less.yaml'),
    preset.replace("'*:*'", 'organization:read').replace('*:*', 'organization:read'),
  );
  t.equal((await api.get('/roles', { token: owner.accessToken })).status, 200);
  t.match((await cli('roles', 'apply', 'less.yaml')).stdout, /1 change; the permissions of 1 user changed/);
});

t.test('a change of the preset names the users who would become owners, and waits for a confirmation', async (t) => {
  const database = await createDatabase(t);
  const cli = openCli({ NODE_ENV: 'test', DATABASE_URL: database.ownerUrl });
  const { api } = await openService(t, database);
  const owner = await newAccount(api);
  const { slug } = owner.organization;
  const both = /^! admin and owner will give ownership: /m;

  const dry = await cli('roles', 'apply', 'workspace', '--dry-run');
  t.equal(dry.status, 0);
  t.match(dry.stdout, /^! admin will give ownership, and no member has it yet$/m);
  t.match(dry.stdout, both);
  t.match(dry.stdout, /^ {4}permissions:\n {6}\+billing:manage [\s\S]*\n {6}.*−contacts:delete /m);
  t.ok(
    dry.stdout.split('\n').every((line) => line.length <= 200),
    'no line is wider than a terminal',
  );
  const unasked = await cli('roles', 'apply', 'workspace', '--json');
  t.equal(unasked.status, 2);
  t.match(unasked.json.error, { code: 'confirmation_required', detail: /give ownership/ });
  t.match(await database.query(`SELECT ownership FROM roles WHERE name = 'admin'`), [{ ownership: false }]);

  t.match((await cli('roles', 'apply', 'workspace', '--yes')).stdout, both);
  const after = await cli('roles', 'diff', 'workspace');
  t.equal(after.status, 0);
  t.match(after.stdout, both);
  t.match((await cli('doctor')).stdout, /^warn +role of owners +admin and owner give ownership/m);

  const refused = await cli('roles', 'apply', 'workspace', '--prune', '--dry-run');
  t.equal(refused.status, 1, 'a refused plan is not a success');
  t.match(refused.stdout, new RegExp(`^! .*without an owner \\(${slug}\\): .*tenantry users grant`, 'm'));
  t.match(refused.stdout, /\(dry run: it would be refused\)\n$/);

  // The steps that docs/roles.md describes.
  t.equal((await cli('users', 'grant', owner.email, '--organization', slug, '--role', 'admin')).status, 0);
  const { accessToken: token } = (await api.post('/auth/login', { email: owner.email, password: owner.password })).body
    .data;
  t.equal((await api.patch(`/users/${owner.userId}`, { roles: [{ role: 'admin' }] }, { token })).status, 200);
  t.equal((await cli('roles', 'apply', 'workspace', '--prune', '--yes')).status, 0);
  t.match((await cli('roles', 'list')).stdout, /^admin +100 +owner\n {4}audit:read /m);
  t.match((await cli('roles', 'diff', 'workspace')).stdout, /^0 changes\n$/);
});

t.test('a service role that cannot connect is reported with instructions for the owner of the database', async (t) => {
  const database = await createDatabase(t);
  const wrong = new URL(database.ownerUrl);
  wrong.password = 'not-the-password';
  const user = decodeURIComponent(wrong.username);
  for (const command of [['doctor'], ['users', 'list']]) {
    const { status, stdout, stderr } = await openCli({ NODE_ENV: 'test', DATABASE_URL: wrong.href })(...command);
    t.equal(status, 1);
    t.match(
      stdout + stderr,
      new RegExp(`authentication failed for user "${user}".*check DATABASE_URL`),
      command.join(),
    );
  }
  // The role of another program, which has set no password for the service's roles.
  await database.query(`CREATE ROLE ${database.name} LOGIN PASSWORD 'p'`);
  t.teardown(() => database.query(`DROP ROLE ${database.name}`));
  const other = new URL(database.ownerUrl);
  other.username = database.name;
  other.password = 'p';
  const lesser = await openCli({ NODE_ENV: 'test', DATABASE_URL: other.href })('doctor');
  t.match(lesser.stdout, /^fail +database +.*may not create them: give it CREATEROLE/m);
  await database.query(`ALTER ROLE ${database.name} CREATEROLE`);
  const able = await openCli({ NODE_ENV: 'test', DATABASE_URL: other.href })('doctor');
  t.match(able.stdout, /^fail +database +.*run tenantry migrate/m);
  const away = await openCli({ NODE_ENV: 'test', DATABASE_URL: 'postgres://a:b@127.0.0.1:1/x' })('doctor');
  t.match(away.stdout, /^fail +database +.*ECONNREFUSED.*check DATABASE_URL and that PostgreSQL runs$/m);
});
