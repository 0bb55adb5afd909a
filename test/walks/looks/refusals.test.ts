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
import { type ColorScheme, lookAtEach, type Shown } from '../../support/pages/look.ts';
import { routeDatabase } from '../../support/servers/database-proxy.ts';
import { openService } from '../../support/service.ts';
import { until } from '../../support/until.ts';

const PASSWORD = 'correct horse battery';
const THEMES: readonly ColorScheme[] = ['light', 'dark'];

/** Looks at every page in both themes. */
async function lookAtAll(t: Test, url: string, shown: readonly Shown[]): Promise<void> {
  const browser = await startChromium(t, { 'localhost:3000': new URL(url).host });
  for (const colorScheme of THEMES) await lookAtEach(t, browser, colorScheme, shown);
}

async function signIn(page: Page, language: Language, email: string, password: string): Promise<void> {
  const text = CATALOGUES[language].signIn;
  await page.goto('/sign-in');
  await fill(page, { [text.email]: email, [text.password]: password });
  await send(page, text.submit);
}

t.test('registration is closed', async (t) => {
  const { url } = await openService(t, await createDatabase(t), { REGISTRATION_MODE: 'closed' });
  await lookAtAll(t, url, [
    { name: 'register-closed', open: async (page) => void (await page.goto('/register')) },
    { name: 'sign-in-closed', open: async (page) => void (await page.goto('/sign-in')) },
  ]);
});

t.test('the link of a registration', async (t) => {
  const { service, pending } = await openRegistering(t);
  const link: Shown = {
    name: 'verify-registration',
    async open(page) {
      const { token } = await pending();
      await page.goto('about:blank');
      await page.goto(`/verify-email#token=${token}`);
      await page.locator('input[name=step][value=password]').waitFor({ state: 'attached' });
      await page.locator('summary').first().click();
    },
  };
  await lookAtAll(t, service.url, [link]);
});

t.test('a sign-in after too many wrong passwords', async (t) => {
  const limits = { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_SIGN_IN: '10000', RATE_LIMIT_OTHER: '100000' };
  const { url, api, clock } = await openService(t, await createDatabase(t), { ...limits, LOGIN_FAILURES_MAX: '1' });
  const email = 'often@example.com';
  // The last wait is so long that it does not end while the pages are looked at, also on a busy machine.
  for (const seconds of [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512]) {
    clock.advance(seconds);
    t.equal((await api.post('/auth/login', { email, password: 'wrong' })).status, 401);
  }
  const delayed: Shown = {
    name: 'sign-in-delayed',
    async open(page, language) {
      await signIn(page, language, email, PASSWORD);
      t.match(await page.locator('main').textContent(), /\d+/, 'the seconds to wait');
    },
  };
  await lookAtAll(t, url, [delayed]);
});

t.test('a taken e-mail, and a service whose database is away', async (t) => {
  const { proxy, routed } = await routeDatabase(t, await createDatabase(t));
  const { url, api } = await openService(t, routed, {}, 'as served');
  const { email, accessToken: token } = await newAccount(api, { password: PASSWORD });
  const taken: Shown = {
    name: 'register-taken',
    async open(page, language) {
      const text = CATALOGUES[language].register;
      await page.goto('/register');
      await fill(page, { [text.name]: 'Ada', [text.email]: email, [text.password]: 'another horse with a battery' });
      await send(page, text.submit);
    },
  };
  const unavailable: Shown = {
    name: 'unavailable',
    async open(page, language) {
      await signIn(page, language, email, PASSWORD);
      proxy.cut();
      await page.goto('/account');
      proxy.pass();
      await until(async () => (await api.get('/me', { token })).status === 200);
    },
  };
  await lookAtAll(t, url, [taken, unavailable]);
});
