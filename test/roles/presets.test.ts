// The shipped roles, the operation that brings them into the database, and the one matcher of permissions.

import type { Test } from 'tap';
import t from 'tap';
import { systemClock } from '../../src/platform/clock.ts';
import { openDatabase } from '../../src/platform/db.ts';
import { openLog } from '../../src/platform/log.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { canonicalPermissions, PERMISSION_PATTERN, permits } from '../../src/protocol/permission.ts';
import { applyPreset, readPreset } from '../../src/roles/presets.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

t.test('a permission is held exactly, by resource, by action, or as a whole', async (t) => {
  const table: [held: string[], wanted: string, answer: boolean][] = [
    [['deals:read'], 'deals:read', true],
    [['deals:read'], 'deals:write', false],
    [['deals:read'], 'contacts:read', false],
    [['deals:*'], 'deals:write', true],
    [['deals:*'], 'contacts:write', false],
    [['*:read'], 'contacts:read', true],
    [['*:read'], 'contacts:write', false],
    [['*:*'], 'anything:at-all', true],
    [['contacts:read', 'deals:write'], 'deals:write', true],
    [[], 'deals:read', false],
    [['deals:read'], 'deals:*', false],
    [['deals:read'], '*:*', false],
    [['deals:*'], '*:*', false],
    [['Deals:read'], 'deals:read', false],
    [['deals:rea'], 'deals:read', false],
    [['deal'], 'deals:read', false],
    [['deals:re*'], 'deals:read', false],
    [['*'], 'deals:read', false],
    [['deals'], 'deals:read', false],
  ];
  for (const [held, wanted, answer] of table) t.equal(permits(held, wanted), answer, `[${held}] ${wanted}`);
});

t.test('a permission has two parts, each a name or a star', async (t) => {
  for (const good of ['deals:read', 'a:b', '*:*', 'deals:*', '*:read', 'phone-numbers:read_all', `a:${'b'.repeat(40)}`])
    t.match(good, PERMISSION_PATTERN);
  for (const bad of [
    '',
    'deals',
    ':',
    'deals:',
    ':read',
    'a:b:c',
    'Deals:read',
    '1a:b',
    'deals:re*',
    'deals: read',
    'deals:read\n',
    '**:*',
    `a:${'b'.repeat(41)}`,
    '*',
  ]) {
    t.notMatch(bad, PERMISSION_PATTERN, JSON.stringify(bad));
  }
  t.strictSame(canonicalPermissions(['b:c', 'a:b', 'b:c', '*:*']), ['*:*', 'a:b', 'b:c'], 'sorted, without repeats');
});

// Who may do what in a CRM; `owner` holds *:* and therefore all of it.
const MATRIX = `
contacts:read        owner admin agent viewer
contacts:write       owner admin agent
contacts:delete      owner admin
conversations:read   owner admin agent viewer
conversations:write  owner admin agent
conversations:assign owner admin
deals:read           owner admin agent viewer
deals:write          owner admin agent
deals:delete         owner admin
integrations:read    owner admin
integrations:write   owner admin
users:read           owner admin agent
users:invite         owner admin
users:update         owner admin
users:remove         owner
billing:manage       owner
organization:read    owner admin agent
organization:update  owner admin
organization:delete  owner
roles:read           owner admin
roles:write          owner admin
sessions:read        owner admin
sessions:revoke      owner admin
audit:read           owner admin
clients:manage       owner
webhooks:manage      owner`;

