// A new data key takes over: running services open what it has sealed, old rows are sealed again with it, and only then
// is the old key removed. Also tests values that were changed or moved, and keys that are missing or wrong.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openDatabase } from '../../../src/base/database/db.ts';
import { systemClock } from '../../../src/base/platform/clock.ts';
import { openLog } from '../../../src/base/platform/log.ts';
import { systemRandom } from '../../../src/base/platform/random.ts';
import { createPersonal } from '../../../src/base/secrets/personal.ts';
import { readPersonalPhase } from '../../../src/credentials/data-keys/phase.ts';
import { openDataKeys } from '../../../src/credentials/data-keys/ring.ts';
import { ensureDevelopmentKeys } from '../../../src/credentials/keys/development.ts';
import { getAccount } from '../../../src/directory/users/accounts.ts';
import { cliOn } from '../../cli/command-line.ts';
import { addDataKey, jwkOf, writeDataKeys } from '../../support/data-keys.ts';
import { createDatabase } from '../../support/database.ts';
import { seedInvitation } from '../../support/fixtures/invitations.ts';
import { seededId, seedOrganization, seedPerson, signInPerson } from '../../support/fixtures/people.ts';
import { openTransaction, waiters } from '../../support/locks.ts';
import { insertPeople, personalIn } from '../../support/personal.ts';
import { openService, PROGRAM_ENVIRONMENT, ROOT } from '../../support/service.ts';
import { rounds } from '../../support/thorough.ts';

async function ownKeys(t: Test): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'tenantry-keys-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  await ensureDevelopmentKeys(directory, systemClock);
  writeDataKeys(directory);
  return directory;
}

const KEYS = `SELECT DISTINCT encode(substr(sealed, 1, 4), 'hex') AS key FROM (
  SELECT email_sealed AS sealed FROM users UNION ALL SELECT name_sealed FROM users
  UNION ALL SELECT user_agent_sealed FROM sessions UNION ALL SELECT ip_sealed FROM sessions
  UNION ALL SELECT email_sealed FROM invitations) v WHERE sealed IS NOT NULL`;

const KILLS = rounds(10);
const PEOPLE = 400 * (KILLS + 1);

t.test('resealing that is killed several times loses no row, and ends with every row under the new key', async (t) => {
  const database = await createDatabase(t);
  const KEYS_DIR = await ownKeys(t);
  const people = Array.from({ length: PEOPLE }, (_, n) => {
    return {
      id: `01970000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`,
      email: `p${n}@example.com`,
      name: `N ${n}`,
    };
  });
  await insertPeople(database, people);
  const newest = addDataKey(KEYS_DIR);
  const env = { ...PROGRAM_ENVIRONMENT, NODE_ENV: 'test', DATABASE_URL: database.ownerUrl, KEYS_DIR };
  for (let kill = 1; kill <= KILLS; kill += 1) {
    // The command waits for this row, in the middle of its work.
    const held = people[kill * 400]?.id;
    const holder = await openTransaction(t, database);
    await holder.query('SELECT 1 FROM users WHERE id = $1 FOR UPDATE', [held]);
    const child = spawn(process.execPath, [join(ROOT, 'src', 'main.ts'), 'keys', 'reseal'], { env, stdio: 'ignore' });
    const ended = once(child, 'exit');
    await waiters(database, 1);
    child.kill('SIGKILL');
    t.same(await ended, [null, 'SIGKILL']);
    await holder.query('ROLLBACK');
  }
  const between = await database.query<{ key: string }>(KEYS);
  t.equal(between.length, 2, 'the work was interrupted in the middle');
  const cli = cliOn(database, { KEYS_DIR });
  t.match((await cli('keys', 'prune', '--use', 'data')).stdout, /nothing to remove\ndata: kept .*keys reseal/);
  t.equal((await cli('keys', 'reseal')).status, 0);
  t.same(await database.query(KEYS), [{ key: newest }]);
  const personal = await personalIn(KEYS_DIR);
  const rows = await database.query<{ id: string; email: string; name: string }>(
    `SELECT id, 's' || encode(email_sealed, 'base64') AS email, 's' || encode(name_sealed, 'base64') AS name FROM users ORDER BY id`,
  );
  const opened = await personal.opening((open) =>
    rows.map(({ id, email, name }) => ({
      id,
      email: open('users.email', id, email),
      name: open('users.name', id, name),
    })),
  );
  t.strictSame(opened, people);
  t.match((await cli('keys', 'reseal')).stdout, /^Everything is sealed with/);
  t.match((await cli('keys', 'prune', '--use', 'data')).stdout, /removed 2026-01-01T00-00-00Z.jwk/);
  t.same(readdirSync(join(KEYS_DIR, 'data')).sort(), ['2026-02-01T00-00-00Z.jwk', 'lookup.jwk']);
});

