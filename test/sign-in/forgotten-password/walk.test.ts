// Somebody who has forgotten the password gets a mail, and sets a new one with its link or its code.
import t from 'tap';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { seedInvitation } from '../../support/fixtures/invitations.ts';
import { nameOf } from '../../support/personal.ts';
import { NEW_PASSWORD, openForgotten, wrongFor } from './forgotten.ts';

const REFUSED = { status: 422, code: 'invalid_or_expired_token' };

t.test('the link of the mail sets a new password once, ends every session, and signs nobody in', async (t) => {
  const { api, account, mailed, reset, signIn, database, mailbox } = await openForgotten(t);
  const { email, accessToken, refreshToken, userId } = account;
  const { token, code, mail } = await mailed(email);
  t.same(mail.recipients, [email]);
  t.match(mail.text, `http://localhost:3000/reset-password#token=${token}`);
  t.equal((await signIn(email, account.password)).status, 200, 'the mail alone changes nothing');
  const done = await reset({ token, password: NEW_PASSWORD });
  t.match(done, { status: 204, text: '', setCookie: [] });
  t.equal((await signIn(email, account.password)).code, 'invalid_credentials');
  t.equal((await api.get('/me', { token: accessToken })).status, 401);
  t.equal((await api.post('/auth/refresh', { refreshToken })).status, 401);
  t.match(await reset({ token, password: NEW_PASSWORD }), REFUSED);
  t.match(await reset({ email, code, password: NEW_PASSWORD }), REFUSED, 'the code of a used link');
  t.equal((await signIn(email, NEW_PASSWORD)).status, 200);
  const events = await database.query(
    `SELECT type, actor_id, data->>'reason' AS reason FROM events
     WHERE target_id = $1 AND type IN ('user.password_reset', 'user.claimed') OR type = 'session.ended'
     ORDER BY type, at`,
    [userId],
  );
  t.equal((await mailbox.next(email)).headers.get('subject'), 'Your password was changed', 'a notice follows');
  t.match(events, [
    { type: 'session.ended', actor_id: userId, reason: 'password_reset' },
    { type: 'session.ended', actor_id: userId, reason: 'password_reset' },
    { type: 'user.claimed', actor_id: userId },
    { type: 'user.password_reset', actor_id: userId },
  ]);
  const sessions = await database.query(
    "SELECT 1 FROM revocations WHERE kind = 'session' OR kind = 'user' AND subject = $1",
    [userId],
  );
  t.equal(sessions.length, 3, 'two sessions and all access tokens');
});

t.test('the code of the mail works as the link does, with blanks and in any spelling of the address', async (t) => {
  const { account, mailed, reset, signIn } = await openForgotten(t);
  const { email } = account;
  const { token, code } = await mailed(email);
  t.match(await reset({ email, code: wrongFor(code), password: NEW_PASSWORD }), REFUSED);
  const spelled = `${code.slice(0, 4)} ${code.slice(4)}`;
  t.equal((await reset({ email: email.toUpperCase(), code: spelled, password: NEW_PASSWORD })).status, 204);
  t.match(await reset({ token, password: NEW_PASSWORD }), REFUSED, 'the link of a used code');
  t.equal((await signIn(email, NEW_PASSWORD)).status, 200);
});

t.test('a weak password leaves the link and the code as they are, and a wrong code is refused first', async (t) => {
  const { account, mailed, reset, database } = await openForgotten(t, { PASSWORD_MIN_LENGTH: '8' });
  const { email } = account;
  const { token, code } = await mailed(email);
  for (const password of ['short', 'Ada Lovelace', email, 'password123']) {
    for (const proof of [{ token }, { email, code }]) {
      const refused = await reset({ ...proof, password });
      t.match(refused, { status: 422, code: 'validation_failed', body: { issues: [{ path: 'password' }] } }, password);
    }
  }
  t.match(await reset({ email, code: wrongFor(code), password: 'short' }), REFUSED);
  const [counted] = await database.query<{ wrong_codes: number }>(
    "SELECT wrong_codes FROM one_time_tokens WHERE purpose = 'reset_password'",
  );
  t.equal(counted?.wrong_codes, 1);
  t.equal((await reset({ token, password: NEW_PASSWORD })).status, 204);
});

t.test('a newer mail ends the link and the code of the older one', async (t) => {
  const { account, mailed, reset } = await openForgotten(t);
  const { email } = account;
  const older = await mailed(email);
  const newer = await mailed(email);
  t.match(await reset({ token: older.token, password: NEW_PASSWORD }), REFUSED);
  t.match(await reset({ email, code: older.code, password: NEW_PASSWORD }), REFUSED);
  t.equal((await reset({ token: newer.token, password: NEW_PASSWORD })).status, 204);
});

t.test('the link works for half an hour, and the code for a quarter', async (t) => {
  const { account, mailed, reset, database } = await openForgotten(t);
  const { email } = account;
  const { token, code } = await mailed(email);
  const [lives] = await database.query<{ link: number; code: number }>(
    `SELECT extract(epoch FROM expires_at - created_at)::int AS link,
       extract(epoch FROM code_expires_at - created_at)::int AS code FROM one_time_tokens WHERE purpose = 'reset_password'`,
  );
  t.same(lives, { link: 1800, code: 900 });
  await database.query("UPDATE one_time_tokens SET code_expires_at = now() - interval '1 second'");
  t.match(await reset({ email, code, password: NEW_PASSWORD }), REFUSED);
  await database.query("UPDATE one_time_tokens SET expires_at = now() - interval '1 second'");
  t.match(await reset({ token, password: NEW_PASSWORD }), REFUSED);
});

