// The proof of an address by the person who registered: signed in, by the link or the code, or by the password.
import t from 'tap';
import { atOnce } from '../../support/client.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { refused } from '../../support/raw.ts';
import { eventsAbout } from '../../support/rows.ts';
import { expire, openProving, sentTo } from './proving.ts';

const proving = await openProving(t, { LOGIN_FAILURES_MAX: '3' });
const { api, database, mailbox, verify, isProven, register } = proving;

t.test('a signed-in user proves the address by code or link, and nothing else changes', async (t) => {
  for (const by of ['code', 'token'] as const) {
    const user = await register();
    t.equal((await api.get('/me', { token: user.accessToken })).body.data.emailVerified, false);
    const typed = by === 'code' ? `${user.code.slice(0, 4)} ${user.code.slice(4)}` : user.token;
    const reply = await verify({ [by]: typed }, user.accessToken);
    t.match(reply, {
      status: 200,
      body: { data: { emailVerified: true, alreadyVerified: false, passwordSet: true, resetToken: null } },
    });
    t.equal((await api.get('/me', { token: user.accessToken })).body.data.emailVerified, true, 'the token still works');
    const again = await verify({ [by]: typed }, user.accessToken);
    t.match(again, { status: 200, body: { data: { alreadyVerified: true } } }, 'a second use');
    t.equal((await api.post('/auth/refresh', { refreshToken: user.refreshToken })).status, 200, 'the session lives');
    t.equal((await eventsAbout(database, user.userId)).filter((type) => type === 'user.email_verified').length, 1);
    refused(t, await verify({ token: user.token }), 'invalid_or_expired_token', 'the used link without a sign-in');
  }
});

t.test('GET and HEAD consume nothing', async (t) => {
  const user = await register();
  for (const method of ['GET', 'HEAD']) {
    const reply = await fetch(`${proving.service.url}/api/v1/auth/verify-email?token=${user.token}`, { method });
    t.ok([404, 405].includes(reply.status), `${method} ${reply.status}`);
  }
  t.notOk(await isProven(user.userId));
  t.equal((await verify({ token: user.token }, user.accessToken)).status, 200);
});

t.test('the right password shows that it is the same person', async (t) => {
  const user = await register();
  const { token, email, password } = user;
  const wrong = await verify({ token, password: 'not the password of it' });
  refused(t, wrong, 'invalid_credentials', 'a wrong password');
  t.notOk(await isProven(user.userId), 'the wrong password used nothing up and proved nothing');
  const reply = await verify({ token, password });
  t.match(reply, { status: 200, body: { data: { alreadyVerified: false, passwordSet: true, resetToken: null } } });
  t.notOk('accessToken' in reply.body.data, 'nobody is signed in by that');
  t.equal((await api.get('/me', { token: user.accessToken })).status, 200, 'the session lives');
  t.equal((await api.post('/auth/login', { email, password })).status, 200);
});

t.test('wrong passwords count as failed sign-ins', async (t) => {
  const limited = await openProving(t, {
    LOGIN_FAILURES_MAX: '2',
    RATE_LIMIT_ENABLED: 'true',
    RATE_LIMIT_SIGN_IN: '1000',
  });
  const user = await limited.register();
  const { token } = user;
  for (let n = 0; n < 2; n += 1)
    refused(t, await limited.verify({ token, password: `wrong wrong ${n}` }), 'invalid_credentials', String(n));
  refused(t, await limited.verify({ token, password: user.password }), 'too_many_requests', 'the right one must wait');
  refused(
    t,
    await limited.api.post('/auth/login', { email: user.email, password: user.password }),
    'too_many_requests',
    'login',
  );
  t.equal((await limited.verify({ token }, user.accessToken)).status, 200, 'who is signed in need not wait');
});

t.test('every link and code that does not work gets one and the same answer', async (t) => {
  const [user, other, gone, late] = [await register(), await register(), await register(), await register()];
  const reset = await api.post('/auth/verify-email/resend', undefined, { token: gone.accessToken });
  t.equal(reset.status, 202);
  await sentTo(mailbox, gone.email);
  await expire(database, late.userId, 'expires_at');
  await database.query(`UPDATE one_time_tokens SET purpose = 'change_email' WHERE user_id = $1`, [other.userId]);
  const wrong = user.code === '00000000' ? '11111111' : '00000000';
  const replies = [
    await verify({ token: 'x' }),
    await verify({ token: 'A'.repeat(43) }),
    await verify({ token: gone.token }),
    await verify({ token: late.token }),
    await verify({ token: late.token, password: late.password }),
    await verify({ token: other.token }),
    await verify({ token: gone.token }, gone.accessToken),
    await verify({ code: gone.code }, gone.accessToken),
    await verify({ code: late.code }, late.accessToken),
    await verify({ code: other.code }, other.accessToken),
    await verify({ code: wrong }, user.accessToken),
    await verify({ code: 'letters' }, user.accessToken),
    await verify({ code: user.code }, other.accessToken),
  ];
  for (const [index, reply] of replies.entries()) {
    refused(t, reply, 'invalid_or_expired_token', String(index));
    t.same({ ...reply.body, requestId: null }, { ...replies[0]?.body, requestId: null });
  }
  t.equal((await verify({ code: user.code }, user.accessToken)).status, 200, 'one wrong code uses nothing up');
});

