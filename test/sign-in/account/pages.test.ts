// The pages of an account show texts of people and their browsers as plain text, and not as markup. The sign-in page
// shares the limits of the API. Also tested: closed registration, an outage of the database, and the names of devices.
import t from 'tap';
import { nameDevice } from '../../../src/sign-in/notices/device-name.ts';
import { HOSTILE } from '../../base/page-kit/hostile.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { shapeOf } from '../../support/pages/markup.ts';
import { openVisitor } from '../../support/pages/visitor.ts';
import { testPersonal } from '../../support/personal.ts';
import { routeDatabase } from '../../support/servers/database-proxy.ts';
import { openService } from '../../support/service.ts';
import { until } from '../../support/until.ts';

const PASSWORD = 'correct horse battery';

t.test(
  'markup that is stored in a name, an organization, a role or a user agent stays a text on the pages',
  async (t) => {
    const database = await createDatabase(t);
    const { url, api } = await openService(t, database);
    const shapes = new Map<string, string>();
    const texts = ['Plain', ...HOSTILE.filter((text) => text.length < 100 && /^[\x20-\x7e]+$/.test(text))];
    t.ok(texts.length > 10);
    for (const [index, text] of texts.entries()) {
      const account = { email: `p${index}@example.com`, password: PASSWORD, name: text, organizationName: text };
      const registered = await api.post('/auth/register', account);
      t.equal(registered.status, 201, text);
      const { organization } = registered.body.data;
      const { sessionId } = registered.body.data;
      const sealed = testPersonal.seal('sessions.user_agent', sessionId, `${text}/1.0 ${text}`);
      const update = `UPDATE sessions SET user_agent_sealed = decode($1, 'base64') WHERE id = $2`;
      await database.query(update, [sealed, sessionId]);
      const visitor = openVisitor(url, { agent: 'Plain/1.0' });
      const { email, password } = account;
      const signedIn = await visitor.send(await visitor.open('/sign-in'), '/sign-in', { email, password });
      t.match(signedIn.seen, email);
      const leave = `/account/organizations/${organization.id}/leave`;
      for (const path of ['/account', '/account/devices', '/account/organizations', '/account/close', leave]) {
        const page = await visitor.open(path);
        t.equal(page.status, 200, path);
        const key = path === leave ? 'leave' : path;
        const shape = shapeOf(page.markup);
        t.equal(shape, shapes.get(key) ?? shape, `${path} ${text}`);
        shapes.set(key, shape);
      }
      const again = await visitor.send(await visitor.open('/account'), '/account', { name: `${text}\n${text}` });
      t.equal(again.status, 422);
      t.equal(
        again.markup.forms.find(({ action }) => action === '/account')?.fields.name?.replace(/\r/g, ''),
        `${text}\n${text}`,
      );
    }
  },
);

t.test('a form that fails shows what was typed as text, and never a password', async (t) => {
  const { url } = await openService(t, await createDatabase(t));
  const visitor = openVisitor(url);
  for (const text of [
    'x@',
    ...HOSTILE.filter((one) => one.length > 0 && one.length < 100 && !/[\0\ud800]/.test(one)),
  ]) {
    const typed = { name: text, email: text, organizationName: text, return_to: text, password: `${text}-secret` };
    const page = await visitor.send(await visitor.open('/register'), '/register', typed);
    t.equal(page.status, 422, text);
    t.equal(page.markup.forms[0]?.fields.email, text);
    t.notMatch(page.seen + page.text, '-secret');
  }
});

t.test('the sign-in page shares its allowance and its throttle with the API', async (t) => {
  const settings = { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_SIGN_IN: '6', LOGIN_FAILURES_MAX: '3' };
  const { url, api } = await openService(t, await createDatabase(t), settings);
  const { email, password } = await newAccount(api);
  const visitor = openVisitor(url);
  const page = await visitor.open('/sign-in');
  for (let attempt = 0; attempt < 2; attempt += 1) {
    t.equal((await visitor.send(page, '/sign-in', { email, password: 'wrong' })).status, 401);
  }
  t.equal((await api.post('/auth/login', { email, password: 'wrong' })).status, 401);
  const delayed = await visitor.send(page, '/sign-in', { email, password });
  t.match([delayed.status, delayed.seen], [429, /Try again in \d+ seconds/]);
  t.match(delayed.headers.get('retry-after'), /^\d+$/);
  t.equal(delayed.markup.forms[0]?.fields.email, email, 'the form is there for the next attempt');
  await api.post('/auth/login', { email: 'other@example.com', password });
  await visitor.send(page, '/sign-in', { email: 'other@example.com', password });
  const over = await visitor.send(page, '/sign-in', { email: 'third@example.com', password });
  t.match([over.status, over.seen], [429, 'Too many attempts'], 'the page and the API together allow six attempts');
  t.equal((await api.post('/auth/login', { email: 'fourth@example.com', password })).status, 429);
});

t.test('a service that takes no registrations has no page for them', async (t) => {
  const { url } = await openService(t, await createDatabase(t), { REGISTRATION_MODE: 'closed' });
  const visitor = openVisitor(url);
  const page = await visitor.open('/register');
  t.match([page.status, page.seen], [403, 'Registration is closed']);
  const signIn = await visitor.open('/sign-in');
  t.notMatch(signIn.text, '/register');
  const form = {
    nonce: signIn.markup.forms[0]?.fields.nonce ?? '',
    name: 'A',
    email: 'a@example.com',
    password: PASSWORD,
  };
  t.equal((await visitor.request('POST', '/register', form)).status, 403, 'a form that is sent anyway is refused');
});

t.test('while the database is away people get a page that says so, and nobody is signed out', async (t) => {
  const database = await createDatabase(t);
  const { proxy, routed } = await routeDatabase(t, database);
  const { url, api } = await openService(t, routed, {}, 'as served');
  const { email, password } = await newAccount(api);
  const visitor = openVisitor(url, { language: 'es' });
  const account = await visitor.send(await visitor.open('/sign-in'), '/sign-in', { email, password });
  t.match(account.seen, email);
  proxy.cut();
  const page = await visitor.open('/account');
  t.match([page.status, page.seen], [503, /El servicio no está disponible/]);
  t.ok(page.headers.get('retry-after'));
  const sent = await visitor.send(account, '/account', { name: 'Changed' });
  t.equal(sent.status, 503);
  t.ok(visitor.cookies.has('tenantry_session'));
  t.equal((await openVisitor(url).open('/sign-in')).status, 200, 'the form itself needs no database');
  proxy.pass();
  await until(async () => (await visitor.open('/account')).status === 200);
});

t.test('a device is named by its browser and its system', async (t) => {
  const cases: [agent: string | null, name: string | null][] = [
    [
      'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36',
      'Chrome, Windows',
    ],
    [
      'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0',
      'Microsoft Edge, Windows',
    ],
    ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox, Linux'],
    [
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1',
      'Safari, iOS',
    ],
    [
      'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15',
      'Safari, macOS',
    ],
    [
      'Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36',
      'Chrome, Android',
    ],
    ['okhttp/4.12.0', 'okhttp, null'],
    ['curl/8.14.1', 'curl, null'],
    ['Mozilla/5.0', null],
    ['', null],
    [null, null],
    ['?'.repeat(256), null],
    [`${'x'.repeat(80)}/1.0 Windows Phone/1`, `${'x'.repeat(40)}, Windows Phone`],
  ];
  for (const [agent, name] of cases) {
    const named = nameDevice(agent);
    t.equal(named && `${named.browser}, ${named.system}`, name, String(agent));
  }
});
