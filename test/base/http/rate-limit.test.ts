// The rate limits: what each limit counts, what its headers say, and that a forged header does not raise it.
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import t, { type Test } from 'tap';
import { openLimits, rememberAddresses } from '../../../src/base/http/rate-limit.ts';
import { type Api, atOnce, type Reply } from '../../support/client.ts';
import { createDatabase } from '../../support/database.ts';
import { type Account, newAccount } from '../../support/fixtures/accounts.ts';
import { seedMembership, seedOrganization } from '../../support/fixtures/people.ts';
import { refused } from '../../support/raw.ts';
import { openService } from '../../support/service.ts';

const database = await createDatabase(t);
const WIDE = {
  RATE_LIMIT_SIGN_IN: '1000',
  RATE_LIMIT_REFRESH: '1000',
  RATE_LIMIT_OTHER: '1000',
  RATE_LIMIT_ORGANIZATION: '1000',
};

async function limited(t: Test, settings: Record<string, string>): Promise<Api> {
  return (await openService(t, database, { RATE_LIMIT_ENABLED: 'true', ...WIDE, ...settings })).api;
}

function allowance(reply: Reply) {
  return { limit: reply.headers.get('ratelimit-limit'), remaining: reply.headers.get('ratelimit-remaining') };
}

function tooMany(t: Test, reply: Reply, what: string): void {
  refused(t, reply, 'too_many_requests', what);
  const after = Number(reply.headers.get('retry-after'));
  t.ok(Number.isInteger(after) && after >= 1 && after <= 60, `Retry-After is within the minute: ${after}`);
  t.equal(reply.headers.get('ratelimit-reset'), String(after), 'RateLimit-Reset is the same number of seconds');
  t.equal(reply.headers.get('ratelimit-remaining'), '0');
}

const from = (address: string) => ({ headers: { 'x-forwarded-for': address } });
const nobody = { email: 'nobody@example.com', password: 'wrong' };

t.test('the headers count the sign-ins of an address, which are limited before a password is checked', async (t) => {
  const api = await limited(t, { RATE_LIMIT_SIGN_IN: '3' });
  const { email, password } = await newAccount(api);
  for (const remaining of ['2', '1', '0']) {
    const reply = await api.post('/auth/login', { email, password: 'wrong' });
    t.equal(reply.code, 'invalid_credentials');
    t.strictSame(allowance(reply), { limit: '3', remaining });
    t.ok(Number(reply.headers.get('ratelimit-reset')) > 0);
  }
  tooMany(t, await api.post('/auth/login', { email, password }), 'the right password does not help');
  tooMany(t, await api.post('/auth/login', { email: 1 }), 'a body that is refused in any case does not help');
  const other = { email: `x${email}`, password: 'correct horse battery', name: 'X' };
  t.equal((await api.post('/auth/register', other)).status, 201, 'registrations are counted separately');
  t.equal((await api.post('/auth/logout')).status, 204, 'other calls are not affected');
});

t.test('requests of a principal are counted by the id of the principal, not by the address', async (t) => {
  const api = await limited(t, { RATE_LIMIT_OTHER: '3', TRUSTED_PROXIES: '127.0.0.1' });
  const [one, two] = [await newAccount(api), await newAccount(api)];
  const read = (account: Account, address: string) => api.get('/me', { token: account.accessToken, ...from(address) });
  for (const remaining of ['2', '1', '0']) {
    t.strictSame(allowance(await read(one, `192.0.2.${remaining}`)), { limit: '3', remaining });
  }
  tooMany(t, await read(one, '192.0.2.9'), 'another address does not help');
  tooMany(t, await api.patch('/me', { name: 'A' }, { token: one.accessToken }), 'another route does not help');
  const again = await api.post('/auth/login', { email: one.email, password: one.password });
  tooMany(t, await api.get('/me', { token: again.body.data.accessToken }), 'another session does not help');
  t.equal((await read(two, '192.0.2.9')).status, 200, 'another user at the same address is not affected');
});

