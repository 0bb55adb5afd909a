// How often a caller may guess credentials, how many requests a client may send, and that no outsider can make a limit
// stop a client that is known in its network.
import t, { type Test } from 'tap';
import { createClientThrottle } from '../../../src/access/oauth/throttle.ts';
import { atOnce, type Reply } from '../../support/client.ts';
import { createDatabase } from '../../support/database.ts';
import { seedClient } from '../../support/fixtures/clients.ts';
import { seedOrganization } from '../../support/fixtures/people.ts';
import { openTransaction } from '../../support/locks.ts';
import { MovableClock, openService } from '../../support/service.ts';
import { assertionOf, keyPair } from '../client-authentication/signing.ts';
import {
  basic,
  byAssertion,
  ENDPOINTS,
  FORM,
  goodParameters,
  inBody,
  type Parameters,
  postRaw,
  refusedByOAuth,
} from './calls.ts';

const database = await createDatabase(t);
const { id: organizationId } = await seedOrganization(database);

async function open(t: Test, settings: Record<string, string> = {}) {
  const limits = { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_OTHER: '1000000', TRUSTED_PROXIES: '127.0.0.1', ...settings };
  const service = await openService(t, database, limits);
  const client = await seedClient(database, { organizationId });
  /** Sends a request from an address, by default an introspection request. */
  const from = (
    address: string,
    parameters: Parameters,
    headers: Record<string, string> = {},
    path = '/oauth/introspect',
  ) =>
    postRaw(service.api, path, new URLSearchParams({ ...goodParameters(path), ...parameters }).toString(), {
      'x-forwarded-for': address,
      ...headers,
    });
  const right = (address: string) => from(address, inBody(client));
  const wrong = (address: string, secret = 'wrong') => from(address, inBody({ ...client, secret }));
  return { ...service, client, from, right, wrong };
}

function tooMany(t: Test, reply: Reply, what: string): void {
  refusedByOAuth(t, reply, 'temporarily_unavailable', what, 429);
  const after = Number(reply.headers.get('retry-after'));
  t.ok(after >= 1 && after <= 60, `Retry-After is within the minute: ${after}`);
}

t.test('ten wrong secrets a minute are checked for each client and network, over all endpoints together', async (t) => {
  const { from, wrong, right, client, clock } = await open(t);
  for (let turn = 0; turn < 10; turn += 1) {
    const path = ENDPOINTS[turn % 3];
    const reply = await from('192.0.2.1', inBody({ ...client, secret: `${turn}` }), {}, path);
    refusedByOAuth(t, reply, 'invalid_client', `${turn}`);
  }
  tooMany(t, await wrong('192.0.2.1'), 'the eleventh');
  tooMany(t, await right('192.0.2.1'), 'the right secret is not checked either');
  tooMany(
    t,
    await from('192.0.2.1', {}, { authorization: basic(client) }),
    'another authentication method is refused too',
  );
  t.equal(
    (await right('192.0.2.2')).status,
    200,
    'the right secret works from another address: outsiders lock nobody out',
  );
  clock.advance(61);
  t.equal((await right('192.0.2.1')).status, 200, 'after a minute the right secret works from this address again');
});

t.test('of fifty guesses at the same time no more than the allowed ten are checked', async (t) => {
  const { wrong, right } = await open(t);
  const replies = await atOnce(50, (index) => wrong('192.0.2.1', `${index}`));
  const statuses = replies.map(({ status }) => status);
  t.equal(statuses.filter((status) => status === 401).length, 10);
  t.equal(statuses.filter((status) => status === 429).length, 40);
  t.equal((await right('192.0.2.2')).status, 200);
});

t.test('a client with the right secret may send many first requests at the same time', async (t) => {
  const { right } = await open(t);
  const replies = await atOnce(200, () => right('192.0.2.1'));
  t.strictSame([...new Set(replies.map(({ status }) => status))], [200]);
});

