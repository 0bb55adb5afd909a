// All steps of an invitation with a real mail: inviting, listing, and accepting, once by registering and once
// as a signed-in user.
import t from 'tap';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { eventsAbout } from '../../support/rows.ts';
import { tokenIn } from '../../support/servers/mailbox.ts';
import { openService } from '../../support/service.ts';
import { freshEmail, openInviting, registering } from './inviting.ts';

const inviting = await openInviting(t);
const { api, database, mailbox, owner } = inviting;

t.test('an invitation shows its e-mail, roles, expiry and inviter, and no token', async (t) => {
  const email = freshEmail();
  const reply = await inviting.invite(email, 'agent');
  t.equal(reply.status, 201);
  const { data } = reply.body;
  t.match(data, {
    email,
    status: 'pending',
    roles: [{ name: 'agent', scope: {} }],
    invitedBy: { id: owner.userId, name: 'Ada Lovelace' },
    acceptedBy: null,
  });
  const days = (Date.parse(data.expiresAt) - Date.parse(data.createdAt)) / 86_400_000;
  t.ok(days > 6.9 && days < 7.1, 'seven days');
  const token = tokenIn(await mailbox.next(email));
  t.notOk(reply.text.includes(token));
  const read = await api.get(`/invitations/${data.id}`, { token: owner.accessToken });
  t.same(read.body.data, data);
  const list = await api.get('/invitations?status=pending', { token: owner.accessToken });
  t.same(list.body.data[0], data);
  t.same(await eventsAbout(database, data.id), ['invitation.created']);
});

t.test('POST /users invites like POST /invitations', async (t) => {
  const email = freshEmail();
  const body = { email, roles: [{ role: 'viewer', scope: { projectId: 'p1' } }] };
  const reply = await api.post('/users', body, { token: owner.accessToken });
  t.equal(reply.status, 201);
  t.match(reply.body.data, { email, status: 'pending', roles: [{ name: 'viewer', scope: { projectId: 'p1' } }] });
});

t.test('a user who registers with the token is a member with the offered roles and a verified e-mail', async (t) => {
  const email = freshEmail();
  const { id, token } = await inviting.invited(email, 'viewer');
  const reply = await api.post('/invitations/accept', registering(token));
  t.equal(reply.status, 200);
  const { data } = reply.body;
  t.match(data, {
    user: { email, name: 'Grace Hopper', emailVerified: true },
    organization: owner.organization,
    roles: ['viewer'],
    memberships: [{ organization: owner.organization, roles: ['viewer'] }],
  });
  t.type(data.refreshToken, 'string');
  const me = await api.get('/me', { token: data.accessToken });
  t.match(me.body.data, { organization: owner.organization, roles: ['viewer'] });
  const read = await api.get(`/invitations/${id}`, { token: owner.accessToken });
  t.match(read.body.data, { status: 'accepted', acceptedBy: data.user.id });
  t.same(await eventsAbout(database, id), ['invitation.created', 'invitation.accepted']);
  t.same((await eventsAbout(database, data.user.id)).sort(), [
    'member.joined',
    'user.email_verified',
    'user.registered',
  ]);
  const login = await api.post('/auth/login', { email, password: registering('').password });
  t.equal(login.status, 200);
});

t.test('POST /auth/register with invitationToken accepts too, only for the invited e-mail', async (t) => {
  const email = freshEmail();
  const { token: invitationToken } = await inviting.invited(email);
  const { name, password } = registering('');
  const other = await api.post('/auth/register', { email: freshEmail(), name, password, invitationToken });
  t.same([other.status, other.code], [403, 'invitation_for_another']);
  const both = { email, name, password, invitationToken, organizationName: 'Mine' };
  t.equal((await api.post('/auth/register', both)).status, 422);
  const body = { email: email.toUpperCase(), name, password, invitationToken };
  const reply = await api.post('/auth/register', body);
  t.equal(reply.status, 201);
  t.match(reply.body.data, {
    user: { email, emailVerified: true },
    organization: owner.organization,
    roles: ['agent'],
    subscription: null,
  });
});

t.test('a user can register by invitation even if registration is closed', async (t) => {
  const { token } = await inviting.invited(freshEmail());
  const service = await openService(t, database, { REGISTRATION_MODE: 'closed', SMTP_URL: mailbox.url });
  const { name, password } = registering('');
  const plain = await service.api.post('/auth/register', { email: freshEmail(), name, password });
  t.equal(plain.code, 'registration_closed');
  t.equal((await service.api.post('/invitations/accept', registering(token))).status, 200);
});

t.test('a signed-in user who accepts keeps the session, which then acts for the organization', async (t) => {
  const guest = await newAccount(api, { email: freshEmail() });
  const { token } = await inviting.invited(guest.email, 'admin');
  const reply = await api.post('/invitations/accept', { token }, { token: guest.accessToken });
  t.equal(reply.status, 200);
  const { data } = reply.body;
  t.equal(data.sessionId, guest.sessionId);
  t.equal(data.refreshToken, undefined, 'a request with only an access token gets no refresh token');
  t.match(data, { organization: owner.organization, roles: ['admin'], user: { emailVerified: true } });
  t.equal(data.memberships.length, 2);
  t.equal((await api.get('/me', { token: guest.accessToken })).code, 'token_stale');
  const refreshed = await api.post('/auth/refresh', { refreshToken: guest.refreshToken });
  t.match(refreshed.body.data, { organization: owner.organization, sessionId: guest.sessionId });
});

t.test('a refresh token in the request is exchanged too', async (t) => {
  const guest = await newAccount(api, { email: freshEmail() });
  const { token } = await inviting.invited(guest.email);
  const stranger = await newAccount(api);
  const wrong = { token, refreshToken: stranger.refreshToken };
  const refused = await api.post('/invitations/accept', wrong, { token: guest.accessToken });
  t.same([refused.status, refused.code], [401, 'invalid_refresh_token']);
  const body = { token, refreshToken: guest.refreshToken };
  const reply = await api.post('/invitations/accept', body, { token: guest.accessToken });
  t.equal(reply.status, 200, 'the refusal did not use up the token');
  t.match(reply.body.data, { organization: owner.organization, sessionId: guest.sessionId });
  t.type(reply.body.data.refreshToken, 'string');
  t.not(reply.body.data.refreshToken, guest.refreshToken);
});

t.test('with the transport "cookie" the answer does not contain the refresh token', async (t) => {
  const { token } = await inviting.invited(freshEmail());
  const body = { ...registering(token), transport: 'cookie' };
  const foreign = await api.post('/invitations/accept', body, { headers: { origin: 'https://evil.example' } });
  t.equal(foreign.code, 'cross_site_request');
  const reply = await api.post('/invitations/accept', body);
  t.equal(reply.status, 200);
  t.equal(reply.body.data.refreshToken, undefined);
  t.match(reply.setCookie[0], /^tenantry_refresh=ey.*HttpOnly/);
});
