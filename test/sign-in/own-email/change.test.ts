// The whole path of a change of the address: asked for, proven by the link or the code, and what ends with it.
import t from 'tap';
import { cliOn } from '../../cli/command-line.ts';
import type { Reply } from '../../support/client.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { refused } from '../../support/raw.ts';
import { eventsAbout } from '../../support/rows.ts';
import { until } from '../../support/until.ts';
import { age } from '../reauthentication/proving.ts';
import { contentOf, freshEmail, mailTo, openChanging, proofIn } from './changing.ts';

const changing = await openChanging(t);
const { api, database, mailbox, register, ask, confirm, login } = changing;

t.test('by the link: the address changes, the session of the caller goes on, and everything else ends', async (t) => {
  const user = await register();
  const to = freshEmail();
  const other = (await login(user)).body.data;
  const before = await contentOf(database, user.userId);
  const asked = await ask(user.accessToken, to);
  t.match(asked, { status: 202, body: { data: { requested: true } } });
  t.same(await contentOf(database, user.userId), before, 'nothing changes before the proof');
  const mail = await mailTo(mailbox, to, '/confirm-email');
  t.same(await contentOf(database, user.userId), before);
  const confirmed = await confirm({ token: proofIn(mail).token }, user.accessToken);
  t.match(confirmed, { status: 200, body: { data: { emailChanged: true } } });
  t.notOk('accessToken' in confirmed.body.data, 'nobody is signed in by that');
  t.equal((await api.get('/me', { token: user.accessToken })).code, 'token_stale', 'the epoch was raised');
  const renewed = await api.post('/auth/refresh', { refreshToken: user.refreshToken });
  t.equal(renewed.status, 200, 'the session of the caller goes on');
  const me = await api.get('/me', { token: renewed.body.data.accessToken });
  t.match(me.body.data, { email: to, emailVerified: true });
  t.equal((await api.get('/me', { token: other.accessToken })).code, 'session_revoked');
  t.equal((await api.post('/auth/refresh', { refreshToken: other.refreshToken })).code, 'session_revoked');
  t.equal((await login(user)).code, 'invalid_credentials', 'the former address signs nobody in');
  t.equal((await login(user, to)).status, 200);
  const found = await api.get(`/users?q=${encodeURIComponent(to.split('@')[0] ?? '')}`, {
    token: renewed.body.data.accessToken,
  });
  t.same(
    found.body.data.map(({ email }: { email: string }) => email),
    [to],
    'the search finds the new address',
  );
  const notice = await mailTo(mailbox, user.email, '/revert-email');
  t.notOk(notice.text.includes(to), 'the new address is masked');
  t.same(
    (await eventsAbout(database, user.userId)).filter((type) => type.startsWith('user.email')),
    ['user.email_change_requested', 'user.email_changed'],
  );
  const [{ text } = { text: '' }] = await database.query<{ text: string }>(
    `SELECT string_agg(e::text, ' ') || (SELECT string_agg(o::text, ' ') FROM outbox o)
       || (SELECT string_agg(x::text, ' ') FROM one_time_tokens x) AS text FROM events e`,
  );
  t.notOk(text.includes(to) || text.includes(user.email), 'no address in events, mails and tokens');
});

t.test('by the code: the session of the caller goes on', async (t) => {
  const user = await register();
  const to = freshEmail();
  await ask(user.accessToken, to);
  const { code } = proofIn(await mailTo(mailbox, to, '/confirm-email'));
  refused(t, await api.post('/auth/confirm-email-change', { code }), 'unauthenticated', 'a code needs its user');
  const stranger = await register();
  refused(t, await confirm({ code }, stranger.accessToken), 'invalid_or_expired_token', 'the code of another user');
  const typed = `${code.slice(0, 4)} ${code.slice(4)}`;
  t.equal((await confirm({ code: typed }, user.accessToken)).status, 200);
  t.equal((await login(user, to)).status, 200);
  t.equal((await api.post('/auth/refresh', { refreshToken: user.refreshToken })).status, 200);
});

t.test('the owner of a mailbox cannot confirm the change of a stranger, whose link goes on working', async (t) => {
  const [stranger, other] = [await register(), await register()];
  const to = freshEmail();
  await ask(stranger.accessToken, to);
  const { token } = proofIn(await mailTo(mailbox, to, '/confirm-email'));
  const before = await contentOf(database, stranger.userId);
  refused(t, await api.post('/auth/confirm-email-change', { token }), 'unauthenticated', 'with the mail alone');
  refused(t, await confirm({ token }, other.accessToken), 'email_change_for_another', 'with another account');
  t.same(await contentOf(database, stranger.userId), before);
  t.equal((await login(other, other.email)).status, 200);
  t.equal((await confirm({ token }, stranger.accessToken)).status, 200);
});

t.test('by the link in another session: that session goes on, and the one that asked ends', async (t) => {
  const user = await register();
  const second = (await login(user)).body.data;
  const to = freshEmail();
  await ask(user.accessToken, to);
  const { token } = proofIn(await mailTo(mailbox, to, '/confirm-email'));
  t.equal((await confirm({ token }, second.accessToken)).status, 200);
  t.equal((await api.post('/auth/refresh', { refreshToken: second.refreshToken })).status, 200);
  t.equal((await api.post('/auth/refresh', { refreshToken: user.refreshToken })).code, 'session_revoked');
});

t.test('wrong codes are counted, and the link goes on working', async (t) => {
  const user = await register();
  const to = freshEmail();
  await ask(user.accessToken, to);
  const { code, token } = proofIn(await mailTo(mailbox, to, '/confirm-email'));
  const wrong = code === '00000000' ? '11111111' : '00000000';
  for (let n = 0; n < 5; n += 1)
    refused(t, await confirm({ code: wrong }, user.accessToken), 'invalid_or_expired_token', String(n));
  refused(t, await confirm({ code }, user.accessToken), 'invalid_or_expired_token', 'the right code, too late');
  t.equal((await confirm({ token }, user.accessToken)).status, 200);
});