t.test('an authenticated client is not refused while someone guesses from the same network', async (t) => {
  const { from, wrong, right, client, clock } = await open(t);
  t.equal((await right('192.0.2.1')).status, 200);
  for (let turn = 0; turn < 10; turn += 1) await wrong('192.0.2.1');
  tooMany(t, await wrong('192.0.2.1'), 'the guesser is refused');
  t.equal((await right('192.0.2.1')).status, 200, 'the client is not refused');
  clock.advance(59 * 60);
  t.equal((await right('192.0.2.1')).status, 200);
  // A secret that was right in the past gives no extra allowance once it is wrong.
  await database.query('UPDATE client_secrets SET expires_at = now() WHERE client_id = $1', [client.id]);
  for (let turn = 0; turn < 10; turn += 1) refusedByOAuth(t, await right('192.0.2.1'), 'invalid_client', `${turn}`);
  tooMany(t, await right('192.0.2.1'), 'the former secret counts like every wrong secret');
  t.equal((await from('192.0.2.1', inBody(await seedClient(database, { organizationId })))).status, 200);
});

t.test('invented client ids are counted per network, and do not stop a client that is known there', async (t) => {
  const { from, right, client } = await open(t);
  t.equal((await right('192.0.2.1')).status, 200);
  const other = await seedClient(database, { organizationId });
  for (let turn = 0; turn < 100; turn += 1) {
    const reply = await from('192.0.2.1', inBody({ id: `invented ${turn}`, secret: 'x' }));
    if (reply.status !== 401) t.fail(`${turn}: ${reply.status}`);
  }
  tooMany(t, await from('192.0.2.1', inBody({ id: 'one more', secret: 'x' })), 'the 101st request is refused');
  tooMany(
    t,
    await from('192.0.2.1', inBody(other)),
    'a client that has not authenticated from this network is not checked',
  );
  t.equal((await right('192.0.2.1')).status, 200, client.id);
  t.equal((await from('192.0.2.2', inBody(other))).status, 200, 'another network is not affected');
});

t.test('an assertion is counted for the client that it names', async (t) => {
  const { from } = await open(t);
  const { privateKey, jwk } = keyPair('P-256');
  const signing = await seedClient(database, { organizationId, keys: [jwk] });
  const bad = keyPair('P-256', 'other').privateKey;
  const ask = async (key = privateKey, address = '192.0.2.1') =>
    from(address, byAssertion(await assertionOf(signing.id, key)));
  for (let turn = 0; turn < 10; turn += 1) refusedByOAuth(t, await ask(bad), 'invalid_client', `${turn}`);
  tooMany(t, await ask(), 'a valid assertion is refused now');
  t.equal((await ask(privateKey, '192.0.2.2')).status, 200);
  for (const odd of ['x', 'a.b.c', `a.${Buffer.from('null').toString('base64url')}.c`, 'a.eyJzdWIiOjF9.c']) {
    refusedByOAuth(t, await from('192.0.2.3', byAssertion(odd)), 'invalid_client', odd);
  }
});

t.test('each client has its own allowance, and no other client uses it up', async (t) => {
  const { from, right, wrong, client } = await open(t, { RATE_LIMIT_CLIENT: '3' });
  for (let turn = 0; turn < 9; turn += 1) await wrong('192.0.2.9');
  for (const [remaining, path] of [...ENDPOINTS].entries()) {
    const reply = await from(`192.0.2.${remaining}`, inBody(client), {}, path);
    t.equal(reply.status, 200);
    t.equal(reply.headers.get('ratelimit-limit'), '3');
    t.equal(reply.headers.get('ratelimit-remaining'), String(2 - remaining));
  }
  tooMany(t, await right('192.0.2.7'), 'another address does not help');
  t.equal(
    (await from('192.0.2.7', inBody(await seedClient(database, { organizationId })))).status,
    200,
    'other clients continue',
  );
});

t.test('beyond its allowance a known client causes no database query', async (t) => {
  const { right } = await open(t, { RATE_LIMIT_CLIENT: '2' });
  for (const turn of [1, 2]) t.equal((await right('192.0.2.1')).status, 200, `${turn}`);
  const held = await openTransaction(t, database);
  await held.query('LOCK TABLE client_secrets IN ACCESS EXCLUSIVE MODE'); // from now on a query of secrets waits
  for (const reply of await atOnce(20, () => right('192.0.2.1'))) tooMany(t, reply, 'refused without a query');
  await held.query('ROLLBACK');
});

