// The update from the previous version: both versions work on one database, rows are sealed meanwhile, and one command
// ends this phase. The tests run the statements of the previous version, which are in old-version.ts.
import t from 'tap';
import { EVENTS_AT_ONCE } from '../../../src/admin/personal-data/event-store.ts';
import { sealRows } from '../../../src/admin/personal-data/fill.ts';
import { finishSealing } from '../../../src/admin/personal-data/finish.ts';
import { systemRandom } from '../../../src/base/platform/random.ts';
import { findFew, findPeople } from '../../../src/directory/users/search.ts';
import { cliOn } from '../../cli/command-line.ts';
import { lookupOf, networksOf, testPersonal } from '../../support/personal.ts';
import { openService } from '../../support/service.ts';
import { openUpgraded, PASSWORD } from './old-version.ts';

const CLEAR = `
SELECT (SELECT count(*) FROM users WHERE email IS NOT NULL OR email_key IS NOT NULL OR name IS NOT NULL)::int AS users,
  (SELECT count(*) FROM sessions WHERE user_agent IS NOT NULL OR ip IS NOT NULL OR child_reissued_to IS NOT NULL)::int AS sessions,
  (SELECT count(*) FROM invitations WHERE email IS NOT NULL OR email_key IS NOT NULL)::int AS invitations,
  (SELECT count(*) FROM outbox WHERE recipient_key IS NOT NULL)::int AS outbox`;
const UNSEALED = `
SELECT (SELECT count(*) FROM users WHERE email_sealed IS NULL OR email_lookup IS NULL OR name_sealed IS NULL)::int AS users,
  (SELECT count(*) FROM sessions WHERE user_agent_sealed IS NULL OR ip_sealed IS NULL)::int AS sessions,
  (SELECT count(*) FROM invitations WHERE email_sealed IS NULL OR email_lookup IS NULL)::int AS invitations,
  (SELECT count(*) FROM outbox WHERE recipient_key IS NOT NULL AND recipient_lookup IS NULL)::int AS outbox`;
const NONE = { users: 0, sessions: 0, invitations: 0, outbox: 0 };

async function openBoth(t: Parameters<typeof openService>[0]) {
  const upgraded = await openUpgraded(t);
  const service = await openService(t, upgraded.database);
  const { db, personalPhase } = service.app.parts;
  await personalPhase.stop(); // each test decides when the phase is read
  const signIn = (email: string) => service.api.post('/auth/login', { email, password: PASSWORD });
  const search = async (text: string) => (await findPeople(db.systemReader(), text, null)).sort();
  return { ...upgraded, ...service, db, signIn, search };
}

t.test('after the migration nothing is sealed yet, and everybody still signs in and is found', async (t) => {
  const { database, db, people, signIn, search, api } = await openBoth(t);
  t.same(await database.query('SELECT phase FROM personal_data'), [{ phase: 'expanding' }]);
  t.equal(db.personal.isSealed, false);
  const [first] = people;
  const signed = await signIn('PERSON.0@example.com');
  t.match(signed.body.data?.user, { id: first?.id, email: 'Person.0@Example.com', name: 'Ädith 0' });
  const sessions = await api.get('/me/sessions', { token: signed.body.data.accessToken });
  t.match(
    sessions.body.data.map(({ userAgent }: { userAgent: string }) => userAgent),
    ['node', 'Old Browser'],
  );
  t.same(await search('äDITH'), people.map(({ id }) => id).sort());
  t.same(await search('n.1@'), [people[1]?.id]);
});

t.test('sealing the rows changes nothing that anybody sees, and keeps the tokens of invitations', async (t) => {
  const { database, db, people, signIn, search } = await openBoth(t);
  t.equal(await sealRows({ db }), true);
  t.same(await database.query(UNSEALED), [NONE]);
  const [first] = people;
  const signed = await signIn('person.0@example.com');
  t.match(signed.body.data?.user, { id: first?.id, email: 'Person.0@Example.com', name: 'Ädith 0' });
  const [row] = await database.query<{ sealed: string; lookup: Buffer }>(
    `SELECT 's' || encode(name_sealed, 'base64') AS sealed, email_lookup AS lookup FROM users WHERE id = $1`,
    [first?.id],
  );
  t.equal(await testPersonal.opening((open) => open('users.name', first?.id ?? '', row?.sealed ?? '')), 'Ädith 0');
  t.same(row?.lookup, lookupOf('users.email', 'person.0@example.com'));
  t.same(await search('ädith'), people.map(({ id }) => id).sort());
  t.same(await search('person.2@'), [people[2]?.id]);
  const [{ tokens } = { tokens: 0 }] = await database.query<{ tokens: number }>(
    'SELECT count(token_hash)::int AS tokens FROM invitations',
  );
  t.equal(tokens, 1, 'the link that was mailed still works');
});

