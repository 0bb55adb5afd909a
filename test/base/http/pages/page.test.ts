// What every page has: its headers, its cookies, who may open it, and what happens when something is wrong.
import t from 'tap';
import { open } from '../../../../src/base/http/endpoint.ts';
import { page } from '../../../../src/base/http/page.ts';
import { html } from '../../../../src/base/page-kit/html.ts';
import { openVisitor } from '../../../support/pages/visitor.ts';
import { openProbe } from './probe.ts';

const POLICY =
  "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

t.test('a page cannot be declared with the access of an endpoint', async (t) => {
  const declare = (access: unknown) => () =>
    page({ url: '/x', access: access as never, name: 'X', summary: 'X', show: () => html`` });
  for (const access of [undefined, null, {}, open(), 'visitor']) t.throws(declare(access), /states no access/);
});

t.test('every page has the policy of pages, is not cached, and cannot be framed', async (t) => {
  const { visitor } = await openProbe(t, { https: true });
  for (const path of ['/open', '/broken', '/nowhere']) {
    const { headers } = await visitor.open(path);
    t.equal(headers.get('content-security-policy'), POLICY, path);
    t.match(Object.fromEntries(headers), {
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-frame-options': 'DENY',
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
      'strict-transport-security': /^max-age=/,
      'content-type': 'text/html; charset=utf-8',
    });
  }
  const { headers } = await visitor.open('/open?note=away');
  t.match(headers.get('content-security-policy'), "form-action 'self' https://app.example.com; frame", 'for one form');
});

t.test('no page has an inline script, style or event handler', async (t) => {
  const { visitor } = await openProbe(t);
  for (const path of ['/open', '/nowhere']) {
    const { markup } = await visitor.open(path);
    for (const { name, isEnd, attributes } of markup.tags) {
      t.notOk(
        Object.keys(attributes).some((key) => /^(on|style$)/.test(key)),
        name,
      );
      if (name === 'script' && !isEnd) t.match(attributes.src, /^\/assets\/page\.[\w-]{12}\.js$/);
      t.not(name, 'style');
    }
  }
});

t.test('the files of a page may be cached for ever, and other names get 404', async (t) => {
  const { visitor } = await openProbe(t);
  const { markup } = await visitor.open('/open');
  const paths = markup.tags.flatMap(
    ({ attributes: { src, href } }) => (src ?? href ?? '').match(/^\/assets\/.+/) ?? [],
  );
  t.equal(paths.length, 3, 'the icon, the style and the script');
  for (const path of paths) {
    const { status, headers, text } = await visitor.request('GET', path);
    t.match([status, headers.get('cache-control')], [200, 'public, max-age=31536000, immutable'], path);
    t.ok(text.length > 50);
    for (const [, imported = ''] of text.matchAll(/import '([^']+)'/g)) {
      t.equal((await visitor.request('GET', imported)).status, 200, imported);
    }
  }
  for (const name of ['style.css', 'style.000000000000.css', '..%2f..%2fkit.ts', 'toString', '__proto__']) {
    t.equal((await visitor.request('GET', `/assets/${name}`)).status, 404, name);
  }
});

t.test(
  'a browser that is not signed in is sent to the sign-in page, and one with an old cookie is told why',
  async (t) => {
    const { url, visitor, sent } = await openProbe(t);
    for (const method of ['GET', 'HEAD']) {
      t.match(await visitor.request(method, '/closed'), { status: 303, location: '/sign-in', text: '' });
    }
    t.match(await visitor.request('POST', '/closed', { name: 'x' }), { status: 303, location: '/sign-in' });
    for (const old of ['x', 'key-of-nobody', '%00', '__proto__', 'x'.repeat(4000)]) {
      const stale = openVisitor(url);
      stale.cookies.set('tenantry_session', old);
      t.match(
        await stale.request('GET', '/closed'),
        { status: 303, location: '/sign-in?notice=ended' },
        old.slice(0, 20),
      );
      t.ok(stale.cookies.has('tenantry_session'), 'a sign-in in another tab may just have replaced the cookie');
      stale.cookies.set('tenantry_session', old);
      t.equal((await stale.request('GET', '/open')).status, 200, 'a visitor may have an old cookie');
    }
    t.same(sent, []);
    visitor.cookies.set('tenantry_session', 'key-of-ada');
    const page = await visitor.open('/closed');
    t.equal(page.status, 200);
    t.ok(
      page.markup.forms.some(({ action }) => action === '/sign-out'),
      'who is signed in can sign out on every page',
    );
  },
);

t.test('a network can try only a limited number of unknown keys, and known keys do not count', async (t) => {
  const limits = { enabled: true, signIn: 100, session: 100, other: 5, organization: 100, client: 100 };
  const { url, asked } = await openProbe(t, { limits });
  const open = async (key: string) => {
    const visitor = openVisitor(url);
    visitor.cookies.set('tenantry_session', key);
    return (await visitor.request('GET', '/sign-in')).status;
  };
  for (let call = 0; call < 3; call += 1) t.equal(await open('key-of-ada'), 200);
  for (let guess = 0; guess < 5; guess += 1) t.equal(await open(`guess-${guess}`), 200);
  for (let guess = 5; guess < 9; guess += 1) t.equal(await open(`guess-${guess}`), 429);
  t.equal(asked.length, 8, 'none of the last guesses was looked up');
});