t.test('no token of another purpose, no code of another account and no invented one works', async (t) => {
  const { api, account, mailed, reset, database } = await openForgotten(t);
  const other = await newAccount(api);
  const [mine, theirs] = [await mailed(account.email), await mailed(other.email)];
  const bodies: Record<string, string>[] = [
    { token: 'A'.repeat(43) },
    { token: 'x' },
    { token: `${mine.token}A` },
    { email: other.email, code: mine.code },
    { email: account.email, code: theirs.code },
    { email: account.email, code: 'eight' },
    { email: 'nobody@example.com', code: mine.code },
  ];
  const replies = [];
  for (const body of bodies) replies.push(await reset({ ...body, password: NEW_PASSWORD }));
  await database.query("UPDATE one_time_tokens SET purpose = 'change_email' WHERE purpose = 'reset_password'");
  replies.push(await reset({ token: mine.token, password: NEW_PASSWORD }));
  replies.push(await reset({ email: account.email, code: mine.code, password: NEW_PASSWORD }));
  await database.query("UPDATE one_time_tokens SET purpose = 'reset_password' WHERE purpose = 'change_email'");
  for (const reply of replies) t.match(reply, REFUSED);
  t.equal(new Set(replies.map(({ body: { requestId, ...rest } }) => JSON.stringify(rest))).size, 1);
  t.equal((await reset({ token: mine.token, password: NEW_PASSWORD })).status, 204, 'the link is unused');
});

t.test('five wrong codes end the code, and the link goes on working', async (t) => {
  const { account, mailed, reset } = await openForgotten(t);
  const { email } = account;
  const { token, code } = await mailed(email);
  for (let guess = 0; guess < 5; guess += 1) {
    t.match(await reset({ email, code: wrongFor(code), password: NEW_PASSWORD }), REFUSED);
  }
  t.match(await reset({ email, code, password: NEW_PASSWORD }), REFUSED);
  t.equal((await reset({ token, password: NEW_PASSWORD })).status, 204);
});

t.test(
  'a reset of an unproven account removes what another person left there; a proven account stays as it is',
  async (t) => {
    const { api, account, mailed, reset, signIn, database } = await openForgotten(t);
    const { email, userId, organization } = account;
    await seedInvitation(database, organization.id, { email: 'guest@example.com', role: 'agent', invitedBy: userId });
    const made = { name: 'Backdoor', permissions: ['users:read'] };
    t.equal((await api.post('/clients', made, { token: account.accessToken })).status, 201);
    await reset({ token: (await mailed(email)).token, password: NEW_PASSWORD });
    t.equal(await nameOf(database, userId), email.split('@')[0]);
    t.same(await database.query('SELECT name FROM clients'), [], 'no service client is left');
    const [invitation] = await database.query<{ status: string }>('SELECT status FROM invitations');
    t.equal(invitation?.status, 'revoked');
    const signed = (await signIn(email, NEW_PASSWORD)).body.data;
    t.match(signed, { user: { emailVerified: true }, organization: { id: organization.id } });
    await api.patch('/me', { name: 'Ada King' }, { token: signed.accessToken });
    await reset({ token: (await mailed(email)).token, password: 'seven purple kettles' });
    t.equal(await nameOf(database, userId), 'Ada King');
    t.equal((await signIn(email, 'seven purple kettles')).status, 200);
    const claimed = await database.query("SELECT 1 FROM events WHERE type = 'user.claimed'");
    t.equal(claimed.length, 1);
  },
);

t.test('a reset ends the other pending proofs, and leaves the way back to a former address', async (t) => {
  const { account, mailed, reset, database } = await openForgotten(t);
  await reset({ token: (await mailed(account.email)).token, password: NEW_PASSWORD });
  const { token } = await mailed(account.email);
  await database.query(
    `INSERT INTO one_time_tokens (id, user_id, purpose, token_hash, code_hash, code_expires_at, about_at, expires_at,
       address_sealed, address_lookup)
     SELECT gen_random_uuid(), user_id, p, sha256(p::bytea),
       CASE WHEN p = 'change_email' THEN code_hash END, CASE WHEN p = 'change_email' THEN code_expires_at END,
       about_at, expires_at, address_sealed, address_lookup
     FROM one_time_tokens, unnest(ARRAY['change_email', 'revert_email']) AS p WHERE ended_at IS NULL AND used_at IS NULL`,
  );
  t.equal((await reset({ token, password: 'seven purple kettles' })).status, 204);
  const live = await database.query('SELECT purpose FROM one_time_tokens WHERE ended_at IS NULL AND used_at IS NULL');
  t.same(live, [{ purpose: 'revert_email' }]);
});

t.test('a reset ends the wait of the sign-in for this account, from this network', async (t) => {
  const settings = { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_SIGN_IN: '1000', LOGIN_FAILURES_MAX: '1' };
  const { account, mailed, reset, signIn, api, service } = await openForgotten(t, {
    ...settings,
    TRUSTED_PROXIES: '127.0.0.1',
  });
  const { email } = account;
  const now = service.clock.now();
  service.clock.now = () => now;
  const elsewhere = { headers: { 'x-forwarded-for': '198.51.100.7' } };
  const guess = (options = {}) => api.post('/auth/login', { email, password: 'wrong' }, options);
  for (const options of [{}, elsewhere]) {
    for (let tries = 0; tries < 12 && (await guess(options)).status !== 429; tries += 1);
    t.equal((await guess(options)).status, 429);
  }
  await reset({ token: (await mailed(email)).token, password: NEW_PASSWORD });
  t.equal((await signIn(email, NEW_PASSWORD)).status, 200);
  t.equal((await guess(elsewhere)).status, 429, 'a person who guesses from another network still waits');
});
