// Signing out with an expired, stale or forged token, the removal of old rows, and the events of a switch.
import t from 'tap';
import { systemRandom } from '../../../src/base/platform/random.ts';
import { REVOCATIONS_REMEMBERED_SECONDS } from '../../../src/credentials/revocations/revocations.ts';
import { removeEndedNow } from '../../../src/sign-in/sessions/remove-ended.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount, newAccountWithoutOrganization } from '../../support/fixtures/accounts.ts';
import { seedMembership, seedOrganization } from '../../support/fixtures/people.ts';
import { openTeam } from '../../support/fixtures/team.ts';
import { countRows } from '../../support/rows.ts';
import { openService } from '../../support/service.ts';
import { sessionRow } from './rows.ts';

t.test('an expired or stale access token still ends its session', async (t) => {
  const { api, app, clock } = await openService(t, await createDatabase(t));
  const stale = await newAccount(api);
  app.parts.revocations.publish([{ kind: 'user', sub: stale.userId, epoch: 1 }]);
  t.equal((await api.get('/me', { token: stale.accessToken })).code, 'token_stale');
  t.equal((await api.post('/auth/logout', undefined, { token: stale.accessToken })).status, 204);
  t.equal((await api.post('/auth/refresh', { refreshToken: stale.refreshToken })).code, 'session_revoked');

  const expired = await newAccount(api);
  clock.advance(901);
  t.equal((await api.get('/me', { token: expired.accessToken })).code, 'token_expired');
  t.equal((await api.post('/auth/logout', undefined, { token: expired.accessToken })).status, 204);
  t.equal((await api.post('/auth/refresh', { refreshToken: expired.refreshToken })).code, 'session_revoked');
});

t.test('an access token that is not current ends no session that acts for another organization now', async (t) => {
  const team = await openTeam(t);
  const { api, database, service } = team;
  const [admin, other] = [await team.join('owner'), await seedOrganization(database)];
  const elsewhere = async () => {
    const member = await team.join('agent');
    await seedMembership(database, { organizationId: other.id, userId: member.userId, role: 'agent' });
    const to = { organization: other.slug };
    const moved = await api.post('/auth/switch-organization', to, { token: member.token });
    return { ...member, moved: moved.body.data.accessToken };
  };
  const logout = async (token: string, body?: object) =>
    t.equal((await api.post('/auth/logout', body, { token })).status, 204);
  const endOf = async ({ sessionId }: { sessionId: string }) => (await sessionRow(database, sessionId)).revoked_reason;

  const current = await elsewhere();
  await logout(current.token);
  t.equal(await endOf(current), 'logout', 'the person signs out in a tab of the first organization');

  const [removed, suspended, late] = [await elsewhere(), await elsewhere(), await elsewhere()];
  t.equal((await api.delete(`/users/${removed.userId}`, { token: admin.token })).status, 204);
  const suspending = await api.patch(`/users/${suspended.userId}`, { status: 'suspended' }, { token: admin.token });
  t.equal(suspending.status, 200);
  for (const member of [removed, suspended]) {
    t.equal((await api.get('/me', { token: member.token })).code, 'token_stale');
    await logout(member.token);
    t.equal(await endOf(member), null, 'a stale token');
    t.equal((await api.get('/me', { token: member.moved })).status, 200);
  }
  await logout(suspended.token, { refreshToken: suspended.refreshToken });
  t.equal(await endOf(suspended), 'logout', 'the refresh token ends the session');
  service.clock.advance(901);
  await logout(late.token);
  t.equal(await endOf(late), null, 'an expired token of the former organization');
  await logout(late.moved);
  t.equal(await endOf(late), 'logout', 'an expired token of the organization for which the session acts');
});

