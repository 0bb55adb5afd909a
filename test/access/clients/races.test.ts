// Simultaneous changes of service clients, and client authentication during a change.
import t, { type Test } from 'tap';
import { authenticateClient } from '../../../src/access/client-authentication/authenticate.ts';
import type { Statement, SystemReader } from '../../../src/base/database/db.ts';
import { issueClientToken } from '../../../src/credentials/tokens/access.ts';
import { atOnce } from '../../support/client.ts';
import { seedClient } from '../../support/fixtures/clients.ts';
import { openTeam } from '../../support/fixtures/team.ts';
import { rounds } from '../../support/thorough.ts';
import { assertionOf, keyPair } from '../client-authentication/signing.ts';

const ROUNDS = rounds(50);

async function open(t: Test) {
  const team = await openTeam(t);
  const { app } = team.service;
  const { token } = await team.join('owner');
  const enter = (clientId: string, secret: string) =>
    authenticateClient(app.parts, { method: 'secret', clientId, secret });
  const seed = (keys?: readonly object[]) =>
    seedClient(team.database, {
      organizationId: team.organization.id,
      permissions: ['users:read'],
      ...(keys ? { keys } : {}),
    });
  const epochOf = async (id: string) =>
    (await team.database.query<{ epoch: number }>('SELECT epoch FROM clients WHERE id = $1', [id]))[0]?.epoch;
  return { ...team, app, token, enter, seed, epochOf };
}

t.test('several simultaneous rotations each return a working secret, and only one secret has no end', async (t) => {
  const { api, database, token, enter, seed, epochOf } = await open(t);
  for (let round = 0; round < ROUNDS; round += 1) {
    const { id, secret } = await seed();
    const replies = await atOnce(3, () => api.post(`/clients/${id}/secret`, {}, { token }));
    const secrets = [secret, ...replies.map(({ body }) => body.data?.clientSecret as string)];
    const entered = await Promise.all(secrets.map((each) => enter(id, each)));
    t.ok(
      entered.every((client) => client?.id === id),
      'no secret was lost',
    );
    const [row] = await database.query(
      'SELECT count(*)::int AS total, count(expires_at)::int AS ending FROM client_secrets WHERE client_id = $1',
      [id],
    );
    t.same([row, await epochOf(id)], [{ total: 4, ending: 3 }, 3]);
  }
});

t.test('after several simultaneous rotations without overlap exactly one secret is left', async (t) => {
  const { api, token, enter, seed } = await open(t);
  for (let round = 0; round < ROUNDS; round += 1) {
    const { id, secret } = await seed();
    const replies = await atOnce(3, () => api.post(`/clients/${id}/secret`, { overlapSeconds: 0 }, { token }));
    const secrets = [secret, ...replies.map(({ body }) => body.data?.clientSecret as string)];
    const entered = await Promise.all(secrets.map((each) => enter(id, each)));
    t.equal(entered.filter((client) => client !== null).length, 1);
    t.equal(entered[0], null, 'the first secret is not left');
  }
});

t.test('a token that is requested while its client is being disabled does not stay valid', async (t) => {
  const { api, app, token, enter, seed } = await open(t);
  const outcomes = new Set<string>();
  for (let round = 0; round < ROUNDS; round += 1) {
    const { id, secret } = await seed();
    const [disabled, ...fetched] = await atOnce(4, async (index) => {
      if (index === 0) return (await api.patch(`/clients/${id}`, { status: 'disabled' }, { token })).status;
      const client = await enter(id, secret);
      return client && (await issueClientToken(app.parts, { ...client, clientId: id })).token;
    });
    t.equal(disabled, 200);
    for (const held of fetched) {
      if (typeof held === 'string') outcomes.add((await api.get('/users', { token: held })).code ?? 'good');
    }
    t.equal(await enter(id, secret), null);
  }
  t.notOk(outcomes.has('good'), [...outcomes].join());
  t.ok(outcomes.has('token_stale'), 'some were issued before the client was disabled');
});

