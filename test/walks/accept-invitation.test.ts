// People accept an invitation in a real browser, by the link of its mail: with and without scripts, in every language
// and theme, and on a narrow screen. Pictures of every state of the page are in .data/screenshots.
import type { Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { CATALOGUES, LANGUAGES, type Language } from '../../src/base/page-kit/language.ts';
import { freshEmail, openInviting, PASSWORD } from '../directory/invitations/inviting.ts';
import { newAccount, newAccountWithoutOrganization, newProvenAccount } from '../support/fixtures/accounts.ts';
import { cramped, screenshot, startChromium, violationsOf } from '../support/pages/chromium.ts';
import { fill, send } from '../support/pages/filling.ts';
import { cases } from '../support/thorough.ts';

const PAGE = '/accept-invitation';
const NARROW = { width: 320, height: 640 };
const WIDE = { width: 1280, height: 800 };

const inviting = await openInviting(t);
const { api, database } = inviting;
const browser = await startChromium(t, { 'localhost:3000': new URL(inviting.service.url).host });

/** Invites a person, and returns the link of the mail. */
async function linkFor(email: string, token?: string): Promise<string> {
  await inviting.invite(email, 'agent', token);
  const { text } = await inviting.mailbox.next(email);
  return /http\S+#token=\S+/.exec(text)?.[0] ?? '';
}

/** A person with an account and a proven mailbox. */
async function member() {
  const account = await newAccount(api, { email: freshEmail(), password: PASSWORD });
  await database.query('UPDATE users SET email_verified_at = now() WHERE id = $1', [account.userId]);
  return account;
}

/** Comes to the page by a link. Without scripts, the person pastes it. */
async function follow(page: Page, link: string, language: Language, scripts: boolean): Promise<void> {
  const arrived = scripts ? page.waitForResponse((reply) => reply.request().method() === 'POST') : null;
  await page.goto(link);
  if (arrived === null) {
    await fill(page, { [CATALOGUES[language].link.label]: link });
    await send(page, CATALOGUES[language].link.submit);
  }
  await arrived;
  await page.locator('dl, .notice').first().waitFor();
}

async function signIn(page: Page, email: string, language: Language): Promise<void> {
  const text = CATALOGUES[language].signIn;
  await fill(page, { [text.email]: email, [text.password]: PASSWORD });
  await send(page, text.submit);
}

/** Nothing in the address of the page shows the token. */
function isHidden(t: Test, page: Page, link: string): void {
  t.notMatch(page.url(), link.split('=')[1] ?? '', 'the address does not show the token');
  t.notMatch(page.url(), '#');
}

for (const scripts of [true, false]) {
  for (const language of LANGUAGES) {
    const text = CATALOGUES[language];
    const opened = () => browser.open({ javaScriptEnabled: scripts, locale: language, viewport: NARROW });

    t.test(`register and accept: ${language}, scripts ${scripts}`, async (t) => {
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

    t.test(`sign in and accept, after another e-mail: ${language}, scripts ${scripts}`, async (t) => {
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

interface Shown {
  readonly name: string;
  readonly open: (page: Page, language: Language) => Promise<void>;
}

const long = 'The Society for the Diffusion of Useful Knowledge about Donaudampfschifffahrtsgesellschaftskapitäne';

const SHOWN: readonly Shown[] = [
  { name: 'invitation-paste', open: async (page) => void (await page.goto(PAGE)) },
  {
    name: 'invitation-wrong',
    async open(page, language) {
      await page.goto(PAGE);
      await fill(page, { [CATALOGUES[language].link.label]: `https://evil.example/${'a'.repeat(80)}` });
      await send(page, CATALOGUES[language].link.submit);
    },
  },
  {
    name: 'invitation-register',
    async open(page, language) {
      const inviter = await newProvenAccount(api, database, {
        name: 'Ada King, Countess of Lovelace',
        organizationName: long,
      });
      await follow(page, await linkFor(freshEmail(), inviter.accessToken), language, true);
    },
  },
  {
    name: 'invitation-register-refused',
    async open(page, language) {
      const { name, password } = CATALOGUES[language].register;
      await follow(page, await linkFor(freshEmail()), language, true);
      await fill(page, { [name]: 'Grace', [password]: 'short' });
      await send(page, CATALOGUES[language].invitation.createAndJoin);
      await page.locator('summary').click();
    },
  },
  {
    name: 'invitation-account',
    open: async (page, language) => follow(page, await linkFor((await member()).email), language, true),
  },
  {
    name: 'invitation-dead',
    open: (page, language) => follow(page, `${PAGE}#token=${'x'.repeat(43)}`, language, true),
  },
  {
    name: 'invitation-accept',
    async open(page, language) {
      const { email } = await newAccountWithoutOrganization(api, { email: freshEmail(), password: PASSWORD });
      await page.goto('/sign-in');
      await signIn(page, email, language);
      await follow(page, await linkFor(email), language, true);
    },
  },
  {
    name: 'invitation-other',
    open: async (page, language) => follow(page, await linkFor(freshEmail()), language, true),
  },
];

for (const colorScheme of ['light', 'dark'] as const) {
  t.test(`every state of the page is accessible, fits a narrow screen and has no fault: ${colorScheme}`, async (t) => {
    // A short run looks at one language in each theme.
    const looked = (colorScheme === 'light' ? LANGUAGES : LANGUAGES.toReversed()).slice(0, cases(LANGUAGES.length));
    for (const language of looked) {
      const { page, context, faults } = await browser.open({ locale: language, colorScheme, viewport: NARROW });
      for (const { name, open } of SHOWN) {
        await page.setViewportSize(NARROW);
        await open(page, language);
        const what = `${name} ${language} ${colorScheme}`;
        t.same(await cramped(page), [], what);
        t.same(await violationsOf(page), [], what);
        await screenshot(page, `${name}-${language}-${colorScheme}-320`);
        await page.evaluate(`document.documentElement.dir = 'rtl'`);
        t.same(await cramped(page), [], `${what}, from right to left`);
        await screenshot(page, `${name}-rtl-${colorScheme}-320`);
        await page.evaluate(`document.documentElement.dir = 'ltr'`);
        await page.setViewportSize(WIDE);
        t.same(await cramped(page), [], `${what}, wide`);
        await screenshot(page, `${name}-${language}-${colorScheme}-1280`);
      }
      t.same(faults, []);
      await context.close();
    }
  });
}
