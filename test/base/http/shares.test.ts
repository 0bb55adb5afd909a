// What callers see of the shares: an organization with too many requests gets service_busy, another organization is not
// affected, and a caller who has disconnected takes no place.
import { once } from 'node:events';
import { connect } from 'node:net';
import t, { type Test } from 'tap';
import { atOnce } from '../../support/client.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { furtherTeam, type Teammate } from '../../support/fixtures/team.ts';
import { openTransaction, waiters } from '../../support/locks.ts';
import { openService, type Service } from '../../support/service.ts';
import { until } from '../../support/until.ts';

const BOUNDS = { statementMs: 100_000, acquireMs: 100_000 };

async function twoOrganizations(t: Test, bounds = BOUNDS) {
  const database = await createDatabase(t);
  const service = await openService(t, database, {}, bounds);
  const flooding = await furtherTeam(database, service.api);
  const quiet = await furtherTeam(database, service.api);
  const [owner, other] = [await flooding.join('owner'), await quiet.join('owner')];
  return { database, service, flooding: { ...flooding, owner }, quiet: { ...quiet, owner: other } };
}

async function hold(t: Test, database: TestDatabase, organization: { readonly id: string }) {
  const client = await openTransaction(t, database);
  await client.query('SELECT 1 FROM organizations WHERE id = $1 FOR UPDATE', [organization.id]);
  return () => client.query('COMMIT');
}

const createRole = ({ api }: Service, { token }: Teammate, name: string) =>
  api.post('/roles', { name, level: 1, permissions: [] }, { token });

t.test('an organization past its share gets service_busy, another is served, and nothing is left behind', async (t) => {
  const { database, service, flooding, quiet } = await twoOrganizations(t, { ...BOUNDS, acquireMs: 2_000 });
  const { api } = service;
  for (const { owner } of [flooding, quiet]) await atOnce(2, (index) => createRole(service, owner, `first-${index}`));
  const release = await hold(t, database, flooding.organization);
  const flood = atOnce(10, (index) => createRole(service, flooding.owner, `flood-${index}`));
  await waiters(database, 2);
  for (let turn = 0; turn < 5; turn += 1) {
    t.equal((await createRole(service, quiet.owner, `quiet-${turn}`)).status, 201);
    t.equal((await api.get('/users', { token: quiet.owner.token })).status, 200);
  }
  t.equal((await api.get('/readyz')).status, 200, 'the service is as ready as before');
  const late = await createRole(service, flooding.owner, 'late');
  t.match(late, { status: 503, code: 'service_busy' });
  t.match(late.headers.get('retry-after'), /^[1-9]\d*$/);
  await release();
  const statuses = (await flood).map(({ status, code }) => `${status} ${code ?? ''}`.trim()).sort();
  t.same(statuses, [...Array(2).fill('201'), ...Array(8).fill('503 service_busy')]);
  t.equal((await createRole(service, flooding.owner, 'after')).status, 201);
});

t.test('a change whose caller has disconnected while it waited is not made', async (t) => {
  const { database, service, flooding } = await twoOrganizations(t);
  const { owner, organization } = flooding;
  const release = await hold(t, database, organization);
  const first = atOnce(2, (index) => createRole(service, owner, `first-${index}`));
  await waiters(database, 2);
  const { server } = service.app.server;
  const connections = () => new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)));
  const before = await connections();
  const body = JSON.stringify({ name: 'never', level: 1, permissions: [] });
  const gone = connect(Number(new URL(service.url).port), '127.0.0.1');
  gone.write(
    `POST /api/v1/roles HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${owner.token}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  await once(service.app.server.server, 'request');
  const behind = createRole(service, owner, 'behind');
  await once(service.app.server.server, 'request');
  await service.api.get('/me', { token: owner.token }); // the change of the caller who will disconnect is waiting now
  gone.destroy();
  await until(async () => (await connections()) <= before + 2);
  await release();
  t.same(
    (await Promise.all([...(await first), await behind])).map(({ status }) => status),
    [201, 201, 201],
  );
  t.same(await database.query("SELECT name FROM roles WHERE name IN ('never', 'behind')"), [{ name: 'behind' }]);
});

t.test('sign-in, refresh and registration of others work while one organization waits for its lock', async (t) => {
  const { database, service, flooding, quiet } = await twoOrganizations(t);
  const { api } = service;
  const release = await hold(t, database, flooding.organization);
  const flood = atOnce(50, (index) => createRole(service, flooding.owner, `flood-${index}`));
  await waiters(database, 2);
  const account = await newAccount(api);
  t.equal((await api.post('/auth/refresh', { refreshToken: quiet.owner.refreshToken })).status, 200);
  t.equal((await api.post('/auth/login', { email: account.email, password: account.password })).status, 200);
  t.equal(
    (await api.get('/me', { token: flooding.owner.token })).status,
    200,
    'the flooding organization itself can read',
  );
  await release();
  t.same([...new Set((await flood).map(({ status }) => status))], [201]);
});
