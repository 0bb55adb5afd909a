// Which acceptances are refused: every invalid token in the same way, the wrong user, the wrong tenant. A refusal does
// not use up the token.
import t from 'tap';
import type { Reply } from '../../support/client.ts';
import { newAccount, newProvenAccount } from '../../support/fixtures/accounts.ts';
import { seedMembership } from '../../support/fixtures/people.ts';
import { seedRole } from '../../support/fixtures/roles.ts';
import { lookupOf } from '../../support/personal.ts';
import { refused } from '../../support/raw.ts';
import { countMembers, freshEmail, joined, openInviting, PASSWORD, registering, setSeats } from './inviting.ts';

const inviting = await openInviting(t);
const { api, database, owner } = inviting;
const organizationId = owner.organization.id;

const accept = (token: string, options = {}) => api.post('/invitations/accept', registering(token), options);

/** The problem without its request id. */
function withoutRequestId({ body: { requestId: _, ...rest } }: Reply): unknown {
  return rest;
}

t.test('unknown, malformed, expired, revoked, used and replaced tokens get the same answer', async (t) => {
  const seen: unknown[] = [];
  const invalid = async (what: string, token: string) => {
    const reply = await accept(token);
    refused(t, reply, 'invitation_invalid', what);
    seen.push(withoutRequestId(reply));
    const guest = await newAccount(api);
    const signedIn = await api.post('/invitations/accept', { token }, { token: guest.accessToken });
    refused(t, signedIn, 'invitation_invalid', `${what}, signed in`);
    seen.push(withoutRequestId(signedIn));
    const email = freshEmail();
    const body = { email, name: 'Guest', password: PASSWORD, invitationToken: token };
    refused(t, await api.post('/auth/register', body), 'invitation_invalid', `${what}, at registration`);
  };
  await invalid('unknown', Buffer.alloc(32, 7).toString('base64url'));
  for (const token of ['', 'x', 'null', "' OR 1=1 --", 'ü'.repeat(100), '0193c5a0-7a2b-7c3d-8e4f-5a6b7c8d9e0f']) {
    await invalid(`malformed ${JSON.stringify(token.slice(0, 20))}`, token);
  }
  const expired = await inviting.invited(freshEmail());
  await database.query(`UPDATE invitations SET expires_at = now() - interval '1 ms' WHERE id = $1`, [expired.id]);
  await invalid('expired', expired.token);
  const revoked = await inviting.invited(freshEmail());
  t.equal((await api.delete(`/invitations/${revoked.id}`, { token: owner.accessToken })).status, 204);
  await invalid('revoked', revoked.token);
  const used = await inviting.invited(freshEmail());
  t.equal((await accept(used.token)).status, 200);
  await invalid('used', used.token);
  const email = freshEmail();
  const renewed = await inviting.invited(email);
  const again = await inviting.invited(email);
  t.equal(again.id, renewed.id);
  await invalid('renewed', renewed.token);
  t.equal((await accept(again.token)).status, 200);
  t.equal(new Set(seen.map((one) => JSON.stringify(one))).size, 1, 'all refusals have the same text');
});

t.test('the id of an invitation is not accepted as its token', async (t) => {
  const { id } = await inviting.invited(freshEmail());
  refused(t, await accept(id), 'invitation_invalid', 'id');
});

