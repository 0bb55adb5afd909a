// People accept an invitation in a real browser, by the link of its mail: with and without scripts, and in every
// language. The tests in looks/ check what the page looks like.
import type { Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { CATALOGUES } from '../../src/base/page-kit/language.ts';
import { freshEmail, PASSWORD } from '../directory/invitations/inviting.ts';
import { newProvenAccount } from '../support/fixtures/accounts.ts';
import { fill, send } from '../support/pages/filling.ts';
import { NARROW, ways } from '../support/pages/look.ts';
import { follow, openInvitingPages, PAGE, signIn } from './invited.ts';

const inviting = await openInvitingPages(t);
const { api, database, browser, linkFor, member } = inviting;

/** Asserts that the address of the page does not show the token. */
function isHidden(t: Test, page: Page, link: string): void {
  t.notMatch(page.url(), link.split('=')[1] ?? '', 'the address does not show the token');
  t.notMatch(page.url(), '#');
}

for (const { language, scripts, how } of ways()) {
  const text = CATALOGUES[language];
  const opened = () => browser.open({ javaScriptEnabled: scripts, locale: language, viewport: NARROW });

  t.test(`register and accept: ${how}`, async (t) => {
    const { page, context, faults } = await opened();
    const email = freshEmail();
    const link = await linkFor(email);
    await follow(page, link, language, scripts);
    isHidden(t, page, link);
    t.match(await page.locator('dl').textContent(), email);
    await fill(page, { [text.register.name]: 'Grace', [text.register.password]: 'short' });
    await send(page, text.invitation.createAndJoin);
    t.match(await page.locator('.problem').allTextContents(), [/\d+/], 'the problem stands beside the password');
    await fill(page, { [text.register.password]: PASSWORD });
    await send(page, text.invitation.createAndJoin);
    t.equal(new URL(page.url()).pathname, '/account');
    await page.getByRole('link', { name: text.account.organizations }).click();
    t.match(await page.locator('tbody').textContent(), text.organizations.current);
    await follow(page, link, language, scripts);
    t.equal(await page.locator('h1').textContent(), text.invitation.deadTitle, 'the link is used up');
    t.same(faults, []);
    await context.close();
  });

  t.test(`sign in and accept, after another e-mail: ${how}`, async (t) => {
    const { page, context, faults } = await opened();
    const [other, invited] = [await member(), await member()];
    await page.goto('/sign-in');
    await signIn(page, other.email, language);
    const link = await linkFor(invited.email);
    await follow(page, link, language, scripts);
    t.equal(await page.locator('.notice').textContent(), text.invitation.forAnother(other.email, invited.email));
    await send(page, text.invitation.signOut);
    isHidden(t, page, link);
    t.equal(await page.locator('.notice').textContent(), text.invitation.hasAccount);
    await page.getByRole('link', { name: text.invitation.signInFirst }).click();
    await signIn(page, invited.email, language);
    t.equal(page.url(), `http://localhost:3000${PAGE}`, 'back at the invitation');
    await send(page, text.invitation.accept);
    t.equal(new URL(page.url()).pathname, '/account');
    t.same(faults, []);
    await context.close();
  });
}

t.test('a second link replaces the first one, in a new page and in the page that is open', async (t) => {
  const { page, context, faults } = await browser.open({ locale: 'en' });
  const email = freshEmail();
  const [one, two] = [await newProvenAccount(api, database), await newProvenAccount(api, database)];
  const links = [await linkFor(email), await linkFor(email, one.accessToken), await linkFor(email, two.accessToken)];
  const joins = await Promise.all(
    [inviting.owner, one, two].map(async ({ organization }) => {
      const sql = 'SELECT name FROM organizations WHERE id = $1';
      const [row] = await database.query<{ name: string }>(sql, [organization.id]);
      return CATALOGUES.en.invitation.join(row?.name ?? '');
    }),
  );
  for (const [index, link] of links.entries()) {
    // The third link differs from the address of the open page in its fragment alone, so the page is not loaded again.
    if (index === 2) t.equal(page.url(), link.split('#')[0]);
    await page.goto(link);
    await page.getByRole('heading', { name: joins[index] ?? '', exact: true }).waitFor();
  }
  t.equal(await page.getByRole('heading', { level: 1 }).textContent(), joins[2]);
  t.same(faults, []);
  await context.close();
});

t.test('no request shows the token in its address, and a scanner that runs scripts uses nothing up', async (t) => {
  const { page, context } = await browser.open({ locale: 'en' });
  const email = freshEmail();
  const link = await linkFor(email);
  const token = link.split('=')[1] ?? '';
  const seen: string[] = [];
  page.on('request', (request) => seen.push(request.url(), request.headers().referer ?? ''));
  await follow(page, link, 'en', true);
  await page.goBack().catch(() => null);
  t.ok(seen.length > 4);
  t.notMatch(seen.filter((one) => !one.startsWith(link.split('#')[0] ?? '') || one.includes('?')).join('\n'), token);
  const [row] = await database.query<{ accepted: number }>(
    `SELECT count(*)::int AS accepted FROM invitations WHERE token_hash = sha256($1::bytea) AND status = 'pending'`,
    [Buffer.from(token)],
  );
  t.equal(row?.accepted, 1);
  await context.close();
});