t.test('asking needs a fresh proof, another address, and a live session', async (t) => {
  const user = await register();
  const to = freshEmail();
  refused(t, await ask(user.accessToken, user.email.toUpperCase()), 'email_unchanged', 'in other letters');
  refused(t, await ask(user.accessToken, 'no address'), 'validation_failed', 'no address');
  refused(t, await ask(user.accessToken, to, { currentPassword: 'wrong' }), 'wrong_password', 'a wrong password');
  await age(database, user.sessionId, 301);
  refused(t, await ask(user.accessToken, to), 'reauthentication_required', 'no fresh proof');
  t.equal((await ask(user.accessToken, to, { currentPassword: user.password })).status, 202);
  const { token } = proofIn(await mailTo(mailbox, to, '/confirm-email'));
  t.equal((await confirm({ token }, user.accessToken)).status, 200);
});

t.test('the last request wins, and a token works once', async (t) => {
  const user = await register();
  const [first, second] = [freshEmail('first'), freshEmail('second')];
  await ask(user.accessToken, first);
  const older = proofIn(await mailTo(mailbox, first, '/confirm-email'));
  await ask(user.accessToken, second);
  refused(t, await confirm({ token: older.token }, user.accessToken), 'invalid_or_expired_token', 'superseded');
  const { token } = proofIn(await mailTo(mailbox, second, '/confirm-email'));
  refused(t, await confirm({ token: older.token }, user.accessToken), 'invalid_or_expired_token', 'superseded');
  t.equal((await confirm({ token }, user.accessToken)).status, 200);
  const { accessToken } = (await api.post('/auth/refresh', { refreshToken: user.refreshToken })).body.data;
  const replies: Reply[] = [];
  for (const text of [token, 'x', 'A'.repeat(43)]) replies.push(await confirm({ token: text }, accessToken));
  for (const reply of replies) {
    refused(t, reply, 'invalid_or_expired_token', 'used or never made');
    t.same({ ...reply.body, requestId: null }, { ...replies[0]?.body, requestId: null });
  }
});

t.test('what ends the session that asked also ends the request, even before its mail is sent', async (t) => {
  const user = await register();
  const thief = (await login(user)).body.data;
  const to = freshEmail('thief');
  mailbox.refuse(1);
  t.equal((await ask(thief.accessToken, to)).status, 202);
  await api.post(
    '/me/password',
    { currentPassword: user.password, newPassword: 'four other unrelated words' },
    { token: user.accessToken },
  );
  await database.query(`UPDATE outbox SET due_at = now() WHERE due_at IS NOT NULL`);
  const outcome = async () => {
    const [row] = await database.query<{ outcome: string | null }>(
      `SELECT outcome FROM outbox WHERE kind = 'email_change_confirm' AND subject_id = $1`,
      [user.userId],
    );
    return row?.outcome ?? null;
  };
  await until(async () => {
    await database.query(`UPDATE outbox SET due_at = now() WHERE due_at > now() AND failure IS NOT NULL`);
    changing.service.app.parts.outbox.nudge();
    return (await outcome()) !== null;
  });
  t.equal(await outcome(), 'unwanted');
  t.notOk(mailbox.mails.some(({ recipients }) => recipients.includes(to)));
});

t.test('nobody gets a way back to an address that nobody has proven', async (t) => {
  const user = await newAccount(api);
  const to = freshEmail();
  await ask(user.accessToken, to);
  t.equal(
    (await confirm({ token: proofIn(await mailTo(mailbox, to, '/confirm-email')).token }, user.accessToken)).status,
    200,
  );
  const rows = await database.query(`SELECT 1 FROM outbox WHERE kind = 'email_change_notice' AND subject_id = $1`, [
    user.userId,
  ]);
  t.equal(rows.length, 0);
});

function sessionOf(accessToken: string): string {
  return JSON.parse(Buffer.from(accessToken.split('.')[1] ?? '', 'base64url').toString()).sid;
}

t.test('what ends the session that asked also ends the link and the code that were sent', async (t) => {
  const ends: Record<string, (thief: { accessToken: string }, token: string) => Promise<unknown>> = {
    'its own sign-out': ({ accessToken }) => api.post('/auth/logout', {}, { token: accessToken }),
    'another session of the user': ({ accessToken }, token) =>
      api.delete(`/me/sessions/${sessionOf(accessToken)}`, { token }),
    'the end of all others': (_, token) => api.delete('/me/sessions', { token }),
    'an operator': ({ accessToken }) => cliOn(database)('sessions', 'revoke', sessionOf(accessToken)),
  };
  for (const [how, end] of Object.entries(ends)) {
    const user = await register();
    const thief = (await login(user)).body.data;
    const to = freshEmail('thief');
    t.equal((await ask(thief.accessToken, to)).status, 202);
    const { token, code } = proofIn(await mailTo(mailbox, to, '/confirm-email'));
    await end(thief, user.accessToken);
    const sql = 'SELECT revoked_at IS NOT NULL AS ended FROM sessions WHERE id = $1';
    t.same(await database.query(sql, [sessionOf(thief.accessToken)]), [{ ended: true }], how);
    refused(t, await confirm({ code }, user.accessToken), 'invalid_or_expired_token', `${how}: the code`);
    refused(t, await confirm({ token }, user.accessToken), 'invalid_or_expired_token', `${how}: the link`);
    t.equal((await api.get('/me', { token: user.accessToken })).body.data.email, user.email, how);
  }
});
