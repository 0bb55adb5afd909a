// Inviting, listing, mailing again and revoking: who is allowed to, which roles can be offered, seats, and what the
// answers reveal.
import t from 'tap';
import { newProvenAccount } from '../../support/fixtures/accounts.ts';
import { refused } from '../../support/raw.ts';
import { eventsAbout } from '../../support/rows.ts';
import { tokenIn } from '../../support/servers/mailbox.ts';
import { countMembers, freshEmail, joined, openInviting, registering, setSeats } from './inviting.ts';

const inviting = await openInviting(t);
const { api, database, mailbox, owner } = inviting;
const organizationId = owner.organization.id;
const admin = await joined(inviting, 'admin');
const agent = await joined(inviting, 'agent');
const stranger = await newProvenAccount(api, database);

t.test('a caller cannot offer more rights than their own, by name, by id, in a scope or among others', async (t) => {
  const [top] = await database.query<{ id: string }>(
    `SELECT id FROM roles WHERE name = 'owner' AND organization_id IS NULL`,
  );
  await database.query(
    `INSERT INTO roles (id, organization_id, owner_key, name, level, permissions) VALUES
     (gen_random_uuid(), $1, $1, 'wild', 1, '{contacts:*}'), (gen_random_uuid(), $1, $1, 'high', 81, '{}'),
     (gen_random_uuid(), $1, $1, 'billing', 1, '{billing:manage}')`,
    [organizationId],
  );
  for (const roles of [
    [{ role: 'owner' }],
    [{ role: top?.id }],
    [{ role: 'owner', scope: { projectId: 'p1' } }],
    [{ role: 'agent' }, { role: 'owner' }],
    [{ role: 'wild' }],
    [{ role: 'high' }],
    [{ role: 'billing' }],
  ]) {
    const reply = await api.post('/invitations', { email: freshEmail(), roles }, { token: admin.accessToken });
    refused(t, reply, 'grant_exceeds_own', JSON.stringify(roles));
  }
  t.equal(
    (await inviting.invite(freshEmail(), 'admin', admin.accessToken)).status,
    201,
    'an offer within the caller’s rights',
  );
  refused(t, await inviting.invite(freshEmail(), 'viewer', agent.accessToken), 'permission_denied', 'an agent');
  refused(
    t,
    await api.post('/invitations', { email: freshEmail(), roles: [{ role: 'viewer' }] }),
    'unauthenticated',
    '',
  );
});

t.test('the caller’s rights of this moment count, not the rights in the token', async (t) => {
  const other = await joined(inviting, 'admin');
  await database.query(
    `UPDATE role_assignments SET role_id = (SELECT id FROM roles WHERE name = 'agent' AND organization_id IS NULL)
     WHERE user_id = $1`,
    [other.userId],
  );
  refused(t, await inviting.invite(freshEmail(), 'viewer', other.accessToken), 'permission_denied', 'inviting');
  const { id } = await inviting.invited(freshEmail());
  const options = { token: other.accessToken };
  refused(t, await api.post(`/invitations/${id}/resend`, undefined, options), 'permission_denied', 'mailing again');
  refused(t, await api.delete(`/invitations/${id}`, options), 'permission_denied', 'revoking');
});

t.test('a role of another organization is refused like an unknown role', async (t) => {
  const [role] = await database.query<{ id: string }>(
    `INSERT INTO roles (id, organization_id, owner_key, name, level, permissions)
     VALUES (gen_random_uuid(), $1, $1, 'theirs', 1, '{}') RETURNING id`,
    [stranger.organization.id],
  );
  for (const name of ['theirs', role?.id ?? '', 'no-such-role', '0193c5a0-7a2b-7c3d-8e4f-5a6b7c8d9e0f']) {
    refused(t, await inviting.invite(freshEmail(), name), 'not_found', name);
  }
});

