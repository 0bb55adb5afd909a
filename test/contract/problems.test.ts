// The catalogue of problems: every problem has a name of its own, is documented, and is used. Errors have one format.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { json } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { describedEndpoints } from '../../scripts/generate/endpoints.ts';
import { problemsByStatus } from '../../scripts/generate/responses.ts';
import { PROBLEMS, problem } from '../../src/base/errors/problem.ts';
import { problemBody } from '../../src/base/errors/problem-body.ts';
import type { Reply } from '../support/client.ts';
import { createDatabase } from '../support/database.ts';
import { newAccount } from '../support/fixtures/accounts.ts';
import { openService } from '../support/service.ts';
import { sourcesBelow } from '../support/sources.ts';

const kinds = Object.entries(PROBLEMS);

t.test('every code is a snake_case name with one meaning', async (t) => {
  t.same(
    kinds.filter(([code]) => !/^[a-z]+(_[a-z]+)*$/.test(code)),
    [],
  );
  t.same(
    kinds.filter(([, { status }]) => !(status >= 400 && status < 600)),
    [],
  );
  for (const what of ['title', 'detail'] as const) {
    const sentences = kinds.map(([, kind]) => kind[what]);
    t.equal(new Set(sentences).size, kinds.length, `no two codes share a ${what}`);
  }
  const types = Object.keys(PROBLEMS).map((code) => problemBody(problem(code as keyof typeof PROBLEMS), 'id').type);
  t.same(
    types.filter((type) => !/^\/problems\/[a-z]+(-[a-z]+)*$/.test(type)),
    [],
  );
  t.equal(new Set(types).size, kinds.length);
});

t.test('the documentation lists every problem code, and src/ uses every one of them', async (t) => {
  const page = readFileSync(new URL('../../docs/problems.md', import.meta.url), 'utf8');
  t.same(
    kinds.filter(([code, { status }]) => !page.includes(`| \`${code}\` | ${status} |`)),
    [],
  );
  const sources = sourcesBelow('src', /\.ts$/).filter(({ path }) => path !== 'src/base/errors/problem.ts');
  const unused = kinds.map(([code]) => code).filter((code) => !sources.some((file) => file.code.includes(`'${code}'`)));
  t.same(unused, [], 'every documented code is used');
});

t.test('an endpoint documents the problems of its guard and of its body', async (t) => {
  for (const declared of describedEndpoints().filter(({ wire }) => wire !== 'page')) {
    const statuses = [...problemsByStatus(declared).keys()];
    t.ok(statuses.includes(500), declared.id);
    t.equal(statuses.includes(415), declared.body !== undefined, declared.id);
    if (declared.access.kind !== 'open') t.ok(statuses.includes(401), declared.id);
    t.equal(statuses.includes(429), declared.limit !== 'none', declared.id);
  }
});

function isWhole(t: Test, reply: Reply, code: keyof typeof PROBLEMS): void {
  t.test(`the problem ${code} has every member`, async (t) => {
    const { status, title } = PROBLEMS[code];
    t.equal(reply.status, status);
    t.match(reply.headers.get('content-type'), /^application\/problem\+json(;|$)/);
    t.match(reply.body, { type: `/problems/${code.replaceAll('_', '-')}`, title, status, code });
    t.equal(reply.body.requestId, reply.headers.get('x-request-id'));
    t.ok(reply.body.detail.length > 10);
    t.equal(reply.body.error, reply.body.detail);
    const members = ['code', 'detail', 'error', 'requestId', 'status', 'title', 'type'];
    t.strictSame(
      Object.keys(reply.body).sort(),
      (code === 'validation_failed' ? [...members, 'issues'] : members).sort(),
    );
    const waits = status === 429 || status === 503;
    t.equal(/^[1-9]\d*$/.test(reply.headers.get('retry-after') ?? ''), waits, 'Retry-After only if waiting helps');
    if (status === 401) t.match(reply.headers.get('www-authenticate'), /^Bearer/);
  });
}

t.test('errors of many kinds are answered with a complete problem', async (t) => {
  const database = await createDatabase(t);
  const { api } = await openService(t, database, { RATE_LIMIT_ENABLED: 'true', LOGIN_FAILURES_MAX: '2' });
  const account = await newAccount(api);
  const { email, accessToken: token } = account;
  const login = (password: string) => api.post('/auth/login', { email, password });
  const form = { raw: 'a=b', headers: { 'content-type': 'application/x-www-form-urlencoded' } };

  isWhole(
    t,
    await api.post('/auth/login', undefined, { raw: '{', headers: { 'content-type': 'application/json' } }),
    'malformed_json',
  );
  isWhole(t, await api.post('/auth/login', undefined, form), 'unsupported_media_type');
  isWhole(t, await api.post('/auth/login', { email, password: 'x'.repeat(70_000) }), 'body_too_large');
  isWhole(t, await api.post('/auth/login', {}), 'validation_failed');
  isWhole(t, await api.get('/nowhere'), 'not_found');
  isWhole(t, await api.delete(`/me/sessions/${account.userId}`, { token }), 'not_found');
  isWhole(t, await api.delete('/auth/login'), 'method_not_allowed');
  isWhole(t, await api.get('/me'), 'unauthenticated');
  isWhole(t, await api.get('/me', { token: 'x' }), 'invalid_token');
  isWhole(t, await api.post('/auth/refresh', { refreshToken: 'x' }), 'invalid_refresh_token');
  isWhole(t, await api.post('/auth/register', { email, password: account.password, name: 'Ada' }), 'email_taken');
  isWhole(
    t,
    await api.post('/organizations', { name: 'Acme', slug: account.organization.slug }, { token }),
    'slug_taken',
  );
  isWhole(
    t,
    await api.post('/auth/switch-organization', { organization: 'unknown' }, { token }),
    'organization_access_denied',
  );
  isWhole(
    t,
    await api.post(
      '/auth/login',
      { email, password: 'x', transport: 'cookie' },
      { headers: { origin: 'https://evil.example' } },
    ),
    'cross_site_request',
  );
  isWhole(t, await login('wrong'), 'invalid_credentials');
  await login('wrong');
  isWhole(t, await login('wrong'), 'too_many_requests');
  await api.post('/auth/logout', undefined, { token });
  isWhole(t, await api.get('/me', { token }), 'session_revoked');
  const nowhere = 'postgres://tenantry_app@127.0.0.1:1/tenantry';
  const away = await openService(t, { ...database, appUrl: nowhere, systemUrl: nowhere });
  isWhole(t, await away.api.post('/auth/refresh', { refreshToken: account.refreshToken }), 'database_unavailable');
  const { status, body } = await expecting(away.url);
  t.match({ status, body }, { status: 417, body: { code: 'expectation_failed', status: 417 } });
});

/** Returns the answer to a request with an Expect header, which fetch cannot send. */
async function expecting(url: string): Promise<{ status: number | undefined; body: unknown }> {
  const sent = request(`${url}/healthz`, { headers: { expect: 'a miracle' } }).end();
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  return { status: answer.statusCode, body: await json(answer) };
}
