// What people see when something is refused or not available, and when they follow the link of a registration, in both
// themes and several languages.
import type { Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { CATALOGUES, type Language } from '../../../src/base/page-kit/language.ts';
import { openRegistering } from '../../sign-in/registration/registering.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { startChromium } from '../../support/pages/chromium.ts';
import { fill, send } from '../../support/pages/filling.ts';
import { type ColorScheme, languagesFor, lookAt, NARROW } from '../../support/pages/look.ts';
import { openTcpProxy } from '../../support/servers/tcp-proxy.ts';
import { openService } from '../../support/service.ts';

const PASSWORD = 'correct horse battery';
const THEMES: readonly ColorScheme[] = ['light', 'dark'];

type Shown = Readonly<Record<string, (page: Page, language: Language) => Promise<void>>>;

/** Looks at what each function opens. */
async function lookAtEach(t: Test, url: string, shown: Shown): Promise<void> {
  const browser = await startChromium(t, { 'localhost:3000': new URL(url).host });
  for (const colorScheme of THEMES) {
    for (const language of languagesFor(colorScheme)) {
      const { page, context, faults } = await browser.open({ locale: language, colorScheme, viewport: NARROW });
      for (const [name, open] of Object.entries(shown)) {
        await page.setViewportSize(NARROW);
        await open(page, language);
        await lookAt(t, page, { name, language, colorScheme, fully: true });
      }
      t.same(faults, []);
      await context.close();
    }
  }
}

async function signIn(page: Page, language: Language, email: string, password: string): Promise<void> {
  const text = CATALOGUES[language].signIn;
  await page.goto('/sign-in');
  await fill(page, { [text.email]: email, [text.password]: password });
  await send(page, text.submit);
}

t.test('registration is closed', async (t) => {
  const { url } = await openService(t, await createDatabase(t), { REGISTRATION_MODE: 'closed' });
  await lookAtEach(t, url, {
    'register-closed': async (page) => void (await page.goto('/register')),
    'sign-in-closed': async (page) => void (await page.goto('/sign-in')),
  });
});

t.test('the link of a registration', async (t) => {
  const { service, pending } = await openRegistering(t);
  await lookAtEach(t, service.url, {
    async 'verify-registration'(page) {
      const { token } = await pending();
      await page.goto('about:blank');
      await page.goto(`/verify-email#token=${token}`);
      await page.locator('input[name=step][value=password]').waitFor({ state: 'attached' });
      await page.locator('summary').first().click();
    },
  });
});

t.test('a sign-in after too many wrong passwords', async (t) => {
  const limits = { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_SIGN_IN: '10000', RATE_LIMIT_OTHER: '100000' };
  const { url, api, clock } = await openService(t, await createDatabase(t), { ...limits, LOGIN_FAILURES_MAX: '1' });
  const email = 'often@example.com';
  for (const seconds of [0, 1, 2, 4, 8, 16, 32, 64]) {
    clock.advance(seconds);
    t.equal((await api.post('/auth/login', { email, password: 'wrong' })).status, 401);
  }
  await lookAtEach(t, url, {
    async 'sign-in-delayed'(page, language) {
      await signIn(page, language, email, PASSWORD);
      t.match(await page.locator('main').textContent(), /\d+/, 'the seconds to wait');
    },
  });
});

t.test('a taken e-mail, and a service whose database is away', async (t) => {
  const database = await createDatabase(t);
  const proxy = await openTcpProxy(t, Number(new URL(database.appUrl).port));
  const through = (address: string) => address.replace(new URL(address).host, `127.0.0.1:${proxy.port}`);
  const routed = { ...database, appUrl: through(database.appUrl), systemUrl: through(database.systemUrl) };
  const { url, api } = await openService(t, routed, {}, 'as served');
  const { email } = await newAccount(api, { password: PASSWORD });
  await lookAtEach(t, url, {
    async 'register-taken'(page, language) {
      const text = CATALOGUES[language].register;
      await page.goto('/register');
      await fill(page, { [text.name]: 'Ada', [text.email]: email, [text.password]: 'another horse with a battery' });
      await send(page, text.submit);
    },
    async unavailable(page, language) {
      await signIn(page, language, email, PASSWORD);
      proxy.cut();
      await page.goto('/account');
      proxy.pass();
    },
  });
});
