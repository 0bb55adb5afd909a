// Whoever proves the mailbox ends what somebody who never did has planted in an account of that e-mail.
import t from 'tap';
import { newAccount } from '../support/client.ts';
import { freshEmail, openInviting, PASSWORD, registering } from '../support/inviting.ts';
import { refused } from '../support/raw.ts';
import { eventsAbout } from '../support/session-state.ts';

const inviting = await openInviting(t);
const { api, database, owner } = inviting;

t.test('registering by invitation takes over an account that was never proven', async (t) => {
  const planted = await newAccount(api, { email: freshEmail(), name: 'Mallory' });
  const second = await api.post('/auth/login', { email: planted.email, password: planted.password });
  const { token } = await inviting.invited(planted.email);
  const reply = await api.post('/invitations/accept', registering(token, 'Grace'));
  t.equal(reply.status, 200);
  const { data } = reply.body;
  t.match(data, { user: { id: planted.userId, name: 'Grace', emailVerified: true }, organization: owner.organization });
  for (const old of [planted, second.body.data]) {
    const me = await api.get('/me', { token: old.accessToken });
    refused(t, me, 'session_revoked', 'the access token');
    refused(t, await api.post('/auth/refresh', { refreshToken: old.refreshToken }), 'session_revoked', 'the session');
  }
  const login = (password: string) => api.post('/auth/login', { email: planted.email, password });
  refused(t, await login(planted.password), 'invalid_credentials', 'the planted password');
  t.equal((await login(PASSWORD)).status, 200);
  t.equal((await api.get('/me', { token: data.accessToken })).status, 200);
  const sessions = await api.get('/me/sessions', { token: data.accessToken });
  t.equal(sessions.body.pagination.total, 2);
  t.ok((await eventsAbout(database, planted.userId)).includes('user.claimed'));
});

t.test('a signed-in user’s first proof ends their other sessions and keeps this one', async (t) => {
  const guest = await newAccount(api, { email: freshEmail() });
  const other = await api.post('/auth/login', { email: guest.email, password: guest.password });
  const first = await inviting.invited(guest.email);
  const reply = await api.post('/invitations/accept', { token: first.token }, { token: guest.accessToken });
  t.match(reply.body.data, { sessionId: guest.sessionId, user: { emailVerified: true } });
  const ended = await api.post('/auth/refresh', { refreshToken: other.body.data.refreshToken });
  refused(t, ended, 'session_revoked', 'the other session');
  const third = await api.post('/auth/login', { email: guest.email, password: guest.password });
  const elsewhere = await newAccount(api);
  const second = await inviting.invited(guest.email, 'agent', elsewhere.accessToken);
  const again = await api.post('/invitations/accept', { token: second.token }, { token: reply.body.data.accessToken });
  t.equal(again.status, 200);
  const lives = await api.post('/auth/refresh', { refreshToken: third.body.data.refreshToken });
  t.equal(lives.status, 200, 'a later proof ends nothing');
});
