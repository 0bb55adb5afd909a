// grant_type=refresh_token (RFC 6749 §6): a client of an organization refreshes the sessions that act for this
// organization, and changes no other session.
import t, { type Test } from 'tap';
import { ageRotation, sessionRow } from '../../sign-in/sessions/rows.ts';
import { atOnce } from '../../support/client.ts';
import { newAccount, newAccountWithoutOrganization } from '../../support/fixtures/accounts.ts';
import { type SeededClient, seedClient } from '../../support/fixtures/clients.ts';
import { seedMembership, seedOrganization } from '../../support/fixtures/people.ts';
import { openTeam } from '../../support/fixtures/team.ts';
import { partsOf } from '../../support/forge.ts';
import { eventsAbout } from '../../support/rows.ts';
import { rounds } from '../../support/thorough.ts';
import { type Parameters, post, refusedByOAuth } from './calls.ts';

async function open(t: Test) {
  const team = await openTeam(t);
  const client = await seedClient(team.database, { organizationId: team.organization.id });
  const ask = (refreshToken: string, parameters: Parameters = {}, as: SeededClient = client) =>
    post(team.api, '/oauth/token', { grant_type: 'refresh_token', refresh_token: refreshToken, ...parameters }, as);
  return { ...team, client, ask };
}

t.test('a client refreshes the session of a member with its refresh token', async (t) => {
  const { api, ask, join, organization } = await open(t);
  const member = await join('agent');
  const { status, body } = await ask(member.refreshToken);
  t.equal(status, 200);
  t.strictSame(Object.keys(body).sort(), ['access_token', 'expires_in', 'refresh_token', 'token_type']);
  t.match(body, { token_type: 'Bearer', expires_in: 900 });
  const { claims } = partsOf(body.access_token);
  t.match(claims, { sub: member.userId, sid: member.sessionId, client_id: 'tenantry', org: organization.id });
  t.equal((await api.get('/me', { token: body.access_token })).status, 200);
  const next = await ask(body.refresh_token, { resource: 'tenantry' });
  t.equal(next.status, 200, 'and again');
  const own = await api.post('/auth/refresh', { refreshToken: next.body.refresh_token });
  t.equal(own.status, 200, 'POST /auth/refresh continues the same chain');
});

t.test('simultaneous exchanges of one token get the same answer, and a repetition is not reuse', async (t) => {
  const { ask, join } = await open(t);
  const member = await join('agent');
  let token = member.refreshToken;
  for (let round = 0; round < rounds(50); round += 1) {
    const replies = await atOnce(4, () => ask(token));
    t.strictSame([...new Set(replies.map(({ status }) => status))], [200], `round ${round}`);
    const children = new Set(replies.map(({ body }) => body.refresh_token));
    t.equal(children.size, 1, 'all answers contain the same child');
    token = [...children][0] ?? '';
  }
});

t.test('a refresh token that two parties hold ends the session, whichever client presents it', async (t) => {
  const { api, database, ask, join } = await open(t);
  const foreign = await seedClient(database, { organizationId: (await seedOrganization(database)).id });
  for (const by of [undefined, foreign]) {
    const member = await join('agent');
    const first = await ask(member.refreshToken);
    const second = await ask(first.body.refresh_token);
    await ageRotation(database, member.sessionId);
    refusedByOAuth(t, await ask(member.refreshToken, {}, by), 'invalid_grant', 'the first token again');
    t.equal((await sessionRow(database, member.sessionId)).revoked_reason, 'reuse_detected');
    t.ok((await eventsAbout(database, member.sessionId)).includes('session.reuse_detected'));
    refusedByOAuth(t, await ask(second.body.refresh_token), 'invalid_grant', 'the newest token has ended too');
    t.equal((await api.get('/me', { token: second.body.access_token })).code, 'session_revoked');
  }
});