t.test('a key is removed only if its folder belongs to the database in which nothing needs it', async (t) => {
  const [own, other] = [await createDatabase(t), await createDatabase(t)];
  const [KEYS_DIR, OTHER_DIR] = [await ownKeys(t), await ownKeys(t)];
  writeFileSync(join(OTHER_DIR, 'data', 'lookup.jwk'), jwkOf(randomBytes(32), 'HS256'));
  await openService(t, other, { KEYS_DIR: OTHER_DIR });
  await seedPerson(own);
  addDataKey(KEYS_DIR);
  const before = readdirSync(join(KEYS_DIR, 'data'));
  const astray = await cliOn(other, { KEYS_DIR })('keys', 'prune', '--use', 'data');
  t.not(astray.status, 0);
  t.match(astray.stderr, /not the lookup key of this database/);
  t.same(readdirSync(join(KEYS_DIR, 'data')), before, 'nothing was removed');
  const young = addDataKey(
    KEYS_DIR,
    `${new Date(Date.now() - 60_000).toISOString().slice(0, 19).replaceAll(':', '-')}Z.jwk`,
  );
  const cli = cliOn(own, { KEYS_DIR });
  t.match((await cli('keys', 'reseal')).stdout, young);
  const { stdout } = await cli('keys', 'prune', '--use', 'data');
  t.match(
    stdout,
    /removed 2026-01-01T00-00-00Z.jwk\ndata: kept 2026-02-01T00-00-00Z.jwk, because it sealed a moment ago/,
  );
});

t.test('resealing keeps the tokens of invitations', async (t) => {
  const database = await createDatabase(t);
  const KEYS_DIR = await ownKeys(t);
  const { id } = await seedOrganization(database);
  await seedInvitation(database, id, { email: 'guest@example.com' });
  const newest = addDataKey(KEYS_DIR);
  t.equal((await cliOn(database, { KEYS_DIR })('keys', 'reseal')).status, 0);
  t.same(await database.query(KEYS), [{ key: newest }]);
  t.match(await database.query('SELECT count(token_hash)::int AS tokens FROM invitations'), [{ tokens: 1 }]);
});

t.test('a process opens values that were sealed with a key that was added after the process started', async (t) => {
  const database = await createDatabase(t);
  const KEYS_DIR = await ownKeys(t);
  const log = openLog({ level: 'silent', pretty: false });
  // This process reads its key files again only when a key is missing.
  const keys = await openDataKeys({ directory: join(KEYS_DIR, 'data'), clock: systemClock, log });
  const db = openDatabase({ ...database, poolSize: 1, log, personal: createPersonal(keys, systemRandom) });
  t.teardown(() => Promise.all([db.close(), keys.close()]));
  addDataKey(KEYS_DIR);
  const id = seededId();
  await insertPeople(database, [{ id, email: 'late@example.com', name: 'Late' }], await personalIn(KEYS_DIR));
  t.match(await getAccount({ db }, id), { email: 'late@example.com', name: 'Late' });
});

t.test('a value of an unknown key, and a value that was changed or moved, are never shown', async (t) => {
  const database = await createDatabase(t);
  const KEYS_DIR = await ownKeys(t);
  const [one, two] = [await seedPerson(database, 'One'), await seedPerson(database, 'Two')];
  const { api } = await openService(t, database, { KEYS_DIR });
  const { accessToken: token } = await signInPerson(api, one);
  const me = () => api.get('/me', { token });
  t.equal((await me()).body.data.name, 'One');
  const breaking = {
    'one bit is changed': `set_byte(name_sealed, 20, get_byte(name_sealed, 20) # 1)`,
    'it is cut off': 'substr(name_sealed, 1, 31)',
    'it is of another row': `(SELECT name_sealed FROM users WHERE id = '${two.userId}')`,
    'it is of another column': 'email_sealed',
  };
  const [kept] = await database.query<{ name: Buffer }>('SELECT name_sealed AS name FROM users WHERE id = $1', [
    one.userId,
  ]);
  for (const [what, value] of Object.entries(breaking)) {
    await database.query(`UPDATE users SET name_sealed = ${value} WHERE id = $1`, [one.userId]);
    t.match(await me(), { status: 503, code: 'personal_data_unreadable' }, what);
    t.equal((await api.post('/auth/login', { email: one.email, password: 'wrong password' })).status, 401, 'no 500');
    await database.query('UPDATE users SET name_sealed = $2 WHERE id = $1', [one.userId, kept?.name]);
  }
  await database.query(`UPDATE users SET name_sealed = '\\xffffffff' || substr(name_sealed, 5) WHERE id = $1`, [
    one.userId,
  ]);
  const missing = await me();
  t.match(missing, { status: 503, code: 'data_key_missing' });
  t.match(missing.headers.get('retry-after'), /^\d+$/);
});

t.test('with a wrong lookup key no account counts as unknown, and no address registers twice', async (t) => {
  const database = await createDatabase(t);
  const KEYS_DIR = await ownKeys(t);
  const person = await seedPerson(database);
  await openService(t, database, { KEYS_DIR }); // the first service records which lookup key the database has
  renameSync(join(KEYS_DIR, 'data', 'lookup.jwk'), join(KEYS_DIR, 'lookup.right'));
  writeFileSync(join(KEYS_DIR, 'data', 'lookup.jwk'), jwkOf(randomBytes(32), 'HS256'));
  const { api, app } = await openService(t, database, { KEYS_DIR });
  const { db, dataKeys: keys } = app.parts;
  await t.rejects(readPersonalPhase({ db, keys }), {
    name: 'DataKeysRefused',
    message: /not the lookup key of this database/,
  });
  t.match(await api.post('/auth/login', { email: person.email, password: 'some password' }), {
    code: 'data_key_missing',
  });
  const account = { email: person.email, password: 'correct horse battery twice', name: 'Twice' };
  t.match(await api.post('/auth/register', account), { status: 503, code: 'data_key_missing' });
  const refused = await cliOn(database, { KEYS_DIR })('users', 'disable', person.email, '--yes');
  t.match(refused.stderr, /not the lookup key of this database/);
});