t.test('a token does not work while its inviter may not invite or its organization is suspended', async (t) => {
  const states: [string, string, string][] = [
    ['the inviter is suspended', `UPDATE memberships SET status = 'suspended' WHERE user_id = $1`, 'suspended'],
    ['the inviter is removed', 'DELETE FROM memberships WHERE user_id = $1', 'removed'],
    ['the inviter’s account is disabled', `UPDATE users SET status = 'disabled' WHERE id = $1`, 'disabled'],
    [
      'the inviter has lost the right to invite',
      `UPDATE role_assignments SET role_id = (SELECT id FROM roles WHERE name = 'viewer' AND organization_id IS NULL)
       WHERE user_id = $1`,
      'demoted',
    ],
    [
      'the inviter has their role only in a scope',
      `UPDATE role_assignments SET scope = '{"projectId":"p1"}' WHERE user_id = $1`,
      'scoped',
    ],
  ];
  for (const [what, sql, name] of states) {
    const admin = await joined(inviting, 'admin', freshEmail(name));
    const { token } = await inviting.invited(freshEmail(), 'agent', admin.accessToken);
    await database.query(sql, [admin.userId]);
    refused(t, await accept(token), 'invitation_invalid', what);
  }
  const { token } = await inviting.invited(freshEmail());
  await database.query(`UPDATE organizations SET status = 'suspended' WHERE id = $1`, [organizationId]);
  refused(t, await accept(token), 'invitation_invalid', 'the organization is suspended');
  await database.query(`UPDATE organizations SET status = 'active' WHERE id = $1`, [organizationId]);
  t.equal((await accept(token)).status, 200, 'activation restores the invitation');
  const other = await newProvenAccount(api, database);
  const doomed = await inviting.invited(freshEmail(), 'agent', other.accessToken);
  await database.query('DELETE FROM organizations WHERE id = $1', [other.organization.id]);
  refused(t, await accept(doomed.token), 'invitation_invalid', 'the organization is deleted');
});

t.test('a role that was extended beyond the rights of the inviter after the invitation is not granted', async (t) => {
  const helper = await seedRole(database, organizationId, {
    name: 'helper',
    level: 10,
    permissions: ['contacts:read'],
  });
  const admin = await joined(inviting, 'admin');
  const guests = [freshEmail(), freshEmail(), freshEmail()];
  const tokens = [];
  for (const guest of guests) tokens.push((await inviting.invited(guest, 'helper', admin.accessToken)).token);
  await database.query(`UPDATE roles SET permissions = '{contacts:read,billing:manage}' WHERE id = $1`, [helper]);
  refused(t, await accept(tokens[0] ?? ''), 'invitation_invalid', 'a permission that the inviter lacks');
  await database.query(`UPDATE roles SET permissions = '{contacts:read}', level = 90 WHERE id = $1`, [helper]);
  refused(t, await accept(tokens[1] ?? ''), 'invitation_invalid', 'a level above the inviter’s');
  await database.query(`UPDATE roles SET permissions = '{}', level = 10 WHERE id = $1`, [helper]);
  t.match((await accept(tokens[2] ?? '')).body, { data: { roles: ['helper'] } }, 'a reduced role is granted');
  await database.query('DELETE FROM role_assignments WHERE role_id = $1', [helper]);
  await database.query('DELETE FROM roles WHERE id = $1', [helper]);
  refused(t, await accept(tokens[0] ?? ''), 'invitation_invalid', 'no role is left to grant');
});

t.test('an invitation for another e-mail is refused, and its token is not used up', async (t) => {
  const guest = await newAccount(api);
  const { token } = await inviting.invited(freshEmail());
  const before = await countMembers(database, organizationId);
  const reply = await api.post('/invitations/accept', { token }, { token: guest.accessToken });
  refused(t, reply, 'invitation_for_another', 'signed in with another e-mail');
  t.equal(await countMembers(database, organizationId), before);
  t.equal((await accept(token)).status, 200);
});

t.test('a user with a proven mailbox cannot register again, and accepts after signing in', async (t) => {
  const guest = await newAccount(api);
  await database.query('UPDATE users SET email_verified_at = now() WHERE id = $1', [guest.userId]);
  const { token } = await inviting.invited(guest.email);
  refused(t, await accept(token), 'email_taken', 'registering');
  const reply = await api.post('/invitations/accept', { token }, { token: guest.accessToken });
  t.equal(reply.status, 200);
});

t.test('accepting an invitation can neither take over nor use a disabled account', async (t) => {
  const guest = await newAccount(api);
  const { token } = await inviting.invited(guest.email);
  await database.query(`UPDATE users SET status = 'disabled' WHERE id = $1`, [guest.userId]);
  refused(t, await accept(token), 'email_taken', 'registering');
  const signedIn = await api.post('/invitations/accept', { token }, { token: guest.accessToken });
  refused(t, signedIn, 'account_disabled', 'signed in');
  const [row] = await database.query('SELECT status FROM invitations WHERE email_lookup = $1', [
    lookupOf('invitations.email', guest.email),
  ]);
  t.same(row, { status: 'pending' });
});

