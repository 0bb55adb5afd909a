// A one-time token can be used once, by any person who has it, and only for its purpose. Everything else is refused in
// the same way.
import { createHash } from 'node:crypto';
import t from 'tap';
import { statement } from '../../../src/base/database/db.ts';
import { endAll, endAllBefore, findOneTime } from '../../../src/credentials/one-time/consume.ts';
import { ENDED_WITH_CREDENTIALS, EVERY_PURPOSE } from '../../../src/credentials/one-time/purposes.ts';
import { removeOverTokens } from '../../../src/credentials/one-time/remove-over.ts';
import { atOnce } from '../../support/client.ts';
import { countRows } from '../../support/rows.ts';
import { rounds } from '../../support/thorough.ts';
import { openIssuing } from './issuing.ts';

t.test('a token works once and for its purpose only, and looking at it does not use it', async (t) => {
  const { db, userId, create, consume } = await openIssuing(t);
  for (const purpose of EVERY_PURPOSE) {
    const { token } = await create(purpose, { email: 'Ada@Example.com' });
    for (const other of EVERY_PURPOSE.filter((one) => one !== purpose)) {
      t.equal(await consume(other, token), null, `${purpose} for ${other}`);
      t.equal(await findOneTime(db.systemReader(), other, token), null);
    }
    for (let look = 0; look < 2; look += 1) {
      t.match(await findOneTime(db.systemReader(), purpose, token), { userId, address: 'Ada@Example.com' });
    }
    t.equal(await consume(purpose, token), userId, purpose);
    t.equal(await consume(purpose, token), null, `${purpose} twice`);
    t.equal(await findOneTime(db.systemReader(), purpose, token), null);
  }
});

t.test('of twenty uses at the same moment one succeeds', async (t) => {
  const { userId, create, consume } = await openIssuing(t);
  for (let round = 0; round < rounds(40); round += 1) {
    const purpose = EVERY_PURPOSE[round % EVERY_PURPOSE.length] ?? 'reset_password';
    const { token } = await create(purpose);
    const answers = await atOnce(20, () => consume(purpose, token));
    t.same(
      answers.filter((answer) => answer !== null),
      [userId],
    );
  }
});

t.test('the end of a token that is undone leaves the token usable', async (t) => {
  const { db, userId, create, consume } = await openIssuing(t);
  const { token } = await create('reset_password');
  const undone = db.system(async (tx) => {
    await endAll(tx, userId, ['reset_password']);
    throw new Error('undone');
  });
  await t.rejects(undone, { message: 'undone' });
  t.equal(await consume('reset_password', token), userId);
});

t.test('an expired token is refused, and the lifetimes are those of the mails', async (t) => {
  const { database, create, consume } = await openIssuing(t);
  const seconds = { verify_email: 86_400, reset_password: 1_800, change_email: 86_400, revert_email: 604_800 };
  for (const purpose of EVERY_PURPOSE) {
    const { token, expiresAt, code, codeExpiresAt } = await create(purpose);
    t.equal(code === null, purpose === 'revert_email');
    t.equal(codeExpiresAt === null, purpose === 'revert_email');
    t.match(
      await database.query(
        `SELECT extract(epoch FROM expires_at - created_at)::int AS seconds,
      extract(epoch FROM code_expires_at - created_at)::int AS code, expires_at AS at
      FROM one_time_tokens WHERE purpose = $1`,
        [purpose],
      ),
      [{ seconds: seconds[purpose], code: purpose === 'revert_email' ? null : 900, at: expiresAt }],
    );
    await database.query('UPDATE one_time_tokens SET expires_at = now() WHERE purpose = $1', [purpose]);
    t.equal(await consume(purpose, token), null, purpose);
  }
});

t.test('a newer token ends the older one of the same user and purpose, and no other', async (t) => {
  const { userId, create, consume } = await openIssuing(t);
  const { token: older } = await create('reset_password');
  const { token: verifying } = await create('verify_email');
  const { token: newer } = await create('reset_password');
  t.equal(await consume('reset_password', older), null);
  t.equal(await consume('reset_password', newer), userId);
  t.equal(await consume('verify_email', verifying), userId);
});

t.test('of twenty tokens that are made at the same moment one is live', async (t) => {
  const { create, consume } = await openIssuing(t);
  for (let round = 0; round < rounds(10); round += 1) {
    const made = await atOnce(20, () => create('change_email'));
    const used = await Promise.all(made.map(({ token }) => consume('change_email', token)));
    t.equal(used.filter((one) => one !== null).length, 1);
  }
});

