// What people do in a real browser with the link of an invitation.
import type { Page } from 'playwright-core';
import type { Test } from 'tap';
import { CATALOGUES, type Language } from '../../src/base/page-kit/language.ts';
import { freshEmail, openInviting, PASSWORD } from '../directory/invitations/inviting.ts';
import { newProvenAccount } from '../support/fixtures/accounts.ts';
import { startChromium } from '../support/pages/chromium.ts';
import { fill, send } from '../support/pages/filling.ts';

export const PAGE = '/accept-invitation';

/** Opens an organization that invites, and a browser. */
export async function openInvitingPages(t: Test) {
  const inviting = await openInviting(t);
  const { api, database } = inviting;
  const browser = await startChromium(t, { 'localhost:3000': new URL(inviting.service.url).host });
  return {
    ...inviting,
    browser,
    /** Invites a person, and returns the link of the mail. */
    async linkFor(email: string, token?: string): Promise<string> {
      await inviting.invite(email, 'agent', token);
      const { text } = await inviting.mailbox.next(email);
      return /http\S+#token=\S+/.exec(text)?.[0] ?? '';
    },
    /** A person with an account and a proven mailbox. */
    member: () => newProvenAccount(api, database, { email: freshEmail(), password: PASSWORD }),
  };
}

/** Comes to the page by a link. Without scripts, the person pastes it. */
export async function follow(page: Page, link: string, language: Language, scripts: boolean): Promise<void> {
  const arrived = scripts ? page.waitForResponse((reply) => reply.request().method() === 'POST') : null;
  await page.goto(link);
  if (arrived === null) {
    await fill(page, { [CATALOGUES[language].link.label]: link });
    await send(page, CATALOGUES[language].link.submit);
  }
  await arrived;
  await page.locator('dl, .notice').first().waitFor();
}

/** Signs in on the page that is open. */
export async function signIn(page: Page, email: string, language: Language): Promise<void> {
  const text = CATALOGUES[language].signIn;
  await fill(page, { [text.email]: email, [text.password]: PASSWORD });
  await send(page, text.submit);
}
