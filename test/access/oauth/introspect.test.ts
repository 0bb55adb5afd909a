// Introspection (RFC 7662): the content of the answer for an active token, and the one common answer for every other
// token.
import t, { type Test } from 'tap';
import { raiseEpochs, raiseMembershipEpochs, raiseRolesEpoch } from '../../../src/directory/users/epoch-store.ts';
import { ageRotation, sessionRow } from '../../sign-in/sessions/rows.ts';
import { newAccountWithoutOrganization } from '../../support/fixtures/accounts.ts';
import { type SeededClient, seedClient, tokenOfClient } from '../../support/fixtures/clients.ts';
import { seedMembership, seedOrganization, signInPerson } from '../../support/fixtures/people.ts';
import { assignRole, seedRole } from '../../support/fixtures/roles.ts';
import { openTeam, renewed } from '../../support/fixtures/team.ts';
import { forge, partsOf, rsa, serviceKey } from '../../support/forge.ts';
import { FORM, inBody, type Parameters, post } from './calls.ts';

const INACTIVE = { active: false };

async function open(t: Test) {
  const team = await openTeam(t);
  const client = await seedClient(team.database, {
    organizationId: team.organization.id,
    permissions: ['deals:read'],
  });
  const other = await seedOrganization(team.database);
  const foreign = await seedClient(team.database, { organizationId: other.id });
  const installation = await seedClient(team.database, { organizationId: null });
  const ask = async (token: string, by: SeededClient = client, parameters: Parameters = {}) => {
    const reply = await post(team.api, '/oauth/introspect', { token, ...parameters }, by);
    if (reply.status !== 200) throw new Error(`introspection answered ${reply.status}: ${reply.text}`);
    return reply.body;
  };
  return { ...team, client, foreign, installation, ask };
}

t.test('the answer about an active access token of a user is complete', async (t) => {
  const { ask, join, installation } = await open(t);
  const member = await join('viewer');
  const { claims } = partsOf(member.token);
  const { auth_time: _, amr: __, ...said } = claims;
  const expected = {
    active: true,
    token_type: 'Bearer',
    ...said,
    ...((claims.permissions as string[]).length > 0 ? { scope: (claims.permissions as string[]).join(' ') } : {}),
  };
  for (const hint of [{}, { token_type_hint: 'refresh_token' }, { token_type_hint: 'unheard_of' }]) {
    t.strictSame(await ask(member.token, undefined, hint), expected);
  }
  t.strictSame(await ask(member.token, installation), expected, 'a client of the installation gets the same answer');
});

t.test('permissions that do not fit into a token are not in the answer, which says so', async (t) => {
  const { database, ask, join, api, organization } = await open(t);
  const member = await join('viewer');
  const permissions = Array.from({ length: 201 }, (_, n) => `things:a${n}`);
  await seedRole(database, organization.id, { name: 'large', permissions });
  await assignRole(database, { organizationId: organization.id, userId: member.userId, role: 'large' });
  const { body } = await api.post('/auth/refresh', { refreshToken: member.refreshToken });
  const told = await ask(body.data.accessToken);
  t.match(told, { active: true, permissions_ref: true, org: organization.id });
  t.notOk('permissions' in told || 'scope' in told);
});

t.test('the answer about an active token of a client is complete, even for another audience', async (t) => {
  const { database, service, ask, client, organization, installation } = await open(t);
  const token = await tokenOfClient(service.app, database, client.id);
  const said = { active: true, token_type: 'Bearer', scope: 'deals:read', ...partsOf(token).claims };
  t.strictSame(await ask(token), said);
  const own = await seedClient(database, { organizationId: organization.id, audience: 'https://crm.example' });
  t.match(await ask(await tokenOfClient(service.app, database, own.id)), { active: true, aud: 'https://crm.example' });
  const whole = await tokenOfClient(service.app, database, installation.id);
  t.match(await ask(whole, installation), { active: true, sub: installation.id });
  t.strictSame(await ask(whole), INACTIVE, 'a token of the installation is inactive to a client of an organization');
});