t.test('the key of a browser is made by the service, once, and no script can read it', async (t) => {
  const { url, visitor } = await openProbe(t);
  const first = await visitor.open('/open');
  t.match(first.headers.getSetCookie(), [
    /^tenantry_browser=[\w-]{43}; Path=\/; Max-Age=31536000; HttpOnly; SameSite=Lax$/,
  ]);
  t.same((await visitor.open('/open')).headers.getSetCookie(), []);
  const planted = openVisitor(url);
  planted.cookies.set('tenantry_browser', 'short');
  t.match(
    (await planted.open('/open')).headers.getSetCookie(),
    [/^tenantry_browser=[\w-]{43};/],
    'a bad one is replaced',
  );
  t.same((await openVisitor(url).open('/done')).headers.getSetCookie(), [], 'a page without a form needs none');
});

t.test('an error is a page for people and a problem for programs', async (t) => {
  const { url } = await openProbe(t);
  const ask = async (path: string, accept: string, method = 'GET') => {
    const reply = await fetch(`${url}${path}`, {
      method,
      headers: accept === '' ? {} : { accept },
      redirect: 'manual',
    });
    return [reply.status, reply.headers.get('content-type')?.split(';')[0] ?? '', await reply.text()] as const;
  };
  const html = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';
  const problem = 'application/problem+json';
  const cases: [path: string, accept: string, status: number, type: string, method?: string][] = [
    ['/nowhere', html, 404, 'text/html'],
    ['/nowhere', '*/*', 404, problem],
    ['/nowhere', '', 404, problem],
    ['/nowhere', 'application/json', 404, problem],
    ['/nowhere', 'application/json, text/html;q=0.9', 404, problem],
    ['/nowhere', 'text/html;q=0.1, application/json;q=0.9', 404, problem],
    ['/nowhere', 'text/html;q=0', 404, problem],
    ['/nowhere', 'image/png', 404, problem],
    ['/nowhere', 'text/*', 404, 'text/html'],
    ['/api/v1/nowhere', html, 404, problem],
    ['/api/v1/thing', html, 503, problem],
    ['/open', html, 405, 'text/html', 'PUT'],
    ['/open', '*/*', 405, problem, 'PUT'],
    ['/open', html, 403, 'text/html', 'POST'],
    ['/open', 'application/json', 403, problem, 'POST'],
    ['/broken', html, 500, 'text/html'],
    ['/broken', '*/*', 500, problem],
    ['/oauth/nowhere', html, 404, problem],
    ['/.well-known/nowhere', html, 404, problem],
    ['/verify/nowhere', html, 404, problem],
  ];
  for (const [path, accept, status, type, method] of cases) {
    const reply = await ask(path, accept, method);
    t.same(reply.slice(0, 2), [status, type], `${method ?? 'GET'} ${path} ${accept}`);
    t.notMatch(reply[2], /SELECT|at .*\.ts:/, 'no internal detail');
  }
});

t.test('the page of an error is in the language of the browser, and shows no part of the request', async (t) => {
  const { url } = await openProbe(t);
  const visitor = openVisitor(url, { language: 'pt-BR,en;q=0.5' });
  t.match((await visitor.open('/nowhere')).seen, /Página não encontrada.*Para a página inicial/);
  t.match((await visitor.open('/nowhere?lang=es')).seen, 'Página no encontrada');
  t.notMatch((await visitor.open('/nowhere-at-all')).seen, 'nowhere-at-all');
});

t.test('no other origin can read a page, even one of CORS_ORIGINS', async (t) => {
  const app = 'https://app.example.com';
  const { visitor } = await openProbe(t, { corsOrigins: [app] });
  const { headers } = await visitor.open('/open', { origin: app });
  for (const name of ['access-control-allow-origin', 'access-control-allow-credentials'])
    t.equal(headers.get(name), null);
  const api = await visitor.request('GET', '/api/v1/thing', undefined, { origin: app });
  t.equal(api.headers.get('access-control-allow-origin'), app, 'the API goes on answering it');
});

t.test('pages have limits: one for the network of a visitor, and one for each person', async (t) => {
  const limits = { enabled: true, signIn: 100, session: 100, other: 3, organization: 100, client: 100 };
  const { url } = await openProbe(t, { limits });
  const visitors = ['', 'key-of-ada', 'key-of-eve'].map((key) => {
    const visitor = openVisitor(url);
    if (key !== '') visitor.cookies.set('tenantry_session', key);
    return visitor;
  });
  for (const visitor of visitors) {
    for (let call = 0; call < 3; call += 1) t.equal((await visitor.request('GET', '/open')).status, 200);
    const over = await visitor.request('GET', '/open');
    t.equal(over.status, 429);
    t.match(over.seen, 'Too many attempts');
    t.ok(over.headers.get('retry-after'));
  }
});

t.test('a query that is unknown, wrong or repeated does not break a page', async (t) => {
  const { visitor } = await openProbe(t);
  t.match((await visitor.open('/open?note=hello&utm_source=mail')).seen, 'Note: hello');
  for (const query of [
    'note=a&note=b',
    `note=${'x'.repeat(50)}`,
    'note[]=x',
    '%ff=%ff',
    'lang=pt&lang=es',
    '__proto__=x',
  ]) {
    const page = await visitor.open(`/open?${query}`);
    t.match([page.status, page.seen], [200, /Note: ?/], query);
  }
});
