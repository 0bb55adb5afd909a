// The path of a person through all pages and mails, in a real browser, with and without scripts: from registering
// to closing the account, with the changes in between. The pages on the way are accessible.
import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { CATALOGUES } from '../../../src/base/page-kit/language.ts';
import { createDatabase } from '../../support/database.ts';
import { startChromium, violationsOf } from '../../support/pages/chromium.ts';
import { fill, send } from '../../support/pages/filling.ts';
import { type Way, ways } from '../../support/pages/look.ts';
import { openMailbox, type ReceivedMail } from '../../support/servers/mailbox.ts';
import { openService } from '../../support/service.ts';

const PASSWORDS = ['nine yellow lanterns', 'seven green bicycles', 'four other unrelated words'] as const;
const [FIRST, SECOND, THIRD] = PASSWORDS;

const database = await createDatabase(t);
const mailbox = await openMailbox(t);
const { url, api, app } = await openService(t, database, { SMTP_URL: mailbox.url });
app.parts.outbox.follow();
const browser = await startChromium(t, { 'localhost:3000': new URL(url).host });

function linkIn({ text }: ReceivedMail): string {
  const link = /http\S+#token=\S+/.exec(text)?.[0];
  if (!link) throw new Error(`there is no link in: ${text}`);
  return link;
}

/** The link of the next mail to the address that leads to this page. Other mails are passed over. */
async function linkTo(email: string, path: string): Promise<string> {
  for (;;) {
    const mail = await mailbox.next(email);
    if (mail.text.includes(`${path}#token=`)) return linkIn(mail);
  }
}

for (const way of ways()) {
  const title = 'register, prove, invite, accept, sign out, reset, change the e-mail, take it back, export, close';
  t.test(`${title}: ${way.how}`, async (t) => {
    const walk = await startWalk(t, way);
    await register(walk);
    await inviteGuest(walk);
    await resetPassword(walk);
    await changeEmail(walk);
    await takeEmailBack(walk);
    await leave(walk);
    t.same(walk.faults, []);
    await walk.context.close();
  });
}

type Walk = Awaited<ReturnType<typeof startWalk>>;

async function startWalk(t: Test, { language, scripts, how }: Way) {
  const text = CATALOGUES[language];
  const opened = await browser.open({ javaScriptEnabled: scripts, locale: language });
  const look = async (page: Page, name: string) => {
    if (scripts) t.same(await violationsOf(page), [], name); // the check is a script
  };
  return {
    ...{ t, text, scripts, language, how, look, ...opened },
    email: `ada-${how}@example.com`,
    async isDone(words: string) {
      t.equal(await opened.page.getByRole('status').textContent(), words);
      await look(opened.page, words);
    },
    /**
     * Comes by the link of a mail. A page that first shows what the link is for gets the token by a form of its own.
     */
    async follow(page: Page, link: string, showsFirst: boolean) {
      const isSent = showsFirst && scripts;
      const arrived = isSent ? page.waitForResponse((reply) => reply.request().method() === 'POST') : null;
      await page.goto('about:blank');
      await page.goto(link);
      if (!scripts) await fill(page, { [text.link.label]: link });
      if (!scripts && showsFirst) await send(page, text.link.submit);
      await arrived;
      await page
        .locator(showsFirst ? 'main [name=token]' : 'main button')
        .first()
        .waitFor({ state: 'attached' });
      await look(page, link.split('#')[0] ?? '');
    },
    async signIn(as: string, password: string) {
      await opened.page.goto('/sign-in');
      await fill(opened.page, { [text.signIn.email]: as, [text.signIn.password]: password });
      await send(opened.page, text.signIn.submit);
      t.equal(new URL(opened.page.url()).pathname, '/account');
    },
  };
}

async function register({ page, text, email, how, follow, isDone }: Walk): Promise<void> {
  await page.goto('/register');
  await fill(page, {
    ...{ [text.register.name]: 'Ada Lovelace', [text.register.email]: email },
    ...{ [text.register.password]: FIRST, [text.register.organization]: `Engines ${how}` },
  });
  await send(page, text.register.submit);
  await follow(page, linkIn(await mailbox.nextProof(email)), true);
  await send(page, text.verifyEmail.confirm);
  await isDone(text.verifyEmail.proven);
}

