// The secrets of service clients: which secrets authenticate the client, and for how long after a rotation.
import { randomBytes } from 'node:crypto';
import t, { type Test } from 'tap';
import { authenticateClient } from '../../../src/access/client-authentication/authenticate.ts';
import { openDatabase } from '../../../src/base/database/db.ts';
import { openLog } from '../../../src/base/platform/log.ts';
import { seedClient, tokenOfClient } from '../../support/fixtures/clients.ts';
import { openTeam } from '../../support/fixtures/team.ts';
import { eventsAbout } from '../../support/rows.ts';
import { assertionOf, keyPair } from '../client-authentication/signing.ts';

async function open(t: Test) {
  const team = await openTeam(t);
  const { app, api } = team.service;
  const { token } = await team.join('owner');
  const enter = (clientId: string, secret: string) =>
    authenticateClient(app.parts, { method: 'secret', clientId, secret });
  const opens = async (clientId: string, secret: string) => (await enter(clientId, secret)) !== null;
  const make = async (): Promise<{ id: string; clientSecret: string }> =>
    (await api.post('/clients', { name: 'exporter', permissions: ['users:read'] }, { token })).body.data;
  const rotate = async (id: string, body?: object) => {
    const reply = await api.post(`/clients/${id}/secret`, body, { token });
    if (reply.status !== 200) throw new Error(`rotating answered ${reply.status}: ${reply.text}`);
    return reply.body.data;
  };
  return { ...team, app, token, enter, opens, make, rotate };
}

t.test('a secret authenticates its client, and the caller has everything that its token contains', async (t) => {
  const { database, organization, enter, make } = await open(t);
  const { id, clientSecret } = await make();
  t.strictSame(await enter(id, clientSecret), {
    id,
    name: 'exporter',
    audience: null,
    permissions: ['users:read'],
    epoch: 0,
    organization: { id: organization.id, slug: organization.slug },
  });
  const global = await seedClient(database, {
    organizationId: null,
    permissions: ['revocations:read'],
    audience: 'a',
  });
  t.match(await enter(global.id, global.secret), { organization: null, audience: 'a' });
});

t.test('every wrong secret gets the same refusal', async (t) => {
  const { api, app, database, organization, enter, make, token, rotate } = await open(t);
  const { id, clientSecret } = await make();
  const other = await make();
  const signing = await seedClient(database, { organizationId: organization.id, keys: [keyPair('P-256').jwk] });
  const wrong: readonly (readonly [string, string, string])[] = [
    ['a wrong secret', id, `tcs_${randomBytes(32).toString('base64url')}`],
    ['no secret', id, ''],
    ['the secret with a character more', id, `${clientSecret}=`],
    ['the secret with a space before', id, ` ${clientSecret}`],
    ['the secret with a character less', id, clientSecret.slice(0, -1)],
    ['the secret without its prefix', id, clientSecret.slice(4)],
    ['the hash of the secret', id, '\\x00'],
    ['a secret of another client', id, other.clientSecret],
    ['an unknown client', '019aa3f0-5c00-7a10-8b2f-3d6f1c2a4e01', clientSecret],
    ['nobody', '00000000-0000-0000-0000-000000000000', clientSecret],
    ['another spelling of the id', id.toUpperCase(), clientSecret],
    ['no id at all', "' OR 1=1", clientSecret],
    ['an empty id', '', clientSecret],
    ['a NUL', '\0', '\0'],
    ['half of a surrogate pair', id, '\ud800'],
    ['a client that signs assertions', signing.id, signing.secret],
  ];
  for (const [what, clientId, secret] of wrong) t.equal(await enter(clientId, secret), null, what);
  const assertion = await assertionOf(id, keyPair('P-256').privateKey);
  t.equal(
    await authenticateClient(app.parts, { method: 'assertion', assertion }),
    null,
    'an assertion of a client with secrets',
  );

  t.ok(await enter(id, clientSecret), 'the secret is valid before the client is disabled');
  await api.patch(`/clients/${id}`, { status: 'disabled' }, { token });
  t.equal(await enter(id, clientSecret), null, 'disabled');
  const { clientSecret: fresh } = await rotate(id);
  t.equal(await enter(id, fresh), null, 'a new secret of a disabled client');
  await api.patch(`/clients/${id}`, { status: 'active' }, { token });
  t.ok(await enter(id, fresh), 'enabled');
  await database.query(`UPDATE organizations SET status = 'suspended'`);
  t.equal(await enter(id, fresh), null, 'a suspended organization');
  await database.query(`UPDATE organizations SET status = 'active'`);
  t.ok(await enter(id, fresh));
  await api.delete(`/clients/${id}`, { token });
  t.equal(await enter(id, fresh), null, 'deleted');
});

