// People use the pages in a real browser: with and without scripts, in every language, with the keyboard alone, in both
// themes and on a narrow screen. Pictures of every page are in .data/screenshots.

import type { Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { CATALOGUES, LANGUAGES, type Language } from '../../src/base/page-kit/language.ts';
import { createDatabase } from '../support/database.ts';
import { newAccount } from '../support/fixtures/accounts.ts';
import { type Chromium, cramped, screenshot, startChromium, violationsOf } from '../support/pages/chromium.ts';
import { fill, send } from '../support/pages/filling.ts';
import { openService } from '../support/service.ts';
import { cases } from '../support/thorough.ts';

const PASSWORD = 'correct horse battery';
const NARROW = { width: 320, height: 640 };
const WIDE = { width: 1280, height: 800 };

async function open(t: Test): Promise<{ browser: Chromium; api: Awaited<ReturnType<typeof openService>>['api'] }> {
  const { url, api } = await openService(t, await createDatabase(t), { DOCS_ENABLED: 'true' });
  return { api, browser: await startChromium(t, { 'localhost:3000': new URL(url).host }) };
}

const { browser, api } = await open(t);

let people = 0;

for (const javaScriptEnabled of [true, false]) {
  for (const language of LANGUAGES) {
    const text = CATALOGUES[language];
    t.test(`register, account, devices, sign out, sign in: ${language}, scripts ${javaScriptEnabled}`, async (t) => {
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
      const [endOthers, agree] = [
        page.locator('main').getByRole('button', { name: text.devices.endOthers }),
        '.danger',
      ];
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

interface Shown {
  readonly name: string;
  readonly path: string;
  /** What a person does on the page before it is looked at. */
  readonly before?: (page: Page, language: Language) => Promise<void>;
}

const OPEN: readonly Shown[] = [
  { name: 'sign-in', path: '/sign-in' },
  {
    name: 'sign-in-refused',
    path: '/sign-in',
    async before(page, language) {
      const text = CATALOGUES[language].signIn;
      await fill(page, { [text.email]: 'nobody@example.com', [text.password]: 'wrong' });
      await send(page, text.submit);
    },
  },
  {
    name: 'register-refused',
    path: '/register',
    async before(page, language) {
      const text = CATALOGUES[language].register;
      await fill(page, { [text.name]: 'Ada', [text.email]: 'ada@example.com', [text.password]: 'short' });
      await send(page, text.submit);
    },
  },
  { name: 'register', path: '/register' },
  { name: 'forgot-password', path: '/forgot-password' },
  { name: 'reset-password', path: '/reset-password' },
  { name: 'reset-password-sent', path: '/reset-password?with=code&notice=sent' },
  { name: 'reset-password-done', path: '/reset-password?notice=changed' },
  {
    name: 'reset-password-refused',
    path: '/reset-password?with=code',
    async before(page, language) {
      const { email, code, password, submit } = CATALOGUES[language].resetPassword;
      await fill(page, { [email]: 'nobody@example.com', [code]: '12345678', [password]: PASSWORD });
      await send(page, submit);
    },
  },
  { name: 'confirm-email', path: '/confirm-email' },
  { name: 'confirm-email-done', path: '/confirm-email?done=changed' },
  { name: 'revert-email', path: '/revert-email' },
  { name: 'revert-email-done', path: '/revert-email?done=reverted' },
  { name: 'signed-out', path: '/sign-in?notice=signed-out' },
  { name: 'not-found', path: '/nowhere' },
];

const OWN: readonly Shown[] = [
  { name: 'account', path: '/account?done=saved' },
  { name: 'devices', path: '/account/devices' },
  {
    name: 'devices-question',
    path: '/account/devices',
    async before(page, language) {
      await page.locator('main').getByRole('button', { name: CATALOGUES[language].devices.endOthers }).click();
    },
  },
  { name: 'organizations', path: '/account/organizations' },
  { name: 'leave', path: '/account/organizations/:id/leave' },
  { name: 'email', path: '/account/email?done=asked' },
  { name: 'password', path: '/account/password' },
  { name: 'reauthenticate', path: '/reauthenticate' },
  { name: 'data', path: '/account/data' },
  { name: 'close', path: '/account/close' },
  { name: 'account-closed', path: '/account-closed' },
  { name: 'sign-out', path: '/sign-out' },
];

/** A person with several devices and organizations, some with long names. */
async function somebody() {
  const account = await newAccount(api, {
    password: PASSWORD,
    name: 'Ada Lovelace',
    organizationName: 'Analytical Engines',
  });
  const agents = [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1',
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0',
    'okhttp/4.12.0',
  ];
  const { email } = account;
  for (const agent of agents)
    await api.post('/auth/login', { email, password: PASSWORD }, { headers: { 'user-agent': agent } });
  const { accessToken: token } = account;
  const long = 'The Society for the Diffusion of Useful Knowledge about Donaudampfschifffahrtsgesellschaftskapitäne';
  for (const name of [long, 'شركة المحركات التحليلية']) await api.post('/organizations', { name }, { token });
  return account;
}

for (const colorScheme of ['light', 'dark'] as const) {
  t.test(`every page is accessible, fits a narrow screen and has no fault: ${colorScheme}`, async (t) => {
    const account = await somebody();
    // A short run looks at one language in each theme.
    const looked = (colorScheme === 'light' ? LANGUAGES : LANGUAGES.toReversed()).slice(0, cases(LANGUAGES.length));
    for (const language of looked) {
      const { page, context, faults } = await browser.open({ locale: language, colorScheme, viewport: NARROW });
      const look = async ({ name, path, before }: Shown) => {
        await page.setViewportSize(NARROW);
        await page.goto(path.replace(':id', account.organization.id));
        await before?.(page, language);
        const what = `${name} ${language} ${colorScheme}`;
        t.equal(await page.locator('html').getAttribute('lang'), language);
        t.same(await cramped(page), [], what);
        t.same(await violationsOf(page), [], what);
        await screenshot(page, `${name}-${language}-${colorScheme}-320`);
        if (language === looked[0]) {
          await page.evaluate(`document.documentElement.dir = 'rtl'`);
          t.same(await cramped(page), [], `${what}, from right to left`);
          await screenshot(page, `${name}-rtl-${colorScheme}-320`);
          await page.evaluate(`document.documentElement.dir = 'ltr'`);
        }
        await page.setViewportSize(WIDE);
        t.same(await cramped(page), [], `${what}, wide`);
        if (language === looked[0]) t.same(await violationsOf(page), [], `${what}, wide`);
        await screenshot(page, `${name}-${language}-${colorScheme}-1280`);
      };
      for (const shown of OPEN) await look(shown);
      await page.goto('/sign-in');
      const text = CATALOGUES[language].signIn;
      await fill(page, { [text.email]: account.email, [text.password]: PASSWORD });
      await send(page, text.submit);
      for (const shown of OWN) await look(shown);
      t.same(faults, []);
      await context.close();
    }
  });
}