t.test('an invalid invitation is refused', async (t) => {
  const email = freshEmail();
  const roles = [{ role: 'agent' }];
  for (const body of [
    {},
    { email },
    { roles },
    { email, roles: [] },
    { email, roles: Array.from({ length: 21 }, () => ({ role: 'agent' })) },
    { email: 'nobody', roles },
    { email: 'a@example.com, b@example.com', roles },
    { email: 'a@example.com\r\nBcc: b@example.com', roles },
    { email: 'a b <a@example.com>', roles },
    { email, roles, organizationId: stranger.organization.id },
    { email, roles: [{ role: 'agent', scope: { a: { b: 1 } } }] },
    { email, roles: [{ role: 'agent', scope: JSON.parse('{"__proto__": "x"}') }] },
  ]) {
    const reply = await api.post('/invitations', body, { token: owner.accessToken });
    refused(t, reply, ['validation_failed', 'malformed_json', 'bad_request'], JSON.stringify(body).slice(0, 80));
  }
});

t.test('a member cannot be invited, and a pending invitation is renewed with the new roles', async (t) => {
  refused(t, await inviting.invite(agent.email.toUpperCase()), 'already_member', 'a member in other letter case');
  await database.query(`UPDATE memberships SET status = 'suspended' WHERE user_id = $1`, [agent.userId]);
  refused(t, await inviting.invite(agent.email), 'already_member', 'a suspended member');
  const email = freshEmail();
  const first = await inviting.invite(email, 'agent');
  await database.query(`UPDATE invitations SET expires_at = now() - interval '1 day' WHERE id = $1`, [
    first.body.data.id,
  ]);
  const again = await inviting.invite(email, 'viewer', admin.accessToken);
  t.equal(again.status, 201);
  t.match(again.body.data, { id: first.body.data.id, status: 'pending', invitedBy: { id: admin.userId } });
  t.same(
    again.body.data.roles.map(({ name }: { name: string }) => name),
    ['viewer'],
  );
  t.same(await eventsAbout(database, first.body.data.id), ['invitation.created', 'invitation.renewed']);
});

t.test('an invitation does not reveal whether the e-mail has an account', async (t) => {
  const shape = ({ status, body, headers }: Awaited<ReturnType<typeof inviting.invite>>) => ({
    status,
    body: JSON.stringify({ ...body.data, id: 0, email: 0, createdAt: 0, expiresAt: 0 }),
    headers: [...headers.keys()].sort(),
  });
  const known = await inviting.invite(stranger.email);
  const unknown = await inviting.invite(freshEmail());
  t.same(shape(known), shape(unknown));
});

t.test('a role that is offered twice in one scope is stored once, and in two scopes twice', async (t) => {
  const scope = { projectId: 'p1', region: 'eu' };
  const swapped = { region: 'eu', projectId: 'p1' };
  const roles = [{ role: 'agent' }, { role: 'agent', scope }, { role: 'agent', scope: swapped }, { role: 'agent' }];
  const email = freshEmail();
  const reply = await api.post('/invitations', { email, roles }, { token: owner.accessToken });
  t.equal(reply.body.data.roles.length, 2);
  const accepted = await api.post('/invitations/accept', registering(tokenIn(await mailbox.next(email))));
  t.same(accepted.body.data.roles, ['agent']);
  const rows = await database.query('SELECT scope FROM role_assignments WHERE user_id = $1 ORDER BY scope::text DESC', [
    accepted.body.data.user.id,
  ]);
  t.same(rows, [{ scope: {} }, { scope }]);
});

t.test('members and pending invitations need seats; an expired or ended invitation frees its seat', async (t) => {
  const taken = async () => {
    const [row] = await database.query<{ total: number }>(
      `SELECT count(*)::int AS total FROM invitations
       WHERE organization_id = $1 AND status = 'pending' AND expires_at > now()`,
      [organizationId],
    );
    return (row?.total ?? 0) + (await countMembers(database, organizationId));
  };
  const first = await inviting.invited(freshEmail());
  await setSeats(database, organizationId, (await taken()) + 1);
  const email = freshEmail();
  t.equal((await inviting.invite(email)).status, 201, 'the last seat');
  refused(t, await inviting.invite(freshEmail()), 'team_member_limit', 'no seat left');
  t.equal((await inviting.invite(email)).status, 201, 'renewing takes no additional seat');
  t.equal((await api.delete(`/invitations/${first.id}`, { token: owner.accessToken })).status, 204);
  const second = await inviting.invited(freshEmail());
  refused(t, await inviting.invite(freshEmail()), 'team_member_limit', 'the freed seat is taken');
  await database.query(`UPDATE invitations SET expires_at = now() - interval '1 s' WHERE id = $1`, [second.id]);
  const third = await inviting.invited(freshEmail());
  const resent = await api.post(`/invitations/${second.id}/resend`, undefined, { token: owner.accessToken });
  refused(t, resent, 'team_member_limit', 'an expired invitation has no seat');
  t.equal(
    (await api.post('/invitations/accept', registering(third.token))).status,
    200,
    'a pending invitation keeps its seat',
  );
  await setSeats(database, organizationId, 1000);
});

