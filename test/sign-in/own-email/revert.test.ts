// The way back to a former address: after one change and after two, once, and for the owner of that address alone.
import t from 'tap';
import { createAccount } from '../../../src/admin/accounts/create-account.ts';
import { findOneTime } from '../../../src/credentials/one-time/consume.ts';
import { setPasswordHash } from '../../../src/directory/users/account-store.ts';
import { emailChangeMails, NOTICE_MAIL } from '../../../src/sign-in/own-email/mail.ts';
import { atOnce } from '../../support/client.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { mailKitFor } from '../../support/fixtures/mail-kit.ts';
import { refused } from '../../support/raw.ts';
import { eventsAbout } from '../../support/rows.ts';
import { until } from '../../support/until.ts';
import { contentOf, freshEmail, mailTo, openChanging, proofIn } from './changing.ts';

const changing = await openChanging(t);
const { api, database, mailbox, service, register, ask, confirm, revert, change, login } = changing;

t.test('after one change: the former address, no password, no session, and the other address is blocked', async (t) => {
  const user = await register();
  const to = freshEmail('thief');
  const { back, accessToken, refreshToken } = await change(user, user.email, to);
  const reply = await revert(back);
  t.match(reply, { status: 200, body: { data: { emailReverted: true, passwordSet: false } } });
  t.equal((await api.get('/me', { token: accessToken })).status, 401);
  t.equal((await api.post('/auth/refresh', { refreshToken })).code, 'session_revoked');
  for (const email of [user.email, to]) t.equal((await login(user, email)).code, 'invalid_credentials');
  const { resetToken } = reply.body.data;
  const found = await findOneTime(service.app.parts.db.systemReader(), 'reset_password', resetToken);
  t.match(found, { userId: user.userId, address: user.email });
  const told = await mailbox.next(user.email);
  t.match(told.text, /forgot-password/, 'the owner gets a mail');
  refused(t, await revert(back), 'invalid_or_expired_token', 'a second use');
  t.ok((await eventsAbout(database, user.userId)).includes('user.email_reverted'));
  await service.app.parts.db.system(async (tx) => {
    await setPasswordHash(tx, user.userId, await service.app.parts.passwords.hash(user.password));
  });
  const again = (await login(user)).body.data;
  t.equal((await api.get('/me', { token: again.accessToken })).body.data.email, user.email);
  refused(t, await ask(again.accessToken, to), 'email_disputed', 'the disputed address');
  t.equal((await ask(again.accessToken, freshEmail())).status, 202, 'any other address');
  const stranger = await newAccount(api, { email: to });
  t.ok(stranger.userId, 'somebody else may have the disputed address');
});

t.test('after two changes the first way back wins, and the second one ends', async (t) => {
  const user = await register();
  const [second, third] = [freshEmail('second'), freshEmail('third')];
  const one = await change(user, user.email, second);
  const two = await change({ ...user, ...one }, second, third);
  t.equal((await revert(one.back)).status, 200);
  refused(t, await revert(two.back), 'invalid_or_expired_token', 'the second way back');
  const [row] = await database.query<{ count: number }>(
    'SELECT count(address_lookup)::int AS count FROM email_reverts WHERE user_id = $1',
    [user.userId],
  );
  t.equal(row?.count, 2, 'both later addresses are blocked');
});

t.test('the later way back can be used first, and then the earlier one still works', async (t) => {
  const user = await register();
  const [second, third] = [freshEmail('second'), freshEmail('third')];
  const one = await change(user, user.email, second);
  const two = await change({ ...user, ...one }, second, third);
  t.equal((await revert(two.back)).status, 200);
  t.equal((await revert(one.back)).status, 200);
});

t.test('of several uses of one link at the same time, one wins', async (t) => {
  const user = await register();
  const { back } = await change(user, user.email, freshEmail());
  const replies = await atOnce(4, () => revert(back));
  t.same(replies.map(({ status }) => status).sort(), [200, 422, 422, 422]);
});

t.test('an address that somebody else has now is refused clearly, and the link stays as it is', async (t) => {
  const user = await register();
  const { back } = await change(user, user.email, freshEmail());
  const made = { email: user.email, name: 'Other', password: user.password, verified: false };
  const other = await createAccount(service.app.parts, made);
  const before = await contentOf(database, user.userId);
  refused(t, await revert(back), 'email_taken', 'taken');
  t.same(await contentOf(database, user.userId), before);
  await database.query(`UPDATE users SET email_lookup = sha256(email_lookup), email_key = NULL WHERE id = $1`, [
    other.id,
  ]);
  t.equal((await revert(back)).status, 200, 'once the address is free');
});

t.test('a disabled account is not changed, and the other purposes of tokens are refused', async (t) => {
  const user = await register();
  const { back, accessToken } = await change(user, user.email, freshEmail());
  await database.query(`UPDATE users SET status = 'disabled' WHERE id = $1`, [user.userId]);
  refused(t, await revert(back), 'invalid_or_expired_token', 'disabled');
  await database.query(`UPDATE users SET status = 'active' WHERE id = $1`, [user.userId]);
  refused(t, await confirm({ token: back }, accessToken), 'invalid_or_expired_token', 'another purpose');
  await database.query(`UPDATE one_time_tokens SET expires_at = now() WHERE user_id = $1`, [user.userId]);
  refused(t, await revert(back), 'invalid_or_expired_token', 'after 7 days');
});

t.test('a notice that is tried again makes no way back to an address whose change was undone', async (t) => {
  const user = await register();
  const [second, third] = [freshEmail('second'), freshEmail('third')];
  const one = await change(user, user.email, second);
  await ask(one.accessToken, third);
  const { token } = proofIn(await mailTo(mailbox, third, '/confirm-email'));
  mailbox.refuse(1);
  await confirm({ token }, one.accessToken);
  const waiting = `SELECT id, created_at AS at FROM outbox
    WHERE kind = 'email_change_notice' AND subject_id = $1 AND due_at IS NOT NULL AND failure IS NOT NULL`;
  const found: { id: string; at: Date }[] = [];
  await until(async () => {
    found.push(...(await database.query<{ id: string; at: Date }>(waiting, [user.userId])));
    return found.length > 0;
  });
  const { id = '', at: requestedAt = new Date(0) } = found[0] ?? {};
  const row = { id, kind: NOTICE_MAIL, organizationId: null, userId: null, subjectId: user.userId, requestedAt };
  const { parts } = service.app;
  const notice = emailChangeMails({ ...parts, mailKit: mailKitFor() }).find(({ kind }) => kind === NOTICE_MAIL);
  const prepare = () => parts.db.system((tx) => notice?.prepare(tx, row) ?? Promise.reject(new Error('no such kind')));
  t.match(await prepare(), { to: second }, 'wanted before');
  t.equal((await revert(one.back)).status, 200);
  t.equal(await prepare(), null);
});