t.test('a tenant header must name the organization of the invitation', async (t) => {
  const stranger = await newAccount(api);
  const { token } = await inviting.invited(freshEmail());
  for (const headers of [
    { 'x-tenant-id': stranger.organization.id },
    { 'x-tenant-id': 'no-such-organization' },
    { 'x-organization-slug': stranger.organization.slug },
  ]) {
    refused(t, await accept(token, { headers }), 'tenant_mismatch', JSON.stringify(headers));
  }
  const two = { 'x-tenant-id': organizationId, 'x-organization-slug': stranger.organization.slug };
  refused(t, await accept(token, { headers: two }), 'bad_request', 'two organizations');
  const own = { 'x-tenant-id': organizationId.toUpperCase(), 'x-organization-slug': owner.organization.slug };
  t.equal((await accept(token, { headers: own })).status, 200);
});

t.test('a GET or HEAD request does not use up a token', async (t) => {
  const { token } = await inviting.invited(freshEmail());
  for (const method of ['GET', 'HEAD']) {
    for (const path of [`/invitations/accept?token=${token}`, `/invitations/accept/${token}`]) {
      const { status } = await api.call(method, path);
      t.ok([401, 404, 405, 422].includes(status), `${method} ${path.slice(0, 20)}: ${status}`);
    }
  }
  t.equal((await accept(token)).status, 200);
});

t.test('an incomplete or too large body is refused, and the token is not used up', async (t) => {
  const guest = await newAccount(api);
  const { token } = await inviting.invited(guest.email);
  const wrong: [string, object, object][] = [
    ['no name', { token, password: PASSWORD }, {}],
    ['no password', { token, name: 'Guest' }, {}],
    ['no token', { name: 'Guest', password: PASSWORD }, {}],
    ['a refresh token together with a registration', { ...registering(token), refreshToken: guest.refreshToken }, {}],
    ['an unknown field', { ...registering(token), organizationId }, {}],
    ['roles', { ...registering(token), roles: ['owner'] }, {}],
    ['a common password', { token, name: 'Guest', password: 'password1' }, {}],
    ['the e-mail as the password', { token, name: 'Guest', password: guest.email }, {}],
    ['the organization as the password', { token, name: 'Guest', password: owner.organization.name }, {}],
    ['a password while signed in', { token, password: PASSWORD }, { token: guest.accessToken }],
  ];
  for (const [what, body, options] of wrong) {
    refused(t, await api.post('/invitations/accept', body, options), 'validation_failed', what);
  }
  const broken = await api.post('/invitations/accept', { token }, { token: 'x' });
  refused(t, broken, 'invalid_token', 'an invalid access token does not count as a registration');
  const large = await api.post('/invitations/accept', { ...registering(token), name: 'x'.repeat(17_000) });
  refused(t, large, 'body_too_large', '16 KiB');
  t.equal((await api.post('/invitations/accept', { token }, { token: guest.accessToken })).status, 200);
});

t.test('a user who became a member after the invitation gets already_member, and stays a member', async (t) => {
  const guest = await newAccount(api);
  const { token } = await inviting.invited(guest.email, 'admin');
  await seedMembership(database, { organizationId, userId: guest.userId });
  const reply = await api.post('/invitations/accept', { token }, { token: guest.accessToken });
  refused(t, reply, 'already_member', 'a member');
  const roles = await database.query('SELECT 1 FROM role_assignments WHERE user_id = $1 AND organization_id = $2', [
    guest.userId,
    organizationId,
  ]);
  t.same(roles, [], 'no role was added');
});

t.test('a seat that was taken after the invitation is not given twice', async (t) => {
  const { token } = await inviting.invited(freshEmail());
  await withSeats(await countMembers(database, organizationId), async () => {
    refused(t, await accept(token), 'team_member_limit', 'no seat');
  });
  t.equal((await accept(token)).status, 200, 'the refusal did not use up the token');
});

async function withSeats(seats: number, work: () => Promise<void>): Promise<void> {
  await setSeats(database, organizationId, seats);
  await work();
  await setSeats(database, organizationId, 1000);
}
