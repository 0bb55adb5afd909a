// People change their password, prove again who they are, download their data and close their account in a real
// browser, with and without scripts, in every language.
import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import t from 'tap';
import { CATALOGUES, type Language } from '../../src/base/page-kit/language.ts';
import { age } from '../sign-in/reauthentication/proving.ts';
import { createDatabase } from '../support/database.ts';
import { type Account, newAccount } from '../support/fixtures/accounts.ts';
import { seedMember } from '../support/fixtures/people.ts';
import { cramped, screenshot, startChromium, violationsOf } from '../support/pages/chromium.ts';
import { fill, send } from '../support/pages/filling.ts';
import { NARROW, ways } from '../support/pages/look.ts';
import { openService } from '../support/service.ts';

const NEXT = 'four other unrelated words';

const database = await createDatabase(t);
const { url, api } = await openService(t, database);
const browser = await startChromium(t, { 'localhost:3000': new URL(url).host });

async function signIn(page: Page, language: Language, { email, password }: Pick<Account, 'email' | 'password'>) {
  const text = CATALOGUES[language].signIn;
  await page.goto('/sign-in');
  await fill(page, { [text.email]: email, [text.password]: password });
  await send(page, text.submit);
}

for (const { language, scripts: javaScriptEnabled, how } of ways()) {
  const text = CATALOGUES[language];

  /** Accessibility is checked by a script of the test, which a browser without scripts does not run. */
  const look = async (page: Page, name: string) => {
    if (!javaScriptEnabled) return;
    t.same(await violationsOf(page), [], `${name} ${how}`);
    t.same(await cramped(page), [], `${name} ${how}`);
    await screenshot(page, `${name}-${how}`);
  };

  t.test(`change the password, prove it again, download, close: ${how}`, async (t) => {
    const { page, context, faults } = await browser.open({ javaScriptEnabled, locale: language, viewport: NARROW });
    const account = await newAccount(api, { organizationName: `Lonely ${how}` });
    const { accessToken: token, userId } = account;
    const shared = (await api.post('/organizations', { name: `Shared ${how}` }, { token })).body.data;
    const { id: sharedId } = shared.organization ?? shared;
    await seedMember(database, sharedId, 'agent');
    await signIn(page, language, account);

    await page.getByRole('link', { name: text.account.password, exact: true }).click();
    await look(page, 'password');
    const { current, next, submit, changed } = text.ownPassword;
    await fill(page, { [current]: 'wrong', [next]: NEXT });
    await send(page, submit);
    t.equal(await page.locator('.problem').textContent(), text.problems.wrong_password.detail);
    await look(page, 'password-refused');
    await fill(page, { [current]: account.password, [next]: NEXT });
    await send(page, submit);
    t.equal(await page.getByRole('status').textContent(), changed);
    await look(page, 'password-changed');

    const sessions = await database.query<{ id: string }>('SELECT id FROM sessions WHERE user_id = $1', [userId]);
    for (const { id } of sessions) await age(database, id, 301);
    await page.getByRole('link', { name: text.account.data, exact: true }).click();
    await look(page, 'data');
    await send(page, text.ownData.download);
    t.equal(new URL(page.url()).pathname, '/reauthenticate', 'the last proof is too old');
    await look(page, 'reauthenticate');
    await fill(page, { [text.signIn.password]: 'wrong' });
    await send(page, text.reauthenticate.submit);
    t.equal(await page.locator('.problem').textContent(), text.problems.wrong_password.detail);
    await look(page, 'reauthenticate-refused');
    await fill(page, { [text.signIn.password]: NEXT });
    await send(page, text.reauthenticate.submit);
    t.equal(new URL(page.url()).pathname, '/account/data');
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.locator('main').getByRole('button', { name: text.ownData.download }).click(),
    ]);
    t.equal(download.suggestedFilename(), 'tenantry-export.json');
    t.match(JSON.parse(await readFile(await download.path(), 'utf8')).data.account, { email: account.email });

    await page.getByRole('link', { name: text.ownData.close, exact: true }).click();
    await look(page, 'close');
    const agree = async () => {
      await fill(page, { [text.closing.password]: NEXT });
      if (!javaScriptEnabled) return send(page, text.closing.submit);
      await page.locator('main').getByRole('button', { name: text.closing.submit }).click();
      await Promise.all([page.waitForNavigation(), page.getByRole('dialog').locator('.danger').click()]);
    };
    await agree();
    const alert = await page.getByRole('alert').textContent();
    for (const name of [`Lonely ${how}`, `Shared ${how}`]) t.match(alert, name);
    await look(page, 'close-refused');
    await database.query('DELETE FROM memberships WHERE organization_id = $1 AND user_id <> $2', [sharedId, userId]);
    await page.goto('/account/close');
    for (const name of [`Lonely ${how}`, `Shared ${how}`]) await page.getByLabel(name).check();
    await agree();
    t.equal(new URL(page.url()).pathname, '/account-closed');
    t.equal(await page.getByRole('heading').textContent(), text.closing.closedTitle);
    await look(page, 'account-closed');
    await page.goto('/account');
    t.equal(new URL(page.url()).pathname, '/sign-in');
    t.same(faults, []);
    await context.close();
  });
}