t.test('a client cannot refresh a session of another organization, and the refresh token stays valid', async (t) => {
  const { api, database, client, ask, join, organization } = await open(t);
  const other = await seedOrganization(database);
  const foreign = await seedClient(database, { organizationId: other.id });
  const installation = await seedClient(database, { organizationId: null, permissions: ['revocations:read'] });
  const member = await join('agent');
  const stranger = await newAccount(api);
  const alone = await newAccountWithoutOrganization(api);
  // A member of both organizations whose session acts for the other organization.
  const both = await join('agent');
  await seedMembership(database, { organizationId: other.id, userId: both.userId, role: 'agent' });
  const switched = await api.post('/auth/switch-organization', { organization: other.slug }, { token: both.token });
  t.equal(switched.status, 200);

  const cases: [string, string, string, SeededClient, string][] = [
    ['a user who is not a member', stranger.sessionId, stranger.refreshToken, client, 'invalid_grant'],
    ['a user of no organization', alone.sessionId, alone.refreshToken, client, 'invalid_grant'],
    ['a member whose session acts for another', both.sessionId, both.refreshToken, client, 'invalid_grant'],
    ['a foreign client', member.sessionId, member.refreshToken, foreign, 'invalid_grant'],
    ['a client of the installation', member.sessionId, member.refreshToken, installation, 'unauthorized_client'],
  ];
  for (const [what, sessionId, refreshToken, by, code] of cases) {
    const before = await sessionRow(database, sessionId);
    for (const parameters of [{}, { organization: organization.slug }, { audience: 'tenantry' }]) {
      refusedByOAuth(t, await ask(refreshToken, parameters, by), code as 'invalid_grant', what);
    }
    t.strictSame(await sessionRow(database, sessionId), before, `${what}: nothing has changed`);
    t.equal((await api.post('/auth/refresh', { refreshToken })).status, 200, 'its user continues');
  }
  const back = await ask(both.refreshToken, {}, foreign);
  t.equal(partsOf(back.body.access_token).claims.org, other.id, 'the client of the other organization can refresh');
});

t.test('a suspended member and a disabled user are refused, and later continue with the same token', async (t) => {
  const { database, ask, join, organization } = await open(t);
  const member = await join('agent');
  const states = [
    ['suspended', `UPDATE memberships SET status = $1 WHERE user_id = $2`],
    ['disabled', 'UPDATE users SET status = $1 WHERE id = $2'],
  ] as const;
  for (const [status, sql] of states) {
    await database.query(sql, [status, member.userId]);
    const before = await sessionRow(database, member.sessionId);
    refusedByOAuth(t, await ask(member.refreshToken), 'invalid_grant', status);
    t.strictSame(await sessionRow(database, member.sessionId), before);
    await database.query(sql, ['active', member.userId]);
    t.equal((await ask(member.refreshToken)).status, 200);
  }
  await database.query('DELETE FROM memberships WHERE user_id = $1 AND organization_id = $2', [
    member.userId,
    organization.id,
  ]);
  refusedByOAuth(t, await ask(member.refreshToken), 'invalid_grant', 'removed');
});

t.test('every value that is not a refresh token of a live session gets the same refusal', async (t) => {
  const { api, database, service, ask, join } = await open(t);
  const member = await join('agent');
  const expired = await join('agent');
  await database.query(`UPDATE sessions SET idle_expires_at = now() WHERE id = $1`, [expired.sessionId]);
  const ended = await join('agent');
  await api.post('/auth/logout', { refreshToken: ended.refreshToken });
  const replies = [];
  for (const token of [
    'x',
    'a.b.c',
    member.token,
    `${member.refreshToken}x`,
    expired.refreshToken,
    ended.refreshToken,
  ]) {
    replies.push(await ask(token));
  }
  service.clock.advance(31 * 86_400);
  replies.push(await ask(member.refreshToken));
  for (const reply of replies) refusedByOAuth(t, reply, 'invalid_grant', reply.text);
  t.equal(new Set(replies.map(({ text }) => text)).size, 1);
});

t.test('an invalid scope or target is refused, and the refresh token is not used up', async (t) => {
  const { database, ask, join } = await open(t);
  const member = await join('owner');
  const before = await sessionRow(database, member.sessionId);
  for (const scope of ['contacts:read', '*:*', 'x']) {
    refusedByOAuth(t, await ask(member.refreshToken, { scope }), 'invalid_scope', scope);
  }
  refusedByOAuth(t, await ask(member.refreshToken, { resource: 'https://x.example' }), 'invalid_target', 'resource');
  refusedByOAuth(t, await ask(''), 'invalid_request', 'no token');
  t.strictSame(await sessionRow(database, member.sessionId), before);
});

t.test('a session that switches its organization during the exchange gets no token for the former one', async (t) => {
  const { api, database, ask, join, organization } = await open(t);
  const other = await seedOrganization(database);
  const member = await join('agent');
  await seedMembership(database, { organizationId: other.id, userId: member.userId, role: 'agent' });
  let { token } = member;
  let refreshToken = member.refreshToken;
  for (let round = 0; round < rounds(50); round += 1) {
    const to = round % 2 === 0 ? other.slug : organization.slug;
    const [switched, exchanged] = await atOnce(2, (index) =>
      index === 0 ? api.post('/auth/switch-organization', { organization: to }, { token }) : ask(refreshToken),
    );
    t.equal(switched?.status, 200);
    if (exchanged?.status === 200) {
      t.equal(
        partsOf(exchanged.body.access_token).claims.org,
        organization.id,
        `round ${round}: the token is for the organization of the client`,
      );
      refreshToken = exchanged.body.refresh_token;
    } else t.equal(exchanged?.body.error, 'invalid_grant', `round ${round}`);
    token = switched?.body.data.accessToken;
  }
});