/** An application of the organization invites, because there is no page for that. The guest becomes an owner, too. */
async function inviteGuest({ t, text, email, how, language, scripts, follow }: Walk): Promise<void> {
  const guestEmail = `grace-${how}@example.com`;
  const { accessToken: token } = (await api.post('/auth/login', { email, password: FIRST })).body.data;
  const invited = await api.post('/invitations', { email: guestEmail, roles: [{ role: 'owner' }] }, { token });
  t.equal(invited.status, 201, invited.text);
  const { page, context, faults } = await browser.open({ javaScriptEnabled: scripts, locale: language });
  await follow(page, await linkTo(guestEmail, '/accept-invitation'), true);
  await fill(page, { [text.register.name]: 'Grace Hopper', [text.register.password]: FIRST });
  await send(page, text.invitation.createAndJoin);
  t.equal(new URL(page.url()).pathname, '/account');
  await page.getByRole('link', { name: text.account.organizations }).click();
  t.match(await page.locator('tbody').textContent(), `Engines ${how}`);
  t.same(faults, []);
  await context.close();
}

async function resetPassword({ page, text, email, follow, isDone }: Walk): Promise<void> {
  await Promise.all([page.waitForNavigation(), page.getByRole('banner').getByRole('button').click()]);
  await isDone(text.signIn.signedOut);
  await page.getByRole('link', { name: text.signIn.forgotten }).click();
  await fill(page, { [text.forgotPassword.email]: email });
  await send(page, text.forgotPassword.submit);
  await follow(page, await linkTo(email, '/reset-password'), false);
  await fill(page, { [text.resetPassword.password]: SECOND });
  await send(page, text.resetPassword.submit);
  await isDone(text.resetPassword.changed);
}

async function changeEmail(walk: Walk): Promise<void> {
  const { t, page, text, email, how, follow, isDone, signIn } = walk;
  const next = `new-${how}@example.com`;
  await signIn(email, SECOND);
  await page.goto('/account/email');
  await fill(page, { [text.ownEmail.newEmail]: next, [text.ownEmail.password]: SECOND });
  await send(page, text.ownEmail.submit);
  t.match(await page.locator('main').textContent(), text.ownEmail.asked);
  const link = await linkTo(next, '/confirm-email');
  await signInByLink(walk, link, next);
  await follow(page, link, false);
  await send(page, text.confirmEmail.submit);
  await isDone(text.confirmEmail.changed);
  await page.goto('/account');
  t.match(await page.locator('dd').first().textContent(), next, 'the session goes on, with the new e-mail');
}

/** Opens the link in another browser, which signs in first and then shows both addresses. */
async function signInByLink({ t, text, email, scripts, language, follow }: Walk, link: string, next: string) {
  const { page, context, faults } = await browser.open({ javaScriptEnabled: scripts, locale: language });
  await follow(page, link, false);
  await send(page, text.confirmEmail.toSignIn);
  await fill(page, { [text.signIn.email]: email, [text.signIn.password]: SECOND });
  await send(page, text.signIn.submit);
  t.match(await page.locator('main').textContent(), next);
  t.match(await page.locator('dd').first().textContent(), email);
  t.equal(await page.getByLabel(text.link.label).count(), 0, 'the browser has kept the link');
  t.ok(await page.getByRole('button', { name: text.confirmEmail.submit }).isVisible());
  t.same(faults, []);
  await context.close();
}

async function takeEmailBack({ page, text, email, follow, isDone, signIn }: Walk): Promise<void> {
  await follow(page, await linkTo(email, '/revert-email'), false);
  await send(page, text.revertEmail.submit);
  await isDone(text.revertEmail.reverted);
  await fill(page, { [text.resetPassword.password]: THIRD });
  await send(page, text.resetPassword.submit);
  await signIn(email, THIRD);
}

async function leave({ t, page, text, email, scripts, look }: Walk): Promise<void> {
  await page.goto('/account/data');
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.locator('main').getByRole('button', { name: text.ownData.download }).click(),
  ]);
  t.match(JSON.parse(await readFile(await download.path(), 'utf8')).data.account, { email });
  await page.goto('/account/close');
  await look(page, 'close');
  await fill(page, { [text.closing.password]: THIRD });
  if (scripts) {
    await page.locator('main').getByRole('button', { name: text.closing.submit }).click();
    await Promise.all([page.waitForNavigation(), page.getByRole('dialog').locator('.danger').click()]);
  } else await send(page, text.closing.submit);
  t.equal(new URL(page.url()).pathname, '/account-closed');
  await look(page, 'closed');
  t.equal((await api.post('/auth/login', { email, password: THIRD })).status, 401);
}
