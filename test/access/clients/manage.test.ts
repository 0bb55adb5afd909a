// Service clients over HTTP: members with the permission `clients:manage` can create, list, read, change and delete
// clients, and nobody else can.
import { createHash } from 'node:crypto';
import t, { type Test } from 'tap';
import { changeClient } from '../../../src/access/clients/change-client.ts';
import { seedClient, tokenOfClient } from '../../support/fixtures/clients.ts';
import { furtherTeam, openTeam } from '../../support/fixtures/team.ts';
import { eventsAbout } from '../../support/rows.ts';
import { keyPair } from '../client-authentication/signing.ts';

const NOT_FOUND = { status: 404, code: 'not_found' };

async function open(t: Test) {
  const team = await openTeam(t);
  const owner = await team.join('owner');
  const { token } = owner;
  const make = async (body: object = {}) => {
    const reply = await team.api.post(
      '/clients',
      { name: 'exporter', permissions: ['deals:read'], ...body },
      { token },
    );
    if (reply.status !== 201) throw new Error(`creating a client answered ${reply.status}: ${reply.text}`);
    return reply.body.data;
  };
  const epochOf = async (id: string) =>
    (await team.database.query<{ epoch: number }>('SELECT epoch FROM clients WHERE id = $1', [id]))[0]?.epoch;
  const revocationsOf = (id: string) =>
    team.database.query('SELECT epoch, caused_in FROM revocations WHERE subject = $1 ORDER BY epoch', [id]);
  return { ...team, owner, token, make, epochOf, revocationsOf };
}

t.test('a client is created with its secret, which is shown once and never stored', async (t) => {
  const { api, database, make, token, owner } = await open(t);
  const permissions = ['deals:write', 'contacts:*', 'deals:write', 'deals:read'];
  const made = await make({ name: '  Expörter ', description: 'Nightly.', permissions, audience: 'warehouse' });
  const { clientSecret, ...client } = made;
  t.match(clientSecret, /^tcs_[\w-]{43}$/);
  t.match(client, {
    id: made.clientId,
    name: 'Expörter',
    description: 'Nightly.',
    permissions: ['contacts:*', 'deals:read', 'deals:write'],
    audience: 'warehouse',
    authentication: 'client_secret',
    jwks: null,
    status: 'active',
    secrets: [{ expiresAt: null }],
    createdBy: owner.userId,
  });
  const read = await api.get(`/clients/${made.id}`, { token });
  t.strictSame(read.body.data, client, 'a read returns what was created, without the secret');
  t.strictSame((await api.get('/clients', { token })).body.data, [client]);
  const [stored] = await database.query<{ hash: string }>(`SELECT encode(hash, 'hex') AS hash FROM client_secrets`);
  t.equal(stored?.hash, createHash('sha256').update(clientSecret).digest('hex'));
  const written = await database.query<{ text: string }>(
    `SELECT concat((SELECT json_agg(e) FROM events e), (SELECT json_agg(c) FROM clients c),
      (SELECT json_agg(s) FROM client_secrets s)) AS text`,
  );
  t.notOk(JSON.stringify(written).includes(clientSecret.slice(4, 24)), 'the secret is stored nowhere, events included');
});

t.test('a client with keys has no secret, and only the needed parts of its keys are kept', async (t) => {
  const { api, make, token } = await open(t);
  const [rsa, ed] = [keyPair('rsa').jwk, keyPair('ed25519').jwk];
  const keys = [
    { ...rsa, kid: 'a', use: 'sig', alg: 'PS256', x5t: 'x', ext: true, key_ops: ['verify'] },
    { ...ed, kid: 'b' },
  ];
  const { clientSecret, ...made } = await make({ authentication: 'private_key_jwt', jwks: { keys, note: 'x' } });
  t.equal(clientSecret, undefined);
  t.strictSame(made.jwks, {
    keys: [
      { kty: 'RSA', kid: 'a', alg: 'PS256', n: rsa.n, e: rsa.e },
      { ...ed, kid: 'b' },
    ],
  });
  t.strictSame(made.secrets, []);
  t.strictSame((await api.get(`/clients/${made.id}`, { token })).body.data, made);
});

