// People replace a forgotten password in a real browser, by the link and by the code of the mail.
import t from 'tap';
import { CATALOGUES } from '../../src/base/page-kit/language.ts';
import { codeIn, NEW_PASSWORD, nextReset, openForgotten } from '../sign-in/forgotten-password/forgotten.ts';
import { newAccount } from '../support/fixtures/accounts.ts';
import { startChromium } from '../support/pages/chromium.ts';
import { ways } from '../support/pages/look.ts';

const { service, api, mailbox, signIn } = await openForgotten(t);
const browser = await startChromium(t, { 'localhost:3000': new URL(service.url).host });

for (const [turn, { language, scripts: javaScriptEnabled, how }] of ways().entries()) {
  const text = CATALOGUES[language];
  t.test(`link, weak password, code: ${how}`, async (t) => {
    const { email } = await newAccount(api);
    const { page, context, faults } = await browser.open({ javaScriptEnabled, locale: language });
    const send = (name: string) =>
      Promise.all([page.waitForNavigation(), page.locator('main').getByRole('button', { name, exact: true }).click()]);
    const ask = async () => {
      await page.goto('/sign-in');
      await page.getByRole('link', { name: text.signIn.forgotten }).click();
      await page.locator('input[name=email]').fill(email);
      await send(text.forgotPassword.submit);
      t.equal(await page.locator('main .notice').textContent(), text.resetPassword.sent);
      return nextReset(mailbox, email);
    };
    const [token, password, code] = ['token', 'password', 'code'].map((name) => page.locator(`input[name=${name}]`));
    if (!token || !password || !code) throw new Error('the fields have no locators');

    const link = /(http:\S+#token=\S+)/.exec((await ask()).text)?.[1] ?? '';
    await page.goto(link);
    if (javaScriptEnabled) {
      t.equal(new URL(page.url()).hash, '', 'the token is not in the address any more');
      t.notOk(await token.isVisible());
      await page.getByRole('button', { name: text.layout.showPassword }).click();
      t.equal(await password.getAttribute('type'), 'text', 'a script shows the password');
    } else await token.fill(link);
    await password.fill(email);
    await send(text.resetPassword.submit);
    t.equal(await page.locator('.problem').textContent(), text.issues.context);
    t.notOk(await token.isVisible(), 'the link stays in the form, and nobody sees it');
    await password.fill(NEW_PASSWORD);
    await send(text.resetPassword.submit);
    t.equal(await page.getByRole('status').textContent(), text.resetPassword.changed);
    t.equal((await signIn(email, NEW_PASSWORD)).status, 200);

    const digits = codeIn(await ask());
    await page.locator('input[name=email]').fill(email);
    await code.fill(`${digits.slice(0, 4)} ${digits.slice(4)}`);
    await password.fill(`${NEW_PASSWORD} ${turn}`);
    await send(text.resetPassword.submit);
    t.equal(await page.getByRole('status').textContent(), text.resetPassword.changed);
    await page.locator('main').getByRole('link', { name: text.resetPassword.signIn }).click();
    await page.locator('input[name=email]').fill(email);
    await password.fill(`${NEW_PASSWORD} ${turn}`);
    await send(text.signIn.submit);
    t.equal(new URL(page.url()).pathname, '/account');
    t.same(faults, []);
    await context.close();
  });
}
