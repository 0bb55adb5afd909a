// How a client authenticates at the OAuth endpoints: with exactly one method, which is parsed strictly (RFC 6749 §2.3,
// RFC 7523).
import { createPublicKey, randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import { atOnce } from '../../support/client.ts';
import { seedClient } from '../../support/fixtures/clients.ts';
import { openTeam } from '../../support/fixtures/team.ts';
import { requestHead, sendRaw } from '../../support/raw.ts';
import { spawnService } from '../../support/service.ts';
import { rounds } from '../../support/thorough.ts';
import { assertionOf, ISSUER, keyPair } from '../client-authentication/signing.ts';
import {
  ASSERTION_TYPE,
  basic,
  byAssertion,
  ENDPOINTS,
  FORM,
  goodParameters,
  inBody,
  type Parameters,
  post,
  refusedByOAuth,
} from './calls.ts';

const { privateKey, jwk } = keyPair('P-256');

async function open(t: Test) {
  const team = await openTeam(t);
  const organizationId = team.organization.id;
  const client = await seedClient(team.database, { organizationId, permissions: ['contacts:read'] });
  const signing = await seedClient(team.database, { organizationId, keys: [jwk] });
  return { ...team, organizationId, client, signing, sign: () => assertionOf(signing.id, privateKey) };
}

t.test('each of the three methods authenticates the client at each endpoint', async (t) => {
  const { api, client, sign, signing } = await open(t);
  for (const path of ENDPOINTS) {
    const good = goodParameters(path);
    t.equal((await post(api, path, good, client)).status, 200, `basic at ${path}`);
    t.equal(
      (await post(api, path, { ...good, client_id: client.id }, client)).status,
      200,
      'the same client_id in the body',
    );
    t.equal((await post(api, path, { ...good, ...inBody(client) })).status, 200, `post at ${path}`);
    t.equal((await post(api, path, { ...good, ...byAssertion(await sign()) })).status, 200, `assertion at ${path}`);
    const named = { ...good, ...byAssertion(await sign()), client_id: signing.id };
    t.equal((await post(api, path, named)).status, 200, 'the same client_id in the body');
  }
});

t.test('two methods in one request are refused, even if both are valid', async (t) => {
  const { api, client, sign } = await open(t);
  const header = basic(client);
  const secret = inBody(client);
  for (const path of ENDPOINTS) {
    const mixed: [string, Parameters, string?][] = [
      ['basic and post', secret, header],
      ['basic and assertion', byAssertion(await sign()), header],
      ['post and assertion', { ...secret, ...byAssertion(await sign()) }],
      ['all three', { ...secret, ...byAssertion(await sign()) }, header],
      ['a bearer token and post', secret, 'Bearer x'],
      ['basic and half an assertion', { client_assertion: 'x' }, header],
      ['basic and its type', { client_assertion_type: ASSERTION_TYPE }, header],
    ];
    for (const [what, parameters, authorization] of mixed) {
      const reply = await post(api, path, { ...goodParameters(path), ...parameters }, authorization);
      refusedByOAuth(t, reply, 'invalid_request', `${what} at ${path}`);
    }
  }
});

t.test('two Authorization headers are refused, even if they are equal', async (t) => {
  const { api, client } = await open(t);
  for (const path of ENDPOINTS) {
    const body = new URLSearchParams(goodParameters(path)).toString();
    for (const other of [basic(client), 'Bearer x', 'Basic eDp5', '']) {
      for (const both of [
        [basic(client), other],
        [other, basic(client)],
      ]) {
        const fields = [...both.map((value) => `Authorization: ${value}`), `Content-Type: ${FORM}`];
        const head = requestHead('POST', path, ...fields, `Content-Length: ${body.length}`);
        const reply = await sendRaw(api.url, head + body);
        t.match(reply.text, /"error":"invalid_request"/, `${path}: ${both}`);
        t.equal(reply.status, 400);
      }
    }
  }
});

t.test('an incomplete or unknown method is refused', async (t) => {
  const { api, client, sign, signing } = await open(t);
  const assertion = await sign();
  for (const path of ENDPOINTS) {
    const ask = (parameters: Parameters, header?: string) =>
      post(api, path, { ...goodParameters(path), ...parameters }, header);
    refusedByOAuth(t, await ask({}), 'invalid_client', 'nothing');
    refusedByOAuth(t, await ask({ client_id: client.id }), 'invalid_client', 'a public client');
    refusedByOAuth(t, await ask({ client_secret: client.secret }), 'invalid_request', 'a secret without an id');
    refusedByOAuth(t, await ask({ client_assertion: assertion }), 'invalid_request', 'an assertion without a type');
    refusedByOAuth(t, await ask({ client_assertion_type: ASSERTION_TYPE }), 'invalid_request', 'a type alone');
    const saml = 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer';
    refusedByOAuth(
      t,
      await ask({ client_assertion: assertion, client_assertion_type: saml }),
      'invalid_client',
      'another type',
    );
    refusedByOAuth(t, await ask({}, 'Bearer x'), 'invalid_client', 'a bearer token');
    refusedByOAuth(t, await ask({}, 'Digest username="x"'), 'invalid_client', 'another scheme');
    const other = await ask({ client_id: signing.id }, basic(client));
    refusedByOAuth(t, other, 'invalid_request', 'the id of another client next to Basic');
    const claimed = await ask({ client_id: client.id, ...byAssertion(await sign()) });
    refusedByOAuth(t, claimed, 'invalid_client', 'the id of another client next to an assertion');
  }
});

t.test('Basic is parsed strictly, and both parts are decoded like form values', async (t) => {
  const { api, database, client, organizationId } = await open(t);
  const ask = (authorization: string) => post(api, '/oauth/token', goodParameters('/oauth/token'), authorization);
  const of = (pair: string) => Buffer.from(pair).toString('base64');
  const good = `${client.id}:${client.secret}`;
  t.equal((await ask(`Basic ${of(good)}`)).status, 200, 'unencoded');
  t.equal((await ask(`bAsIc  ${of(good)}`)).status, 200, 'the scheme ignores case');
  const escaped = good.replace(/[a-z-]/g, (letter) => `%${letter.charCodeAt(0).toString(16)}`);
  t.equal((await ask(`Basic ${of(escaped)}`)).status, 200, 'every letter escaped');
  // A secret that a person chose. Imported clients can have such secrets.
  const secret = 'p: %+é&=';
  const chosen = await seedClient(database, { organizationId });
  await database.query(`UPDATE client_secrets SET hash = sha256(convert_to($2, 'UTF8')) WHERE client_id = $1`, [
    chosen.id,
    secret,
  ]);
  t.equal((await ask(basic({ ...chosen, secret }))).status, 200, 'colon, percent, plus, space and UTF-8');
  t.equal(
    (await post(api, '/oauth/token', { ...goodParameters('/oauth/token'), ...inBody({ ...chosen, secret }) })).status,
    200,
  );
  const bad = [
    '',
    'Basic',
    'Basic ',
    'Basic !',
    `Basic ${of(good)} x`,
    `Basic ${of(good)}=`,
    `Basic ${of(good).replace(/=+$/, '')}=====`,
    `Basic ${Buffer.from(good).toString('base64url')}-_`,
    `Basic ${of(good)}, Basic ${of(good)}`,
    ...[
      client.id,
      `${client.id}:`,
      `:${client.secret}`,
      ':',
      `${good}x`,
      `${good}:`,
      ` ${good}`,
      `${good} `,
      `${good}\n`,
      `${client.id}%3a${client.secret}`,
      `${client.id}%:${client.secret}`,
      `${good}%00`,
      `${good}\0`,
      `${client.id}:${client.secret.toUpperCase()}`,
      `${client.id.toUpperCase()}:${client.secret}`,
    ].map((pair) => `Basic ${of(pair)}`),
    `Basic ${Buffer.from([0xff, 0x3a, 0xff]).toString('base64')}`,
  ];
  for (const value of bad) {
    const reply = await ask(value);
    refusedByOAuth(t, reply, 'invalid_client', JSON.stringify(value));
    t.equal(reply.headers.get('www-authenticate'), 'Basic realm="tenantry"');
  }
});

t.test('every client that cannot authenticate at the moment gets the same answer', async (t) => {
  const { api, database, client, signing, sign, organizationId } = await open(t);
  const disabled = await seedClient(database, { organizationId });
  await database.query(`UPDATE clients SET status = 'disabled' WHERE id = $1`, [disabled.id]);
  const ended = await seedClient(database, { organizationId });
  await database.query('UPDATE client_secrets SET expires_at = now() WHERE client_id = $1', [ended.id]);
  const nobody = { id: randomUUID(), secret: client.secret };
  const odd = ["' OR 1=1 --", 'x', '\u0001', '00000000-0000-0000-0000-000000000000', 'x'.repeat(4000), '👩‍👩‍👧'];
  const hmac = { alg: 'HS256', header: {} };
  const rejected: Parameters[] = [
    ...[nobody, disabled, ended, { ...client, secret: 'x' }, { ...signing, secret: client.secret }].map(inBody),
    ...odd.map((id) => inBody({ id, secret: client.secret })),
    ...odd.map((secret) => inBody({ id: client.id, secret })),
    byAssertion('x'),
    byAssertion(await assertionOf(client.id, privateKey)), // this client is registered with a secret
    byAssertion(await assertionOf(nobody.id, privateKey)),
    byAssertion(await assertionOf(signing.id, keyPair('P-256', 'other').privateKey)),
  ];
  for (const claims of [
    { aud: 'https://elsewhere.example' },
    { aud: [ISSUER] },
    { aud: `${ISSUER}/` },
    { aud: `${ISSUER}/oauth/introspect` },
    { iss: client.id },
    { jti: undefined },
    { exp: undefined },
    { exp: 1 },
    { exp: Math.floor(Date.now() / 1000) + 3600 },
  ]) {
    rejected.push(byAssertion(await assertionOf(signing.id, privateKey, { claims })));
  }
  const pem = createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
  rejected.push(byAssertion(await assertionOf(signing.id, Buffer.from(pem) as never, hmac)));
  const [, payload = ''] = (await sign()).split('.');
  rejected.push(byAssertion(`${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`));
  const texts = new Set<string>();
  for (const path of ENDPOINTS) {
    for (const [index, parameters] of rejected.entries()) {
      const reply = await post(api, path, { ...goodParameters(path), ...parameters });
      refusedByOAuth(t, reply, 'invalid_client', `${path}: ${index}`);
      texts.add(reply.text);
    }
  }
  await database.query(`UPDATE organizations SET status = 'suspended' WHERE id = $1`, [organizationId]);
  texts.add((await post(api, '/oauth/token', goodParameters('/oauth/token'), client)).text);
  texts.add((await post(api, '/oauth/introspect', { token: 'x', ...byAssertion(await sign()) })).text);
  t.equal(texts.size, 1, 'all refusals have the same text');
});

t.test('if one assertion is sent six times at the same moment, exactly one request succeeds', async (t) => {
  const { api, database, signing, sign } = await open(t);
  for (let round = 0; round < rounds(50); round += 1) {
    const parameters = byAssertion(await sign());
    const replies = await atOnce(6, (index) => {
      const path = ENDPOINTS[index % ENDPOINTS.length] ?? '/oauth/token';
      return post(api, path, { ...goodParameters(path), ...parameters });
    });
    const statuses = replies.map(({ status }) => status).sort();
    t.strictSame(statuses, [200, 401, 401, 401, 401, 401], `round ${round}`);
  }
  const [row] = await database.query('SELECT count(*)::int AS used FROM client_assertions WHERE client_id = $1', [
    signing.id,
  ]);
  t.equal(row?.used, rounds(50));
});

t.test('a request that cannot succeed does not use up an assertion', async (t) => {
  const { api, sign } = await open(t);
  const parameters = byAssertion(await sign());
  for (const wrong of [
    { grant_type: 'password', username: 'a', password: 'b' },
    { grant_type: 'client_credentials', scope: 'no scope!' },
    { grant_type: 'refresh_token' },
  ]) {
    t.equal((await post(api, '/oauth/token', { ...wrong, ...parameters })).status, 400);
  }
  t.equal((await post(api, '/oauth/token', { grant_type: 'client_credentials', ...parameters })).status, 200);
});

t.test('the log names the client of a request, and the claimed client of a refused request', async (t) => {
  const { client, database } = await open(t);
  const { lines, api, end } = await spawnService(t, {
    DATABASE_URL: database.ownerUrl,
    DATABASE_APP_URL: database.appUrl,
    DATABASE_SYSTEM_URL: database.systemUrl,
  });
  const good = goodParameters('/oauth/token');
  t.equal((await post(api, '/oauth/token', good, client)).status, 200);
  refusedByOAuth(t, await post(api, '/oauth/token', good, { ...client, secret: 'wrong' }), 'invalid_client', 'wrong');
  const mixedUp = { ...good, client_id: client.secret, client_secret: client.id };
  refusedByOAuth(t, await post(api, '/oauth/token', mixedUp), 'invalid_client', 'mixed up');
  t.equal(await end('SIGTERM'), 0);
  const said = lines.map((line) => JSON.parse(line)).filter(({ route }) => route === '/oauth/token');
  t.match(said[0], { status: 200, clientId: client.id, claimedClientId: undefined });
  t.match(said[1], { status: 401, clientId: undefined, claimedClientId: client.id });
  t.match(said[2], { status: 401, clientId: undefined, claimedClientId: undefined });
  t.notOk(lines.some((line) => line.includes(client.secret)));
});
