// An account that was disabled in the database alone: no process knows of this, and the sessions of the account have
// not ended. Its changes are refused with 401 or 403, and not as in an outage.
import t from 'tap';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { seedOrganizationOf } from '../../support/fixtures/people.ts';
import { countRows } from '../../support/rows.ts';
import { openService } from '../../support/service.ts';

t.test('a disabled account changes nothing with a token that is still valid', async (t) => {
  const database = await createDatabase(t);
  const { api } = await openService(t, database);
  const account = await newAccount(api);
  const { email, password, userId, accessToken: token } = account;
  const other = (await api.post('/auth/login', { email, password })).body.data;
  const elsewhere = await seedOrganizationOf(database, userId, { slug: 'elsewhere' });
  const setStatus = (status: string) => database.query('UPDATE users SET status = $2 WHERE id = $1', [userId, status]);
  const changes = {
    'creating an organization': () => api.post('/organizations', { name: 'New one' }, { token }),
    'with a slug': () => api.post('/tenants', { name: 'New one', slug: 'new-one' }, { token }),
    'changing the name': () => api.patch('/me', { name: 'Other' }, { token }),
    'ending the other sessions': () => api.delete('/me/sessions', { token }),
    'ending one session': () => api.delete(`/me/sessions/${other.sessionId}`, { token }),
  };
  await setStatus('disabled');
  const organizations = await countRows(database, 'organizations');
  for (const [what, change] of Object.entries(changes)) {
    const reply = await change();
    t.match(reply, { status: 401, code: 'session_revoked' }, what);
    t.match(reply.headers.get('www-authenticate'), /error="invalid_token"/, what);
  }
  const refused = { status: 403, code: 'account_disabled' };
  t.match(await api.post('/auth/refresh', { refreshToken: account.refreshToken }), refused, 'a refresh says why');
  const left = await api.delete(`/me/organizations/${elsewhere}`, { token });
  t.match(left, { status: 401, code: 'session_revoked' });
  const role = { name: 'x', level: 1, permissions: ['a:b'] };
  const denied = { status: 403, code: 'organization_access_denied' };
  t.match(await api.post('/roles', role, { token }), denied, 'the member has no rights in an organization');
  t.equal(await countRows(database, 'organizations'), organizations);
  await setStatus('active');
  t.equal((await api.post('/auth/refresh', { refreshToken: other.refreshToken })).status, 200, 'no session has ended');
  t.equal((await changes['creating an organization']()).status, 201);
});