t.test('an expired token without an organization ends only a session that acts for none', async (t) => {
  const { api, clock } = await openService(t, await createDatabase(t));
  const [alone, founder] = [await newAccountWithoutOrganization(api), await newAccountWithoutOrganization(api)];
  const founded = await api.post('/organizations', { name: 'Founded' }, { token: founder.accessToken });
  const to = { organization: founded.body.data.slug };
  t.equal((await api.post('/auth/switch-organization', to, { token: founder.accessToken })).status, 200);
  clock.advance(901);
  for (const { accessToken: token } of [alone, founder]) {
    t.equal((await api.post('/auth/logout', undefined, { token })).status, 204);
  }
  t.equal((await api.post('/auth/refresh', { refreshToken: alone.refreshToken })).code, 'session_revoked');
  t.equal((await api.post('/auth/refresh', { refreshToken: founder.refreshToken })).status, 200);
});

t.test('a logout with a forged token succeeds and ends no session', async (t) => {
  const { api } = await openService(t, await createDatabase(t));
  const account = await newAccount(api);
  const [header, payload] = account.accessToken.split('.');
  const forged = `${header}.${payload}.${systemRandom.bytes(256).toString('base64url')}`;
  t.equal((await api.post('/auth/logout', undefined, { token: forged })).status, 204);
  t.equal((await api.post('/auth/logout', { refreshToken: 'nonsense' })).status, 204);
  t.equal((await api.get('/me', { token: account.accessToken })).status, 200);
});

t.test('sessions that ended before the retention period are removed, and other sessions stay', async (t) => {
  const database = await createDatabase(t);
  const { api, app } = await openService(t, database);
  const [live, ended, expired, recent] = [
    await newAccount(api),
    await newAccount(api),
    await newAccount(api),
    await newAccount(api),
  ];
  const past = "now() - interval '40 days'";
  await database.query(`UPDATE sessions SET revoked_at = ${past}, revoked_reason = 'logout' WHERE id = $1`, [
    ended.sessionId,
  ]);
  await database.query(`UPDATE sessions SET idle_expires_at = ${past} WHERE id = $1`, [expired.sessionId]);
  await api.post('/auth/logout', { refreshToken: recent.refreshToken });
  const { db, log } = app.parts;
  t.equal(await removeEndedNow({ db, log, retentionSeconds: 30 * 86_400 }), 2);
  const left = await database.query<{ id: string }>('SELECT id FROM sessions');
  t.same(left.map(({ id }) => id).sort(), [live.sessionId, recent.sessionId].sort());
});

t.test('a revocation is removed only when no process needs to read it any more', async (t) => {
  const database = await createDatabase(t);
  const { app } = await openService(t, database);
  const raise = (ageSeconds: number) =>
    database.query(
      `INSERT INTO revocations (id, kind, subject, at)
       VALUES (gen_random_uuid(), 'session', gen_random_uuid(), clock_timestamp() - $1::float8 * interval '1 second')`,
      [ageSeconds],
    );
  const kept = REVOCATIONS_REMEMBERED_SECONDS + 3600;
  for (const age of [0, 900, 960, kept - 60]) await raise(age);
  for (const age of [kept + 60, 86_400]) await raise(age);
  const { db, log } = app.parts;
  await removeEndedNow({ db, log, retentionSeconds: 30 * 86_400 });
  t.equal(await countRows(database, 'revocations'), 4);
  t.ok(REVOCATIONS_REMEMBERED_SECONDS >= 960, 'revocations are kept longer than the longest token lifetime');
});

t.test('both ways to switch the organization write an event', async (t) => {
  const database = await createDatabase(t);
  const { api } = await openService(t, database);
  const account = await newAccount(api);
  const token = account.accessToken;
  const { slug } = (await api.post('/organizations', { name: 'Second' }, { token })).body.data;
  t.equal((await api.post('/auth/switch-organization', { organization: slug }, { token })).status, 200);
  const { refreshToken } = account;
  const home = { organization: account.organization.slug, refreshToken };
  t.equal((await api.post('/auth/switch-organization', home, { token })).status, 200);
  const events = await database.query(`SELECT target_id FROM events WHERE type = 'session.organization_switched'`);
  t.same(events, [{ target_id: account.sessionId }, { target_id: account.sessionId }]);
});
