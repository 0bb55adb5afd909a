// People use the pages in a real browser: with and without scripts, in every language, and with the keyboard alone. The
// tests in looks/ check what the pages look like.

import t, { type Test } from 'tap';
import { CATALOGUES } from '../../src/base/page-kit/language.ts';
import { createDatabase } from '../support/database.ts';
import { newAccount } from '../support/fixtures/accounts.ts';
import { type Chromium, startChromium } from '../support/pages/chromium.ts';
import { fill, send } from '../support/pages/filling.ts';
import { NARROW, ways } from '../support/pages/look.ts';
import { openService } from '../support/service.ts';

const PASSWORD = 'correct horse battery';

async function open(t: Test): Promise<{ browser: Chromium; api: Awaited<ReturnType<typeof openService>>['api'] }> {
  const { url, api } = await openService(t, await createDatabase(t), { DOCS_ENABLED: 'true' });
  return { api, browser: await startChromium(t, { 'localhost:3000': new URL(url).host }) };
}

const { browser, api } = await open(t);

let people = 0;

for (const { language, scripts: javaScriptEnabled, how } of ways()) {
  const text = CATALOGUES[language];
  t.test(`register, account, devices, sign out, sign in: ${how}`, async (t) => {
    const { page, context, faults } = await browser.open({ javaScriptEnabled, locale: language, viewport: NARROW });
    people += 1;
    const email = `person-${people}@example.com`;
    await page.goto('/');
    await page.getByRole('link', { name: text.signIn.register }).click();
    const { name, email: mail, password, organization, submit } = text.register;
    await fill(page, { [name]: 'Ada', [mail]: email, [password]: 'short', [organization]: `Acme ${people}` });
    await send(page, submit);
    t.match(await page.locator('.problem').allTextContents(), [/\d+/], 'the problem stands beside the password');
    t.equal(await page.locator('input[name=email]').inputValue(), email, 'what was typed is there');
    t.equal(await page.locator('input[name=password]').inputValue(), '', 'and no password');
    await fill(page, { [password]: PASSWORD });
    await send(page, submit);
    t.equal(new URL(page.url()).pathname, '/account');
    await fill(page, { [text.account.name]: 'Ada Lovelace' });
    await send(page, text.account.save);
    t.equal(await page.getByRole('status').textContent(), text.account.saved);
    const other = (await api.post('/auth/login', { email, password: PASSWORD })).body.data.accessToken;
    await page.getByRole('link', { name: text.account.devices }).click();
    t.equal(await page.locator('tbody tr').count(), 2);
    t.match(await page.locator('tbody tr').allTextContents(), [/./, new RegExp(text.devices.thisOne)]);
    const [endOthers, agree] = [page.locator('main').getByRole('button', { name: text.devices.endOthers }), '.danger'];
    if (javaScriptEnabled) {
      await endOthers.click();
      t.equal(await page.getByRole('dialog').count(), 1, 'a script asks first');
      await Promise.all([page.waitForNavigation(), page.getByRole('dialog').locator(agree).click()]);
    } else await send(page, text.devices.endOthers);
    t.equal(await page.getByRole('status').textContent(), text.devices.endedOthers);
    t.equal((await api.get('/me', { token: other })).code, 'session_revoked');
    await Promise.all([page.waitForNavigation(), page.getByRole('banner').getByRole('button').click()]);
    t.equal(await page.getByRole('status').textContent(), text.signIn.signedOut);
    await page.goto('/account');
    t.equal(new URL(page.url()).pathname, '/sign-in');
    await fill(page, { [text.signIn.email]: email, [text.signIn.password]: PASSWORD });
    if (javaScriptEnabled) {
      await page.getByRole('button', { name: text.layout.showPassword }).click();
      t.equal(await page.locator('input[name=password]').getAttribute('type'), 'text', 'a script shows the password');
    }
    await send(page, text.signIn.submit);
    t.equal(new URL(page.url()).pathname, '/account');
    t.equal(await page.locator('input[name=name]').inputValue(), 'Ada Lovelace');
    t.same(faults, []);
    await context.close();
  });
}

t.test('people sign in with the keyboard alone', async (t) => {
  const { email } = await newAccount(api, { password: PASSWORD });
  const { page, context, faults } = await browser.open({ locale: 'en' });
  await page.goto('/sign-in');
  const focused = () =>
    page.evaluate(
      'document.activeElement.textContent.trim() || document.activeElement.name || document.activeElement.ariaLabel',
    );
  const order: unknown[] = [];
  for (let step = 0; step < 6; step += 1) {
    await page.keyboard.press('Tab');
    order.push(await focused());
    if (order.at(-1) === 'email') await page.keyboard.type(email);
    if (order.at(-1) === 'password') await page.keyboard.type(PASSWORD);
  }
  t.same(order, ['Skip to the content', 'Tenantry', 'email', 'password', 'Show the password', 'Sign in']);
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
  t.equal(new URL(page.url()).pathname, '/account');
  t.same(faults, []);
  await context.close();
});

t.test('a password can be pasted and filled by a password manager', async (t) => {
  const { page, context } = await browser.open({ locale: 'en', permissions: ['clipboard-read', 'clipboard-write'] });
  for (const [path, wanted] of [
    ['/sign-in', ['username', 'current-password']],
    ['/register', ['username', 'new-password']],
    ['/reset-password?with=code', ['username', 'new-password']],
  ] as const) {
    await page.goto(path);
    const fields = await page.locator('[type=email], [type=password]').all();
    t.same(await Promise.all(fields.map((one) => one.getAttribute('autocomplete'))), wanted);
    await page.evaluate(`navigator.clipboard.writeText('${PASSWORD}')`);
    await page.locator('[type=password]').focus();
    await page.keyboard.press('Control+V');
    t.equal(await page.locator('[type=password]').inputValue(), PASSWORD);
  }
  await context.close();
});
