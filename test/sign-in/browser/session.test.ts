// The session of a browser: who gets it, what it opens, and how it ends.

import { createHash } from 'node:crypto';
import t, { type Test } from 'tap';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { type Account, newAccount } from '../../support/fixtures/accounts.ts';
import { openVisitor, type Visitor } from '../../support/pages/visitor.ts';
import { nameOf } from '../../support/personal.ts';
import { openService, type Service } from '../../support/service.ts';

const SESSION = 'tenantry_session';

async function signIn(visitor: Visitor, account: { email: string; password: string }, path = '/sign-in') {
  const { email, password } = account;
  return visitor.send(await visitor.open(path), '/sign-in', { email, password });
}

async function open(t: Test, settings: Record<string, string> = {}) {
  const database = await createDatabase(t);
  const service = await openService(t, database, settings);
  const account = await newAccount(service.api);
  const visitor = openVisitor(service.url);
  return { database, service, account, visitor };
}

async function sessions({ query }: TestDatabase, userId: string) {
  return query<{ id: string; browser_key: Buffer | null; revoked_reason: string | null }>(
    'SELECT id, browser_key, revoked_reason FROM sessions WHERE user_id = $1 ORDER BY created_at',
    [userId],
  );
}

t.test('the cookie has a random key, no script can read it, and the row has only its hash', async (t) => {
  const { database, account, visitor } = await open(t);
  const page = await visitor.open('/sign-in');
  const form = page.markup.forms[0]?.fields ?? {};
  const answer = await visitor.request('POST', '/sign-in', {
    ...form,
    email: account.email,
    password: account.password,
  });
  t.match([answer.status, answer.location], [303, '/account']);
  t.match(answer.headers.getSetCookie(), [
    /^tenantry_session=[\w-]{43}; Path=\/; Max-Age=7776000; HttpOnly; SameSite=Lax$/,
  ]);
  const key = visitor.cookies.get(SESSION) ?? '';
  const [, row] = await sessions(database, account.userId);
  t.same(row?.browser_key, createHash('sha256').update(key).digest());
  const dump = JSON.stringify(await database.query('SELECT * FROM sessions'));
  t.notMatch(dump, key);
});

t.test('over https the cookies belong to this host alone', async (t) => {
  const { service, account } = await open(t, { PUBLIC_URL: 'https://auth.example.com' });
  const visitor = openVisitor(service.url);
  const page = await visitor.open('/sign-in');
  t.match(page.headers.getSetCookie(), [
    /^__Host-tenantry_browser=[\w-]{43}; Path=\/; .*HttpOnly; Secure; SameSite=Lax$/,
  ]);
  const { email, password } = account;
  const sent = { ...page.markup.forms[0]?.fields, email, password };
  const answer = await visitor.request('POST', '/sign-in', sent, { origin: 'https://auth.example.com' });
  t.match(answer.headers.getSetCookie(), [
    /^__Host-tenantry_session=[\w-]{43}; Path=\/; .*HttpOnly; Secure; SameSite=Lax$/,
  ]);
  visitor.cookies.set('tenantry_session', visitor.cookies.get('__Host-tenantry_session') ?? '');
  visitor.cookies.delete('__Host-tenantry_session');
  t.match((await visitor.request('GET', '/account')).location, '/sign-in', 'a name without the prefix is not taken');
});

t.test('a key that was planted before the sign-in opens nothing after it', async (t) => {
  const { database, service, account, visitor } = await open(t);
  const attacker = openVisitor(service.url);
  const other = await newAccount(service.api);
  await signIn(attacker, other);
  const planted = attacker.cookies.get(SESSION) ?? '';
  visitor.cookies.set(SESSION, planted);
  const target = 'http://localhost:3000/';
  const page = await signIn(visitor, account, `/sign-in?return_to=${encodeURIComponent(target)}`);
  t.equal(page.status, 303);
  t.not(visitor.cookies.get(SESSION), planted);
  t.match((await visitor.open('/account')).seen, account.email);
  t.match((await attacker.open('/account')).seen, 'Your session has ended', 'the session that was planted has ended');
  t.equal((await sessions(database, other.userId)).at(-1)?.revoked_reason, 'logout');
  for (const text of ['A'.repeat(43), 'x', '']) {
    const fixed = openVisitor(service.url);
    if (text !== '') fixed.cookies.set(SESSION, text);
    await signIn(fixed, account);
    t.not(fixed.cookies.get(SESSION), text);
  }
});

