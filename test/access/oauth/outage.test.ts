// While PostgreSQL is unavailable, the OAuth endpoints report an outage and change nothing. No client gets the answer
// that its secret is wrong, and no token is reported as inactive.
import t from 'tap';
import { sessionRow } from '../../sign-in/sessions/rows.ts';
import { seedClient } from '../../support/fixtures/clients.ts';
import { openTeam } from '../../support/fixtures/team.ts';
import { openService } from '../../support/service.ts';
import { assertionOf, keyPair } from '../client-authentication/signing.ts';
import { byAssertion, ENDPOINTS, goodParameters, inBody, post, refusedByOAuth } from './calls.ts';

const NOWHERE = 'postgres://tenantry_app@127.0.0.1:1/tenantry';

t.test('without PostgreSQL every request of a client gets 503, and no token or assertion is used up', async (t) => {
  const { database, organization, join } = await openTeam(t);
  const away = await openService(
    t,
    { ...database, appUrl: NOWHERE, systemUrl: NOWHERE },
    { RATE_LIMIT_ENABLED: 'true' },
  );
  const { privateKey, jwk } = keyPair('P-256');
  const client = await seedClient(database, { organizationId: organization.id });
  const signing = await seedClient(database, { organizationId: organization.id, keys: [jwk] });
  const member = await join('agent');
  const before = await sessionRow(database, member.sessionId);
  const unavailable = (reply: Awaited<ReturnType<typeof post>>, what: string) =>
    refusedByOAuth(t, reply, 'temporarily_unavailable', what);
  for (const path of ENDPOINTS) {
    const good = { ...goodParameters(path), token: member.token };
    for (const secret of [client.secret, 'wrong']) {
      unavailable(await post(away.api, path, { ...good, ...inBody({ ...client, secret }) }), `${path} by a secret`);
    }
    const assertion = byAssertion(await assertionOf(signing.id, privateKey));
    unavailable(await post(away.api, path, { ...good, ...assertion }), `${path} by an assertion`);
    refusedByOAuth(t, await post(away.api, path, good), 'invalid_client', 'a missing proof is still refused');
  }
  const exchange = { grant_type: 'refresh_token', refresh_token: member.refreshToken };
  for (let turn = 0; turn < 30; turn += 1)
    unavailable(await post(away.api, '/oauth/token', exchange, client), `${turn}`);
  t.strictSame(await sessionRow(database, member.sessionId), before);
  const metadata = await away.api.get('/.well-known/oauth-authorization-server');
  t.equal(metadata.status, 200, 'the metadata is still available');
});

t.test('if PostgreSQL fails after the client was checked, the answer is an error and nothing changes', async (t) => {
  const { api, database, organization, join } = await openTeam(t);
  const client = await seedClient(database, { organizationId: organization.id });
  const member = await join('agent');
  const before = await sessionRow(database, member.sessionId);
  // From now on sessions cannot be read, and clients still can. This failure says nothing about the client.
  await database.query('ALTER TABLE sessions RENAME TO sessions_away');
  for (const [path, parameters] of [
    ['/oauth/introspect', { token: member.token }],
    ['/oauth/introspect', { token: member.refreshToken }],
    ['/oauth/revoke', { token: member.token }],
    ['/oauth/token', { grant_type: 'refresh_token', refresh_token: member.refreshToken }],
  ] as const) {
    const reply = await post(api, path, parameters, client);
    refusedByOAuth(t, reply, 'server_error', `${path} answers neither "inactive" nor "done"`);
    t.notMatch(reply.text, /sessions|relation|select/i, 'the answer does not contain the cause');
  }
  await database.query('ALTER TABLE sessions_away RENAME TO sessions');
  t.strictSame(await sessionRow(database, member.sessionId), before);
  const next = await post(
    api,
    '/oauth/token',
    { grant_type: 'refresh_token', refresh_token: member.refreshToken },
    client,
  );
  t.equal(next.status, 200);
});

t.test('without a signing key the service answers a request for a token with 503', async (t) => {
  const { api, database, organization, join, service } = await openTeam(t);
  const client = await seedClient(database, { organizationId: organization.id });
  const member = await join('agent');
  service.clock.advance(-400 * 86_400); // before the first key was created
  const reply = await post(api, '/oauth/token', { grant_type: 'client_credentials' }, client);
  refusedByOAuth(t, reply, 'temporarily_unavailable', 'no key signs yet');
  service.clock.advance(400 * 86_400);
  t.equal((await post(api, '/oauth/introspect', { token: member.token }, client)).body.active, true);
});