t.test('clients are listed in pages, the oldest first', async (t) => {
  const { api, make, token } = await open(t);
  for (const name of ['one', 'two', 'three']) await make({ name });
  const page = await api.get('/clients?limit=2&offset=1', { token });
  t.match(page.body, {
    data: [{ name: 'two' }, { name: 'three' }],
    pagination: { total: 3, limit: 2, offset: 1, hasMore: false },
  });
  t.match((await api.get('/clients?offset=9', { token })).body, { data: [], pagination: { total: 3 } });
  t.equal((await api.get('/clients?limit=0', { token })).status, 422);
});

t.test('a change of a value in the token ends the tokens of a client; a new name does not', async (t) => {
  const { api, app, database, make, token, epochOf, revocationsOf, organization } = await openWithApp(t);
  const { id } = await make({ permissions: ['users:read'] });
  const ask = async (held: string) => (await api.get('/users', { token: held })).code ?? 'good';
  const change = async (body: object) => {
    const reply = await api.patch(`/clients/${id}`, body, { token });
    t.equal(reply.status, 200, JSON.stringify(body));
    return reply.body.data;
  };
  let held = await tokenOfClient(app, database, id);
  t.equal(await ask(held), 'good');
  await change({ name: 'other', description: 'x' });
  t.equal(await ask(held), 'good', 'no token contains the name');
  t.equal(await epochOf(id), 0);
  t.match(await change({ permissions: ['users:read', 'deals:read'] }), { permissions: ['deals:read', 'users:read'] });
  t.equal(await ask(held), 'token_stale', 'at once');
  held = await tokenOfClient(app, database, id);
  t.equal(await ask(held), 'good');
  t.equal((await change({ audience: 'warehouse' })).audience, 'warehouse');
  t.equal(await ask(held), 'token_stale');
  t.equal((await change({ audience: null })).audience, null);
  t.strictSame(
    await revocationsOf(id),
    [1, 2, 3].map((epoch) => ({ epoch, caused_in: organization.id })),
  );
  await change({ permissions: ['deals:read', 'users:read', 'users:read'] });
  t.equal(await epochOf(id), 3, 'a change without effect writes nothing');
  t.strictSame(await eventsAbout(database, id), ['client.created', ...Array(4).fill('client.changed')]);
});

t.test('disabling a client ends its tokens, and enabling it does not make them valid again', async (t) => {
  const { api, app, database, make, token, epochOf } = await openWithApp(t);
  const { id } = await make({ permissions: ['users:read'] });
  const held = await tokenOfClient(app, database, id);
  const turn = (status: string) => api.patch(`/clients/${id}`, { status }, { token });
  t.match((await turn('disabled')).body.data, { status: 'disabled' });
  t.equal((await api.get('/users', { token: held })).code, 'token_stale');
  t.match((await turn('disabled')).body.data, { status: 'disabled' }, 'a second time changes nothing');
  t.match((await turn('active')).body.data, { status: 'active' });
  t.equal((await api.get('/users', { token: held })).code, 'token_stale');
  t.equal(await epochOf(id), 1);
  t.equal((await api.get('/users', { token: await tokenOfClient(app, database, id) })).status, 200);
  t.strictSame(await eventsAbout(database, id), ['client.created', 'client.disabled', 'client.enabled']);
});

