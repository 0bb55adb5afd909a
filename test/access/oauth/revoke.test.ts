// Revocation (RFC 7009): which tokens a client can end. Every other request has no effect and gets the same answer.
import t, { type Test } from 'tap';
import { sessionRow } from '../../sign-in/sessions/rows.ts';
import { atOnce } from '../../support/client.ts';
import { newAccountWithoutOrganization } from '../../support/fixtures/accounts.ts';
import { type SeededClient, seedClient, tokenOfClient } from '../../support/fixtures/clients.ts';
import { seedMembership, seedOrganization } from '../../support/fixtures/people.ts';
import { openTeam, renewed, type Teammate } from '../../support/fixtures/team.ts';
import { countRows, eventsAbout } from '../../support/rows.ts';
import { rounds } from '../../support/thorough.ts';
import { type Parameters, post } from './calls.ts';

async function open(t: Test) {
  const team = await openTeam(t);
  const { database, service } = team;
  const client = await seedClient(database, { organizationId: team.organization.id, permissions: ['users:read'] });
  const other = await seedOrganization(database);
  const foreign = await seedClient(database, { organizationId: other.id });
  const installation = await seedClient(database, { organizationId: null });
  const revoke = async (t: Test, token: string, by: SeededClient = client, parameters: Parameters = {}) => {
    const reply = await post(team.api, '/oauth/revoke', { token, ...parameters }, by);
    t.strictSame([reply.status, reply.text], [200, ''], 'always the same answer');
  };
  const reasonOf = async ({ sessionId }: Pick<Teammate, 'sessionId'>) =>
    (await sessionRow(database, sessionId)).revoked_reason;
  return {
    ...team,
    client,
    other,
    foreign,
    installation,
    revoke,
    reasonOf,
    tokenOf: tokenOfClient.bind(null, service.app),
  };
}

t.test('a user’s token of either kind, with any hint, ends its session', async (t) => {
  const { api, database, revoke, join, client, installation } = await open(t);
  for (const by of [client, installation]) {
    for (const kind of ['token', 'refreshToken'] as const) {
      for (const hint of ['access_token', 'refresh_token', 'unheard_of', '']) {
        const member = await join('agent');
        await revoke(t, member[kind], by, { token_type_hint: hint });
        t.equal((await api.get('/me', { token: member.token })).code, 'session_revoked', `${kind} hinted ${hint}`);
        const refreshed = await api.post('/auth/refresh', { refreshToken: member.refreshToken });
        t.equal(refreshed.code, 'session_revoked');
        const [event] = await database.query(
          `SELECT actor_id, data FROM events WHERE target_id = $1 AND type = 'session.ended'`,
          [member.sessionId],
        );
        t.strictSame(event, { actor_id: by.id, data: { reason: 'revoked_by_client' } }, 'the event names the client');
        await revoke(t, member[kind], by);
        t.equal((await eventsAbout(database, member.sessionId)).length, 2, 'a second revocation changes nothing');
      }
    }
  }
});

t.test('an expired, stale or replaced token still ends its session, as at a logout', async (t) => {
  const { api, database, service, revoke, join, reasonOf } = await open(t);
  const stale = await join('agent');
  await database.query('UPDATE users SET epoch = epoch + 1 WHERE id = $1', [stale.userId]);
  await revoke(t, stale.token);
  t.equal(await reasonOf(stale), 'revoked_by_client');
  const replaced = await join('agent');
  const second = await api.post('/auth/refresh', { refreshToken: replaced.refreshToken });
  await api.post('/auth/refresh', { refreshToken: second.body.data.refreshToken });
  await revoke(t, replaced.refreshToken);
  t.equal(await reasonOf(replaced), 'revoked_by_client');
  const late = await join('agent');
  service.clock.advance(901);
  await revoke(t, late.token);
  t.equal(await reasonOf(late), 'revoked_by_client');
});

t.test('a token of another organization, or a value that is not a token, has no effect', async (t) => {
  const { api, database, revoke, join, other, foreign, client, reasonOf, tokenOf } = await open(t);
  const member = await join('owner');
  const alone = await newAccountWithoutOrganization(api);
  const before = [await countRows(database, 'revocations'), await countRows(database, 'events')];
  for (const token of [member.token, member.refreshToken, await tokenOf(database, client.id)]) {
    await revoke(t, token, foreign);
  }
  for (const token of [alone.accessToken, alone.refreshToken]) await revoke(t, token);
  for (const token of ['x', 'a.b.c', '👩‍👩‍👧', `${member.token}x`, 'x'.repeat(30_000)]) await revoke(t, token);
  t.strictSame([await countRows(database, 'revocations'), await countRows(database, 'events')], before);
  t.equal((await api.get('/me', { token: member.token })).status, 200);
  // The session of a member of both organizations. It now acts for the other organization.
  const both = await join('agent');
  await seedMembership(database, { organizationId: other.id, userId: both.userId, role: 'agent' });
  await api.post('/auth/switch-organization', { organization: other.slug }, { token: both.token });
  await revoke(t, both.refreshToken);
  t.equal(await reasonOf(both), null, 'the refresh token belongs to the other organization');
  await revoke(t, await renewed(api, both));
  t.equal(await reasonOf(both), null, 'the access token belongs to the other organization too');
  await revoke(t, both.refreshToken, foreign);
  t.equal(await reasonOf(both), 'revoked_by_client', 'the client of that organization can end the session');
});

