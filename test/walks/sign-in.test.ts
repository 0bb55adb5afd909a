// The story of one user: register, read the profile, refresh, sign out, and sign in again.
import t from 'tap';
import { createDatabase } from '../support/database.ts';
import { newAccount } from '../support/fixtures/accounts.ts';
import { FULL_HASHES, openService } from '../support/service.ts';

t.test('a user registers, reads the profile and refreshes, and a sign-out ends the tokens for good', async (t) => {
  const { api } = await openService(t, await createDatabase(t), FULL_HASHES);
  const account = await newAccount(api, { organizationName: 'Acme' });
  t.equal(account.organization.slug, 'acme');

  const me = await api.get('/me', { token: account.accessToken });
  t.equal(me.status, 200);
  t.match(me.body.data, {
    email: account.email,
    organization: { slug: 'acme' },
    roles: ['owner'],
    permissions: ['*:*'],
  });

  const refreshed = await api.post('/auth/refresh', { refreshToken: account.refreshToken });
  t.equal(refreshed.status, 200);
  t.equal(refreshed.body.data.sessionId, account.sessionId, 'the session is the same');
  t.not(refreshed.body.data.refreshToken, account.refreshToken);

  t.equal((await api.post('/auth/logout', { refreshToken: refreshed.body.data.refreshToken })).status, 204);
  t.equal((await api.get('/me', { token: refreshed.body.data.accessToken })).code, 'session_revoked');
  t.equal(
    (await api.post('/auth/refresh', { refreshToken: refreshed.body.data.refreshToken })).code,
    'session_revoked',
  );

  const { email, password } = account;
  const again = await api.post('/auth/login', { email, password });
  t.equal(again.status, 200);
  t.not(again.body.data.sessionId, account.sessionId, 'a sign-in never continues an ended session');
});
