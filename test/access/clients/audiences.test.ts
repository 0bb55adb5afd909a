// The audiences of service clients. An organization chooses only from the list of the operator, and the token endpoint
// checks the list again for every token.
import t, { type Test } from 'tap';
import { cliOn } from '../../cli/command-line.ts';
import { createDatabase } from '../../support/database.ts';
import { seedClient } from '../../support/fixtures/clients.ts';
import { furtherTeam } from '../../support/fixtures/team.ts';
import { partsOf } from '../../support/forge.ts';
import { openService } from '../../support/service.ts';
import { post, refusedByOAuth } from '../oauth/calls.ts';

const ISSUER = 'http://localhost:3000';
const LISTED = { TOKEN_AUDIENCES: 'warehouse,https://crm.example' };
/**
 * Audiences that no organization may choose: reserved ones, which no operator may list, and others that are not listed.
 */
const RESERVED = ['*', 'https://*.example', ISSUER, `${ISSUER}/`, 'HTTP://LOCALHOST:3000', `${ISSUER}/oauth/token`];
const UNLISTED = ['billing', 'WAREHOUSE', 'warehouse/', 'https://crm.example/', 'tenantry2', 'warehouse,tenantry'];

async function open(t: Test) {
  const database = await createDatabase(t);
  const service = await openService(t, database, LISTED);
  const team = await furtherTeam(database, service.api);
  const { token } = await team.join('owner');
  const create = (audience: string | null) =>
    service.api.post('/clients', { name: 'exporter', permissions: ['deals:read'], audience }, { token });
  const seed = (audience: string, organizationId: string | null = team.organization.id) =>
    seedClient(database, {
      organizationId,
      audience,
      permissions: [organizationId ? 'deals:read' : 'revocations:read'],
    });
  return { ...team, database, ...service, token, create, seed, cli: cliOn(database, LISTED) };
}

t.test('an organization gives a client only an audience of the list', async (t) => {
  const { api, database, create, token } = await open(t);
  for (const audience of [...RESERVED, ...UNLISTED]) {
    t.match(await create(audience), { status: 422, code: 'audience_not_listed' }, audience);
  }
  t.same(await database.query('SELECT 1 FROM clients'), []);
  for (const audience of ['warehouse', 'https://crm.example', 'tenantry', null]) {
    const made = await create(audience);
    t.match(made, { status: 201, body: { data: { audience } } });
    const path = `/clients/${made.body.data.id}`;
    for (const wanted of [...RESERVED, ...UNLISTED]) {
      const refused = await api.patch(path, { audience: wanted, name: 'renamed' }, { token });
      t.match(refused, { status: 422, code: 'audience_not_listed' }, wanted);
      t.match(refused.body.issues, [{ path: 'audience', message: /TOKEN_AUDIENCES/ }]);
    }
    t.match((await api.get(path, { token })).body.data, { audience, name: 'exporter' }, 'nothing has changed');
  }
});

t.test('a stored client whose audience is not on the list gets no token until it has another audience', async (t) => {
  const { api, database, token, seed } = await open(t);
  const ask = async (client: Awaited<ReturnType<typeof seed>>, more = {}) =>
    post(api, '/oauth/token', { grant_type: 'client_credentials', ...more }, client);
  for (const audience of [...RESERVED, ...UNLISTED]) {
    const client = await seed(audience);
    const refused = await ask(client);
    refusedByOAuth(t, refused, 'invalid_target', audience);
    t.match(refused.body.error_description, /TOKEN_AUDIENCES/);
    refusedByOAuth(t, await ask(client, { resource: audience }), 'invalid_target', `${audience} as a resource`);
    refusedByOAuth(t, await ask(client, { audience: 'warehouse' }), 'invalid_target', 'a listed one as a parameter');
    const path = `/clients/${client.id}`;
    t.match(
      await api.patch(path, { audience }, { token }),
      { code: 'audience_not_listed' },
      'its own audience is not allowed',
    );
    t.match(await api.patch(path, { name: 'renamed' }, { token }), { status: 200, body: { data: { audience } } });
    refusedByOAuth(t, await ask(client), 'invalid_target', 'a new name does not help');
    t.equal((await api.patch(path, { audience: 'warehouse' }, { token })).status, 200);
    t.equal(partsOf((await ask(client)).body.access_token).claims.aud, 'warehouse');
  }
  const shrunk = await openService(t, database, { TOKEN_AUDIENCES: '' });
  const client = await seed('warehouse');
  t.equal((await ask(client)).status, 200);
  const reply = await post(shrunk.api, '/oauth/token', { grant_type: 'client_credentials' }, client);
  refusedByOAuth(t, reply, 'invalid_target', 'the list has become shorter');
});

t.test('a client of the installation may have any audience that is not reserved', async (t) => {
  const { api, cli, seed } = await open(t);
  for (const audience of RESERVED) {
    const refused = await cli('clients', 'create', 'gateway', '--audience', audience, '--json');
    t.equal(refused.status, 1, audience);
    t.match(refused.json.error, { code: 'audience_not_listed' });
    const stored = await seed(audience, null);
    refusedByOAuth(
      t,
      await post(api, '/oauth/token', { grant_type: 'client_credentials' }, stored),
      'invalid_target',
      audience,
    );
  }
  const made = await cli('clients', 'create', 'gateway', '--audience', 'billing', '--json');
  t.match(made.json.data, { audience: 'billing' });
  const client = { id: made.json.data.id, secret: made.json.data.clientSecret };
  const { body } = await post(api, '/oauth/token', { grant_type: 'client_credentials' }, client);
  t.equal(partsOf(body.access_token).claims.aud, 'billing');
});

t.test(
  'the operator sets the audience of a client within the same rules, and the doctor names refused clients',
  async (t) => {
    const { organization, database, seed, cli } = await open(t);
    t.notMatch((await cli('doctor')).stdout, /service clients/);
    const own = await seed('*');
    const gateway = await seed(ISSUER, null);
    const { stdout } = await cli('doctor');
    t.match(stdout, /^warn +service clients +get no token, because their audience is not in TOKEN_AUDIENCES: /m);
    t.ok(stdout.includes(`(${own.id}, ${organization.slug}) has *`));
    t.ok(stdout.includes(`(${gateway.id}, installation) has ${ISSUER}`));
    const create = ['clients', 'create', 'x', '--organization', organization.slug, '--permission', 'deals:read'];
    t.match((await cli(...create, '--audience', 'billing')).stderr, /TOKEN_AUDIENCES/);
    t.equal((await cli(...create, '--audience', 'warehouse')).status, 0);
    const set = (id: string, ...audience: string[]) =>
      cli('clients', 'set-audience', id, ...audience, '--yes', '--json');
    t.match((await set(own.id, 'billing')).json.error, { code: 'audience_not_listed' });
    t.match((await set(own.id, 'warehouse')).json.data, { client: { audience: 'warehouse' }, changed: true });
    t.match((await set(own.id, 'warehouse')).json.data, { changed: false });
    t.match((await set(gateway.id)).json.data, { client: { audience: null }, changed: true });
    t.notMatch((await cli('doctor')).stdout, /service clients/);
    const epochs = await database.query('SELECT epoch FROM clients WHERE id = ANY ($1)', [[own.id, gateway.id]]);
    t.strictSame(epochs, [{ epoch: 1 }, { epoch: 1 }], 'each change has ended the older tokens');
  },
);
