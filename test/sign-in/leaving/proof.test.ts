// Exporting one’s own data and closing one’s account need a fresh proof of who the user is.
import t from 'tap';
import { createDatabase } from '../../support/database.ts';
import { newAccountWithoutOrganization } from '../../support/fixtures/accounts.ts';
import { openService } from '../../support/service.ts';
import { age } from '../reauthentication/proving.ts';

const database = await createDatabase(t);
const { api } = await openService(t, database, { LOGIN_FAILURES_MAX: '3', RATE_LIMIT_ENABLED: 'true' });

const close = (token: string, body: object) => api.call('DELETE', '/me', body, { token });
const eventsOf = (userId: string, type: string) =>
  database.query('SELECT 1 FROM events WHERE target_id = $1 AND type = $2', [userId, type]);

t.test(
  'a session whose last proof is older than five minutes gets the challenge of RFC 9470, and no data',
  async (t) => {
    const { userId, sessionId, password, accessToken: token } = await newAccountWithoutOrganization(api);
    await age(database, sessionId, 301);
    const cursor = Buffer.from('events 0 00000000-0000-0000-0000-000000000000').toString('base64url');
    for (const path of ['/me/export', `/me/export?cursor=${cursor}`]) {
      const refused = await api.get(path, { token });
      t.match([refused.status, refused.code], [401, 'reauthentication_required'], path);
      const challenge = refused.headers.get('www-authenticate') ?? '';
      t.match(challenge, /^Bearer error="insufficient_user_authentication", .*max_age=300$/);
      t.notOk(refused.headers.has('content-disposition'));
    }
    t.same(await eventsOf(userId, 'user.exported'), []);
    const proven = await api.post('/auth/reauthenticate', { password }, { token });
    t.equal(proven.status, 200);
    t.equal((await api.get('/me/export', { token })).status, 200, 'the proof counts for the session');
    t.equal((await eventsOf(userId, 'user.exported')).length, 1);
  },
);

t.test('closing takes the password, or a recent proof in its place', async (t) => {
  const fresh = await newAccountWithoutOrganization(api);
  t.equal((await close(fresh.accessToken, {})).status, 204, 'just signed in');

  const stale = await newAccountWithoutOrganization(api);
  await age(database, stale.sessionId, 301);
  const refused = await close(stale.accessToken, {});
  t.match([refused.status, refused.code], [401, 'reauthentication_required']);
  t.match(refused.headers.get('www-authenticate'), /max_age=300/);
  t.same(await eventsOf(stale.userId, 'user.closed'), []);
  t.equal((await close(stale.accessToken, { password: stale.password })).status, 204);
});

t.test('a wrong password closes nothing even in a fresh session, and counts like a failed sign-in', async (t) => {
  const { email, password, accessToken: token } = await newAccountWithoutOrganization(api);
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const wrong = await close(token, { password: 'wrong' });
    t.match([wrong.status, wrong.code], [403, 'wrong_password']);
  }
  t.equal((await close(token, { password })).status, 429);
  t.equal((await api.post('/auth/login', { email, password })).status, 429);
});