t.test('a code ends after five wrong guesses, and the link goes on working', async (t) => {
  const user = await register();
  const wrong = user.code === '00000000' ? '11111111' : '00000000';
  for (let n = 0; n < 5; n += 1)
    refused(t, await verify({ code: wrong }, user.accessToken), 'invalid_or_expired_token', String(n));
  refused(t, await verify({ code: user.code }, user.accessToken), 'invalid_or_expired_token', 'the right code');
  t.equal((await verify({ token: user.token }, user.accessToken)).status, 200);
});

t.test('the link of another account is refused clearly and still works afterwards', async (t) => {
  const [user, other] = [await register(), await register()];
  refused(t, await verify({ token: user.token }, other.accessToken), 'verification_for_another', 'as another user');
  t.notOk(await isProven(user.userId));
  t.notOk(await isProven(other.userId));
  t.equal((await verify({ token: other.token }, other.accessToken)).status, 200);
  refused(t, await verify({ token: user.token }, other.accessToken), 'verification_for_another', 'although proven');
  t.equal((await verify({ token: user.token }, user.accessToken)).status, 200);
});

t.test('of many proofs at the same time, one is the first, and every one of them succeeds', async (t) => {
  const user = await register();
  const replies = await atOnce(6, (index) =>
    verify(index % 2 ? { code: user.code } : { token: user.token }, user.accessToken),
  );
  t.same(
    replies.map(({ status }) => status),
    Array(6).fill(200),
  );
  t.equal(replies.filter(({ body }) => !body.data.alreadyVerified).length, 1);
});

t.test(
  'a new mail replaces the former one; a proven user, and one over budget, get the same answer and no mail',
  async (t) => {
    const user = await newAccount(api);
    const { accessToken: token, email, userId } = user;
    const first = await sentTo(mailbox, email);
    const resend = () => api.post('/auth/verify-email/resend', undefined, { token });
    const rows = () => database.query(`SELECT 1 FROM outbox WHERE kind = 'verify_email' AND subject_id = $1`, [userId]);
    const replies = [await resend()];
    await sentTo(mailbox, email);
    refused(t, await verify({ token: first.token }, token), 'invalid_or_expired_token', 'the former one');
    for (let n = 0; n < 5; n += 1) replies.push(await resend());
    t.equal((await rows()).length, 5, 'five mails an hour, with that of the registration');
    await database.query(`UPDATE outbox SET created_at = created_at - interval '2 hours' WHERE subject_id = $1`, [
      userId,
    ]);
    replies.push(await resend());
    t.equal((await rows()).length, 6, 'an hour later');
    await database.query('UPDATE users SET email_verified_at = now() WHERE id = $1', [userId]);
    replies.push(await resend());
    t.equal((await rows()).length, 6, 'nothing was requested after the proof');
    for (const reply of replies) t.match(reply, { status: 202, body: { data: { requested: true } } });
    t.equal((await api.post('/auth/verify-email/resend')).status, 401);
  },
);

t.test('somebody who has proven no address may not invite or send an invitation again', async (t) => {
  const user = await register();
  const { accessToken: token } = user;
  const body = { email: 'stranger@example.com', roles: [{ role: 'viewer' }] };
  for (const path of ['/invitations', '/users'])
    refused(t, await api.post(path, body, { token }), 'email_unverified', path);
  t.equal((await verify({ code: user.code }, token)).status, 200);
  const sent = await api.post('/invitations', body, { token });
  t.equal(sent.status, 201, 'the same token may invite after the proof');
  await database.query('UPDATE users SET email_verified_at = NULL WHERE id = $1', [user.userId]);
  const again = await api.post(`/invitations/${sent.body.data.id}/resend`, undefined, { token });
  refused(t, again, 'email_unverified', 'sending again');
});

t.test('fields that do not belong together are refused', async (t) => {
  const user = await register();
  const { token, code, password, accessToken } = user;
  refused(t, await verify({ code }), 'unauthenticated', 'a code without a sign-in');
  for (const body of [{}, { token, code }, { code, password }])
    refused(t, await verify(body), 'validation_failed', JSON.stringify(body));
  refused(t, await verify({ token, password }, accessToken), 'validation_failed', 'a password with a sign-in');
  t.notOk(await isProven(user.userId));
});

t.test('a session that has ended proves nothing, even before this process knows that', async (t) => {
  const user = await register();
  await database.query('UPDATE sessions SET revoked_at = now(), revoked_reason = $2 WHERE id = $1', [
    user.sessionId,
    'logout',
  ]);
  for (const proof of [{ code: user.code }, { token: user.token }]) {
    refused(t, await verify(proof, user.accessToken), 'session_revoked', JSON.stringify(Object.keys(proof)));
  }
  t.notOk(await isProven(user.userId));
  t.equal((await verify({ token: user.token, password: user.password })).status, 200, 'nothing was used up');
});
