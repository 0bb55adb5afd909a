// A user who proves the mailbox ends what someone else could still use in the account of this e-mail: the password,
// sessions, invitations and service clients.
import t from 'tap';
import { freshEmail, openInviting, PASSWORD, registering, setSeats } from '../../directory/invitations/inviting.ts';
import { newAccount, newProvenAccount } from '../../support/fixtures/accounts.ts';
import { refused } from '../../support/raw.ts';
import { eventsAbout } from '../../support/rows.ts';

const inviting = await openInviting(t);
const { api, database, owner } = inviting;

/** An invitation by somebody whose mailbox is not proven, as former versions allowed. */
async function invitedByUnproven(
  by: { readonly userId: string; readonly accessToken: string },
  email: string,
  role: string,
) {
  const proven = (at: string) =>
    database.query(`UPDATE users SET email_verified_at = ${at} WHERE id = $1`, [by.userId]);
  await proven('now()');
  const invitation = await inviting.invited(email, role, by.accessToken);
  await proven('NULL');
  return invitation;
}

t.test('registering by invitation takes over an account whose e-mail was never proven', async (t) => {
  const unproven = await newAccount(api, { email: freshEmail(), name: 'Mallory' });
  const second = await api.post('/auth/login', { email: unproven.email, password: unproven.password });
  const { token } = await inviting.invited(unproven.email);
  const reply = await api.post('/invitations/accept', registering(token, 'Grace'));
  t.equal(reply.status, 200);
  const { data } = reply.body;
  t.match(data, {
    user: { id: unproven.userId, name: 'Grace', emailVerified: true },
    organization: owner.organization,
  });
  for (const old of [unproven, second.body.data]) {
    const me = await api.get('/me', { token: old.accessToken });
    refused(t, me, 'session_revoked', 'the earlier access token is refused');
    refused(t, await api.post('/auth/refresh', { refreshToken: old.refreshToken }), 'session_revoked', 'the session');
  }
  const login = (password: string) => api.post('/auth/login', { email: unproven.email, password });
  refused(t, await login(unproven.password), 'invalid_credentials', 'the earlier password is refused');
  t.equal((await login(PASSWORD)).status, 200);
  t.equal((await api.get('/me', { token: data.accessToken })).status, 200);
  const sessions = await api.get('/me/sessions', { token: data.accessToken });
  t.equal(sessions.body.pagination.total, 2);
  const events = await eventsAbout(database, unproven.userId);
  t.ok(events.includes('user.claimed') && events.includes('user.email_verified'));
});

t.test('a new account that an invitation makes is recorded as proven', async (t) => {
  const email = freshEmail();
  const { token } = await inviting.invited(email);
  const { data } = (await api.post('/invitations/accept', registering(token))).body;
  const events = await eventsAbout(database, data.user.id);
  t.same(events, ['user.registered', 'user.email_verified', 'member.joined']);
});

t.test('the first proof by a signed-in user ends the user’s other sessions and keeps this session', async (t) => {
  const guest = await newAccount(api, { email: freshEmail() });
  const other = await api.post('/auth/login', { email: guest.email, password: guest.password });
  const first = await inviting.invited(guest.email);
  const reply = await api.post('/invitations/accept', { token: first.token }, { token: guest.accessToken });
  t.match(reply.body.data, { sessionId: guest.sessionId, user: { emailVerified: true } });
  const ended = await api.post('/auth/refresh', { refreshToken: other.body.data.refreshToken });
  refused(t, ended, 'session_revoked', 'the other session has ended');
  const third = await api.post('/auth/login', { email: guest.email, password: guest.password });
  const elsewhere = await newProvenAccount(api, database);
  const second = await inviting.invited(guest.email, 'agent', elsewhere.accessToken);
  const again = await api.post('/invitations/accept', { token: second.token }, { token: reply.body.data.accessToken });
  t.equal(again.status, 200);
  const lives = await api.post('/auth/refresh', { refreshToken: third.body.data.refreshToken });
  t.equal(lives.status, 200, 'a later proof ends no session');
});