t.test('for an organization’s client, a token that acts for another or for no organization is inactive', async (t) => {
  const { api, database, service, ask, join, client, foreign, installation } = await open(t);
  const member = await join('owner');
  const alone = await newAccountWithoutOrganization(api);
  for (const token of [member.token, member.refreshToken, await tokenOfClient(service.app, database, client.id)]) {
    t.match(await ask(token), { active: true });
    t.strictSame(await ask(token, foreign), INACTIVE);
    t.match(await ask(token, installation), { active: true });
  }
  for (const token of [alone.accessToken, alone.refreshToken]) {
    t.strictSame(await ask(token), INACTIVE);
    t.match(await ask(token, installation), { active: true });
  }
});

t.test('an ended token is inactive at once, because introspection reads the database', async (t) => {
  const { api, database, service, ask, join, client, organization } = await open(t);
  const ends: Record<string, (member: { userId: string; sessionId: string }) => Promise<unknown>> = {
    'session ended': ({ sessionId }) =>
      database.query(`UPDATE sessions SET revoked_at = now(), revoked_reason = 'x' WHERE id = $1`, [sessionId]),
    'session expired': ({ sessionId }) =>
      database.query('UPDATE sessions SET idle_expires_at = now() WHERE id = $1', [sessionId]),
    'session over': ({ sessionId }) =>
      database.query('UPDATE sessions SET expires_at = now() WHERE id = $1', [sessionId]),
    'session removed': ({ sessionId }) => database.query('DELETE FROM sessions WHERE id = $1', [sessionId]),
    'user disabled': ({ userId }) => database.query(`UPDATE users SET status = 'disabled' WHERE id = $1`, [userId]),
    'epoch raised': ({ userId }) => database.query('UPDATE users SET epoch = epoch + 1 WHERE id = $1', [userId]),
    'membership suspended': ({ userId }) =>
      database.query(`UPDATE memberships SET status = 'suspended' WHERE user_id = $1`, [userId]),
    'membership removed': ({ userId }) => database.query('DELETE FROM memberships WHERE user_id = $1', [userId]),
  };
  for (const [what, end] of Object.entries(ends)) {
    const member = await join('agent');
    t.match(await ask(member.token), { active: true });
    await end(member);
    t.strictSame(await ask(member.token), INACTIVE, what);
  }
  const member = await join('agent');
  await api.post('/auth/logout', { refreshToken: member.refreshToken });
  t.strictSame(await ask(member.token), INACTIVE, 'logged out');

  const ofClient = await seedClient(database, { organizationId: organization.id });
  for (const sql of ['SET epoch = epoch + 1', `SET status = 'disabled'`]) {
    const token = await tokenOfClient(service.app, database, ofClient.id);
    t.match(await ask(token), { active: true });
    await database.query(`UPDATE clients ${sql} WHERE id = $1`, [ofClient.id]);
    t.strictSame(await ask(token), INACTIVE, `client ${sql}`);
  }
  await database.query(`UPDATE clients SET status = 'active' WHERE id = $1`, [ofClient.id]);
  const last = await tokenOfClient(service.app, database, ofClient.id);
  t.match(await ask(last), { active: true });
  await database.query('DELETE FROM clients WHERE id = $1', [ofClient.id]);
  t.strictSame(await ask(last), INACTIVE, 'client deleted');

  const late = await join('agent');
  const token = await tokenOfClient(service.app, database, client.id);
  service.clock.advance(901);
  for (const over of [late.token, token]) t.strictSame(await ask(over), INACTIVE, 'expired');
});