t.test('signing in again in the same browser replaces the session', async (t) => {
  const { database, account, visitor } = await open(t);
  await signIn(visitor, account);
  const first = visitor.cookies.get(SESSION) ?? '';
  await signIn(visitor, account, '/sign-in?return_to=http%3A%2F%2Flocalhost%3A3000%2F');
  t.not(visitor.cookies.get(SESSION), first);
  const reasons = (await sessions(database, account.userId)).map(({ revoked_reason: reason }) => reason);
  t.same(reasons, [null, 'logout', null], 'the registration, the first sign-in and the second one');
});

t.test('the API takes no cookie of pages, and pages take no token', async (t) => {
  const { service, account, visitor } = await open(t);
  await signIn(visitor, account);
  const cookie = [...visitor.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  for (const path of ['/me', '/me/sessions', '/organizations/current', '/verify']) {
    t.equal((await service.api.get(path, { headers: { cookie } })).code, 'unauthenticated', path);
  }
  const key = visitor.cookies.get(SESSION) ?? '';
  t.equal((await service.api.get('/me', { token: key })).code, 'invalid_token');
  t.equal((await service.api.post('/auth/refresh', undefined, { headers: { cookie } })).code, 'invalid_refresh_token');
  t.equal((await service.api.post('/auth/refresh', { refreshToken: key })).code, 'invalid_refresh_token');
  const { accessToken: token, refreshToken } = account;
  const bearer = openVisitor(service.url);
  t.equal(
    (await bearer.request('GET', '/account', undefined, { authorization: `Bearer ${token}` })).location,
    '/sign-in',
  );
  for (const text of [token, refreshToken, account.sessionId]) {
    bearer.cookies.set(SESSION, text);
    t.match((await bearer.request('GET', '/account')).location, '/sign-in');
  }
});

interface Ending {
  readonly service: Service;
  readonly database: TestDatabase;
  readonly account: Account;
  readonly sessionId: string;
}

/** What ends a session. */
const ENDS: Readonly<Record<string, (ending: Ending) => Promise<unknown>>> = {
  'it is ended from another device': ({ service, account: { accessToken: token }, sessionId }) =>
    service.api.delete(`/me/sessions/${sessionId}`, { token }),
  'it is not used for too long': ({ database, sessionId }) =>
    database.query('UPDATE sessions SET idle_expires_at = clock_timestamp() WHERE id = $1', [sessionId]),
  'it reaches its greatest age': ({ database, sessionId }) =>
    database.query('UPDATE sessions SET expires_at = clock_timestamp() WHERE id = $1', [sessionId]),
  'its row is removed': ({ database, sessionId }) => database.query('DELETE FROM sessions WHERE id = $1', [sessionId]),
  'the account is disabled': ({ database, account }) =>
    database.query(`UPDATE users SET status = 'disabled' WHERE id = $1`, [account.userId]),
};

for (const [how, end] of Object.entries(ENDS)) {
  t.test(`a session is over for pages when ${how}`, async (t) => {
    const { database, service, account, visitor } = await open(t);
    await signIn(visitor, account);
    const page = await visitor.open('/account');
    t.match(page.seen, account.email);
    const session = (await sessions(database, account.userId)).at(-1);
    await end({ service, database, account, sessionId: session?.id ?? '' });
    const form = page.markup.forms.find(({ action }) => action === '/account')?.fields ?? {};
    const sent = await visitor.request('POST', '/account', { ...form, name: 'Changed' });
    t.match([sent.status, sent.location], [303, '/sign-in?notice=ended']);
    t.ok(visitor.cookies.has(SESSION), 'a sign-in in another tab may just have replaced the cookie');
    t.equal(await nameOf(database, account.userId), 'Ada Lovelace', 'nothing was changed');
  });
}

t.test('a form of one person does nothing after another person has signed in, in the same browser', async (t) => {
  const { service, account, visitor } = await open(t);
  const other = await newAccount(service.api);
  await signIn(visitor, account);
  const kept = await visitor.open('/account');
  await visitor.send(await visitor.open('/sign-out'), '/sign-out');
  await signIn(visitor, other);
  const sent = await visitor.send(kept, '/account', { name: 'Stolen' });
  t.match([sent.status, sent.seen], [403, 'The form has expired']);
  t.equal((await service.api.get('/me', { token: other.accessToken })).body.data.name, 'Ada Lovelace');
  const out = await visitor.send(kept, '/sign-out');
  t.match([out.status, out.seen], [403, 'The form has expired'], 'it does not even sign out');
});

t.test('the use of a session by pages is noted, and keeps it alive up to its greatest age', async (t) => {
  const { database, account, visitor } = await open(t);
  await signIn(visitor, account);
  const read = async () => {
    const [row] = await database.query<{ idle: number; seen: number }>(
      `SELECT extract(epoch FROM idle_expires_at - clock_timestamp())::float8 AS idle,
         extract(epoch FROM clock_timestamp() - last_seen_at)::float8 AS seen
       FROM sessions WHERE browser_key IS NOT NULL`,
    );
    return { idle: row?.idle ?? 0, seen: row?.seen ?? 0 };
  };
  const age = (seconds: number) =>
    database.query(
      `UPDATE sessions SET last_seen_at = last_seen_at - $1 * interval '1 second', confirmed_at = confirmed_at - $1 * interval '1 second',
         idle_expires_at = idle_expires_at - $1 * interval '1 second', expires_at = expires_at - $1 * interval '1 second'
       WHERE browser_key IS NOT NULL`,
      [seconds],
    );
  await age(50);
  await visitor.open('/account');
  t.ok((await read()).seen >= 50, 'not with every request');
  await age(86_400);
  await visitor.open('/account');
  const used = await read();
  t.ok(used.seen < 60);
  t.ok(Math.abs(used.idle - 30 * 86_400) < 60, 'thirty days from now');
  await age(28 * 86_400);
  await visitor.open('/account');
  await age(28 * 86_400);
  await visitor.open('/account');
  t.ok((await read()).idle > 29 * 86_400, 'as often as it is used');
  await database.query(
    `UPDATE sessions SET expires_at = clock_timestamp() + interval '1 hour', last_seen_at = last_seen_at - interval '1 hour',
       idle_expires_at = clock_timestamp() + interval '1 minute'`,
  );
  await visitor.open('/account');
  const { idle } = await read();
  t.ok(idle > 3500 && idle <= 3600, 'never beyond its greatest age');
});

t.test('a refresh token that is signed again stays the same token while pages use its session', async (t) => {
  const app = 'http://localhost:5173';
  const { database, service, account } = await open(t, { CORS_ORIGINS: app, REFRESH_REUSE_GRACE: '60' });
  const visitor = openVisitor(service.url);
  await signIn(visitor, account);
  const cookie = `tenantry_refresh=${visitor.cookies.get('tenantry_refresh')}`;
  const refresh = () => service.api.post('/auth/refresh', undefined, { headers: { cookie, origin: app } });
  t.equal((await refresh()).status, 200);
  await database.query(
    `UPDATE sessions SET last_seen_at = last_seen_at - interval '5 minutes', idle_expires_at = idle_expires_at - interval '1 hour'`,
  );
  const first = await refresh();
  await database.query(`UPDATE sessions SET last_seen_at = last_seen_at - interval '5 minutes'`);
  t.match((await visitor.open('/account')).seen, account.email);
  const [{ seen } = { seen: false }] = await database.query<{ seen: boolean }>(
    `SELECT last_seen_at > clock_timestamp() - interval '1 minute' AS seen FROM sessions WHERE browser_key IS NOT NULL`,
  );
  t.ok(seen, 'the use is noted');
  const second = await refresh();
  t.same(second.setCookie, first.setCookie, 'byte for byte');
});

t.test('no page signs an access token, which nobody would read', async (t) => {
  const { service, account, visitor } = await open(t, { CORS_ORIGINS: 'http://localhost:5173' });
  const { api, app } = service;
  const token = account.accessToken;
  const second = (await api.post('/organizations', { name: 'Second' }, { token })).body.data;
  const { accessKeys, clock } = app.parts;
  const { kid, publicKey } = accessKeys.signingKeyAt(clock.now());
  const unusable = { kid, publicKey, privateKey: null };
  Object.assign(accessKeys, { signingKeyAt: () => unusable });
  const { email, password } = account;
  t.equal((await api.post('/auth/login', { email, password })).status, 500, 'the key cannot sign');

  t.match((await signIn(visitor, account)).seen, email);
  t.ok(visitor.cookies.has('tenantry_refresh'), 'the refresh token is signed with another key');
  const send = async (path: string, typed: Record<string, string>) =>
    (await visitor.send(await visitor.open(path), path, typed)).seen;
  t.match(await send('/reauthenticate', { password }), email);
  t.match(await send('/account/organizations', { organization: second.id }), /now acts for the organization/);
  const changed = { currentPassword: password, newPassword: 'four other unrelated words' };
  t.match(await send('/account/password', changed), /changed/);
  const newcomer = { name: 'Grace', email: 'grace@example.com', password: 'correct horse battery' };
  const other = openVisitor(service.url);
  t.match((await other.send(await other.open('/register'), '/register', newcomer)).seen, newcomer.email);
});