t.test('mailing again ends the older token, and the caller needs the right to offer the roles', async (t) => {
  const email = freshEmail();
  const { id, token } = await inviting.invited(email, 'owner');
  const options = { token: owner.accessToken };
  await database.query(`UPDATE invitations SET expires_at = now() - interval '1 day' WHERE id = $1`, [id]);
  refused(
    t,
    await api.post(`/invitations/${id}/resend`, undefined, { token: admin.accessToken }),
    'grant_exceeds_own',
    'roles above the caller’s rights',
  );
  const reply = await api.post(`/invitations/${id}/resend`, undefined, options);
  t.equal(reply.status, 200);
  t.match(reply.body.data, { id, status: 'pending' });
  const fresh = tokenIn(await mailbox.next(email));
  refused(t, await api.post('/invitations/accept', registering(token)), 'invitation_invalid', 'the older token');
  t.equal((await api.post('/invitations/accept', registering(fresh))).status, 200);
  t.same(await eventsAbout(database, id), ['invitation.created', 'invitation.renewed', 'invitation.accepted']);
  refused(t, await api.post(`/invitations/${id}/resend`, undefined, options), 'not_found', 'an accepted invitation');
  refused(t, await api.delete(`/invitations/${id}`, options), 'not_found', 'an accepted invitation is not revoked');
});

t.test('a revoked invitation stays in the list and is revoked only once', async (t) => {
  const options = { token: owner.accessToken };
  const { id } = await inviting.invited(freshEmail());
  t.equal((await api.delete(`/invitations/${id}`, options)).status, 204);
  refused(t, await api.delete(`/invitations/${id}`, options), 'not_found', 'again');
  refused(t, await api.post(`/invitations/${id}/resend`, undefined, options), 'not_found', 'mailing it again');
  t.match((await api.get(`/invitations/${id}`, options)).body.data, { status: 'revoked' });
  t.same(await eventsAbout(database, id), ['invitation.created', 'invitation.revoked']);
});

t.test('an invitation of another organization gets the same answer as an unknown invitation', async (t) => {
  const { id } = await inviting.invited(freshEmail());
  const options = { token: stranger.accessToken };
  refused(t, await api.get(`/invitations/${id}`, options), 'not_found', 'reading');
  refused(t, await api.delete(`/invitations/${id}`, options), 'not_found', 'revoking');
  refused(t, await api.post(`/invitations/${id}/resend`, undefined, options), 'not_found', 'mailing again');
  t.equal((await api.get('/invitations', options)).body.pagination.total, 0);
  t.match((await api.get(`/invitations/${id}`, { token: owner.accessToken })).body.data, { status: 'pending' });
});

t.test('the list is filtered by status and paged, and the total is right even after the last page', async (t) => {
  const options = { token: stranger.accessToken };
  await setSeats(database, stranger.organization.id, 100);
  const ids: string[] = [];
  for (let index = 0; index < 5; index += 1) {
    ids.unshift((await inviting.invited(freshEmail(), 'agent', stranger.accessToken)).id);
  }
  const [newest, second, third] = ids;
  await api.delete(`/invitations/${newest}`, options);
  await database.query(`UPDATE invitations SET expires_at = now() - interval '1 s' WHERE id = $1`, [second]);
  const listed = async (query: string) => {
    const { body } = await api.get(`/invitations${query}`, options);
    return [body.data.map(({ id }: { id: string }) => id), body.pagination.total, body.pagination.hasMore];
  };
  t.same(await listed(''), [ids, 5, false]);
  t.same(await listed('?status=revoked'), [[newest], 1, false]);
  t.same(await listed('?status=expired'), [[second], 1, false]);
  t.same(await listed('?status=pending&limit=1'), [[third], 3, true]);
  t.same(await listed('?status=accepted'), [[], 0, false]);
  t.same(await listed('?offset=50'), [[], 5, false]);
  t.equal((await api.get('/invitations?status=old', options)).status, 422);
});
