// The example application on the hosted pages, started by the command of its README: people register and sign in on the
// pages of Tenantry, and the application gets its tokens by the cookie.
import t from 'tap';
import { CATALOGUES } from '../../../src/base/page-kit/language.ts';
import { violationsOf } from '../../support/pages/chromium.ts';
import { fill, send } from '../../support/pages/filling.ts';
import { arrive, press, secretsIn, startExample } from './example.ts';

const { en } = CATALOGUES;
const EMAIL = 'ada@example.com';
const PASSWORD = 'nine yellow lanterns';

const { browser, url, tenantry } = await startExample(t, 'hosted');

t.test('register, come back, work in two organizations, sign out here and there', async (t) => {
  const { page, context, faults } = await browser.open({ locale: 'en', baseURL: url });
  await page.goto('/');
  await arrive(page, 'Deals');
  t.same(await violationsOf(page), []);
  await Promise.all([page.waitForURL(`${tenantry}/register?**`), press(page, 'link', 'Register')]);
  const { name, email, password, organization, submit } = en.register;
  await fill(page, {
    ...{ [name]: 'Ada Lovelace', [email]: EMAIL },
    ...{ [password]: PASSWORD, [organization]: 'Analytical Engines' },
  });
  await send(page, submit);
  t.equal(page.url(), `${url}/`, 'back at the application, without a token in the address');
  await arrive(page, 'Your account');
  t.match(await page.locator('dl').textContent(), EMAIL);
  t.match(await page.locator('dl').textContent(), 'Analytical Engines');
  t.same(await violationsOf(page), []);

  t.equal(await secretsIn(page), '{}', 'no script can read a token, and none is stored');
  await page.reload();
  await arrive(page, 'Your account');

  await Promise.all([
    page.waitForURL(`${tenantry}/account`),
    press(page, 'link', 'Change your account, your password or your e-mail'),
  ]);
  t.equal(await page.locator('input[name=name]').inputValue(), 'Ada Lovelace', 'signed in at Tenantry, too');
  await page.goto('/deals?id=1');
  await arrive(page, 'Deals');
  t.match(await page.locator('main').textContent(), 'Analytical Engines');
  await press(page, 'button', 'Sign out');
  await page.getByRole('link', { name: 'Sign in', exact: true }).waitFor();
  await page.goto(`${tenantry}/account`);
  t.equal(new URL(page.url()).pathname, '/sign-in', 'signed out at Tenantry, too');

  await page.goto('/deals?id=1');
  await Promise.all([page.waitForURL(`${tenantry}/sign-in?**`), press(page, 'link', 'Sign in')]);
  await fill(page, { [en.signIn.email]: EMAIL, [en.signIn.password]: 'not this one' });
  await send(page, en.signIn.submit);
  await fill(page, { [en.signIn.password]: PASSWORD });
  await send(page, en.signIn.submit);
  t.equal(page.url(), `${url}/deals?id=1`, 'back at the page where the person was');
  await arrive(page, 'Deals');

  await page.goto(`${tenantry}/sign-out`);
  await send(page, en.signOut.submit);
  await page.goto('/');
  await page.getByRole('link', { name: 'Sign in', exact: true }).waitFor();
  t.same(faults, []);
  await context.close();
});

t.test('a sign-out at Tenantry signs the person out of the open application, in every tab', async (t) => {
  const { page, context, faults } = await browser.open({ locale: 'en', baseURL: url });
  await page.goto('/');
  await press(page, 'link', 'Sign in');
  await fill(page, { [en.signIn.email]: EMAIL, [en.signIn.password]: PASSWORD });
  await send(page, en.signIn.submit);
  await arrive(page, 'Your account');
  const second = await context.newPage();
  await second.goto('/');
  await arrive(second, 'Your account');
  const third = await context.newPage();
  await third.goto(`${tenantry}/sign-out`);
  await send(third, en.signOut.submit);
  await press(page, 'link', 'Deals');
  await press(page, 'link', 'Account');
  for (const tab of [page, second]) await tab.getByRole('link', { name: 'Sign in', exact: true }).waitFor();
  t.same(faults, []);
  await context.close();
});

t.test('the page may run no script but its own, and no other site may frame it', async (t) => {
  const reply = await fetch(`${url}/deals`);
  const policy = reply.headers.get('content-security-policy') ?? '';
  t.match(policy, /default-src 'none'; script-src 'self';/);
  t.match(policy, `connect-src ${tenantry};`);
  t.match(policy, "frame-ancestors 'none'");
  t.notMatch(policy, 'unsafe');
  for (const path of [
    '/../package.json',
    '/server/serve.mjs',
    '/start.mjs',
    '/own-forms/app.mjs',
    '/%2e%2e/README.md',
  ]) {
    t.equal((await fetch(`${url}${path}`)).status, 404, path);
  }
});