t.test('a change of a role that many members have makes the older tokens that name it inactive', async (t) => {
  const { service, ask, join, organization, installation } = await open(t);
  const [agent, viewer] = [await join('agent'), await join('viewer')];
  const active = async ({ token }: { token: string }) => (await ask(token, installation)).active;
  const { claims } = partsOf(agent.token);
  t.match(await ask(agent.token, installation), { rep: 0 });
  const header = { alg: 'RS256', typ: 'at+jwt', kid: partsOf(agent.token).header.kid };
  const key = rsa(serviceKey(service.keysDirectory, 'access'));
  const older = { token: forge({ header, claims: { ...claims, rep: undefined } }, key) };
  t.notHas(await ask(older.token, installation), { rep: Number });
  const { db } = service.app.parts;
  const scope = { organizationId: organization.id };
  await db.organization(scope, (tx) => raiseRolesEpoch(tx, organization.id, 'agent')); // no process knows of it yet
  t.same([await active(agent), await active(viewer)], [false, true]);
  t.equal(await active(older), true, 'a token of the previous version is judged by the epoch of its membership');
  t.equal(await active({ token: await renewed(service.api, agent) }), true);
});

t.test('a change of a membership makes only the tokens for its organization inactive', async (t) => {
  const { database, service, ask, join, organization, installation } = await open(t);
  const member = await join('agent');
  const other = await seedOrganization(database);
  await seedMembership(database, { organizationId: other.id, userId: member.userId, role: 'agent' });
  const enter = async (slug: string) => (await signInPerson(service.api, member, slug)).accessToken;
  const older = (token: string) => {
    const { header, claims } = partsOf(token);
    return forge({ header, claims: { ...claims, mep: undefined } }, rsa(serviceKey(service.keysDirectory, 'access')));
  };
  const active = async (token: string) => (await ask(token, installation)).active;
  const [here, there] = [await enter(organization.slug), await enter(other.slug)];
  const tokens = [here, older(here), there, older(there)];
  const both = async () => Promise.all(tokens.map(active));
  t.same(await both(), [true, true, true, true]);
  t.match(await ask(there, installation), { mep: partsOf(there).claims.mep, epoch: partsOf(there).claims.epoch });
  t.notHas(await ask(older(there), installation), { mep: Number });
  const { db } = service.app.parts;
  const [organizationId, userId] = [organization.id, member.userId];
  await db.system((tx) => raiseMembershipEpochs(tx, [{ organizationId, userId }])); // no process knows of it yet
  t.same(await both(), [false, false, true, true]);
  t.equal(await active(await enter(organization.slug)), true);
  await db.system((tx) => raiseEpochs(tx, [userId]));
  t.same(await both(), [false, false, false, false], 'a change of the user ends all of them');
  const next = await enter(other.slug);
  await database.query('UPDATE users SET epoch = epoch + 1 WHERE id = $1', [userId]);
  t.equal(await active(next), false, 'a higher epoch that no revocation explains');
});

t.test('the tokens of a suspended organization are inactive for every client that may still introspect', async (t) => {
  const { database, service, ask, join, client, organization, installation } = await open(t);
  const member = await join('agent');
  const tokens = [member.token, member.refreshToken, await tokenOfClient(service.app, database, client.id)];
  await database.query(`UPDATE organizations SET status = 'suspended' WHERE id = $1`, [organization.id]);
  for (const token of tokens) t.strictSame(await ask(token, installation), INACTIVE);
});

