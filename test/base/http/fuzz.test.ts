// Generated bodies and query values for the routes of sign-in, of one's own account and for creating organizations:
// each answer is a success or a refusal with a code, never an internal error. The same seed gives the same bodies.
import t from 'tap';
import type { Api } from '../../support/client.ts';
import { createDatabase } from '../../support/database.ts';
import { type Account, newAccount } from '../../support/fixtures/accounts.ts';
import { flawsOfProblem } from '../../support/raw.ts';
import { openService } from '../../support/service.ts';
import { cases } from '../../support/thorough.ts';

const BODIES = cases(3_000);
const IN_FLIGHT = 8;
const SEED = 20_261_121;

/** Mulberry32: returns random numbers that are at least 0 and less than 1. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const TEXTS = [
  '',
  ' ',
  'a',
  'ada@example.com',
  'ADA@EXAMPLE.COM ',
  'a@b',
  'a@b.c\u0000',
  '\u0000',
  '\ud800',
  '\udfff\ud800',
  'x\r\ny',
  "' OR 1=1 --",
  '$1',
  '%s%n',
  '{{7*7}}',
  '<script>',
  '../../etc/passwd',
  '\u202eabc',
  'ﬀ',
  '\u0130@ı.com',
  'e\u0301'.repeat(60),
  '\u0301'.repeat(500),
  '👩‍👩‍👧'.repeat(20),
  'x'.repeat(121),
  'x'.repeat(321),
  'x'.repeat(2_049),
  'a'.repeat(9_000),
  'null',
  'true',
  '0',
  '-1',
  'NaN',
  '1e999',
  'acme',
  'admin',
  '-',
  'a-',
  'xn--a',
  'body',
  'cookie',
  'Bearer x',
  'a.b.c',
  '..',
  'eyJhbGciOiJub25lIn0.e30.',
  '00000000-0000-0000-0000-000000000000',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  'a@[127.0.0.1]',
  '"quoted"@example.com',
  'a,b@example.com',
  'a@exämple.com',
  'a@example.com\nBcc: b@example.com',
  '\ufeff',
  '\uffff',
  '\x7f',
];
const NUMBERS = [0, -0, 1, -1, 0.1, 1e308, -1e308, 2 ** 31, 2 ** 53, 2 ** 63, 1e-320];
const NAMES = `email password name organizationName organizationSlug organization slug refreshToken transport limit id
  __proto__ constructor toString hasOwnProperty length then toJSON`.split(/\s+/);

type Draw = () => number;

function pick<T>(draw: Draw, list: readonly T[]): T {
  return list[Math.floor(draw() * list.length)] as T;
}

function value(draw: Draw, depth = 0): unknown {
  const kind = draw();
  if (kind < 0.6 || depth > 4) return pick(draw, TEXTS);
  if (kind < 0.7) return pick(draw, NUMBERS);
  if (kind < 0.8) return pick(draw, [null, true, false]);
  const size = Math.floor(draw() * 4);
  if (kind < 0.9) return Array.from({ length: size }, () => value(draw, depth + 1));
  return Object.fromEntries(Array.from({ length: size }, () => [pick(draw, NAMES), value(draw, depth + 1)]));
}

/** Returns a valid body with one changed or added field, a random body, or a body with broken text. */
function body(draw: Draw, good: Readonly<Record<string, unknown>>): string {
  const kind = draw();
  const names = [...Object.keys(good), ...(draw() < 0.2 ? NAMES : [])];
  const made = kind < 0.75 ? { ...good, [pick(draw, names)]: value(draw) } : value(draw);
  const text = JSON.stringify(made);
  if (kind < 0.9) return text;
  const at = Math.floor(draw() * text.length);
  return text.slice(0, at) + pick(draw, ['', '"', '\\', '\0', '{', ']', '\\u', ',', '\ufeff']) + text.slice(at + 1);
}

interface Route {
  readonly method: string;
  readonly path: (draw: Draw) => string;
  readonly good: Readonly<Record<string, unknown>>;
  /** True for a route that is called without a token: with one, logout would end the session that other routes need. */
  readonly anonymous?: true;
  /**
   * A route that hashes passwords gets one turn in `oneOf`, because a hash costs a thousand times as much as a refusal.
   */
  readonly oneOf?: number;
}

function routesOf(account: Account): Route[] {
  const { email, password, organization } = account;
  const at = (method: string, path: string, good = {}, more = {}) => ({ method, path: () => path, good, ...more });
  const query = (draw: Draw) => encodeURIComponent(pick(draw, TEXTS).toWellFormed());
  return [
    at('POST', '/auth/register', { email, password, name: 'A', organizationName: 'A', transport: 'body' }),
    at('POST', '/auth/login', { email, password, organization: organization.slug, transport: 'body' }, { oneOf: 8 }),
    at('POST', '/auth/refresh', { refreshToken: 'a.b.c', organization: organization.id }),
    at('POST', '/auth/logout', { refreshToken: 'a.b.c' }, { anonymous: true }),
    at('POST', '/auth/switch-organization', { organization: organization.id, refreshToken: 'a.b.c' }),
    at('GET', '/me'),
    at('PATCH', '/me', { name: 'Ada' }),
    at('POST', '/organizations', { name: 'Acme', slug: 'acme' }),
    at('POST', '/tenants', { name: 'Acme', slug: 'acme' }),
    at('DELETE', '/me/sessions'),
    { method: 'DELETE', path: (draw) => `/me/sessions/${query(draw)}`, good: {} },
    { method: 'GET', path: (draw) => `/me/sessions?${pick(draw, NAMES)}=${query(draw)}`, good: {} },
    { method: 'GET', path: (draw) => `/me/organizations?limit=${query(draw)}&offset=${query(draw)}`, good: {} },
  ];
}

async function sendOne(api: Api, account: Account, draw: Draw, routes: readonly Route[]): Promise<string[]> {
  let route = pick(draw, routes);
  while (route.oneOf !== undefined && draw() > 1 / route.oneOf) route = pick(draw, routes);
  const path = route.path(draw);
  const raw = route.method === 'GET' ? undefined : new Uint8Array(Buffer.from(body(draw, route.good)));
  const reply = await api.call(route.method, path, undefined, {
    ...(route.anonymous ? {} : { token: account.accessToken }),
    ...(raw === undefined ? {} : { raw, headers: { 'content-type': 'application/json' } }),
  });
  const flaws = reply.status < 300 ? [] : flawsOfProblem(reply);
  return flaws.map(
    (flaw) =>
      `${route.method} ${path} ${Buffer.from(raw ?? [])
        .toString()
        .slice(0, 300)}: ${flaw}`,
  );
}

t.test(`none of ${BODIES} generated bodies causes an internal error`, async (t) => {
  const { api } = await openService(t, await createDatabase(t));
  const account = await newAccount(api);
  const routes = routesOf(account);
  const flaws: string[] = [];
  let sent = 0;
  const worker = async (index: number) => {
    const draw = numbers(SEED + index);
    for (; sent < BODIES; sent += 1) flaws.push(...(await sendOne(api, account, draw, routes)));
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, (_, index) => worker(index)));
  t.strictSame(flaws, []);
  t.equal((await api.get('/me', { token: account.accessToken })).status, 200, 'the session still works');
});
