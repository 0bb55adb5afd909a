// Where people continue after they have signed in: at an application that the operator has named, and nowhere else.
import t from 'tap';
import { hasSameSite } from '../../../src/sign-in/browser/return-to.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { openVisitor } from '../../support/pages/visitor.ts';
import { openService } from '../../support/service.ts';

const APP = 'https://app.example.com';
const SETTINGS = { CORS_ORIGINS: `${APP},http://localhost:5173`, PUBLIC_APP_URL: 'https://www.example.com' };

const FOLLOWED = [
  `${APP}/`,
  `${APP}/deals?id=1&q=a%20b#part`,
  'https://www.example.com/welcome',
  'http://localhost:5173/x',
  'HTTPS://APP.EXAMPLE.COM/x',
  `${APP}:443/x`,
];
const IGNORED = `https://evil.example/ https://app.example.com.evil.example/ https://app.example.com@evil.example/
  https://user:pass@app.example.com/ https://app.example.com:8443/ http://app.example.com/ https://xapp.example.com/
  //app.example.com/ /account //evil.example /\\evil.example \\\\evil.example javascript:alert(1) data:text/html,x
  https:app.example.com.evil.example https:/evil.example https://app.example.com\\@evil.example/
  https://evil.example/https://app.example.com/ https://evil.example#https://app.example.com/
  https://evil.example?https://app.example.com/ https://app.example.com%2eevil.example/ blob:https://app.example.com/x
  null undefined https:// app.example.com https://аpp.example.com/`.split(/\s+/);

t.test('a person continues at an application of the operator, and at no other address', async (t) => {
  const { url, api } = await openService(t, await createDatabase(t), SETTINGS);
  const { email, password } = await newAccount(api);
  const continueAt = async (target: string, where: 'query' | 'form') => {
    const visitor = openVisitor(url);
    const page = await visitor.open(
      where === 'query' ? `/sign-in?return_to=${encodeURIComponent(target)}` : '/sign-in',
    );
    const fields = {
      ...page.markup.forms[0]?.fields,
      email,
      password,
      ...(where === 'form' ? { return_to: target } : {}),
    };
    const { location } = await visitor.request('POST', '/sign-in', fields);
    return { location, policy: page.headers.get('content-security-policy') ?? '', seen: page.seen };
  };
  for (const target of FOLLOWED) {
    const { location, policy, seen } = await continueAt(target, 'query');
    t.equal(location, new URL(target).href, target);
    t.match(policy, `form-action 'self' ${new URL(target).origin};`, 'the policy lets the form lead there');
    t.match(seen, `You then continue to ${new URL(target).host}.`);
    t.equal((await continueAt(target, 'form')).location, new URL(target).href);
  }
  for (const target of IGNORED) {
    for (const where of ['query', 'form'] as const) {
      const { location, policy } = await continueAt(target, where);
      t.equal(location, '/account', `${where} ${target}`);
      t.match(policy, "form-action 'self';");
    }
  }
});

t.test('the address to continue at is kept on the way: through mistakes, to the registration and back', async (t) => {
  const { url, api } = await openService(t, await createDatabase(t), SETTINGS);
  const { email, password } = await newAccount(api);
  const visitor = openVisitor(url);
  const page = await visitor.open(`/sign-in?return_to=${encodeURIComponent(`${APP}/a?b=c`)}`);
  const wrong = await visitor.send(page, '/sign-in', { email, password: 'wrong' });
  t.equal(wrong.status, 401);
  t.equal((await visitor.send(wrong, '/sign-in', { password })).location, `${APP}/a?b=c`);
  const link =
    page.markup.tags.find(({ attributes }) => attributes.href?.startsWith('/register'))?.attributes.href ?? '';
  const register = await openVisitor(url).open(link);
  t.equal(register.markup.forms[0]?.fields.return_to, `${APP}/a?b=c`);
  const back = register.markup.tags.find(({ attributes }) => attributes.href?.startsWith('/sign-in'))?.attributes.href;
  t.equal(back, `/sign-in?return_to=${encodeURIComponent(`${APP}/a?b=c`)}`);
});

t.test('the refresh cookie is set only where an application of the same site may use it', async (t) => {
  const cases: [publicUrl: string, origins: string[], same: boolean][] = [
    ['https://auth.example.com', [], false],
    ['https://auth.example.com', ['https://app.example.com'], true],
    ['https://auth.example.com', ['https://example.com'], true],
    ['https://auth.example.com', ['https://other.example'], false],
    ['https://auth.example.com', ['http://app.example.com'], false],
    ['https://auth.example.com', ['https://other.example', 'https://app.example.com'], true],
    ['http://localhost:3000', ['http://localhost:5173'], true],
    ['http://127.0.0.1:3000', ['http://10.0.0.1:3000'], false],
    ['http://[::1]:3000', ['http://[::2]:3000'], false],
  ];
  for (const [own, origins, same] of cases) t.equal(hasSameSite(own, origins), same, `${own} ${origins}`);
  const database = await createDatabase(t);
  for (const [origins, same] of [
    ['http://localhost:5173', true],
    ['https://app.example.com', false],
  ] as const) {
    const { url, api } = await openService(t, database, { CORS_ORIGINS: origins });
    const { email, password } = await newAccount(api);
    const visitor = openVisitor(url);
    await visitor.send(await visitor.open('/sign-in'), '/sign-in', { email, password });
    t.equal(visitor.cookies.has('tenantry_refresh'), same, origins);
    if (!same) continue;
    const headers = { cookie: `tenantry_refresh=${visitor.cookies.get('tenantry_refresh')}`, origin: origins };
    const refreshed = await api.post('/auth/refresh', undefined, { headers });
    t.match(refreshed, { status: 200, body: { data: { user: { email } } } }, 'the application simply refreshes');
    await visitor.send(await visitor.open('/sign-out'), '/sign-out');
    t.same([...visitor.cookies.keys()], ['tenantry_browser']);
    t.equal((await api.post('/auth/refresh', undefined, { headers })).code, 'session_revoked', 'it ended everywhere');
  }
});