t.test('a flood of invented clients does not remove a known client from memory', async (t) => {
  const clock = new MovableClock();
  const throttle = createClientThrottle({ clock, failuresMax: 10 });
  const attempt = (network: string, clientId: string, credential: string) =>
    throttle.begin({ network, clientId, credential });
  (await attempt('192.0.2.1', 'client', 'right')).succeeded();
  let refused = 0;
  for (let turn = 0; turn < 60_000; turn += 1) {
    const verdict = await attempt('192.0.2.66', `invented ${turn}`, 'x').catch(() => null);
    if (verdict) verdict.failed();
    else refused += 1;
  }
  t.equal(refused, 60_000 - 100);
  for (let turn = 0; turn < 10; turn += 1) (await attempt('192.0.2.1', 'client', `${turn}`)).failed();
  await t.rejects(attempt('192.0.2.1', 'client', 'guess'), { code: 'too_many_requests' });
  (await attempt('192.0.2.1', 'client', 'right')).succeeded();
});

t.test('clients and networks are removed from memory when none of their failures counts any more', async (t) => {
  const clock = new MovableClock();
  const throttle = createClientThrottle({ clock, failuresMax: 10 });
  const attempt = (at: number) => throttle.begin({ network: `192.0.2.${at}`, clientId: 'client', credential: 'x' });
  for (let at = 1; at <= 200; at += 1) (await attempt(at)).failed();
  (await attempt(201)).succeeded();
  const running = await attempt(202);
  t.equal(throttle.size, 404);
  clock.advance(60);
  (await attempt(1)).failed();
  t.equal(throttle.size, 4, 'the client that is known, the one with a running attempt, the newest, and its network');
  running.undecided();
  clock.advance(3_600);
  (await attempt(1)).failed();
  t.equal(throttle.size, 2, 'only the newest client and its network are left');
});

t.test('however many requests wait while no result comes, each of them is woken only once', async (t) => {
  const throttle = createClientThrottle({ clock: new MovableClock(), failuresMax: 10 });
  let turns = 0;
  let widest = 0;
  let underWay = 0;
  await atOnce(20_000, async (index) => {
    const attempt = await throttle.begin({ network: '192.0.2.1', clientId: 'client', credential: `${index}` });
    turns += 1;
    underWay += 1;
    widest = Math.max(widest, underWay);
    await new Promise(setImmediate);
    underWay -= 1;
    attempt.undecided();
  });
  t.equal(turns, 20_000, 'every request had a turn');
  t.equal(widest, 10, 'no more checks run at the same time than may fail');
  const last = await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      throttle.begin({ network: '192.0.2.1', clientId: 'client', credential: `wrong ${index}` }),
    ),
  );
  const waiting = Promise.allSettled(
    Array.from({ length: 100 }, () => throttle.begin({ network: '192.0.2.1', clientId: 'client', credential: 'late' })),
  );
  for (const attempt of last) attempt.failed();
  t.strictSame([...new Set((await waiting).map(({ status }) => status))], ['rejected'], 'no request is left waiting');
});

t.test('a service behind one address may send thousands of requests a minute', async (t) => {
  const { right } = await open(t, { RATE_LIMIT_OTHER: '5' });
  t.equal((await right('192.0.2.1')).headers.get('ratelimit-limit'), '6000');
  const replies = await atOnce(300, () => right('192.0.2.1'));
  t.strictSame([...new Set(replies.map(({ status }) => status))], [200]);
});

t.test('refused requests of unknown clients are counted per network before any expensive check', async (t) => {
  const refusals: [string, Parameters, Record<string, string>][] = [
    ['nothing', {}, {}],
    ['another grant', { grant_type: 'password' }, {}],
    ['another media type', {}, { 'content-type': 'application/json' }],
    ['two methods', { client_id: 'x', client_secret: 'x' }, { authorization: 'Basic eDp5' }],
    ['a bad scope', { scope: '!' }, {}],
    ['a broken form', { u: 'x'.repeat(20_000) }, {}],
  ];
  for (const [what, parameters, headers] of refusals) {
    const { from, right } = await open(t, { RATE_LIMIT_OTHER: '2' });
    const ask = () => from('192.0.2.1', parameters, { 'content-type': FORM, ...headers }, '/oauth/token');
    for (const turn of [1, 2]) t.match((await ask()).status, /^4(00|01|13|15)$/, `${what}: ${turn}`);
    tooMany(t, await ask(), what);
    t.equal((await right('192.0.2.1')).status, 200, 'a known client is still served');
  }
});
