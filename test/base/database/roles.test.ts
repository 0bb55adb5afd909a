// The database roles are created if the owner may create roles. A role to which row-level security would not apply is
// refused, and the error names it. Roles belong to a whole server, so this file starts its own server.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import t, { type Test } from 'tap';
import { prepareDatabase, withClient } from '../../../src/base/database/open.ts';
import { ensureServiceRoles } from '../../../src/base/database/roles.ts';
import { startEmbedded } from '../../../src/base/embedded/embedded.ts';
import { fillPostgresFolder } from '../../support/servers/postgres.ts';
import { MIGRATIONS } from '../../support/template.ts';
import { rounds } from '../../support/thorough.ts';
import { until } from '../../support/until.ts';

const folder = mkdtempSync(join(tmpdir(), 'tenantry-roles-'));
chmodSync(folder, 0o755); // PostgreSQL runs as a user other than root and needs access
const postgres = await startEmbedded({ directory: fillPostgresFolder(join(folder, 'postgres')), disposable: true });
t.teardown(async () => {
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

function at(url: string, name: string, change: Partial<Pick<URL, 'username' | 'password'>> = {}): string {
  return Object.assign(new URL(url), { pathname: `/${name}` }, change).href;
}

let made = 0;

/** Creates an empty database that the embedded owner, or another role, owns. */
async function database(owner = 'tenantry_owner'): Promise<{ name: string; ownerUrl: string; adminUrl: string }> {
  made += 1;
  const name = `roles_${made}`;
  await query(postgres.adminUrl, `CREATE DATABASE ${name} OWNER ${owner}`);
  return { name, ownerUrl: at(postgres.ownerUrl, name), adminUrl: at(postgres.adminUrl, name) };
}

/** Creates a login role for the test. Returns its URL for a database. */
async function login(name: string, attributes: string, where: { name: string }, ...grants: string[]): Promise<string> {
  await query(postgres.adminUrl, `CREATE ROLE ${name} LOGIN PASSWORD 'secret' ${attributes}`);
  for (const granted of grants) await query(at(postgres.adminUrl, where.name), `GRANT ${granted} TO ${name}`);
  return at(postgres.ownerUrl, where.name, { username: name, password: 'secret' });
}

const NAMED = { appUrl: undefined, systemUrl: undefined, migrationsDirectory: MIGRATIONS };

async function prepared(): Promise<Awaited<ReturnType<typeof database>> & { appUrl: string; systemUrl: string }> {
  const fresh = await database();
  const urls = await prepareDatabase({ ...NAMED, ownerUrl: fresh.ownerUrl });
  return { ...fresh, ...urls };
}

t.test('processes that start with several databases of one server do not disturb each other', async (t) => {
  const databases = await Promise.all(Array.from({ length: 6 }, () => database()));
  const changeRoles = (ownerUrl: string) =>
    withClient(ownerUrl, async (client) => {
      for (let round = 0; round < rounds(25); round += 1) await ensureServiceRoles(client, ownerUrl);
    });
  await query(postgres.adminUrl, 'DROP ROLE IF EXISTS tenantry_app, tenantry_system');
  const ends = await Promise.allSettled(databases.map(({ ownerUrl }) => changeRoles(ownerUrl)));
  t.strictSame(
    ends.map((end) => (end.status === 'rejected' ? String(end.reason) : end.status)),
    databases.map(() => 'fulfilled'),
  );
});

t.test('an owner with CREATEROLE creates both roles, without privileges that bypass row-level security', async (t) => {
  const { ownerUrl } = await database();
  const urls = await prepareDatabase({ ...NAMED, ownerUrl });
  const [app] = await query(urls.appUrl, 'SELECT current_user AS name, count(*)::int AS roles FROM roles');
  t.strictSame(app, { name: 'tenantry_app', roles: 0 }, 'it sees no row without a scope');
  const [system] = await query(urls.systemUrl, 'SELECT current_user AS name');
  t.strictSame(system, { name: 'tenantry_system' });
  const facts = await query(
    postgres.adminUrl,
    `SELECT rolcanlogin AS login, rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication AS power
     FROM pg_roles WHERE rolname IN ('tenantry_app', 'tenantry_system')`,
  );
  t.strictSame(facts, [
    { login: true, power: false },
    { login: true, power: false },
  ]);
  t.strictSame(await prepareDatabase({ ...NAMED, ownerUrl }), urls, 'a second start finds everything in place');
  const all = await Promise.all([1, 2, 3, 4].map(() => prepareDatabase({ ...NAMED, ownerUrl })));
  t.strictSame(all, [urls, urls, urls, urls], 'four starts at the same time find everything in place');
  for (const url of Object.values(urls)) {
    const wrong = Object.assign(new URL(url), { password: 'wrong' }).href;
    await t.rejects(query(wrong, 'SELECT 1'), { code: '28P01' }, 'their passwords work');
    t.not(new URL(url).password, new URL(ownerUrl).password);
  }
  t.not(new URL(urls.appUrl).password, new URL(urls.systemUrl).password);
});

t.test('four first starts at the same time create one database', async (t) => {
  const { ownerUrl, adminUrl } = await database();
  const all = await Promise.all([1, 2, 3, 4].map(() => prepareDatabase({ ...NAMED, ownerUrl })));
  t.equal(new Set(all.map(({ appUrl }) => appUrl)).size, 1);
  t.match(await query(adminUrl, 'SELECT count(*)::int AS runs FROM _prisma_migrations WHERE finished_at IS NULL'), [
    { runs: 0 },
  ]);
});

/**
 * Runs `change` in an open transaction, calls prepareDatabase() for the database, and commits the change once
 * prepareDatabase() waits for it. Returns the result of prepareDatabase().
 */
async function startedDuring(change: string, by: string, { name, ownerUrl }: { name: string; ownerUrl: string }) {
  const client = new pg.Client({ connectionString: by });
  await client.connect();
  await client.query(`BEGIN; ${change}`);
  const starting = prepareDatabase({ ...NAMED, ownerUrl });
  await until(async () => {
    const waiting = `SELECT 1 FROM pg_stat_activity WHERE datname = '${name}' AND wait_event_type = 'Lock'`;
    return (await query(postgres.adminUrl, waiting)).length > 0;
  });
  await client.query('COMMIT');
  await client.end();
  return starting;
}

t.test('a start succeeds although a service with another database of the server changes the roles', async (t) => {
  const [{ ownerUrl: by }, { appUrl, systemUrl, ...one }] = [await prepared(), await prepared()];
  for (const change of ['ALTER ROLE tenantry_app LOGIN', "ALTER ROLE tenantry_system SET timezone = 'UTC'"]) {
    t.strictSame(await startedDuring(change, by, one), { appUrl, systemUrl }, change);
  }
  await query(postgres.adminUrl, 'ALTER ROLE tenantry_app RENAME TO tenantry_former');
  const fresh = await database();
  await startedDuring('CREATE ROLE tenantry_app', by, fresh);
  t.strictSame(
    await query(at(appUrl, fresh.name), 'SELECT count(*)::int AS roles FROM roles'),
    [{ roles: 0 }],
    'CREATE',
  );
  await query(postgres.adminUrl, `DROP DATABASE ${fresh.name}`);
  await query(postgres.adminUrl, 'DROP ROLE tenantry_app');
  await query(postgres.adminUrl, 'ALTER ROLE tenantry_former RENAME TO tenantry_app');
});

t.test('login roles of the operator work if they are members of tenantry_app and tenantry_system', async (t) => {
  const { name, ownerUrl } = await prepared();
  const appUrl = await login('own_app', '', { name }, 'tenantry_app');
  const systemUrl = await login('own_system', '', { name }, 'tenantry_system');
  t.strictSame(await prepareDatabase({ ...NAMED, ownerUrl, appUrl, systemUrl }), { appUrl, systemUrl });
  const withoutOwner = { ...NAMED, ownerUrl: undefined, appUrl, systemUrl };
  t.strictSame(await prepareDatabase(withoutOwner), { appUrl, systemUrl }, 'the result without the owner is the same');
  const empty = await database();
  const unmigrated = { appUrl: at(appUrl, empty.name), systemUrl: at(systemUrl, empty.name) };
  await t.rejects(prepareDatabase({ ...withoutOwner, ...unmigrated }), {
    name: 'MigrationRefused',
    message: /not migrated yet .*start once with DATABASE_URL/,
  });
});

async function refusedAs(t: Test, what: 'appUrl' | 'systemUrl', url: string, good: object, message: RegExp) {
  const options = { ...NAMED, ...good, ownerUrl: undefined, [what]: url };
  await t.rejects(prepareDatabase(options), { name: 'DatabaseRefused', message }, `${what}: ${message.source}`);
}

t.test('a service role that bypasses row-level security is refused, with its name and what to do', async (t) => {
  const here = await prepared();
  const both: ['appUrl' | 'systemUrl', string][] = [
    ['appUrl', 'tenantry_app'],
    ['systemUrl', 'tenantry_system'],
  ];
  for (const [what, group] of both) {
    const short = what.slice(0, 3);
    const role = (name: string, attributes: string, ...grants: string[]) =>
      login(`${short}_${name}`, attributes, here, ...(grants.length > 0 ? grants : [group]));
    const wrong: [string, RegExp][] = [
      [await role('super', 'SUPERUSER'), /role \w{3}_super is a superuser/],
      [await role('bypass', 'BYPASSRLS'), /role \w{3}_bypass has BYPASSRLS: run ALTER ROLE \w{3}_bypass NOBYPASSRLS/],
      [await role('heir', '', group, `${short}_super`), /role \w{3}_heir is a superuser/],
      [await role('quiet', 'NOINHERIT', group, `${short}_bypass`), /role \w{3}_quiet has BYPASSRLS/],
      [await role('kin', '', group, 'tenantry_owner'), /role \w{3}_kin owns the table \w+ \(itself or through/],
      [
        await role('none', 'NOINHERIT', 'pg_monitor'),
        new RegExp(`role ${short}_none is not a member of ${group}: run GRANT`),
      ],
    ];
    for (const [url, message] of wrong) await refusedAs(t, what, url, here, message);
    const truncating = await role('truncates', '');
    await query(here.adminUrl, `GRANT TRUNCATE ON sessions TO ${short}_truncates`);
    await refusedAs(t, what, truncating, here, /role \w{3}_truncates may TRUNCATE the table sessions/);
    await query(here.adminUrl, `REVOKE TRUNCATE ON sessions FROM ${short}_truncates`);
    const owning = await role('owns', '');
    await query(here.adminUrl, `CREATE TABLE ${short}_own (); ALTER TABLE ${short}_own ENABLE ROW LEVEL SECURITY`);
    await query(here.adminUrl, `ALTER TABLE ${short}_own FORCE ROW LEVEL SECURITY, OWNER TO ${short}_owns`);
    await refusedAs(t, what, owning, here, new RegExp(`role ${short}_owns owns the table ${short}_own`));
    await query(here.adminUrl, `DROP TABLE ${short}_own`);
  }
  const double = await login('app_double', '', here, 'tenantry_app', 'tenantry_system');
  await refusedAs(t, 'appUrl', double, here, /app_double is a member of tenantry_system: run REVOKE tenantry_system/);
  const good = { appUrl: here.appUrl, systemUrl: here.systemUrl };
  t.strictSame(await prepareDatabase({ ...NAMED, ...good, ownerUrl: undefined }), good, 'the right ones pass');
});

t.test(
  'a table that lacks row-level security, or lacks it for its owner, prevents the start, and the error names it',
  async (t) => {
    const here = await prepared();
    const start = () => prepareDatabase({ ...NAMED, ownerUrl: here.ownerUrl });
    await query(here.ownerUrl, 'ALTER TABLE sessions NO FORCE ROW LEVEL SECURITY');
    await t.rejects(start(), {
      name: 'DatabaseRefused',
      message: /table sessions unprotected: run ALTER TABLE sessions FORCE ROW LEVEL SECURITY/,
    });
    await query(here.ownerUrl, 'ALTER TABLE sessions FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY');
    await t.rejects(start(), { name: 'DatabaseRefused', message: /table sessions unprotected/ });
    await query(here.ownerUrl, 'ALTER TABLE sessions ENABLE ROW LEVEL SECURITY');
    await query(here.ownerUrl, 'CREATE TABLE added (organization_id uuid)');
    await t.rejects(start(), { name: 'DatabaseRefused', message: /table added unprotected/ });
    await query(here.ownerUrl, 'DROP TABLE added');
    await t.resolves(start());
  },
);

t.test('roles of the service with too many privileges are refused, and Tenantry does not change them', async (t) => {
  const here = await prepared();
  for (const attribute of ['BYPASSRLS', 'CREATEROLE', 'CREATEDB', 'SUPERUSER', 'REPLICATION']) {
    await query(postgres.adminUrl, `ALTER ROLE tenantry_app ${attribute}`);
    await t.rejects(prepareDatabase({ ...NAMED, ownerUrl: here.ownerUrl }), {
      name: 'DatabaseRefused',
      message: new RegExp(`role tenantry_app has ${attribute}, .*: run ALTER ROLE tenantry_app NO${attribute}`),
    });
    await query(postgres.adminUrl, `ALTER ROLE tenantry_app NO${attribute}`);
  }
  await t.resolves(prepareDatabase({ ...NAMED, ownerUrl: here.ownerUrl }));
});

t.test('an owner without the right to create or change roles gets instructions', async (t) => {
  await query(postgres.adminUrl, `CREATE ROLE plain_owner LOGIN PASSWORD 'secret'`);
  const { name } = await database('plain_owner');
  const ownerUrl = at(postgres.ownerUrl, name, { username: 'plain_owner', password: 'secret' });
  const helpful =
    /DATABASE_URL may not (change|create) the role tenantry_app: give it CREATEROLE, or create tenantry_app and tenantry_system by hand and name them in DATABASE_APP_URL and DATABASE_SYSTEM_URL/;
  await t.rejects(prepareDatabase({ ...NAMED, ownerUrl }), { name: 'DatabaseRefused', message: helpful });
  const appUrl = await login('hand_app', '', { name }, 'tenantry_app');
  const systemUrl = await login('hand_system', '', { name }, 'tenantry_system');
  t.strictSame(
    await prepareDatabase({ ...NAMED, ownerUrl, appUrl, systemUrl }),
    { appUrl, systemUrl },
    'and these work',
  );
});
