// The routes of the service, who may use each route, and how often. routes.txt has the list for review.
import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { z } from 'zod';
import { describedEndpoints, routeList } from '../../scripts/generate/endpoints.ts';
import type { Endpoint } from '../../src/base/http/endpoint.ts';
import { createDatabase } from '../support/database.ts';
import { SEEDED_PASSWORD, seedPerson, signInPerson } from '../support/fixtures/people.ts';
import { openVisitor } from '../support/pages/visitor.ts';
import { openService } from '../support/service.ts';

const GOLDEN = new URL('routes.txt', import.meta.url);
const REMEDY = 'routes.txt is the list of all routes: if the change is meant, run `npm run generate` and commit it';

t.test('routes.txt lists every route with its access and its rate limit', async (t) => {
  t.equal(readFileSync(GOLDEN, 'utf8'), routeList(describedEndpoints()), REMEDY);
});

t.test('the server has exactly these routes, and each of them requires the declared access', async (t) => {
  const { app, api } = await openService(t, await createDatabase(t), { DOCS_ENABLED: 'true' });
  const endpoints = describedEndpoints();
  const mounted = app.server
    .printRoutes({ commonPrefix: false, includeHooks: false })
    .match(/\((?:[A-Z]+(?:, )?)+\)/g)
    ?.flatMap((methods) => methods.slice(1, -1).split(', '))
    .filter((method) => method !== 'HEAD');
  t.equal(mounted?.length, endpoints.length, 'no route exists that is not in the list');
  for (const { method, url, access, wire } of endpoints) {
    const route = `${method} ${url}`;
    t.ok(app.server.hasRoute({ method, url }), `${route} is there`);
    const path = url.replace(/:\w+/g, '019aa3f0-5c00-7a10-8b2f-3d6f1c2a4e01');
    const reply = await api.call(method, path, method === 'GET' || method === 'DELETE' ? undefined : {});
    if (wire === 'page' && method === 'POST') t.equal(reply.code, 'cross_site_request', `${route} takes its own forms`);
    else if (access.kind === 'browser') t.equal(reply.headers.get('location'), '/sign-in', `${route} is for a browser`);
    else if (['open', 'visitor'].includes(access.kind)) t.not(reply.code, 'unauthenticated', `${route} is open`);
    else t.equal(reply.code, 'unauthenticated', `${route} requires an access token`);
  }
});

t.test('every operation has its own name', async (t) => {
  const ids = describedEndpoints().map(({ id }) => id);
  t.same(
    ids.filter((id, at) => ids.indexOf(id) !== at),
    [],
  );
  t.same(
    ids.filter((id) => !/^[a-z][A-Za-z]+$/.test(id)),
    [],
  );
});

// The limit `sign_in` counts the requests of each network, and of each user where a user must be signed in.
const ALLOWED = 3;
const limited = describedEndpoints().filter(({ limit }) => limit === 'sign_in');
const isPage = ({ wire }: Endpoint) => wire === 'page';
const isForEverybody = ({ access }: Endpoint) => access.kind === 'open' || access.kind === 'visitor';

interface Sent {
  readonly status: number;
  readonly headers: Headers;
}
type Who = 'somebody' | 'a colleague' | 'a stranger';
/** Sends a request that the operation of the route refuses at once, if it has a body. */
type Send = (declared: Endpoint, network: string, who?: Who) => Promise<Sent>;

async function openLimited(t: Test): Promise<Send> {
  const database = await createDatabase(t);
  const settings = { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_SIGN_IN: String(ALLOWED), RATE_LIMIT_OTHER: '1000' };
  const { api, url } = await openService(t, database, { ...settings, TRUSTED_PROXIES: '127.0.0.1' });
  async function signIn() {
    const person = await seedPerson(database);
    const { accessToken: token } = await signInPerson(api, person);
    const visitor = openVisitor(url);
    await visitor.send(await visitor.open('/sign-in'), '/sign-in', { email: person.email, password: SEEDED_PASSWORD });
    return { token, visitor };
  }
  const people = {
    somebody: await signIn(),
    'a colleague': await signIn(),
    'a stranger': { token: undefined, visitor: openVisitor(url) },
  };
  return (declared, network, who = 'somebody') => {
    const { token, visitor } = people[who];
    const { method, url: path } = declared;
    const headers = { 'x-forwarded-for': network };
    if (isPage(declared)) return visitor.request(method, path, { x: '1' }, headers);
    const sent = isForEverybody(declared) ? undefined : token;
    return api.call(method, path, { x: 1 }, { headers, ...(sent !== undefined && { token: sent }) });
  };
}

