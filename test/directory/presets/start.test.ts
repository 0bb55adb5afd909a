// The system roles at the start of a service: ROLE_PRESET is applied to an empty database, and never over existing
// roles.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { spawnService } from '../../support/service.ts';

const PRESET = `
name: own
roles:
  - {name: boss, level: 10, ownership: true, permissions: ['*:*']}
  - {name: helper, level: 20, permissions: ['a:b']}
`;

const settings = ({ ownerUrl, appUrl, systemUrl }: TestDatabase, preset: string) => ({
  DATABASE_URL: ownerUrl,
  DATABASE_APP_URL: appUrl,
  DATABASE_SYSTEM_URL: systemUrl,
  ROLE_PRESET: preset,
});

t.test(
  'the first start creates the roles of ROLE_PRESET, owners get the highest role, and later starts change no role',
  async (t) => {
    const database = await createDatabase(t);
    await database.query('DELETE FROM roles');
    const first = await spawnService(t, settings(database, 'workspace'));
    t.match((await newAccount(first.api)) as object, { roles: ['admin'] });
    t.equal(await first.end('SIGTERM'), 0);
    await database.query(`UPDATE roles SET description = 'As the operator likes it.' WHERE name = 'member'`);
    const roles = await database.query('SELECT *, xmin::text FROM roles ORDER BY id');
    await spawnService(t, settings(database, 'crm'));
    t.same(await database.query('SELECT *, xmin::text FROM roles ORDER BY id'), roles);
  },
);

t.test('with a wrong ROLE_PRESET the service does not start, and logs the problem', async (t) => {
  const database = await createDatabase(t);
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-preset-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'own.yaml');
  writeFileSync(path, PRESET);
  await t.rejects(spawnService(t, settings(database, path)), {
    message: /own\.yaml: role "boss": level: must be the highest, because the role gives ownership$/,
  });
  await t.rejects(spawnService(t, settings(database, 'nope')), { message: /There is no preset "nope": name one of/ });
});