t.test(
  'a takeover keeps the memberships of the account, and ends the invitations and service clients that it has made',
  async (t) => {
    const unproven = await newAccount(api, { email: freshEmail(), name: 'Mallory', organizationName: 'Evil' });
    const bystander = await newProvenAccount(api, database);
    await setSeats(database, unproven.organization.id, 10);
    const sent = [
      await invitedByUnproven(unproven, freshEmail(), 'owner'),
      await invitedByUnproven(unproven, freshEmail(), 'agent'),
    ];
    await database.query(`UPDATE invitations SET expires_at = now() - interval '1 s' WHERE id = $1`, [sent[1]?.id]);
    const foreign = await inviting.invited(freshEmail(), 'agent', bystander.accessToken);
    const made = { name: 'Backdoor', permissions: ['users:read'] };
    t.equal((await api.post('/clients', made, { token: unproven.accessToken })).status, 201);
    const { token } = await inviting.invited(unproven.email);
    const { data } = (await api.post('/invitations/accept', registering(token, 'Grace'))).body;
    t.equal(data.user.id, unproven.userId);
    const names = data.memberships.map(({ organization }: { organization: { id: string } }) => organization.id);
    t.same(names, [unproven.organization.id, owner.organization.id], 'no organization was lost');
    t.same(await database.query("SELECT 1 FROM clients WHERE name = 'Backdoor'"), [], 'no service client is left');
    for (const { id, token: old } of sent) {
      refused(t, await api.post('/invitations/accept', registering(old)), 'invitation_invalid', 'sent before');
      const events = await database.query(
        'SELECT organization_id, actor_id, data FROM events WHERE type = $1 AND target_id = $2',
        ['invitation.revoked', id],
      );
      const event = {
        organization_id: unproven.organization.id,
        actor_id: unproven.userId,
        data: { reason: 'account_claimed' },
      };
      t.same(events, [event]);
    }
    t.equal(
      (await api.post('/invitations/accept', registering(foreign.token))).status,
      200,
      'invitations of other inviters stay',
    );
  },
);

t.test('after a takeover the user signs in to the joined organization, and can leave the others', async (t) => {
  const unproven = await newAccount(api, { email: freshEmail(), name: 'Mallory' });
  const accomplice = await newAccount(api);
  const joining = await invitedByUnproven(unproven, accomplice.email, 'owner');
  const joined = await api.post('/invitations/accept', { token: joining.token }, { token: accomplice.accessToken });
  t.equal(joined.status, 200);
  const { token } = await inviting.invited(unproven.email);
  t.equal((await api.post('/invitations/accept', registering(token))).status, 200);
  const login = async (organization?: string) =>
    (await api.post('/auth/login', { email: unproven.email, password: PASSWORD, organization })).body.data;
  t.equal((await login()).organization.id, owner.organization.id);
  const elsewhere = await newProvenAccount(api, database);
  const later = await inviting.invited(unproven.email, 'agent', elsewhere.accessToken);
  const { accessToken } = await login();
  t.equal((await api.post('/invitations/accept', { token: later.token }, { token: accessToken })).status, 200);
  t.equal(
    (await login()).organization.id,
    owner.organization.id,
    'the sign-in is for the oldest organization joined since the takeover',
  );
  const there = await login(unproven.organization.id);
  t.equal(there.organization.id, unproven.organization.id, 'a sign-in that names an earlier organization works');
  const left = await api.delete(`/me/organizations/${unproven.organization.id}`, { token: there.accessToken });
  t.equal(left.status, 204, 'left');
});

t.test('an account that was not taken over still signs in to its oldest organization', async (t) => {
  const guest = await newAccount(api, { email: freshEmail() });
  const { token } = await inviting.invited(guest.email);
  t.equal((await api.post('/invitations/accept', { token }, { token: guest.accessToken })).status, 200);
  const { data } = (await api.post('/auth/login', { email: guest.email, password: guest.password })).body;
  t.equal(data.organization.id, guest.organization.id);
});
