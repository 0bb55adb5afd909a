// What every mail looks like on a narrow screen: it fits, and the name of each fact in it stays on one line.
import t from 'tap';
import { previewMails } from '../../../src/base/mail-kit/preview.ts';
import { mailKitFor } from '../../support/fixtures/mail-kit.ts';
import { startChromium } from '../../support/pages/chromium.ts';
import { NARROW } from '../../support/pages/look.ts';

const browser = await startChromium(t, {});

t.test('every mail in every language fits a screen of 320 pixels, and breaks no name of a fact', async (t) => {
  const { page, context, faults } = await browser.open({ viewport: NARROW });
  let facts = 0;
  for (const { kind, language, html } of previewMails(mailKitFor())) {
    await page.setContent(html);
    t.ok((await page.evaluate<number>('document.documentElement.scrollWidth')) <= NARROW.width, `${kind} ${language}`);
    for (const name of await page.locator('th').all()) {
      facts += 1;
      const lines = await name.evaluate((cell) => {
        const { document } = globalThis as unknown as {
          readonly document: { createRange(): { selectNodeContents(of: unknown): void; getClientRects(): unknown[] } };
        };
        const range = document.createRange();
        range.selectNodeContents(cell);
        return range.getClientRects().length;
      });
      t.equal(lines, 1, `${kind} ${language}: ${await name.textContent()}`);
    }
  }
  t.ok(facts > 10);
  t.same(faults, []);
  await context.close();
});