t.test('what the previous version changes after the sealing is what everybody sees, and is sealed again', async (t) => {
  const { old, db, database, people, signIn, search, organizationId } = await openBoth(t);
  await sealRows({ db });
  const [first, second] = people;
  await old.rename(first?.id ?? '', 'Renamed Person');
  t.match((await signIn('person.0@example.com')).body.data.user, { name: 'Renamed Person' });
  t.same(await search('renamed'), [first?.id]);
  t.same(await search('dith 0'), [], 'the former name is not found');
  await old.takeOver(second?.id ?? '', 'PERSON.1@example.COM', 'Owner of the mailbox');
  t.match((await signIn('person.1@example.com')).body.data.user, { email: 'PERSON.1@example.COM' });
  const third = await old.register({ email: 'new@example.com', name: 'Newcomer' });
  t.match((await signIn('new@example.com')).body.data.user, { id: third?.id, name: 'Newcomer' });
  t.same(await search('newcomer'), [third?.id]);
  await old.invite(organizationId, 'GUEST@example.com');
  await sealRows({ db });
  const [unsealed] = await database.query(UNSEALED);
  t.same(unsealed, { ...NONE, sessions: 0 });
  t.match((await signIn('person.0@example.com')).body.data.user, { name: 'Renamed Person' });
  t.same(await search('renamed'), [first?.id]);
  t.same(await search('dith 0'), []);
});

t.test('a person whose row is sealed during a search is found', async (t) => {
  const { db, people, organizationId, database } = await openBoth(t);
  const ids = people.map(({ id }) => id).sort();
  await database.query('INSERT INTO memberships (organization_id, user_id) SELECT $1, unnest($2::uuid[])', [
    organizationId,
    ids,
  ]);
  for (const find of [findPeople, findFew]) {
    await database.query(`UPDATE users SET email_sealed = NULL, email_lookup = NULL, name_sealed = NULL`);
    await database.query('DELETE FROM user_search');
    const reader = db.systemReader();
    let statements = 0;
    const slow: typeof reader = {
      personal: reader.personal,
      async rows(query, values) {
        statements += 1;
        if (statements === 2) await sealRows({ db });
        return reader.rows(query, values);
      },
    };
    t.same((await find(slow, 'ädith', organizationId))?.sort(), ids, find.name);
  }
});

t.test('while very many rows are unsealed, a search in an organization finds only its members', async (t) => {
  const { db, people, organizationId, database } = await openBoth(t);
  const [first, second] = people;
  await database.query('INSERT INTO memberships (organization_id, user_id) VALUES ($1, $2), ($1, $3)', [
    organizationId,
    first?.id,
    second?.id,
  ]);
  await database.query(
    `INSERT INTO users (id, email, email_key, name)
     SELECT gen_random_uuid(), 'many' || n || '@example.com', 'many' || n || '@example.com', 'Ädith many'
     FROM generate_series(1, 1200) AS n`,
  );
  for (const find of [findPeople, findFew]) {
    t.same((await find(db.systemReader(), 'ädith', organizationId))?.sort(), [first?.id, second?.id].sort());
    t.same(await find(db.systemReader(), 'n.1@', organizationId), [second?.id]);
  }
  t.equal((await findPeople(db.systemReader(), 'ädith many', null)).length, 1200);
});