t.test('deleting a client deletes its secrets, and its tokens are refused', async (t) => {
  const { api, app, database, make, token, revocationsOf, organization } = await openWithApp(t);
  const { id } = await make({ permissions: ['users:read'] });
  const held = await tokenOfClient(app, database, id);
  t.equal((await api.delete(`/clients/${id}`, { token })).status, 204);
  t.equal((await api.get('/users', { token: held })).code, 'token_stale');
  t.match(await api.get(`/clients/${id}`, { token }), NOT_FOUND);
  t.match(await api.delete(`/clients/${id}`, { token }), NOT_FOUND);
  t.strictSame(await revocationsOf(id), [{ epoch: 1, caused_in: organization.id }]);
  t.same(await database.query('SELECT 1 FROM client_secrets'), []);
  t.strictSame(await eventsAbout(database, id), ['client.created', 'client.deleted']);
});

t.test(
  'a client of another organization, a client of the installation and an unknown client get the same 404',
  async (t) => {
    const { api, database, token } = await open(t);
    const other = await furtherTeam(database, api);
    const foreign = await seedClient(database, { organizationId: other.organization.id });
    const global = await seedClient(database, { organizationId: null, permissions: ['revocations:read'] });
    const before = await database.query('SELECT *, xmin::text FROM clients ORDER BY id');
    for (const id of [foreign.id, global.id, '019aa3f0-5c00-7a10-8b2f-3d6f1c2a4e01']) {
      const path = `/clients/${id}`;
      const replies = [
        await api.get(path, { token }),
        await api.patch(path, { status: 'disabled' }, { token }),
        await api.patch(path, { permissions: [] }, { token }),
        await api.delete(path, { token }),
        await api.post(`${path}/secret`, {}, { token }),
        await api.delete(`${path}/secret`, { token }),
      ];
      for (const reply of replies) t.match(reply, NOT_FOUND);
      t.equal(new Set(replies.map(({ body }) => body.detail)).size, 1);
    }
    t.strictSame(await database.query('SELECT *, xmin::text FROM clients ORDER BY id'), before, 'nothing was written');
    t.strictSame((await api.get('/clients', { token })).body.data, [], 'none of these clients is listed');
    t.equal((await api.get('/clients/1', { token })).status, 422);
  },
);

t.test('an operator can change a client only through the organization that the client belongs to', async (t) => {
  const { app, database, organization, make } = await openWithApp(t);
  const { id } = await make();
  const global = await seedClient(database, { organizationId: null, permissions: ['revocations:read'] });
  const change = (organizationId: string | null, target: string) =>
    changeClient(app.parts, { kind: 'operator', organizationId }, target, { name: 'renamed' });
  const gone = '019aa3f0-5c00-7a10-8b2f-3d6f1c2a4e01';
  for (const [place, target] of [
    [null, id],
    [organization.id, global.id],
    [gone, id],
    [gone, gone],
    [null, gone],
  ] as const) {
    await t.rejects(change(place, target), { code: 'not_found' });
  }
  t.match(await change(organization.id, id), { name: 'renamed' });
  t.match(await change(null, global.id), { name: 'renamed', organization: null });
});

t.test('an organization has at most 100 clients, disabled ones included', async (t) => {
  const { api, database, make, token, organization } = await open(t);
  for (let index = 0; index < 99; index += 1) await seedClient(database, { organizationId: organization.id });
  await database.query(`UPDATE clients SET status = 'disabled'`);
  const { id } = await make();
  const body = { name: 'one more', permissions: [] };
  t.match(await api.post('/clients', body, { token }), { status: 409, code: 'client_limit' });
  await api.delete(`/clients/${id}`, { token });
  t.equal((await api.post('/clients', body, { token })).status, 201);
});

t.test('deleting an organization deletes its clients', async (t) => {
  const { api, app, database, make, token } = await openWithApp(t);
  const { id } = await make({ permissions: ['users:read'] });
  const held = await tokenOfClient(app, database, id);
  t.equal((await api.delete('/organizations/current', { token })).status, 204);
  t.equal((await api.get('/users', { token: held })).code, 'organization_suspended');
  t.same(await database.query('SELECT id FROM clients UNION ALL SELECT id FROM client_secrets'), []);
});

async function openWithApp(t: Test) {
  const opened = await open(t);
  return { ...opened, app: opened.service.app };
}
