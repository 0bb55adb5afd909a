// What people do with the forms of a page in a real browser.
import type { Page } from 'playwright-core';

/** Fills the fields of a page by the beginnings of their labels: the label of an optional field ends with a remark. */
export async function fill(page: Page, values: Readonly<Record<string, string>>): Promise<void> {
  for (const [label, value] of Object.entries(values)) {
    const beginning = new RegExp(`^\\s*${label.replace(/[^\p{L}\s]/gu, '.')}`, 'u');
    await page
      .locator('.field', { has: page.locator('label', { hasText: beginning }) })
      .locator('input')
      .first()
      .fill(value);
  }
}

/** Clicks a button of the content of the page, and waits for the next page. */
export async function send(page: Page, name: string): Promise<void> {
  await Promise.all([
    page.waitForNavigation(),
    page.locator('main').getByRole('button', { name, exact: true }).click(),
  ]);
}
