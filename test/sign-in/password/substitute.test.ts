// For an unknown e-mail, a sign-in checks the password against the hash of another account, so that hashes of different
// costs show nothing. The password of that account signs nobody in.
import t from 'tap';
import { findCredentialsToCheck } from '../../../src/directory/users/store.ts';
import { createDatabase } from '../../support/database.ts';
import { SEEDED_PASSWORD, seedPerson } from '../../support/fixtures/people.ts';
import { openService } from '../../support/service.ts';

const database = await createDatabase(t);
const { api, app } = await openService(t, database);
const check = (email: string) => findCredentialsToCheck(app.parts.db.systemReader(), email);

t.test('without any account there is no hash', async (t) => {
  t.same(await check('nobody@example.com'), { own: null, hash: null });
});

t.test('an unknown e-mail with the password of another account is refused, even of the only account', async (t) => {
  const person = await seedPerson(database);
  for (let number = 0; number < 20; number += 1) {
    const email = `unknown-${number}@example.com`;
    const { own, hash } = await check(email);
    t.equal(own, null);
    t.ok(hash, 'it is the hash of the only account');
    const reply = await api.post('/auth/login', { email, password: SEEDED_PASSWORD });
    t.match(reply, { status: 401, code: 'invalid_credentials' });
  }
  t.equal((await api.post('/auth/login', { email: person.email, password: SEEDED_PASSWORD })).status, 200);
});

t.test(
  'unknown e-mails meet the hashes of different accounts, and each e-mail always meets the same hash',
  async (t) => {
    const people = [];
    for (let number = 0; number < 30; number += 1) people.push(await seedPerson(database));
    const old = people.slice(0, 15).map(({ userId }) => userId);
    await database.query(`UPDATE passwords SET hash = 'old' WHERE user_id = ANY ($1)`, [old]);
    await database.query('DELETE FROM passwords WHERE user_id = $1', [people[29]?.userId]);
    const met = new Map<string | null, number>();
    for (let number = 0; number < 1_000; number += 1) {
      const email = `stranger-${number}@example.com`;
      const { hash } = await check(email);
      t.equal((await check(email)).hash, hash);
      met.set(hash, (met.get(hash) ?? 0) + 1);
    }
    t.ok((met.get('old') ?? 0) > 100, `old ones: ${met.get('old')}`);
    t.ok((met.get('old') ?? 0) < 900);
    for (const { email, userId } of people) {
      const { own, hash } = await check(email);
      t.equal(own?.id, userId);
      t.equal(own?.hash, hash);
    }
  },
);
