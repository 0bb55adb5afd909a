// `tenantry clients`: service clients of organizations and of the whole installation, as operators create and delete
// them.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { authenticateClient } from '../../src/access/client-authentication/authenticate.ts';
import { assertionOf, keyPair } from '../access/client-authentication/signing.ts';
import { createDatabase } from '../support/database.ts';
import { newAccount } from '../support/fixtures/accounts.ts';
import { tokenOfClient } from '../support/fixtures/clients.ts';
import { openService } from '../support/service.ts';
import { cliOn } from './command-line.ts';

async function openSetup(t: Test) {
  const database = await createDatabase(t);
  const { app, api } = await openService(t, database);
  const account = await newAccount(api);
  const enter = (clientId: string, secret: string) =>
    authenticateClient(app.parts, { method: 'secret', clientId, secret });
  const eventsOf = (id: string) =>
    database.query('SELECT type, actor_id, organization_id FROM events WHERE target_id = $1 ORDER BY at', [id]);
  const { synchronize } = app.parts.revocations;
  return { database, app, api, account, enter, eventsOf, synchronize, cli: cliOn(database) };
}

t.test('a client of the whole installation may have revocations:read and no other permission', async (t) => {
  const { cli, database, enter, eventsOf } = await openSetup(t);
  const made = await cli('clients', 'create', 'gateway', '--json');
  t.equal(made.status, 0, made.stderr);
  const { id, clientSecret } = made.json.data;
  t.match(made.json.data, { name: 'gateway', organization: null, permissions: ['revocations:read'], createdBy: null });
  t.match(await enter(id, clientSecret), { organization: null, permissions: ['revocations:read'] });
  t.same(await eventsOf(id), [{ type: 'client.created', actor_id: null, organization_id: null }]);
  t.equal((await cli('clients', 'create', 'same', '--permission', 'revocations:read')).status, 0);
  const wide = await cli('clients', 'create', 'wide', '--permission', 'revocations:read', '--permission', 'users:read');
  t.equal(wide.status, 2);
  t.match(wide.stderr, /--organization/);
  t.equal((await database.query('SELECT 1 FROM clients')).length, 2);
});

t.test('a secret is printed once, on standard output, and in no other output', async (t) => {
  const { cli, account, enter } = await openSetup(t);
  const { slug } = account.organization;
  const made = await cli('clients', 'create', 'exporter', '--organization', slug, '--permission', 'deals:read');
  t.equal(made.stdout.match(/tcs_/g)?.length, 1);
  t.notMatch(made.stderr, /tcs_/);
  const [, id = '', secret = ''] = /client_id +(\S+)\nclient_secret +(\S+)\n/.exec(made.stdout) ?? [];
  t.match(await enter(id, secret), { name: 'exporter', organization: { slug } });
  for (const listed of [await cli('clients', 'list'), await cli('clients', 'list', '--json')]) {
    t.match(listed.stdout, id);
    t.notMatch(listed.stdout + listed.stderr, /tcs_/);
  }
});

t.test('the clients of all organizations or of one organization are listed', async (t) => {
  const { cli, api, account } = await openSetup(t);
  const other = await newAccount(api);
  for (const [name, organization] of [
    ['one', account.organization.slug],
    ['two', other.organization.id],
  ] as const) {
    await cli('clients', 'create', name, '--organization', organization, '--permission', 'deals:read');
  }
  await cli('clients', 'create', 'gateway');
  const all = await cli('clients', 'list', '--json');
  t.match(all.json, { data: [{ name: 'one' }, { name: 'two' }, { name: 'gateway' }], pagination: { total: 3 } });
  const own = await cli('clients', 'list', '--organization', other.organization.slug, '--json');
  t.match(own.json, { data: [{ name: 'two', organization: { slug: other.organization.slug } }] });
  t.equal(own.json.data.length, 1);
  t.match((await cli('clients', 'list', '--limit', '1', '--offset', '2')).stdout, /gateway +\(installation\)/);
});

