// A code has only eight digits, so wrong guesses are counted: for each token, and for each account and day. Guesses at
// the same moment do not pass these limits, and the refusal of a guess does not undo its count.
import t from 'tap';
import { consumeCode } from '../../../src/credentials/one-time/consume.ts';
import { WRONG_CODES_PER_DAY_MAX } from '../../../src/credentials/one-time/purposes.ts';
import { atOnce } from '../../support/client.ts';
import { seededId, seedPerson } from '../../support/fixtures/people.ts';
import { rounds } from '../../support/thorough.ts';
import { type Issuing, openIssuing, otherCode } from './issuing.ts';

async function counts({ database }: Issuing) {
  const [row] = await database.query<{ token: number; day: number }>(
    `SELECT (SELECT max(wrong_codes)::int FROM one_time_tokens) AS token,
     coalesce((SELECT max(wrong) FROM one_time_code_failures), 0) AS day`,
  );
  return row;
}

t.test('a code works once, for its user and purpose, and then its link does not work any more', async (t) => {
  const issuing = await openIssuing(t);
  const { database, userId, create, consume, guess } = issuing;
  const { userId: other } = await seedPerson(database);
  const { code, token } = await create('verify_email');
  await create('reset_password');
  await create('verify_email', { userId: other });
  t.equal(await guess('reset_password', code), null, 'another purpose');
  t.equal(await guess('verify_email', code, other), null, 'another account');
  t.equal(await guess('verify_email', code, seededId()), null, 'nobody');
  t.equal(await guess('verify_email', `${code.slice(0, 4)}-${code.slice(4)}`), userId);
  t.equal(await guess('verify_email', code), null, 'twice');
  t.equal(await consume('verify_email', token), null, 'the link');
  const { code: ended, token: linked } = await create('verify_email');
  t.equal(await consume('verify_email', linked), userId);
  t.equal(await guess('verify_email', ended), null, 'the code of a used link');
});

t.test('of twenty uses of a code at the same moment one succeeds, and none counts as wrong', async (t) => {
  const issuing = await openIssuing(t);
  const { userId, create, guess } = issuing;
  for (let round = 0; round < rounds(20); round += 1) {
    const { code } = await create('verify_email');
    const answers = await atOnce(20, () => guess('verify_email', code));
    t.same(
      answers.filter((answer) => answer !== null),
      [userId],
    );
  }
  t.same(await counts(issuing), { token: 0, day: 0 });
});

t.test('a code works until its expiry, and ends when a newer one is made', async (t) => {
  const { database, userId, create, consume, guess } = await openIssuing(t);
  const { code, token } = await create('verify_email');
  await database.query('UPDATE one_time_tokens SET code_expires_at = now()');
  t.equal(await guess('verify_email', code), null);
  t.equal(await consume('verify_email', token), userId, 'the link still works');
  const { code: older } = await create('verify_email');
  const { code: newer } = await create('verify_email');
  if (older !== newer) t.equal(await guess('verify_email', older), null);
  t.equal(await guess('verify_email', newer), userId);
});

t.test('after five wrong codes the right one is refused, and the link goes on working', async (t) => {
  const issuing = await openIssuing(t);
  const { userId, create, consume, guess } = issuing;
  const { code, token } = await create('verify_email');
  for (let wrong = 1; wrong <= 5; wrong += 1) t.equal(await guess('verify_email', otherCode(code, wrong)), null);
  t.equal(await guess('verify_email', code), null);
  t.equal(await guess('verify_email', otherCode(code)), null);
  t.same(await counts(issuing), { token: 5, day: 5 }, 'guesses that cannot succeed are not counted');
  t.equal(await consume('verify_email', token), userId);
});

