// The states of the page that proves an e-mail. The test files of the two themes check them.
import type { Page } from 'playwright-core';
import type { Test } from 'tap';
import { CATALOGUES, type Language } from '../../../src/base/page-kit/language.ts';
import { openProving, type Registered } from '../../sign-in/verify-email/proving.ts';
import { startChromium } from '../../support/pages/chromium.ts';
import { fill, send } from '../../support/pages/filling.ts';
import { type ColorScheme, languagesFor, lookAt, NARROW } from '../../support/pages/look.ts';

const PAGE = '/verify-email';

interface Shown {
  readonly name: string;
  readonly open: (page: Page, language: Language, user: Registered) => Promise<void>;
}

/** Comes by the link of a mail. The script of the page brings its token. */
async function follow(page: Page, token: string): Promise<void> {
  await page.goto('about:blank');
  await page.goto(`${PAGE}#token=${token}`);
  await page.locator('input[name=step][value=confirm], input[name=step][value=password]').first().waitFor({
    state: 'attached',
  });
}

const OPEN: readonly Shown[] = [
  { name: 'verify-paste', open: async (page) => void (await page.goto(PAGE)) },
  { name: 'verify-sent', open: async (page) => void (await page.goto(`${PAGE}?done=sent`)) },
  { name: 'verify-proven', open: async (page) => void (await page.goto(`${PAGE}?done=proven`)) },
  {
    name: 'verify-pasted-wrong',
    async open(page, language) {
      const { label, submit } = CATALOGUES[language].link;
      await page.goto(PAGE);
      await fill(page, { [label]: `https://evil.example/${'a'.repeat(80)}` });
      await send(page, submit);
    },
  },
  {
    name: 'verify-link',
    async open(page, _, { token }) {
      await follow(page, token);
      for (const summary of await page.locator('summary').all()) await summary.click();
    },
  },
  {
    name: 'verify-wrong-password',
    async open(page, language, { token }) {
      const { password, confirm } = CATALOGUES[language].verifyEmail;
      await follow(page, token);
      await fill(page, { [password]: 'not this one' });
      await send(page, confirm);
    },
  },
  {
    name: 'verify-claim-refused',
    async open(page, language, { token }) {
      const { notMe, newPassword, claimSubmit } = CATALOGUES[language].verifyEmail;
      await follow(page, token);
      await page.getByText(notMe).click();
      await fill(page, { [newPassword]: 'short' });
      await page.locator('main').getByRole('button', { name: claimSubmit, exact: true }).click();
      await page.locator('.problem').first().waitFor();
    },
  },
  {
    name: 'verify-dead',
    async open(page, language) {
      const { password, confirm } = CATALOGUES[language].verifyEmail;
      await follow(page, 'x'.repeat(43));
      await fill(page, { [password]: 'nine yellow lanterns' });
      await send(page, confirm);
    },
  },
];

const OWN: readonly Shown[] = [
  { name: 'account-unproven', open: async (page) => void (await page.goto('/account')) },
  { name: 'verify-own', open: async (page) => void (await page.goto(PAGE)) },
  {
    name: 'verify-own-wrong-code',
    async open(page, language) {
      const { code, confirm } = CATALOGUES[language].verifyEmail;
      await page.goto(PAGE);
      await fill(page, { [code]: '0000 0000' });
      await send(page, confirm);
    },
  },
  { name: 'verify-own-link', open: (page, _, { token }) => follow(page, token) },
];

/** Looks at every state of the page. */
export async function lookAtVerifyEmail(t: Test, colorScheme: ColorScheme): Promise<void> {
  const { service, register } = await openProving(t);
  const browser = await startChromium(t, { 'localhost:3000': new URL(service.url).host });
  const [user, other] = [await register(), await register()];
  for (const [index, language] of languagesFor(colorScheme).entries()) {
    const { page, context, faults } = await browser.open({ locale: language, colorScheme, viewport: NARROW });
    const look = async ({ name, open }: Shown, person = user) => {
      await page.setViewportSize(NARROW);
      await open(page, language, person);
      await lookAt(t, page, { name, language, colorScheme, fully: index === 0 });
    };
    for (const shown of OPEN) await look(shown);
    await page.goto('/sign-in');
    const { signIn, verifyEmail } = CATALOGUES[language];
    await fill(page, { [signIn.email]: user.email, [signIn.password]: user.password });
    await send(page, signIn.submit);
    for (const shown of OWN) await look(shown);
    const ofAnother: Shown = {
      name: 'verify-another',
      async open(_, __, { token }) {
        await follow(page, token);
        await send(page, verifyEmail.confirm);
      },
    };
    await look(ofAnother, other);
    t.same(faults, []);
    await context.close();
  }
}
