// Two requests at the same moment: two refreshes, a refresh and a logout, two registrations. Each race runs in many
// rounds, and in each round a barrier starts all requests.
import t from 'tap';
import { type Api, atOnce, type Reply } from '../../support/client.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { partsOf } from '../../support/forge.ts';
import { lookupOf } from '../../support/personal.ts';
import { countRows } from '../../support/rows.ts';
import { openService } from '../../support/service.ts';
import { rounds } from '../../support/thorough.ts';
import { sessionRow } from './rows.ts';

const ROUNDS = rounds(50);
const AT_TWO = { PASSWORD_HASH_CONCURRENCY: '2' };

function statuses(replies: readonly Reply[]): number[] {
  return replies.map(({ status }) => status).sort();
}

function registration(round: number, party: number, more: object = {}) {
  return {
    email: `r${round}-p${party}@example.com`,
    password: `a long password ${round} ${party}`,
    name: 'Ada',
    ...more,
  };
}

function register(api: Api, body: object): Promise<Reply> {
  return api.post('/auth/register', body);
}

async function isAbsent(database: TestDatabase, email: string): Promise<boolean> {
  return (
    (await database.query('SELECT 1 FROM users WHERE email_lookup = $1', [lookupOf('users.email', email)])).length === 0
  );
}

t.test('simultaneous refreshes of one token get the same child, and the chain does not branch', async (t) => {
  const database = await createDatabase(t);
  const { api } = await openService(t, database);
  const { refreshToken: first, sessionId } = await newAccount(api);
  let token: string = first;
  for (let round = 0; round < ROUNDS; round += 1) {
    const replies = await atOnce(round % 2 === 0 ? 2 : 8, () => api.post('/auth/refresh', { refreshToken: token }));
    const children = new Set(replies.map((reply) => reply.body.data?.refreshToken));
    if (replies.some(({ status }) => status !== 200) || children.size !== 1) {
      t.fail(`round ${round}: ${statuses(replies)}, ${children.size} children`);
    }
    const parent = partsOf(token).claims.jti;
    token = replies[0]?.body.data.refreshToken;
    t.equal(partsOf(token).claims.prt, parent);
  }
  t.equal((await sessionRow(database, sessionId)).successor, partsOf(token).claims.jti);
});

t.test('if a child and its parent are sent at the same time, both get a token, and the chain goes on', async (t) => {
  const { api } = await openService(t, await createDatabase(t));
  const account = await newAccount(api);
  let parent = account.refreshToken;
  let child: string = (await api.post('/auth/refresh', { refreshToken: parent })).body.data.refreshToken;
  for (let round = 0; round < ROUNDS; round += 1) {
    const [one, other] = await atOnce(2, (index) =>
      api.post('/auth/refresh', { refreshToken: index ? parent : child }),
    );
    if (one?.status !== 200 || other?.status !== 200) t.fail(`round ${round}: ${one?.code}, ${other?.code}`);
    const grandchild = one?.body.data.refreshToken;
    // If the parent came first, it got its child again. If it came second, it got the child of the child.
    t.ok([child, grandchild].includes(other?.body.data.refreshToken));
    parent = child;
    child = grandchild;
  }
});

t.test('no token from a refresh during a logout works after the logout', async (t) => {
  const database = await createDatabase(t);
  const { api } = await openService(t, database);
  const { email, password } = await newAccount(api);
  for (let round = 0; round < ROUNDS; round += 1) {
    const { refreshToken, sessionId } = (await api.post('/auth/login', { email, password })).body.data;
    const [refreshed, loggedOut] = await atOnce(2, (index) =>
      api.post(index === round % 2 ? '/auth/refresh' : '/auth/logout', { refreshToken }),
    ).then((replies) => (round % 2 === 0 ? replies : replies.reverse()));
    t.equal(loggedOut?.status, 204);
    t.ok([200, 401].includes(refreshed?.status ?? 0), `round ${round}: ${refreshed?.status} ${refreshed?.code}`);
    t.equal((await sessionRow(database, sessionId)).revoked_reason, 'logout');
    const { refreshToken: child, accessToken: token } = refreshed?.body.data ?? {};
    for (const held of child ? [refreshToken, child] : [refreshToken]) {
      t.equal((await api.post('/auth/refresh', { refreshToken: held })).code, 'session_revoked');
    }
    if (token) t.equal((await api.get('/me', { token })).code, 'session_revoked');
  }
});

t.test('of two registrations of one e-mail exactly one succeeds, and the other leaves no rows', async (t) => {
  const database = await createDatabase(t);
  const { api } = await openService(t, database, AT_TWO);
  for (let round = 0; round < ROUNDS; round += 1) {
    const replies = await atOnce(2, (party) =>
      register(api, {
        ...registration(round, party, { organizationName: `Race ${round} ${party}` }),
        email: party ? `Same-${round}@Example.com` : `same-${round}@example.com`,
      }),
    );
    t.same(statuses(replies), [201, 409]);
    t.equal(replies.find(({ status }) => status === 409)?.code, 'email_taken');
  }
  for (const table of ['users', 'passwords', 'organizations', 'memberships', 'subscriptions', 'sessions']) {
    t.equal(await countRows(database, table), ROUNDS, table);
  }
});

t.test('of two registrations with one slug exactly one succeeds, and the other creates no account', async (t) => {
  const database = await createDatabase(t);
  const { api } = await openService(t, database, AT_TWO);
  for (let round = 0; round < ROUNDS; round += 1) {
    const wanted = { organizationName: 'Wanted', organizationSlug: `wanted-${round}` };
    const replies = await atOnce(2, (party) => register(api, registration(round, party, wanted)));
    t.same(statuses(replies), [201, 409]);
    const loser = replies.findIndex(({ status }) => status === 409);
    t.equal(replies[loser]?.code, 'slug_taken');
    t.ok(await isAbsent(database, `r${round}-p${loser}@example.com`));
  }
  for (const table of ['users', 'organizations', 'memberships', 'sessions']) {
    t.equal(await countRows(database, table), ROUNDS, table);
  }
});

t.test('two registrations with one organization name both succeed, with different slugs', async (t) => {
  const database = await createDatabase(t);
  const { api } = await openService(t, database, AT_TWO);
  for (let round = 0; round < ROUNDS; round += 1) {
    const body = { organizationName: `Twin ${round}` };
    const replies = await atOnce(2, (party) => register(api, registration(round, party, body)));
    t.same(statuses(replies), [201, 201]);
    const slugs = replies.map((reply) => reply.body.data.organization.slug).sort();
    t.same(slugs, [`twin-${round}`, `twin-${round}-1`]);
  }
  const [{ total } = { total: 0 }] = await database.query<{ total: number }>(
    'SELECT count(DISTINCT slug)::int AS total FROM organizations',
  );
  t.equal(total, 2 * ROUNDS);
});