t.test('four wrong codes do no harm, and a text that is no code is no guess', async (t) => {
  const issuing = await openIssuing(t);
  const { userId, create, guess } = issuing;
  const { code } = await create('verify_email');
  for (let wrong = 1; wrong <= 4; wrong += 1) await guess('verify_email', otherCode(code, wrong));
  for (const text of ['', '1234', 'password', `${code}0`]) t.equal(await guess('verify_email', text), null);
  t.same(await counts(issuing), { token: 4, day: 4 });
  t.equal(await guess('verify_email', code), userId);
});

t.test('twenty wrong codes on one day stop the codes of the account, not its links, until the next day', async (t) => {
  const issuing = await openIssuing(t);
  const { database, userId, create, consume, guess } = issuing;
  const { userId: other } = await seedPerson(database);
  for (let token = 0; token < 4; token += 1) {
    const purpose = token % 2 ? 'reset_password' : 'verify_email';
    const { code } = await create(purpose);
    for (let wrong = 1; wrong <= 5; wrong += 1) await guess(purpose, otherCode(code, wrong));
  }
  t.match(await counts(issuing), { day: WRONG_CODES_PER_DAY_MAX });
  const { code, token } = await create('verify_email');
  t.equal(await guess('verify_email', code), null, 'a new code of the same account');
  const { code: theirs } = await create('verify_email', { userId: other });
  t.equal(await guess('verify_email', theirs, other), other, 'another account');
  await database.query(`UPDATE one_time_code_failures SET day = day - 1`);
  t.equal(await guess('verify_email', otherCode(code)), null);
  t.match(await counts(issuing), { day: 1 }, 'the next day counts from the beginning');
  t.equal(await guess('verify_email', code), userId);
  await database.query(`UPDATE one_time_code_failures SET day = (now() AT TIME ZONE 'UTC')::date, wrong = 20`);
  const { code: stopped, token: linked } = await create('verify_email');
  t.equal(await guess('verify_email', stopped), null);
  t.equal(await consume('verify_email', linked), userId);
  t.equal(await consume('verify_email', token), null);
});

t.test('of twenty wrong codes at the same moment five are checked, and then the right one is refused', async (t) => {
  const issuing = await openIssuing(t);
  const { database, create, guess } = issuing;
  for (let round = 0; round < rounds(20); round += 1) {
    await database.query('DELETE FROM one_time_code_failures');
    const { code } = await create('verify_email');
    const answers = await atOnce(20, (index) => guess('verify_email', otherCode(code, index + 1)));
    t.same(
      answers.filter((answer) => answer !== null),
      [],
    );
    t.equal(await guess('verify_email', code), null);
    t.match(
      await database.query(
        'SELECT wrong_codes::int AS wrong FROM one_time_tokens WHERE used_at IS NULL AND ended_at IS NULL',
      ),
      [{ wrong: 5 }],
    );
    t.match(await counts(issuing), { day: 5 });
  }
});

t.test('guesses for several purposes at the same moment never pass the twenty of a day', async (t) => {
  const issuing = await openIssuing(t);
  const { database, create, guess } = issuing;
  for (let round = 0; round < rounds(10); round += 1) {
    await database.query(`DELETE FROM one_time_code_failures`);
    await database.query(`INSERT INTO one_time_code_failures
      SELECT id, (now() AT TIME ZONE 'UTC')::date, 17 FROM users`);
    const purposes = ['verify_email', 'reset_password', 'change_email'] as const;
    const codes: string[] = [];
    for (const purpose of purposes) codes.push((await create(purpose)).code);
    await atOnce(15, (index) => {
      const purpose = purposes[index % 3] ?? 'verify_email';
      return guess(purpose, otherCode(codes[index % 3] ?? '', index + 1));
    });
    t.match(await counts(issuing), { day: 20 });
  }
});

t.test('a wrong code is counted when its transaction commits, whatever the answer is', async (t) => {
  const issuing = await openIssuing(t);
  const { db, userId, create } = issuing;
  const { code } = await create('reset_password');
  const found = await db.system((tx) => consumeCode(tx, 'reset_password', userId, otherCode(code)));
  t.equal(found, null);
  t.same(await counts(issuing), { token: 1, day: 1 });
});
