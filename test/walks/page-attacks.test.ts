// Another site attacks the pages in a real browser: it frames them, sends their forms, opens them for a person and
// reads them. An application of the operator is another origin, too, and gets only what it needs.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { createDatabase } from '../support/database.ts';
import { newAccount } from '../support/fixtures/accounts.ts';
import { startChromium } from '../support/pages/chromium.ts';
import { nameOf } from '../support/personal.ts';
import { openService } from '../support/service.ts';

const APP = 'http://localhost:5173';
const EVIL = 'http://evil.example:8080';
const SERVICE = 'http://localhost:3000';

/** The pages of other origins, by their path. */
const pages = new Map<string, string>();
const others = createServer((request, response) => {
  response.setHeader('content-type', 'text/html; charset=utf-8');
  response.end(pages.get(request.url?.split('?')[0] ?? '') ?? '<title>other</title>');
});
await new Promise<void>((resolve) => others.listen(0, '127.0.0.1', resolve));
t.teardown(() => void others.close());
t.teardown(() => others.closeAllConnections());
const elsewhere = `127.0.0.1:${(others.address() as AddressInfo).port}`;

const database = await createDatabase(t);
const { url, api } = await openService(t, database, { CORS_ORIGINS: APP });
const browser = await startChromium(t, {
  'localhost:3000': new URL(url).host,
  'localhost:5173': elsewhere,
  'evil.example:8080': elsewhere,
});

async function signedIn(target?: string) {
  const account = await newAccount(api);
  const opened = await browser.open({ locale: 'en' });
  const { page } = opened;
  await page.goto(target === undefined ? '/sign-in' : `/sign-in?${new URLSearchParams({ return_to: target })}`);
  await page.locator('input[name=email]').fill(account.email);
  await page.locator('input[name=password]').fill(account.password);
  await Promise.all([page.waitForNavigation(), page.locator('main button[type=submit]').click()]);
  return { ...opened, account };
}

t.test(
  'a person continues at the application, which then refreshes with the cookie, and cannot read a page',
  async (t) => {
    const { page, account, context, faults } = await signedIn(`${APP}/deals?id=1`);
    t.equal(page.url(), `${APP}/deals?id=1`, 'the policy of the page lets its form lead there');
    const refreshed = await page.evaluate(async (service) => {
      const reply = await fetch(`${service}/api/v1/auth/refresh`, { method: 'POST', credentials: 'include' });
      return (await reply.json()) as { data: { user: { email: string } } };
    }, SERVICE);
    t.equal(refreshed.data.user.email, account.email);
    t.same(faults, []);
    for (const mode of ['cors', 'no-cors'] as const) {
      const read = await page.evaluate(
        async ([service, how]) => {
          const reply = await fetch(`${service}/account`, { credentials: 'include', mode: how }).catch(() => null);
          return reply === null ? 'refused' : await reply.text();
        },
        [SERVICE, mode] as const,
      );
      t.notMatch(read, account.email, mode);
    }
    await context.close();
  },
);

t.test('no other site can show a page in a frame', async (t) => {
  pages.set('/frame', `<iframe src="${SERVICE}/account"></iframe><iframe src="${SERVICE}/sign-in"></iframe>`);
  const { page, account, context } = await signedIn();
  for (const origin of [EVIL, APP]) {
    await page.goto(`${origin}/frame`);
    for (const frame of page.frames().slice(1)) {
      const shown = await frame.evaluate('document.documentElement.textContent').catch(() => '');
      t.notMatch(String(shown), account.email, `${origin} ${frame.url()}`);
      t.notMatch(String(shown), 'Password');
    }
  }
  await context.close();
});

t.test('no other site can send a form, neither for a person who is signed in nor to sign somebody in', async (t) => {
  const attacker = await newAccount(api);
  const { page, account, context } = await signedIn();
  // The attacker has a nonce that belongs to the attacker's own browser.
  const own = await browser.open();
  await own.page.goto('/sign-in');
  const nonce = await own.page.locator('input[name=nonce]').inputValue();
  await own.context.close();
  const form = (action: string, fields: Record<string, string>) =>
    `<form method="post" action="${SERVICE}${action}">${Object.entries({ nonce, ...fields })
      .map(([name, value]) => `<input name="${name}" value="${value}">`)
      .join('')}</form><script>document.forms[0].submit()</script>`;
  const attacks = {
    '/rename': form('/account', { name: 'Stolen' }),
    '/end': form('/account/devices', { session: 'others' }),
    '/out': form('/sign-out', {}),
    '/invitation': form('/accept-invitation', { token: 'x'.repeat(43) }),
    '/login': form('/sign-in', { email: attacker.email, password: attacker.password }),
    '/hidden': `<meta name="referrer" content="no-referrer">${form('/account', { name: 'Stolen' })}`,
  };
  for (const [path, text] of Object.entries(attacks)) pages.set(path, text);
  for (const origin of [EVIL, APP]) {
    for (const path of Object.keys(attacks)) {
      await page.goto(`${origin}${path}`).catch(() => undefined); // the browser leaves the page before it has loaded
      await page.waitForURL(`${SERVICE}/**`);
      t.match(await page.locator('h1').textContent(), /Not from this site|Sign in/, `${origin}${path}`);
      await page.goto('/account');
      t.match(await page.locator('dd').textContent(), account.email, 'the person is signed in as before');
    }
  }
  t.equal(await nameOf(database, account.userId), 'Ada Lovelace');
  t.equal((await api.get('/me', { token: account.accessToken })).status, 200, 'no session was ended');
  await context.close();
});

t.test('a link from elsewhere opens a page and changes nothing', async (t) => {
  const { page, account, context } = await signedIn();
  const links = ['/account', '/account/devices?session=others', '/sign-out', `/account?name=Stolen&nonce=x`];
  pages.set('/links', links.map((path) => `<a href="${SERVICE}${path}">${path}</a>`).join(' '));
  for (const path of links) {
    await page.goto(`${EVIL}/links`);
    await Promise.all([page.waitForURL(`${SERVICE}/**`), page.getByText(path, { exact: true }).click()]);
    t.match(await page.locator('header').textContent(), 'Sign out', `${path}: the person is signed in there`);
  }
  t.equal(await nameOf(database, account.userId), 'Ada Lovelace');
  t.equal((await api.get('/me', { token: account.accessToken })).status, 200);
  await context.close();
});

t.test('no script can read the cookies, and markup in a name does nothing', async (t) => {
  const { page, context, faults } = await signedIn();
  t.equal(await page.evaluate('document.cookie'), '');
  const name = `<img src=x onerror="document.title='owned'">`;
  await page.locator('input[name=name]').fill(name);
  await Promise.all([page.waitForNavigation(), page.locator('main button[type=submit]').click()]);
  t.equal(await page.locator('input[name=name]').inputValue(), name);
  t.match(await page.title(), 'Your account');
  t.same(faults, []);
  await context.close();
});