t.test('the previous version reads what this version writes, and no address registers twice', async (t) => {
  const { old, api, database } = await openBoth(t);
  const account = { email: 'Both@Example.com', password: 'correct horse battery both', name: 'Both' };
  const made = await api.post('/auth/register', account);
  t.equal(made.status, 201);
  t.equal(await old.find('both@example.com'), made.body.data.user.id);
  t.equal(await old.register({ email: 'BOTH@example.com', name: 'Twice' }), null);
  t.ok(await old.register({ email: 'older@example.com', name: 'Older' }));
  t.match(await api.post('/auth/register', { ...account, email: 'Older@example.com' }), { code: 'email_taken' });
  const token = made.body.data.accessToken;
  t.equal((await api.patch('/me', { name: 'Both Renamed' }, { token })).status, 200);
  t.match(await database.query('SELECT name FROM users WHERE id = $1', [made.body.data.user.id]), [
    { name: 'Both Renamed' },
  ]);
});

t.test('the command seals the remaining rows and empties the unsealed columns, which then stay empty', async (t) => {
  const { database, old, people, signIn, search, app, organizationId, sessionId } = await openBoth(t);
  await old.reissueTo(sessionId, '192.0.2.77');
  await database.query(
    `INSERT INTO events (id, type, actor_id, target_id, data) SELECT gen_random_uuid(), type, actor_id, target_id, data
     FROM events, generate_series(1, ${2 * EVENTS_AT_ONCE + 5}) WHERE type = 'session.child_reissued'`,
  );
  const cli = cliOn(database);
  t.match((await cli('doctor')).stdout, /personal data +is also stored unsealed.*tenantry keys seal/);
  const unasked = await cli('keys', 'seal');
  t.match([unasked.status, unasked.stderr], [2, /only if none runs any more/]);
  t.same(await database.query('SELECT phase FROM personal_data'), [{ phase: 'expanding' }], 'nothing was done');
  const done = await cli('keys', 'seal', '--yes', '--json');
  t.match(done.json, { data: { sealed: true } }, done.stderr);
  t.same(await database.query(CLEAR), [NONE]);
  t.same(await database.query(UNSEALED), [NONE]);
  t.same(await networksOf(database), Array(2 * EVENTS_AT_ONCE + 6).fill('192.0.2.77'), 'also in events');
  t.match((await cli('keys', 'seal')).stdout, /^Nothing is stored unsealed/);
  t.match((await cli('doctor')).stdout, /ok +personal data +is sealed/);

  // A service that does not know of the new phase yet writes both forms, and only the sealed one is stored.
  t.equal(app.parts.db.personal.isSealed, false);
  t.equal((await signIn('person.0@example.com')).status, 200);
  t.same(await database.query(CLEAR), [NONE], 'the user agent is dropped');
  await app.parts.personalPhase.synchronize();
  t.equal(app.parts.db.personal.isSealed, true);
  t.match((await signIn('person.0@example.com')).body.data.user, { email: 'Person.0@Example.com', name: 'Ädith 0' });
  t.same(await search('ädith'), people.map(({ id }) => id).sort());

  const REFUSED = { code: '55000', message: /personal data is sealed/ };
  await t.rejects(old.register({ email: 'late@example.com', name: 'Late' }), REFUSED);
  await t.rejects(old.rename(people[0]?.id ?? '', 'Late'), REFUSED);
  await t.rejects(old.takeOver(people[0]?.id ?? '', 'late@example.com', 'Late'), REFUSED);
  await t.rejects(old.openSession(people[0]?.id ?? '', { userAgent: 'x', ip: 'y' }), REFUSED);
  await t.rejects(old.invite(organizationId, 'late@example.com'), REFUSED);
  await t.rejects(old.requestMail(organizationId, 'late@example.com'), REFUSED);
  await t.rejects(old.reissueTo(sessionId, '192.0.2.9'), REFUSED);
  t.same(await database.query(CLEAR), [NONE]);
});

t.test('as long as the previous version writes unsealed rows, the phase does not change', async (t) => {
  const { database, db, old } = await openBoth(t);
  await sealRows({ db });
  // The row is inserted after everything has been sealed, just before the phase is set.
  const watched: typeof db = {
    ...db,
    system: async (work, options) => {
      await old.register({ email: `late.${Math.random()}@example.com`, name: 'Late' });
      return db.system(work, options);
    },
  };
  await t.rejects(finishSealing({ db: watched, random: systemRandom }), { name: 'StillInClear' });
  t.same(await database.query('SELECT phase FROM personal_data'), [{ phase: 'expanding' }]);
  await finishSealing({ db, random: systemRandom });
  t.same(await database.query('SELECT phase FROM personal_data'), [{ phase: 'sealed' }]);
});