t.test('the crm preset allows what its matrix says and nothing else', async (t) => {
  const { roles } = readPreset('crm');
  t.strictSame(
    roles.map(({ name, level }) => [name, level]),
    [
      ['owner', 100],
      ['admin', 80],
      ['agent', 40],
      ['viewer', 20],
    ],
  );
  const rows = MATRIX.trim()
    .split('\n')
    .map((line) => line.split(/\s+/));
  for (const [permission = '', ...holders] of rows) {
    const found = roles.filter((role) => permits(role.permissions, permission)).map(({ name }) => name);
    t.strictSame(found, holders, permission);
  }
  const known = new Set(rows.map(([permission]) => permission));
  const unlisted = roles.flatMap(({ permissions }) => permissions).filter((held) => held !== '*:*' && !known.has(held));
  t.same(unlisted, [], 'no role holds anything beside the matrix');
  t.strictSame(roles[0]?.permissions, ['*:*']);
});

function openDeps(t: Test, database: TestDatabase) {
  const { appUrl, systemUrl } = database;
  const db = openDatabase({ appUrl, systemUrl, poolSize: 2, log: openLog({ level: 'silent', pretty: false }) });
  t.teardown(() => db.close());
  return { db, clock: systemClock, random: systemRandom };
}

const SNAPSHOT = 'SELECT *, xmin::text FROM roles ORDER BY id';
const APPLIED = `SELECT data FROM events WHERE type = 'roles.preset_applied' ORDER BY at`;

t.test('a preset that is in place already is left alone: no write, no event', async (t) => {
  const database = await createDatabase(t);
  const deps = openDeps(t, database);
  const [before, events] = [await database.query(SNAPSHOT), await database.query(APPLIED)];
  t.equal(before.length, 4, 'the template has it');
  t.same(await applyPreset(deps, readPreset('crm')), []);
  t.same(await applyPreset(deps, readPreset('crm')), []);
  t.same(await database.query(SNAPSHOT), before);
  t.same(await database.query(APPLIED), events);
});

t.test('a preset restores what was changed, keeps ids, and leaves the roles of organizations alone', async (t) => {
  const database = await createDatabase(t);
  const deps = openDeps(t, database);
  const ids = await database.query(`SELECT id, name FROM roles ORDER BY name`);
  const organization = '019aa3f0-5c00-7a10-8b2f-3d6f1c2a4e01';
  await database.query(`INSERT INTO organizations (id, name, slug) VALUES ($1, 'Acme', 'acme')`, [organization]);
  const own = `INSERT INTO roles (id, organization_id, owner_key, name, level, permissions) VALUES (gen_random_uuid(), $1, $1, 'viewer', 7, '{deals:read}')`;
  await database.query(own, [organization]);
  await database.query(`UPDATE roles SET permissions = '{*:*}', level = 99 WHERE name = 'agent'`);
  await database.query(`DELETE FROM roles WHERE name = 'admin'`);

  t.strictSame((await applyPreset(deps, readPreset('crm'))).sort(), ['admin', 'agent']);
  t.match(await database.query(`SELECT level FROM roles WHERE name = 'agent'`), [{ level: 40 }]);
  const kept = await database.query(
    `SELECT id, name FROM roles WHERE organization_id IS NULL AND name <> 'admin' ORDER BY name`,
  );
  t.same(
    kept,
    ids.filter(({ name }) => name !== 'admin'),
    'ids stay, so that assignments do',
  );
  const custom = await database.query(`SELECT level, permissions FROM roles WHERE organization_id = $1`, [
    organization,
  ]);
  t.same(custom, [{ level: 7, permissions: ['deals:read'] }], 'a custom role of the same name is another role');
  const [event] = (await database.query<{ data: { roles: string[] } }>(APPLIED)).slice(-1);
  t.strictSame(event?.data.roles.sort(), ['admin', 'agent'], 'and the change is recorded');
});

t.test('several processes that apply a preset at once agree', async (t) => {
  const database = await createDatabase(t);
  await database.query('DELETE FROM roles');
  const deps = Array.from({ length: 4 }, () => openDeps(t, database));
  const changed = await Promise.all(deps.map((each) => applyPreset(each, readPreset('crm'))));
  t.equal(changed.flat().length, 4, 'each role is made once');
  t.equal((await database.query('SELECT 1 FROM roles')).length, 4);
});