/** A network for each route and purpose. */
const networkOf = (declared: Endpoint, purpose: number) => `10.0.${limited.indexOf(declared)}.${purpose}`;

t.test('every route with the limit sign_in allows a network or user so many requests, and others go on', async (t) => {
  const send = await openLimited(t);
  t.ok(limited.length > 20);
  // The form of a signed-in user has no allowance of its own: the next test is about it.
  for (const declared of limited.filter((one) => isForEverybody(one) || !isPage(one))) {
    const route = `${declared.method} ${declared.url}`;
    const [network, another] = [networkOf(declared, 1), networkOf(declared, 2)];
    for (let sent = 1; sent <= ALLOWED; sent += 1) {
      t.not((await send(declared, network)).status, 429, `${route}: request ${sent}`);
    }
    const { status, headers } = await send(declared, network);
    t.equal(status, 429, route);
    t.match(headers.get('retry-after'), /^[1-9]\d?$/, route);
    t.equal(headers.get('ratelimit-limit'), String(ALLOWED), route);
    if (isForEverybody(declared)) {
      t.not((await send(declared, another)).status, 429, `${route}: another network`);
    } else {
      t.equal((await send(declared, another)).status, 429, `${route}: the same user in another network`);
      t.not((await send(declared, network, 'a colleague')).status, 429, `${route}: another user in the same network`);
    }
  }
});

t.test('a form shares the allowance of the endpoint that it names', async (t) => {
  const send = await openLimited(t);
  const forms = limited.filter(isPage);
  t.ok(forms.length > 10);
  for (const declared of forms) {
    const shared = limited.find(({ id }) => id === declared.limitAs);
    if (!shared) throw new Error(`${declared.url} names no endpoint`);
    const network = networkOf(declared, 1);
    for (let sent = 1; sent <= ALLOWED; sent += 1) await send(declared, network);
    t.equal((await send(shared, network)).status, 429, `${declared.url} and ${shared.url}`);
  }
});

t.test('strangers in the network use up nothing where only signed-in users may send something', async (t) => {
  const send = await openLimited(t);
  const closed = limited.filter((declared) => !isForEverybody(declared));
  t.ok(closed.length > 8);
  for (const declared of closed) {
    const network = networkOf(declared, 1);
    for (let sent = 0; sent <= ALLOWED; sent += 1) {
      t.ok([303, 401].includes((await send(declared, network, 'a stranger')).status), `${declared.url}: a stranger`);
    }
    t.not((await send(declared, network)).status, 429, declared.url);
  }
});

// A password, or a one-time token or code, in a request can be guessed.
const GUESSED = /"(password|currentPassword|code|token)":/;
/** The routes outside of the list that take such a field, each with what limits the guesses. */
const LIMITED_OTHERWISE: Readonly<Record<string, string>> = {
  'POST /oauth/introspect': 'the credentials of the service client are limited: access/oauth',
  'POST /oauth/revoke': 'the credentials of the service client are limited: access/oauth',
};

t.test('every route that takes a password, a token or a code of a mail has the limit sign_in', async (t) => {
  const taking = describedEndpoints().filter(
    ({ body }) => body && GUESSED.test(JSON.stringify(z.toJSONSchema(body, { unrepresentable: 'any', io: 'input' }))),
  );
  t.ok(taking.length > 8);
  const others = taking.filter(({ limit }) => limit !== 'sign_in').map(({ method, url }) => `${method} ${url}`);
  t.same(others.sort(), Object.keys(LIMITED_OTHERWISE).sort());
});