t.test('a use and a newer token at the same moment: the older is used first or never', async (t) => {
  const { userId, create, consume } = await openIssuing(t);
  for (let round = 0; round < rounds(40); round += 1) {
    const { token: older } = await create('reset_password');
    const [, { token: newer }] = await Promise.all([consume('reset_password', older), create('reset_password')]);
    t.equal(await consume('reset_password', older), null);
    t.equal(await consume('reset_password', newer), userId);
  }
});

t.test('every former address has its own way back, and going back ends the ways to later addresses', async (t) => {
  const { userId, create, consume } = await openIssuing(t);
  const at = (minute: number) => new Date(Date.UTC(2026, 10, 1, 0, minute));
  // The mail about the first change was late, so its token is the youngest.
  const second = await create('revert_email', { email: 'b@example.com', aboutAt: at(2) });
  const third = await create('revert_email', { email: 'c@example.com', aboutAt: at(3) });
  const former = await create('revert_email', { email: 'a@example.com', aboutAt: at(1) });
  const first = await create('revert_email', { email: 'a@example.com', aboutAt: at(1) });
  t.equal(await consume('revert_email', former.token), null, 'the same mail again replaces its token');
  t.equal(await consume('revert_email', second.token), userId);
  t.equal(await consume('revert_email', third.token), null, 'nobody goes forward again');
  t.equal(await consume('revert_email', first.token), userId, 'the oldest address can always be restored');
});

t.test('a change of credentials ends what is pending, and not the way back to a former address', async (t) => {
  const { db, userId, create, consume } = await openIssuing(t);
  const reset = await create('reset_password');
  const change = await create('change_email');
  const revert = await create('revert_email');
  const verify = await create('verify_email');
  await db.system((tx) => endAll(tx, userId, ENDED_WITH_CREDENTIALS));
  t.equal(await consume('reset_password', reset.token), null);
  t.equal(await consume('change_email', change.token), null);
  t.equal(await consume('revert_email', revert.token), userId);
  t.equal(await consume('verify_email', verify.token), userId);
});

t.test('a restored backup and the end of all sessions end the tokens from before', async (t) => {
  const { db, database, userId, create, consume } = await openIssuing(t);
  const before = await create('reset_password');
  const [{ now } = { now: '' }] = await database.query<{ now: string }>('SELECT clock_timestamp()::text AS now');
  const after = await create('verify_email');
  await db.system((tx) => endAllBefore(tx, now));
  t.equal(await consume('reset_password', before.token), null);
  t.equal(await consume('verify_email', after.token), userId);
});

t.test('what is over is removed, and what is live stays', async (t) => {
  const { db, database, create, consume } = await openIssuing(t);
  const { token } = await create('reset_password');
  await consume('reset_password', token);
  await create('verify_email');
  await database.query(`UPDATE one_time_tokens SET expires_at = now() WHERE purpose = 'verify_email'`);
  await create('change_email');
  await create('change_email');
  await database.query(`INSERT INTO one_time_code_failures SELECT user_id, current_date - 1, 3 FROM passwords`);
  t.equal(await countRows(database, 'one_time_tokens'), 4);
  await removeOverTokens(db);
  t.match(await database.query('SELECT purpose, ended_at, used_at FROM one_time_tokens'), [
    { purpose: 'change_email', ended_at: null, used_at: null },
  ]);
  t.equal(await countRows(database, 'one_time_code_failures'), 0);
});

t.test(
  'a dump has nothing that can be used: no token, no code, no address, and no hash that can be guessed',
  async (t) => {
    const { database, userId, create } = await openIssuing(t);
    const { token, code } = await create('verify_email', { email: 'canary@example.com' });
    const [row] = await database.query<{ dump: string; id: string; code: string }>(
      `SELECT o::text AS dump, id::text, encode(code_hash, 'hex') AS code FROM one_time_tokens o`,
    );
    const { dump = '', id = '', code: hash = '' } = row ?? {};
    const bytes = Buffer.from(token, 'base64url');
    for (const form of [token, bytes.toString('hex'), bytes.toString('base64'), code, 'canary']) {
      t.notOk(dump.includes(form), form);
    }
    for (const text of [code, `${id}${code}`, `verify_email ${userId} ${id} ${code}`]) {
      for (const algorithm of ['sha256', 'sha512', 'md5']) {
        t.not(createHash(algorithm).update(text).digest('hex').slice(0, 64), hash, 'a hash without the key');
      }
    }
  },
);

t.test('only the system reads the tables', async (t) => {
  const { db, userId, create } = await openIssuing(t);
  await create('reset_password');
  for (const table of ['one_time_tokens', 'one_time_code_failures']) {
    const read = statement(`SELECT 1 FROM ${table}`);
    await t.rejects(db.userReader(userId).rows(read, []), { code: '42501' });
    await t.rejects(db.organizationReader({ organizationId: userId, userId }).rows(read, []), { code: '42501' });
  }
});