t.test('requests with invalid tokens are counted by address', async (t) => {
  const api = await limited(t, { RATE_LIMIT_OTHER: '3' });
  const account = await newAccount(api);
  for (const token of ['a', 'a.b.c', 'x']) t.equal((await api.get('/me', { token })).code, 'invalid_token');
  tooMany(t, await api.get('/me', { token: 'y' }), 'the fourth guess');
  tooMany(t, await api.get('/me'), 'a missing token is a guess as well');
  t.equal((await api.get('/me', { token: account.accessToken })).status, 200, 'a caller with a valid one continues');
});

t.test('sign-ins from all addresses that name the same organization are counted together', async (t) => {
  const api = await limited(t, { RATE_LIMIT_ORGANIZATION: '2', TRUSTED_PROXIES: '127.0.0.1' });
  const login = (organization: string, address: string) =>
    api.post('/auth/login', { ...nobody, organization }, from(address));
  const first = await login('acme', '192.0.2.1');
  t.strictSame(allowance(first), { limit: '1000', remaining: '999' }, 'the headers do not show what others have used');
  t.equal((await login('ACME', '192.0.2.2')).code, 'invalid_credentials', 'slugs ignore case');
  tooMany(t, await login('acme', '192.0.2.3'), 'the third, from a third address');
  const old = await api.post('/auth/login', { ...nobody, organizationSlug: 'acme' }, from('192.0.2.4'));
  tooMany(t, old, 'the other field for the organization has the same limit');
  t.equal((await login('other', '192.0.2.3')).code, 'invalid_credentials', 'another organization is not affected');
  t.equal(
    (await api.post('/auth/login', nobody, from('192.0.2.3'))).code,
    'invalid_credentials',
    'a sign-in that names no organization is not affected',
  );
});

t.test('refreshes are counted by session, and a refused refresh does not use up the refresh token', async (t) => {
  const api = await limited(t, { RATE_LIMIT_REFRESH: '2' });
  const [account, other] = [await newAccount(api), await newAccount(api)];
  const refresh = (refreshToken: string) => api.post('/auth/refresh', { refreshToken });
  const first = await refresh(account.refreshToken);
  t.strictSame(allowance(first), { limit: '2', remaining: '1' });
  const second = await refresh(first.body.data.refreshToken);
  t.equal(second.status, 200);
  const [before] = await database.query('SELECT * FROM sessions WHERE id = $1', [account.sessionId]);
  tooMany(t, await refresh(second.body.data.refreshToken), 'the third');
  const switched = { organization: account.organization.slug, refreshToken: second.body.data.refreshToken };
  const token = second.body.data.accessToken;
  tooMany(t, await api.post('/auth/switch-organization', switched, { token }), 'a switch does not help');
  t.strictSame(await database.query('SELECT * FROM sessions WHERE id = $1', [account.sessionId]), [before]);
  t.equal((await refresh(other.refreshToken)).status, 200, 'another session at the same address is not affected');
  t.equal((await refresh('x.y.z')).code, 'invalid_refresh_token', 'a value that is not a token counts for no session');
});

t.test('refreshes that an organization refuses count for that organization only', async (t) => {
  const api = await limited(t, { RATE_LIMIT_REFRESH: '3' });
  const account = await newAccount(api);
  const other = await seedOrganization(database);
  await seedMembership(database, { organizationId: other.id, userId: account.userId, role: 'agent' });
  await database.query(`UPDATE memberships SET status = 'suspended' WHERE organization_id = $1`, [other.id]);
  const { id, slug } = other;
  const refresh = (organization?: string) =>
    api.post('/auth/refresh', { refreshToken: account.refreshToken, organization });
  for (const remaining of ['2', '1', '0']) {
    const reply = await refresh(slug);
    t.equal(reply.code, 'organization_access_denied');
    t.strictSame(allowance(reply), { limit: '3', remaining });
  }
  tooMany(t, await refresh(slug), 'the fourth for the organization that refuses');
  for (const remaining of ['2', '1']) {
    const reply = await refresh(account.organization.slug);
    t.equal(reply.status, 200, 'the other organization is not affected');
    t.strictSame(allowance(reply), { limit: '3', remaining });
  }
  t.equal((await refresh(id)).code, 'organization_access_denied');
  await database.query(`UPDATE memberships SET status = 'active' WHERE organization_id = $1`, [other.id]);
  t.equal((await refresh(id)).status, 200, 'a success counts for the session');
  tooMany(t, await refresh(), 'the fourth success');
});

