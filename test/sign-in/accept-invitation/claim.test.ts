// Whoever proves the mailbox ends what somebody who never did has planted in an account of that e-mail.
import t from 'tap';
import { freshEmail, openInviting, PASSWORD, registering, setSeats } from '../../directory/invitations/inviting.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { refused } from '../../support/raw.ts';
import { eventsAbout } from '../../support/rows.ts';

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

t.test('what the account was a member of stays, and what it has sent ends', async (t) => {
  const planted = await newAccount(api, { email: freshEmail(), name: 'Mallory', organizationName: 'Evil' });
  const bystander = await newAccount(api);
  await setSeats(database, planted.organization.id, 10);
  const sent = [
    await inviting.invited(freshEmail(), 'owner', planted.accessToken),
    await inviting.invited(freshEmail(), 'agent', planted.accessToken),
  ];
  await database.query(`UPDATE invitations SET expires_at = now() - interval '1 s' WHERE id = $1`, [sent[1]?.id]);
  const foreign = await inviting.invited(freshEmail(), 'agent', bystander.accessToken);
  const { token } = await inviting.invited(planted.email);
  const { data } = (await api.post('/invitations/accept', registering(token, 'Grace'))).body;
  t.equal(data.user.id, planted.userId);
  const names = data.memberships.map(({ organization }: { organization: { id: string } }) => organization.id);
  t.same(names, [planted.organization.id, owner.organization.id], 'no organization was lost');
  for (const { id, token: old } of sent) {
    refused(t, await api.post('/invitations/accept', registering(old)), 'invitation_invalid', 'sent before');
    const events = await database.query(
      'SELECT organization_id, actor_id, data FROM events WHERE type = $1 AND target_id = $2',
      ['invitation.revoked', id],
    );
    const event = {
      organization_id: planted.organization.id,
      actor_id: planted.userId,
      data: { reason: 'account_claimed' },
    };
    t.same(events, [event]);
  }
  t.equal((await api.post('/invitations/accept', registering(foreign.token))).status, 200, 'others’ invitations go on');
});

t.test('whoever was handed an account signs in to what they joined, and can leave the rest', async (t) => {
  const planted = await newAccount(api, { email: freshEmail(), name: 'Mallory' });
  const accomplice = await newAccount(api);
  const joining = await inviting.invited(accomplice.email, 'owner', planted.accessToken);
  const joined = await api.post('/invitations/accept', { token: joining.token }, { token: accomplice.accessToken });
  t.equal(joined.status, 200);
  const { token } = await inviting.invited(planted.email);
  t.equal((await api.post('/invitations/accept', registering(token))).status, 200);
  const login = async (organization?: string) =>
    (await api.post('/auth/login', { email: planted.email, password: PASSWORD, organization })).body.data;
  t.equal((await login()).organization.id, owner.organization.id);
  const elsewhere = await newAccount(api);
  const later = await inviting.invited(planted.email, 'agent', elsewhere.accessToken);
  const { accessToken } = await login();
  t.equal((await api.post('/invitations/accept', { token: later.token }, { token: accessToken })).status, 200);
  t.equal((await login()).organization.id, owner.organization.id, 'of what was joined since, the oldest');
  const there = await login(planted.organization.id);
  t.equal(there.organization.id, planted.organization.id, 'by its name, still');
  const left = await api.delete(`/me/organizations/${planted.organization.id}`, { token: there.accessToken });
  t.equal(left.status, 204, 'left');
});

t.test('an account that was proven by its own user keeps the oldest organization as its first', async (t) => {
  const guest = await newAccount(api, { email: freshEmail() });
  const { token } = await inviting.invited(guest.email);
  t.equal((await api.post('/invitations/accept', { token }, { token: guest.accessToken })).status, 200);
  const { data } = (await api.post('/auth/login', { email: guest.email, password: guest.password })).body;
  t.equal(data.organization.id, guest.organization.id);
});
