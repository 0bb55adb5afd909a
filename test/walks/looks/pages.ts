// The pages that people see, in both themes, in several languages and on a narrow screen. The test files of the two
// themes check them.
import type { Page } from 'playwright-core';
import type { Test } from 'tap';
import { CATALOGUES, type Language } from '../../../src/base/page-kit/language.ts';
import type { Api } from '../../support/client.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { startChromium } from '../../support/pages/chromium.ts';
import { fill, send } from '../../support/pages/filling.ts';
import { type ColorScheme, languagesFor, lookAt, NARROW } from '../../support/pages/look.ts';
import { openService } from '../../support/service.ts';

const PASSWORD = 'correct horse battery';

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
  { name: 'confirm-email-own', path: '/confirm-email' },
  { name: 'password', path: '/account/password' },
  { name: 'reauthenticate', path: '/reauthenticate' },
  { name: 'data', path: '/account/data' },
  { name: 'close', path: '/account/close' },
  { name: 'account-closed', path: '/account-closed' },
  { name: 'sign-out', path: '/sign-out' },
];

/** A person with several devices and organizations, some with long names. */
async function somebody(api: Api) {
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

/** Looks at the pages, first without an account and then with one. */
export async function lookAtPages(t: Test, colorScheme: ColorScheme): Promise<void> {
  const { url, api } = await openService(t, await createDatabase(t), { DOCS_ENABLED: 'true' });
  const browser = await startChromium(t, { 'localhost:3000': new URL(url).host });
  const account = await somebody(api);
  for (const [index, language] of languagesFor(colorScheme).entries()) {
    const { page, context, faults } = await browser.open({ locale: language, colorScheme, viewport: NARROW });
    const look = async ({ name, path, before }: Shown) => {
      await page.setViewportSize(NARROW);
      await page.goto(path.replace(':id', account.organization.id));
      await before?.(page, language);
      await lookAt(t, page, { name, language, colorScheme, fully: index === 0 });
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
}