t.test(
  'an assertion is refused once its key was replaced or its client was disabled, even at the same moment',
  async (t) => {
    const { api, app, database, token, seed, epochOf } = await open(t);
    const [first, second] = [keyPair('P-256'), keyPair('P-256', 'second')];
    for (let round = 0; round < ROUNDS; round += 1) {
      const { id } = await seed([first.jwk]);
      const assertion = await assertionOf(id, first.privateKey);
      const replace = round % 2 === 0;
      const [changed, client] = await atOnce(2, async (index) => {
        if (index === 1) return authenticateClient(app.parts, { method: 'assertion', assertion });
        const path = `/clients/${id}`;
        if (!replace) return (await api.delete(path, { token })).status;
        return (await api.patch(path, { jwks: { keys: [second.jwk] } }, { token })).status;
      });
      t.equal(changed, replace ? 200 : 204);
      if (client !== null && typeof client === 'object')
        t.equal(client.epoch, 0, 'the client authenticated before the change');
      if (replace) t.equal(await epochOf(id), 1);
      const late = await assertionOf(id, first.privateKey);
      t.equal(await authenticateClient(app.parts, { method: 'assertion', assertion: late }), null);
    }
    const orphans =
      'SELECT 1 FROM client_assertions a WHERE NOT EXISTS (SELECT FROM clients c WHERE c.id = a.client_id)';
    t.same(await database.query(orphans), []);
  },
);

t.test('keys that are replaced just after they were read authenticate no client', async (t) => {
  const { api, app, token, seed } = await open(t);
  const [first, second] = [keyPair('P-256'), keyPair('P-256', 'second')];
  const changes = [
    (path: string) => api.patch(path, { jwks: { keys: [second.jwk] } }, { token }),
    (path: string) => api.patch(path, { status: 'disabled' }, { token }),
    (path: string) => api.delete(path, { token }),
  ];
  for (const change of changes) {
    const { id } = await seed([first.jwk]);
    const { db } = app.parts;
    let asked = 0;
    const systemReader = (): SystemReader => ({
      personal: db.personal,
      async rows<Row>(wanted: Statement, values: readonly unknown[]) {
        const rows = await db.systemReader().rows<Row>(wanted, values);
        asked += 1;
        if (asked === 1) t.equal((await change(`/clients/${id}`)).status < 300, true);
        return rows;
      },
    });
    const assertion = await assertionOf(id, first.privateKey);
    const deps = { ...app.parts, db: { ...db, systemReader } };
    t.equal(await authenticateClient(deps, { method: 'assertion', assertion }), null);
    t.equal(asked, 2);
  }
});

t.test('of many simultaneous requests for the hundredth client exactly one succeeds', async (t) => {
  const { api, database, token, seed } = await open(t);
  for (let count = 0; count < 99; count += 1) await seed();
  for (let round = 0; round < ROUNDS; round += 1) {
    const replies = await atOnce(3, () => api.post('/clients', { name: 'mine', permissions: [] }, { token }));
    const answers = replies.map(({ status, code }) => code ?? `${status}`).sort();
    t.same(answers, ['201', 'client_limit', 'client_limit']);
    await database.query(`DELETE FROM clients WHERE name = 'mine'`);
  }
});

t.test('a change during the deletion of a client is applied before the deletion, or gets 404', async (t) => {
  const { api, database, token, seed } = await open(t);
  for (let round = 0; round < ROUNDS; round += 1) {
    const { id } = await seed();
    const [changed, deleted] = await atOnce(2, (index) => {
      if (index === 1) return api.delete(`/clients/${id}`, { token });
      return round % 2 === 0
        ? api.patch(`/clients/${id}`, { permissions: [] }, { token })
        : api.post(`/clients/${id}/secret`, {}, { token });
    });
    t.equal(deleted?.status, 204);
    t.ok(changed?.status === 200 || changed?.code === 'not_found', `${changed?.status} ${changed?.code}`);
  }
  t.same(await database.query('SELECT id FROM clients UNION ALL SELECT id FROM client_secrets'), []);
});

t.test('two changes of different fields of a client are both kept, each with its own epoch', async (t) => {
  const { api, database, token, seed, epochOf } = await open(t);
  const { id } = await seed();
  for (let round = 1; round <= ROUNDS; round += 1) {
    const audience = round % 2 === 0 ? 'warehouse' : 'https://crm.example';
    const permissions = [`deals:r${round}`];
    await atOnce(2, (index) => api.patch(`/clients/${id}`, index === 0 ? { permissions } : { audience }, { token }));
    t.match(await database.query('SELECT permissions, audience FROM clients'), [{ permissions, audience }]);
  }
  t.equal(await epochOf(id), 2 * ROUNDS);
  t.equal((await database.query('SELECT DISTINCT epoch FROM revocations WHERE subject = $1', [id])).length, 2 * ROUNDS);
});
