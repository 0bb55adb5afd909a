// What people do with the forms of the example application that has its own forms.
import type { Page } from 'playwright-core';
import type { Test } from 'tap';
import { fill } from '../../support/pages/filling.ts';
import { arrive, press } from './example.ts';

export const PASSWORD = 'nine yellow lanterns';

/** Fills the form for registering, and sends it. */
export async function sendRegistration(page: Page, email: string, organization: string): Promise<void> {
  await page.goto('/register');
  await arrive(page, 'Register');
  await fill(page, { Name: 'Ada Lovelace', 'E-mail': email, Password: PASSWORD, Organization: organization });
  await press(page, 'button', 'Register');
}

/** Registers a person, who is signed in afterwards. */
export async function register(page: Page, email: string, organization: string): Promise<void> {
  await sendRegistration(page, email, organization);
  await arrive(page, 'Your account');
}

export async function signIn(page: Page, email: string, password: string): Promise<void> {
  await page.goto('/sign-in');
  await arrive(page, 'Sign in');
  await fill(page, { 'E-mail': email, Password: password });
  await press(page, 'button', 'Sign in');
}

/** Opens the link of a mail. The page takes the token out of the address. */
export async function follow(t: Test, page: Page, link: string, heading: string): Promise<void> {
  await page.goto(link);
  await arrive(page, heading);
  await page.waitForURL((address) => address.hash === '');
  t.notMatch(page.url(), 'token', 'the address does not show the token');
}

/** Waits for the notice with this text. */
export const said = (page: Page, text: string) => page.getByRole('status').filter({ hasText: text }).waitFor();
/** Waits for the problem with this text beside a field. */
export const refused = (page: Page, text: string) => page.locator('.problem').filter({ hasText: text }).waitFor();
/** The text of the notice about a problem that is about no field. */
export const alertOf = (page: Page) => page.getByRole('alert').textContent();
