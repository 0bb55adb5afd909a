// People prove an e-mail in a real browser, by the link and by the code of the mail, with and without scripts. The
// tests in looks/ check what the page looks like.
import type { Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { CATALOGUES, type Language } from '../../../src/base/page-kit/language.ts';
import { wrongFor } from '../../sign-in/forgotten-password/forgotten.ts';
import { expire, openProving, type Registered, sentTo } from '../../sign-in/verify-email/proving.ts';
import { startChromium } from '../../support/pages/chromium.ts';
import { fill, send } from '../../support/pages/filling.ts';
import { ways } from '../../support/pages/look.ts';

const PAGE = '/verify-email';

const { database, mailbox, service, register, isProven, api } = await openProving(t);
const browser = await startChromium(t, { 'localhost:3000': new URL(service.url).host });

for (const { language, scripts: javaScriptEnabled, how } of ways()) {
  const text = CATALOGUES[language];
  const { confirm } = text.verifyEmail;
  const opened = () => browser.open({ javaScriptEnabled, locale: language });

  /** Comes by the link of the mail. Without scripts, the person pastes it. */
  const follow = async (t: Test, page: Page, { token }: { readonly token: string }) => {
    const link = `http://localhost:3000${PAGE}#token=${token}`;
    await page.goto('about:blank'); // the page may be open, and another fragment alone does not load it again
    await page.goto(link);
    if (!javaScriptEnabled) {
      await fill(page, { [text.link.label]: link });
      await send(page, text.link.submit);
    }
    await page.locator('input[name=step]').first().waitFor({ state: 'attached' });
    await page.waitForURL((url) => url.hash === '');
    t.notMatch(page.url(), token, 'the address does not show the token');
  };

  t.test(`by the link, signed out: a wrong password, the right one, and the link once more: ${how}`, async (t) => {
    const user = await register();
    const { page, context, faults } = await opened();
    await follow(t, page, user);
    await fill(page, { [text.verifyEmail.password]: 'not this one' });
    await send(page, confirm);
    t.match(await page.getByRole('alert').textContent(), text.problems.invalid_credentials.title);
    t.notOk(await isProven(user.userId), 'neither the link nor a wrong password proves anything');
    await fill(page, { [text.verifyEmail.password]: user.password });
    await send(page, confirm);
    t.equal(await page.getByRole('status').textContent(), text.verifyEmail.proven);
    t.ok(await isProven(user.userId));
    await follow(t, page, user);
    await fill(page, { [text.verifyEmail.password]: user.password });
    await send(page, confirm);
    t.match(await page.getByRole('alert').textContent(), text.problems.invalid_or_expired_token.title);
    t.same(faults, []);
    await context.close();
  });

  t.test(`by the link, signed in, and expired before: ${how}`, async (t) => {
    const user = await register();
    const { page, context, faults } = await opened();
    await signIn(page, language, user);
    t.match(await page.locator('main').textContent(), text.verifyEmail.unproven);
    await expire(database, user.userId, 'expires_at');
    await follow(t, page, user);
    await send(page, confirm);
    t.match(await page.getByRole('alert').textContent(), text.problems.invalid_or_expired_token.title);
    t.notOk(await isProven(user.userId));
    await send(page, text.verifyEmail.resend);
    t.equal(await page.getByRole('status').textContent(), text.verifyEmail.sent);
    await follow(t, page, await sentTo(mailbox, user.email));
    await send(page, confirm);
    t.equal(await page.getByRole('status').textContent(), text.verifyEmail.proven);
    t.ok(await isProven(user.userId));
    await page.getByRole('link', { name: text.verifyEmail.toAccount }).click();
    await page.locator('input[name=name]').waitFor();
    t.notMatch(await page.locator('main').textContent(), text.verifyEmail.unproven);
    t.same(faults, []);
    await context.close();
  });

  t.test(`by the code: a wrong one, an expired one, and the right one: ${how}`, async (t) => {
    const user = await register();
    const { page, context, faults } = await opened();
    await signIn(page, language, user);
    await page.goto(PAGE);
    const prove = async (code: string) => {
      await fill(page, { [text.verifyEmail.code]: code });
      await send(page, confirm);
    };
    await prove(wrongFor(user.code));
    t.match(await page.getByRole('alert').textContent(), text.problems.invalid_or_expired_token.title);
    await expire(database, user.userId, 'code_expires_at');
    await prove(user.code);
    t.match(await page.getByRole('alert').textContent(), text.problems.invalid_or_expired_token.title);
    t.notOk(await isProven(user.userId));
    await send(page, text.verifyEmail.resend);
    const { code } = await sentTo(mailbox, user.email);
    await prove(`${code.slice(0, 4)} ${code.slice(4)}`);
    t.equal(await page.getByRole('status').textContent(), text.verifyEmail.proven);
    t.ok(await isProven(user.userId));
    t.same(faults, []);
    await context.close();
  });

  t.test(`the owner of the mailbox, who has not registered, takes the account over: ${how}`, async (t) => {
    const user = await register();
    const { page, context, faults } = await opened();
    await follow(t, page, user);
    await page.getByText(text.verifyEmail.notMe).click();
    await fill(page, { [text.verifyEmail.newPassword]: 'seven green bicycles' });
    await send(page, text.verifyEmail.claimSubmit);
    t.equal(await page.getByRole('status').textContent(), text.verifyEmail.proven);
    t.ok(await isProven(user.userId));
    t.equal((await api.get('/me', { token: user.accessToken })).status, 401);
    await signIn(page, language, { ...user, password: 'seven green bicycles' });
    t.equal(new URL(page.url()).pathname, '/account');
    t.same(faults, []);
    await context.close();
  });
}

async function signIn(page: Page, language: Language, { email, password }: Pick<Registered, 'email' | 'password'>) {
  const text = CATALOGUES[language].signIn;
  await page.goto('/sign-in');
  await fill(page, { [text.email]: email, [text.password]: password });
  await send(page, text.submit);
}