t.test('a session that invents organizations uses up its allowance', async (t) => {
  const api = await limited(t, { RATE_LIMIT_REFRESH: '2' });
  const { refreshToken } = await newAccount(api);
  const refresh = (organization: string) => api.post('/auth/refresh', { refreshToken, organization });
  for (const name of ['one', 'two', 'three', 'four']) {
    t.equal((await refresh(name)).code, 'organization_access_denied', name);
  }
  tooMany(t, await refresh('five'), 'two have an allowance of their own, and two more are counted for the session');
});

t.test('simultaneous refreshes of a session cannot pass its allowance together', async (t) => {
  const api = await limited(t, { RATE_LIMIT_REFRESH: '3' });
  const { refreshToken } = await newAccount(api);
  const replies = await atOnce(10, () => api.post('/auth/refresh', { refreshToken }));
  t.equal(replies.filter(({ status }) => status === 200).length, 3);
  t.equal(replies.filter(({ code }) => code === 'too_many_requests').length, 7);
});

t.test('only a trusted proxy can forward an address, and the last untrusted address is counted', async (t) => {
  const open = await limited(t, { RATE_LIMIT_SIGN_IN: '2' });
  for (const address of ['192.0.2.1', '192.0.2.2'])
    t.equal((await open.post('/auth/login', nobody, from(address))).status, 401);
  tooMany(
    t,
    await open.post('/auth/login', nobody, from('192.0.2.3')),
    'without a trusted proxy the header is ignored',
  );

  const proxied = await limited(t, { RATE_LIMIT_SIGN_IN: '2', TRUSTED_PROXIES: '127.0.0.1,10.0.0.0/8' });
  const login = (chain: string) => proxied.post('/auth/login', nobody, from(chain));
  t.equal((await login('1.1.1.1, 192.0.2.7')).status, 401);
  t.equal((await login('2.2.2.2, 192.0.2.7, 10.1.2.3')).status, 401);
  tooMany(t, await login('3.3.3.3, 192.0.2.7'), 'entries before the client’s address are invented by the client');
  t.equal((await login('192.0.2.8')).status, 401, 'another client behind the same proxy is not affected');

  const elsewhere = await limited(t, { RATE_LIMIT_SIGN_IN: '2', TRUSTED_PROXIES: '10.0.0.0/8' });
  for (const address of ['192.0.2.1', '192.0.2.2']) await elsewhere.post('/auth/login', nobody, from(address));
  tooMany(t, await elsewhere.post('/auth/login', nobody, from('192.0.2.3')), 'an untrusted peer is not a proxy');
});

t.test('IPv6 clients are counted by their /64, and IPv4-mapped IPv6 as IPv4', async (t) => {
  const api = await limited(t, { RATE_LIMIT_SIGN_IN: '2', TRUSTED_PROXIES: '127.0.0.1' });
  const login = (address: string) => api.post('/auth/login', nobody, from(address));
  t.equal((await login('2001:db8:1:2::1')).status, 401);
  t.equal((await login('2001:DB8:1:2:ffff:ffff:ffff:ffff')).status, 401);
  tooMany(t, await login('2001:db8:0001:0002:1::'), 'the same /64, however it is written');
  t.equal((await login('2001:db8:1:3::1')).status, 401, 'the next /64 is another network');
  t.equal((await login('192.0.2.1')).status, 401);
  t.equal((await login('::ffff:192.0.2.1')).status, 401);
  tooMany(t, await login('::ffff:c000:201'), 'one IPv4 address');
  t.equal((await login('::ffff:192.0.2.2')).status, 401, 'another IPv4 address');
});