t.test('a token that this service did not sign, or signed in another form, is inactive', async (t) => {
  const { service, ask, join, installation } = await open(t);
  const member = await join('agent');
  const { header, claims } = partsOf(member.token);
  const key = serviceKey(service.keysDirectory, 'access');
  const forged = [
    { header, claims: { ...claims, iss: 'https://elsewhere.example' } },
    { header, claims: { ...claims, aud: 'https://elsewhere.example' } },
    { header, claims: { ...claims, sub: '0193c5a0-7a2b-7c3d-8e4f-5a6b7c8d9e0f' } },
    { header, claims: { ...claims, exp: Number(claims.exp) + 3600 } },
    { header, claims: { ...claims, sid: undefined } },
    { header: { ...header, typ: 'JWT' }, claims },
    { header: { ...header, alg: 'none' }, claims },
    { header: { ...header, kid: 'x' }, claims },
  ].map((parts) => forge(parts, rsa(key)));
  const own = forge({ header, claims }, rsa(serviceKey(service.keysDirectory, 'refresh')));
  const odd = [
    'x',
    '..',
    'a.b.c',
    '\u0001',
    '👩‍👩‍👧',
    'x'.repeat(30_000),
    `${member.token} `,
    `Bearer ${member.token}`,
  ];
  for (const token of [...forged, own, `${member.token}x`, ...odd]) {
    t.strictSame(await ask(token, installation), INACTIVE, token.slice(0, 30));
  }
  t.match(
    await ask(forge({ header, claims }, rsa(key))),
    { active: true },
    'a valid token that the same function made is active',
  );
});

t.test(
  'a refresh token is active while it can be exchanged, is not an access token, and introspection does not use it up',
  async (t) => {
    const { api, database, ask, join, client, organization } = await open(t);
    const member = await join('agent');
    const before = await sessionRow(database, member.sessionId);
    const { prt: _, ...said } = partsOf(member.refreshToken).claims;
    for (let turn = 0; turn < 3; turn += 1) {
      t.strictSame(await ask(member.refreshToken), {
        active: true,
        token_type: 'refresh_token',
        client_id: 'tenantry',
        ...said,
        org: organization.id,
        org_slug: organization.slug,
      });
    }
    t.strictSame(await sessionRow(database, member.sessionId), before, 'introspection does not confirm the token');
    const next = async (refreshToken: string) =>
      (await api.post('/auth/refresh', { refreshToken })).body.data.refreshToken as string;
    const second = await next(member.refreshToken);
    for (const token of [member.refreshToken, second])
      t.match(await ask(token), { active: true }, 'active before its first use');
    const third = await next(second);
    t.match(await ask(member.refreshToken), { active: true }, 'a token that was replaced a moment ago is active');
    await ageRotation(database, member.sessionId);
    t.strictSame(await ask(member.refreshToken), INACTIVE, 'replaced');
    for (const token of [second, third]) t.match(await ask(token), { active: true });
    const fourth = await next(third);
    t.match(await ask(second), { active: true }, 'the previous token stays active for a moment');
    t.strictSame(await ask(member.refreshToken, client, { token_type_hint: 'refresh_token' }), INACTIVE);
    t.equal(
      (await sessionRow(database, member.sessionId)).revoked_reason,
      null,
      'introspection of an old token is not reuse',
    );
    await database.query(`UPDATE memberships SET status = 'suspended' WHERE user_id = $1`, [member.userId]);
    t.strictSame(await ask(fourth), INACTIVE, 'a token of a member who is not allowed to refresh');
    await database.query(`UPDATE memberships SET status = 'active' WHERE user_id = $1`, [member.userId]);
    await api.post('/auth/logout', { refreshToken: fourth });
    t.strictSame(await ask(fourth), INACTIVE, 'a token of an ended session');
  },
);

t.test('the answer is JSON whatever the client accepts, and has the same bytes for every inactive token', async (t) => {
  const { api, client, join, foreign } = await open(t);
  const member = await join('agent');
  const texts = new Set<string>();
  for (const [token, by] of [
    ['x', client],
    [member.token, foreign],
    [member.refreshToken, foreign],
  ] as const) {
    const reply = await api.call('POST', '/oauth/introspect', undefined, {
      raw: new URLSearchParams({ token, ...inBody(by) }).toString(),
      headers: { 'content-type': FORM, accept: 'application/token-introspection+jwt' },
    });
    t.match(reply.headers.get('content-type'), /^application\/json/);
    texts.add(`${reply.status} ${reply.text}`);
  }
  t.strictSame([...texts], ['200 {"active":false}']);
});
