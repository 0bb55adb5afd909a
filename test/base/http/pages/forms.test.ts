// A form changes something only when a page of this service was opened in this browser, for this purpose and this
// session, and when the browser says that the form comes from this service.
import t from 'tap';
import { ORIGIN, openVisitor } from '../../../support/pages/visitor.ts';
import { openProbe } from './probe.ts';

const FROM = {
  own: { origin: ORIGIN, 'sec-fetch-site': 'same-origin' },
  'own, by the origin alone': { origin: ORIGIN, 'sec-fetch-site': '' },
  'own, with the origin hidden': { origin: 'null', 'sec-fetch-site': 'same-origin' },
  'another site': { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
  'another site that says it is own': { origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' },
  'another site, by the origin alone': { origin: 'https://evil.example', 'sec-fetch-site': '' },
  'another host of the site': { origin: 'http://evil.localhost:3000', 'sec-fetch-site': 'same-site' },
  'another port': { origin: 'http://localhost:3001', 'sec-fetch-site': 'same-site' },
  'another scheme': { origin: 'https://localhost:3000', 'sec-fetch-site': '' },
  'a frame without an origin': { origin: 'null', 'sec-fetch-site': 'cross-site' },
  'a frame without an origin, by the origin alone': { origin: 'null', 'sec-fetch-site': '' },
  'nowhere that it says': { origin: '', 'sec-fetch-site': '' },
  'a bookmark': { origin: '', 'sec-fetch-site': 'none' },
} as const;
const OWN = ['own', 'own, by the origin alone', 'own, with the origin hidden'];

/** Returns the headers of a request that comes from `from`. Empty ones are left out. */
function headersOf(from: keyof typeof FROM): Record<string, string> {
  return Object.fromEntries(Object.entries(FROM[from]).filter(([, value]) => value !== ''));
}

async function post(url: string, path: string, form: Record<string, string>, headers: Record<string, string>) {
  const type = { 'content-type': 'application/x-www-form-urlencoded' };
  const body = new URLSearchParams(form).toString();
  const reply = await fetch(`${url}${path}`, {
    method: 'POST',
    redirect: 'manual',
    headers: { ...type, ...headers },
    body,
  });
  return { status: reply.status, code: /"code":"(\w+)"/.exec(await reply.text())?.[1] ?? null };
}

/** Opens pages in a browser of its own. Returns its cookies and the nonces of the forms. */
async function opened(url: string, session: string | undefined, ...paths: string[]) {
  const visitor = openVisitor(url);
  if (session !== undefined) visitor.cookies.set('tenantry_session', session);
  const nonces: string[] = [];
  for (const path of paths) {
    const { markup } = await visitor.open(path);
    nonces.push(markup.forms.find(({ action }) => action === path)?.fields.nonce ?? '');
  }
  const cookie = [...visitor.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  return { cookie, nonces, nonce: nonces[0] ?? '' };
}

t.test('of all origins, cookies and nonces, only those of the own browser and session change anything', async (t) => {
  const { url, sent } = await openProbe(t);
  const ada = await opened(url, 'key-of-ada', '/closed', '/closed/7', '/open');
  const [, otherPage = '', otherPurpose = ''] = ada.nonces;
  const pages = {
    'no cookie': { cookie: '', nonce: '' },
    ada,
    'ada, in another browser': await opened(url, 'key-of-ada', '/closed'),
    'ada, for another page': { nonce: otherPage },
    'ada, for another purpose': { nonce: otherPurpose },
    eve: await opened(url, 'key-of-eve', '/closed'),
    'before anybody signed in': await opened(url, undefined, '/open'),
  };
  t.equal(new Set(Object.values(pages).map(({ nonce }) => nonce)).size, Object.keys(pages).length, 'all nonces differ');
  const browserKey = (cookie: string) => /tenantry_browser=([\w-]+)/.exec(cookie)?.[1] ?? '';
  const cookieOfAda = pages.ada.cookie;
  const cookies: Record<string, string> = {
    'of this browser': cookieOfAda,
    'of this browser, with the session of eve': cookieOfAda.replace('key-of-ada', 'key-of-eve'),
    'of another browser': pages['ada, in another browser'].cookie,
    'without a browser': 'tenantry_session=key-of-ada',
    'with a browser that was planted': `tenantry_session=key-of-ada; tenantry_browser=${browserKey(pages.eve.cookie)}`,
    'with a browser that is no key': 'tenantry_session=key-of-ada; tenantry_browser=x',
    'without a session': `tenantry_browser=${browserKey(cookieOfAda)}`,
  };
  let lines = 0;
  for (const from of Object.keys(FROM) as (keyof typeof FROM)[]) {
    for (const [whose, cookie] of Object.entries(cookies)) {
      for (const [which, { nonce }] of Object.entries(pages)) {
        const before = sent.length;
        const reply = await post(
          url,
          '/closed',
          { name: 'x', ...(nonce && { nonce }) },
          { ...headersOf(from), cookie },
        );
        const isRight = OWN.includes(from) && whose === 'of this browser' && which === 'ada';
        const isOwnPair = OWN.includes(from) && whose === 'of another browser' && which === 'ada, in another browser';
        const line = `${from} | ${whose} | ${which}: ${reply.status} ${reply.code}`;
        if (sent.length > before !== (isRight || isOwnPair)) t.fail(line);
        if (!OWN.includes(from)) t.equal(reply.code, 'cross_site_request', line);
        else if (whose === 'without a session') t.equal(reply.status, 303, line);
        else if (!isRight && !isOwnPair) t.equal(reply.code, 'form_expired', line);
        lines += 1;
      }
    }
  }
  t.equal(lines, Object.keys(FROM).length * Object.keys(cookies).length * Object.keys(pages).length);
  t.same([...new Set(sent)], ['ada x']);
});

t.test('only a POST of a well-formed form changes anything', async (t) => {
  const { url, sent } = await openProbe(t);
  const { cookie, nonce } = await opened(url, 'key-of-ada', '/closed');
  const headers = { ...headersOf('own'), cookie };
  const query = `?name=x&nonce=${nonce}`;
  for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    await fetch(`${url}/closed${query}`, { method, headers });
  }
  t.equal((await post(url, `/closed${query}`, {}, headers)).code, 'form_expired', 'the query is no form');
  const body = JSON.stringify({ name: 'x', nonce });
  for (const type of ['application/json', 'text/plain', 'multipart/form-data; boundary=x', '']) {
    const reply = await fetch(`${url}/closed`, { method: 'POST', headers: { ...headers, 'content-type': type }, body });
    t.equal(reply.status, 415, type);
  }
  t.equal((await post(url, '/closed', { name: 'x', nonce, more: 'y' }, headers)).status, 422, 'an unknown field');
  const twice = await fetch(`${url}/closed`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
    body: `name=x&name=y&nonce=${nonce}`,
  });
  t.equal(twice.status, 400, 'a field that is sent twice');
  const large = await post(url, '/closed', { name: 'x'.repeat(20_000), nonce }, headers);
  t.equal(large.status, 413);
  t.same(sent, []);
  t.equal((await post(url, '/closed', { name: 'x', nonce }, headers)).status, 303);
  t.same(sent, ['ada x'], 'the same form, as it was meant');
});

t.test('a form that is refused is shown again with what was typed, and its problem beside the field', async (t) => {
  const { visitor, sent } = await openProbe(t);
  const page = await visitor.open('/open');
  const empty = await visitor.send(page, '/open', { name: '' });
  t.equal(empty.status, 422);
  t.match(empty.seen, /Check the form\. Some fields need your attention\..*Name Fill in this field\./);
  const long = await visitor.send(empty, '/open', { name: '"><script>' });
  t.equal(long.status, 422);
  t.match(long.seen, /Use at most 5 characters\./);
  t.equal(long.markup.forms[0]?.fields.name, '"><script>');
  const taken = await visitor.send(long, '/open', { name: 'taken' });
  t.equal(taken.status, 409);
  t.match(taken.seen, /Name An account has this e-mail, or can still take it back\. Sign in, open the link/);
  const wait = await visitor.send(taken, '/open', { name: 'wait' });
  t.match([wait.status, wait.headers.get('retry-after')], [429, '7']);
  t.match(wait.seen, 'Try again in 7 seconds.');
  const busy = await visitor.send(wait, '/open', { name: 'busy' });
  t.match([busy.status, busy.headers.get('retry-after')], [503, '3']);
  t.match(busy.seen, /The service is busy.*Open the page again/);
  const done = await visitor.send(wait, '/open', { name: 'x' });
  t.match(done.seen, 'Done');
  t.same(sent, ['nobody x']);
});