t.test(
  'a client cannot end a session that now acts for another organization with an old token of its own',
  async (t) => {
    const { api, database, service, revoke, join, other, client, foreign, installation, reasonOf } = await open(t);
    const admin = await join('owner');
    const elsewhere = async () => {
      const member = await join('agent');
      await seedMembership(database, { organizationId: other.id, userId: member.userId, role: 'agent' });
      await api.post('/auth/switch-organization', { organization: other.slug }, { token: member.token });
      return member;
    };
    const [stays, removed, late] = [await elsewhere(), await elsewhere(), await elsewhere()];
    await revoke(t, stays.token);
    t.equal(await reasonOf(stays), null, 'its user is still a member');
    t.equal((await api.delete(`/users/${removed.userId}`, { token: admin.token })).status, 204);
    await revoke(t, removed.token);
    t.equal(await reasonOf(removed), null, 'its user was removed');
    const moved = await renewed(api, stays);
    await revoke(t, stays.token, foreign);
    t.equal(await reasonOf(stays), null, 'the client of the other organization cannot use this token either');
    await revoke(t, moved, foreign);
    t.equal(await reasonOf(stays), 'revoked_by_client', 'it can use a token of its own organization');
    await revoke(t, removed.token, installation);
    t.equal(await reasonOf(removed), 'revoked_by_client', 'a client of the installation can end every session');
    service.clock.advance(901);
    await revoke(t, late.token, client);
    t.equal(await reasonOf(late), null, 'the token has expired');
  },
);

t.test('a client that revokes one of its own tokens ends all of them, and no token of another client', async (t) => {
  const { api, database, revoke, client, organization, installation, tokenOf } = await open(t);
  const sibling = await seedClient(database, { organizationId: organization.id, permissions: ['users:read'] });
  const [first, second] = [await tokenOf(database, client.id), await tokenOf(database, client.id)];
  const siblings = await tokenOf(database, sibling.id);
  await revoke(t, siblings);
  await revoke(t, first, installation);
  for (const token of [first, second, siblings])
    t.equal((await api.get('/users', { token })).status, 200, 'not revoked by another client');
  await revoke(t, first);
  for (const token of [first, second]) t.equal((await api.get('/users', { token })).code, 'token_stale');
  t.equal((await api.get('/users', { token: siblings })).status, 200);
  const told = await post(api, '/oauth/introspect', { token: second }, client);
  t.strictSame(told.body, { active: false });
  const [row] = await database.query(`SELECT subject, epoch, caused_in FROM revocations WHERE kind = 'client'`);
  t.strictSame(row, { subject: client.id, epoch: 1, caused_in: organization.id }, 'other processes are informed');
  t.strictSame(await eventsAbout(database, client.id), ['client.tokens_revoked']);
  const next = await post(api, '/oauth/token', { grant_type: 'client_credentials' }, client);
  t.equal((await api.get('/users', { token: next.body.access_token })).status, 200, 'it can get a new token at once');
  await revoke(t, second);
  t.equal((await api.get('/users', { token: next.body.access_token })).status, 200, 'an old token ends no newer token');
});

t.test('of several simultaneous revocations of a client’s tokens exactly one has an effect', async (t) => {
  const { api, database, revoke, client, tokenOf } = await open(t);
  for (let round = 1; round <= rounds(50); round += 1) {
    const token = await tokenOf(database, client.id);
    await atOnce(4, () => revoke(t, token));
    const [row] = await database.query('SELECT epoch FROM clients WHERE id = $1', [client.id]);
    t.equal(row?.epoch, round, 'the epoch is raised once');
    t.equal((await api.get('/users', { token })).code, 'token_stale');
  }
});

t.test('a refresh in progress does not survive the revocation of its session, in many rounds', async (t) => {
  const { api, revoke, join } = await open(t);
  for (let round = 0; round < rounds(50); round += 1) {
    const member = await join('agent');
    const [, refreshed] = await atOnce(2, async (index) => {
      if (index === 1) return api.post('/auth/refresh', { refreshToken: member.refreshToken });
      await revoke(t, member.token);
      return null;
    });
    const { data } = refreshed?.body ?? {};
    if (data) t.equal((await api.get('/me', { token: data.accessToken })).code, 'session_revoked', `round ${round}`);
    else t.equal(refreshed?.code, 'session_revoked', `round ${round}`);
  }
});