t.test('running services apply the rotation, disabling, enabling and deletion of a client', async (t) => {
  const { cli, app, api, database, account, enter, eventsOf, synchronize } = await openSetup(t);
  const { id: organizationId } = account.organization;
  const create = ['clients', 'create', 'exporter', '--organization', organizationId, '--permission', 'users:read'];
  const { id, clientSecret: first } = (await cli(...create, '--json')).json.data;
  const held = async () => {
    const token = await tokenOfClient(app, database, id);
    return async () => {
      await synchronize();
      return (await api.get('/users', { token })).code ?? 'good';
    };
  };
  let ask = await held();
  t.equal(await ask(), 'good');
  const { clientSecret: second } = (await cli('clients', 'rotate', id, '--overlap', '2h', '--json')).json.data;
  t.equal(await ask(), 'token_stale');
  t.ok((await enter(id, first)) && (await enter(id, second)), 'both work for two hours');
  t.equal(
    (await cli('clients', 'rotate', id, '--overlap', '0')).status,
    2,
    'a command that ends something asks for confirmation',
  );
  const third = (await cli('clients', 'rotate', id, '--overlap', '0', '--yes', '--json')).json.data.clientSecret;
  t.same([await enter(id, first), await enter(id, second)], [null, null]);
  t.ok(await enter(id, third));
  ask = await held();
  t.equal((await cli('clients', 'disable', id)).status, 2);
  t.match((await cli('clients', 'disable', id, '--yes')).stdout, /is disabled\.\n$/);
  t.match((await cli('clients', 'disable', id, '--yes')).stdout, /is disabled already\.\n$/);
  t.equal(await ask(), 'token_stale');
  t.equal(await enter(id, third), null);
  t.match((await cli('clients', 'enable', id)).stdout, /is enabled\.\n$/);
  t.ok(await enter(id, third));
  ask = await held();
  t.equal((await cli('clients', 'delete', id)).status, 2);
  t.match((await cli('clients', 'delete', id, '--yes', '--json')).json, { data: { deleted: id } });
  t.equal(await ask(), 'token_stale');
  const types = 'created secret_rotated secret_rotated disabled enabled deleted'.split(' ');
  t.same(
    await eventsOf(id),
    types.map((type) => ({ type: `client.${type}`, actor_id: null, organization_id: organizationId })),
  );
  const told = await database.query('SELECT DISTINCT caused_in FROM revocations WHERE subject = $1', [id]);
  t.same(told, [{ caused_in: organizationId }], 'its organization’s feed reports it');
});

t.test('a public key in PEM, as a JWK or as a JWK set creates a client that signs its assertions', async (t) => {
  const { cli, app, account } = await openSetup(t);
  const directory = mkdtempSync(join(tmpdir(), 'tenantry-client-keys-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const { privateKey, publicPem, jwk } = keyPair('P-256');
  const create = async (name: string, content: string) => {
    const file = join(directory, name);
    writeFileSync(file, content);
    const asked = ['--organization', account.organization.slug, '--permission', 'deals:read', '--public-key', file];
    return cli('clients', 'create', name, ...asked, '--json');
  };
  const good = { 'key.pem': publicPem, 'key.jwk': JSON.stringify(jwk), 'key.jwks': JSON.stringify({ keys: [jwk] }) };
  for (const [name, content] of Object.entries(good)) {
    const made = await create(name, content);
    t.equal(made.status, 0, made.stderr);
    const { id, clientSecret, authentication } = made.json.data;
    t.same([clientSecret, authentication], [undefined, 'private_key_jwt'], name);
    const assertion = await assertionOf(id, privateKey);
    t.match(await authenticateClient(app.parts, { method: 'assertion', assertion }), { id });
  }
  const bad: Readonly<Record<string, string>> = {
    'private.pem': privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    'private.jwk': JSON.stringify(privateKey.export({ format: 'jwk' })),
    'broken.pem': '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n',
    'empty.jwks': '{"keys":[]}',
    'text.txt': 'hello',
    'null.json': 'null',
  };
  for (const [name, content] of Object.entries(bad)) {
    const refused = await create(name, content);
    t.match([refused.status, refused.json.error.code], [1, 'validation_failed'], name);
    t.equal(refused.stdout, '', name);
  }
  const missing = await cli('clients', 'create', 'x', '--public-key', join(directory, 'none'), '--json');
  t.match([missing.status, missing.json.error.code], [1, 'file_refused']);
});

t.test('an invalid command, or one for an unknown object, prints one line and changes nothing', async (t) => {
  const { cli, database, account } = await openSetup(t);
  const { slug } = account.organization;
  const nobody = '019aa3f0-5c00-7a10-8b2f-3d6f1c2a4e01';
  const table: readonly (readonly [readonly string[], number, string])[] = [
    [['create', 'x', '--organization', slug], 2, 'usage'],
    [['create', 'x', '--organization', 'nowhere', '--permission', 'deals:read'], 1, 'not_found'],
    [['create', 'x', '--organization', slug, '--permission', 'deals'], 1, 'validation_failed'],
    [['create', '', '--organization', slug, '--permission', 'deals:read'], 1, 'validation_failed'],
    [['create', 'x', '--audience', 'two words'], 1, 'validation_failed'],
    [['create'], 2, 'usage'],
    [['rotate', 'exporter'], 2, 'usage'],
    [['rotate', nobody], 1, 'not_found'],
    [['rotate', nobody, '--overlap', '31d'], 1, 'validation_failed'],
    [['rotate', nobody, '--overlap', 'soon'], 1, 'validation_failed'],
    [['disable', nobody, '--yes'], 1, 'not_found'],
    [['enable', nobody], 1, 'not_found'],
    [['delete', nobody, '--yes'], 1, 'not_found'],
  ];
  for (const [args, status, code] of table) {
    const reply = await cli('clients', ...args, '--json');
    t.same([reply.status, reply.json.error?.code], [status, code], args.join(' '));
  }
  t.same(await database.query('SELECT 1 FROM clients'), []);
});