t.test('all invalid addresses are counted as one address, and cause no error', async (t) => {
  const api = await limited(t, { RATE_LIMIT_SIGN_IN: '2', TRUSTED_PROXIES: '127.0.0.1' });
  for (const address of [
    'unknown',
    '999.1.1.1',
    '1:2',
    '',
    ', ,',
    '192.0.2.1:443',
    '_hidden',
    'x'.repeat(2_000),
    '[::1]',
  ]) {
    const reply = await api.post('/auth/login', nobody, from(address));
    t.ok([401, 429].includes(reply.status), `${JSON.stringify(address.slice(0, 20))}: ${reply.status}`);
  }
  tooMany(t, await api.post('/auth/login', nobody, from('203.0.113.9:1')), 'invented addresses share one allowance');
  const fresh = await limited(t, { TRUSTED_PROXIES: '127.0.0.1' });
  const account = await newAccount(fresh);
  const credentials = { email: account.email, password: account.password };
  const reply = await fresh.post('/auth/login', credentials, from('x'.repeat(2_000)));
  t.equal(reply.status, 200, 'such a session is stored');
});

t.test('every request to an unknown path is counted', async (t) => {
  const json = { 'content-type': 'application/json' };
  const sends: [string, (api: Api) => Promise<Reply>][] = [
    ['GET', (api) => api.get('/nowhere')],
    ['another path each', (api) => api.get(`/nowhere-${performance.now()}`)],
    ['another method', (api) => api.call('PUT', '/me')],
    ['a body', (api) => api.post('/nowhere', { x: 1 })],
    ['a broken body', (api) => api.call('POST', '/nowhere', undefined, { raw: '{', headers: json })],
    [
      'another media type',
      (api) => api.call('POST', '/nowhere', undefined, { raw: 'x', headers: { 'content-type': 'text/x' } }),
    ],
    ['a large body', (api) => api.call('POST', '/nowhere', undefined, { raw: 'x'.repeat(70_000), headers: json })],
  ];
  for (const [what, send] of sends) {
    const api = await limited(t, { RATE_LIMIT_OTHER: '2' });
    for (const turn of [1, 2]) {
      const reply = await send(api);
      t.match(reply.code, /^(not_found|method_not_allowed)$/, `${what}: ${turn}`);
    }
    tooMany(t, await send(api), what);
  }
});

t.test('the paths that probes and verifying services use have no limit', async (t) => {
  const api = await limited(t, { RATE_LIMIT_OTHER: '1', RATE_LIMIT_SIGN_IN: '1' });
  for (const path of ['/healthz', '/readyz', '/.well-known/jwks.json', '/.well-known/oauth-authorization-server']) {
    for (let turn = 0; turn < 5; turn += 1) {
      const reply = await api.get(path);
      t.equal(reply.status, 200, path);
      t.equal(reply.headers.get('ratelimit-limit'), null);
    }
  }
});

t.test('an allowance that is used up stays so while 49,999 other keys are counted', async (t) => {
  const app = Fastify();
  const limits = { enabled: true, signIn: 1, session: 1, other: 1, organization: 1, client: 1 };
  const draw = await openLimits(app, limits);
  const request = { routeOptions: {} } as FastifyRequest;
  const reply = { header: () => reply } as unknown as FastifyReply;
  for (const allowance of ['signIn', 'session', 'other', 'organization', 'client'] as const) {
    await draw(request, reply, allowance, 'used up');
    for (let other = 1; other < 50_000; other += 1) await draw(request, reply, allowance, `other ${other}`);
    await t.rejects(draw(request, reply, allowance, 'used up'), { code: 'too_many_requests' }, allowance);
  }
  await app.close();
});

t.test('the result for an address is remembered, and none for a text that is longer than an address', async (t) => {
  const computed: number[] = [];
  const lengthOf = rememberAddresses((ip) => {
    computed.push(ip.length);
    return String(ip.length);
  });
  const longest = 'ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255';
  for (const text of ['192.0.2.1', longest, `${longest}0`, 'x'.repeat(30_000)]) {
    for (let time = 0; time < 2; time += 1) t.equal(lengthOf(text), String(text.length));
  }
  t.same(computed, [9, 45, 46, 46, 30_000, 30_000]);
});
