// A refresh token that is sent again long after its child was issued, although the child has never been used, leaves an
// event with the network and the age. Quick retries leave none, and a client cannot fill the table of events.
import t, { type Test } from 'tap';
import { post } from '../../access/oauth/calls.ts';
import { atOnce } from '../../support/client.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { seedClient } from '../../support/fixtures/clients.ts';
import { networksOf } from '../../support/personal.ts';
import { openService } from '../../support/service.ts';
import { rounds } from '../../support/thorough.ts';
import { ageRotation } from './rows.ts';

const HOUR = 3600;

async function open(t: Test, settings: Record<string, string> = {}) {
  const database = await createDatabase(t);
  const { api } = await openService(t, database, { TRUSTED_PROXIES: '127.0.0.1', ...settings });
  const account = await newAccount(api);
  const { sessionId, userId } = account;
  const refresh = async (refreshToken: string, from = '192.0.2.7'): Promise<string> => {
    const reply = await api.post('/auth/refresh', { refreshToken }, { headers: { 'x-forwarded-for': from } });
    if (reply.status !== 200) throw new Error(`refresh answered ${reply.status}: ${reply.text}`);
    return reply.body.data.refreshToken;
  };
  const events = () =>
    database.query<{ data: { network: object; ageSeconds: number } }>(
      `SELECT actor_id, target_id, organization_id, data FROM events WHERE type = 'session.child_reissued' ORDER BY at`,
    );
  /** Moves back the instants that decide whether an event is recorded. */
  const age = async (seconds: number) => {
    await ageRotation(database, sessionId, seconds);
    const past = `UPDATE sessions SET child_reissued_at = child_reissued_at - $2::float8 * interval '1 second' WHERE id = $1`;
    await database.query(past, [sessionId, seconds]);
  };
  return { database, api, account, userId, sessionId, refresh, events, age };
}

t.test('a late repetition is recorded with its network and the age of the unused child', async (t) => {
  const { database, account, userId, sessionId, refresh, events, age } = await open(t);
  await refresh(account.refreshToken);
  await age(3 * HOUR);
  const child = await refresh(account.refreshToken, '198.51.100.9');
  const [event, ...others] = await events();
  t.same(others, []);
  t.match(event, { actor_id: userId, target_id: sessionId, organization_id: account.organization.id });
  t.strictSame(Object.keys(event?.data ?? {}).sort(), ['ageSeconds', 'network']);
  t.same(await networksOf(database), ['198.51.100.9']);
  t.notMatch(JSON.stringify(event), '198.51.100.9');
  t.ok((event?.data.ageSeconds ?? 0) >= 3 * HOUR, 'three hours');
  t.ok((event?.data.ageSeconds ?? 0) < 4 * HOUR);
  t.equal(await refresh(account.refreshToken), child, 'a retry gets the same child');
  t.equal((await events()).length, 1, 'no event is recorded');
  await age(2 * HOUR);
  const next = await refresh(child, '2001:db8:1:2:3:4:5:6');
  t.equal((await events()).length, 1, 'the first use of a child records no event, however late it is');
  await age(2 * HOUR);
  await refresh(child, '2001:db8:1:2:3:4:5:6');
  const [, network] = await networksOf(database);
  t.match(network, /^2001:db8:1:2:/, 'an IPv6 address is recorded as its /64');
  t.notMatch(network, /3:4:5:6/);
  t.ok(next);
});

t.test('ordinary refreshes and quick retries record no event', async (t) => {
  const { account, refresh, events, age } = await open(t);
  let token = account.refreshToken;
  await age(24 * HOUR);
  for (let turn = 0; turn < 3; turn += 1) {
    const children = await atOnce(3, () => refresh(token));
    t.equal(new Set(children).size, 1);
    token = children[0] ?? '';
    await age(HOUR);
  }
  t.same(await events(), []);
});

t.test('simultaneous late repetitions of one token record one event', async (t) => {
  const { account, refresh, events, age } = await open(t);
  await refresh(account.refreshToken);
  for (let round = 1; round <= rounds(10); round += 1) {
    await age(2 * HOUR);
    const children = await atOnce(5, () => refresh(account.refreshToken));
    t.equal(new Set(children).size, 1, 'all get the same child');
    t.equal((await events()).length, round);
  }
});

t.test(
  'a client that never keeps its children causes one event an hour, and one a minute over two networks',
  async (t) => {
    const { account, refresh, events, age } = await open(t);
    await refresh(account.refreshToken);
    for (let repetition = 0; repetition < 60; repetition += 1) {
      await age(119); // two minutes, so two hours in all
      await refresh(account.refreshToken);
    }
    t.equal((await events()).length, 2);
    await age(2 * HOUR);
    const networks = ['192.0.2.7', '198.51.100.9'];
    for (let repetition = 0; repetition < 40; repetition += 1) {
      await refresh(account.refreshToken, networks[repetition % 2]);
      await age(15); // ten minutes in all
    }
    const further = (await events()).length - 2;
    t.ok(further >= 2 && further <= 11, `${further} events in ten minutes of changing networks`);
  },
);

t.test('a reused token is reported as reuse, and a refused refresh records no event', async (t) => {
  const { database, account, refresh, events, age, api } = await open(t);
  const child = await refresh(account.refreshToken);
  await refresh(child);
  await age(2 * HOUR);
  t.match(await api.post('/auth/refresh', { refreshToken: account.refreshToken }), { code: 'refresh_token_reused' });
  const { refreshToken } = (await api.post('/auth/login', { email: account.email, password: account.password })).body
    .data;
  await refresh(refreshToken);
  await database.query(`UPDATE sessions SET successor_at = successor_at - interval '2 hours' WHERE revoked_at IS NULL`);
  const stranger = await api.post('/auth/refresh', { refreshToken, organization: 'no-such-organization' });
  t.equal(stranger.status, 403);
  t.same(await events(), []);
});

t.test('a late repetition at the token endpoint and at a switch is recorded, too', async (t) => {
  const { database, api, account, refresh, events, age } = await open(t);
  const client = await seedClient(database, { organizationId: account.organization.id });
  await refresh(account.refreshToken);
  await age(2 * HOUR);
  const asked = { grant_type: 'refresh_token', refresh_token: account.refreshToken };
  t.equal((await post(api, '/oauth/token', asked, client)).status, 200);
  t.equal((await events()).length, 1);
  await age(2 * HOUR);
  const switched = { organization: account.organization.slug, refreshToken: account.refreshToken };
  t.equal((await api.post('/auth/switch-organization', switched, { token: account.accessToken })).status, 200);
  t.equal((await events()).length, 2);
});

t.test('without the keys of a person, nobody can read the network, and the event stays as it is', async (t) => {
  const { database, account, userId, refresh, events, age } = await open(t);
  await refresh(account.refreshToken);
  await age(3 * HOUR);
  await refresh(account.refreshToken, '198.51.100.9');
  t.same(await networksOf(database), ['198.51.100.9']);
  const before = await events();
  await database.query('DELETE FROM person_keys WHERE user_id = $1', [userId]);
  t.same(await networksOf(database), [null]);
  t.same(await events(), before);
  await t.rejects(database.query(`UPDATE events SET data = '{}' WHERE type = 'session.child_reissued'`), {
    code: '42501',
  });
});