t.test('after a rotation both secrets work until the overlap ends, and earlier tokens end at once', async (t) => {
  const { api, app, database, make, opens, rotate, token } = await open(t);
  const { id, clientSecret: first } = await make();
  const held = await tokenOfClient(app, database, id);
  const rotated = await rotate(id);
  const second = rotated.clientSecret;
  t.match(second, /^tcs_[\w-]{43}$/);
  t.not(first, second);
  const [now, then] = rotated.secrets;
  t.equal(now.expiresAt, null);
  const overlap = new Date(then.expiresAt).getTime() - new Date(now.createdAt).getTime();
  t.ok(Math.abs(overlap - 86_400_000) < 5_000, 'a day unless the request says otherwise');
  t.same([await opens(id, first), await opens(id, second)], [true, true]);
  t.equal((await api.get('/users', { token: held })).code, 'token_stale');
  await database.query(`UPDATE client_secrets SET expires_at = clock_timestamp() WHERE expires_at IS NOT NULL`);
  t.same([await opens(id, first), await opens(id, second)], [false, true]);
  t.equal((await api.get(`/clients/${id}`, { token })).body.data.secrets.length, 1, 'an ended secret is not shown');
  t.strictSame(await eventsAbout(database, id), ['client.created', 'client.secret_rotated']);
});

t.test('an overlap of 0 ends every former secret at once, and a later rotation does not extend a secret', async (t) => {
  const { database, make, opens, rotate } = await open(t);
  const { id, clientSecret: first } = await make();
  const { clientSecret: second } = await rotate(id, { overlapSeconds: 60 });
  const { clientSecret: third } = await rotate(id, { overlapSeconds: 2_592_000 });
  t.same(await Promise.all([first, second, third].map((secret) => opens(id, secret))), [true, true, true]);
  const [row] = await database.query<{ soon: number }>(
    `SELECT count(*)::int AS soon FROM client_secrets WHERE expires_at < clock_timestamp() + interval '61 s'`,
  );
  t.equal(row?.soon, 1, 'the first secret keeps its earlier end');
  const { clientSecret: fourth } = await rotate(id, { overlapSeconds: 0 });
  t.same(await Promise.all([first, second, third, fourth].map((secret) => opens(id, secret))), [
    false,
    false,
    false,
    true,
  ]);
});

t.test('ending an overlap leaves only the newest secret, and ends the tokens of the client', async (t) => {
  const { api, app, database, make, opens, rotate, token } = await open(t);
  const { id, clientSecret: first } = await make();
  const held = await tokenOfClient(app, database, id);
  const end = () => api.delete(`/clients/${id}/secret`, { token });
  t.equal((await end()).status, 204);
  t.ok(await opens(id, first), 'the only secret stays');
  t.equal((await api.get('/users', { token: held })).status, 200, 'without an overlap the tokens stay valid');
  const { clientSecret: second } = await rotate(id);
  const fetched = await tokenOfClient(app, database, id);
  t.equal((await end()).status, 204);
  t.same([await opens(id, first), await opens(id, second)], [false, true]);
  t.equal((await api.get('/users', { token: fetched })).code, 'token_stale', 'the former secret is refused');
  t.strictSame(await eventsAbout(database, id), [
    'client.created',
    'client.secret_rotated',
    'client.former_secrets_ended',
  ]);
});

t.test('a client has at most ten secrets at a time', async (t) => {
  const { api, make, opens, rotate, token } = await open(t);
  const { id, clientSecret } = await make();
  for (let count = 2; count <= 10; count += 1) await rotate(id);
  t.match(await api.post(`/clients/${id}/secret`, {}, { token }), { status: 409, code: 'client_secret_limit' });
  t.ok(await opens(id, clientSecret), 'the refused rotation ended no secret');
  await rotate(id, { overlapSeconds: 0 });
  t.equal((await rotate(id)).secrets.length, 2, 'an ended secret does not count');
});

t.test('an overlap is a whole number of seconds up to thirty days; a client with keys has none', async (t) => {
  const { api, database, organization, make, token } = await open(t);
  const { id } = await make();
  for (const overlapSeconds of [-1, 0.5, 2_592_001, '60', null]) {
    const reply = await api.post(`/clients/${id}/secret`, { overlapSeconds }, { token });
    t.match(reply, { status: 422, body: { issues: [{ path: 'overlapSeconds' }] } }, `${overlapSeconds}`);
  }
  t.equal((await api.post(`/clients/${id}/secret`, { clientSecret: 'mine' }, { token })).status, 422);
  const signing = await seedClient(database, { organizationId: organization.id, keys: [keyPair('P-256').jwk] });
  const path = `/clients/${signing.id}/secret`;
  t.match(await api.post(path, {}, { token }), { status: 409, code: 'client_without_secret' });
  t.match(await api.delete(path, { token }), { status: 409, code: 'client_without_secret' });
});

t.test('without PostgreSQL no client gets the answer that its secret is wrong', async (t) => {
  const { app, make } = await open(t);
  const { id, clientSecret } = await make();
  const nowhere = 'postgres://tenantry@127.0.0.1:1/tenantry';
  const log = openLog({ level: 'silent', pretty: false });
  const db = openDatabase({ appUrl: nowhere, systemUrl: nowhere, poolSize: 1, log });
  t.teardown(() => db.close());
  const deps = { ...app.parts, db };
  const down = { name: 'DatabaseUnavailable' };
  await t.rejects(authenticateClient(deps, { method: 'secret', clientId: id, secret: clientSecret }), down);
  const assertion = await assertionOf(id, keyPair('P-256').privateKey);
  await t.rejects(authenticateClient(deps, { method: 'assertion', assertion }), down);
});
