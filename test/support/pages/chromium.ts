// A real browser for tests of pages: the headless shell of Debian's Chromium, driven by playwright-core. It opens the
// service at the PUBLIC_URL of the service, whatever its real port is, and reports what goes wrong in a page.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import axe from 'axe-core';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { debianProgram } from '../servers/debian.ts';
import type { Lifetime } from '../servers/process.ts';
import { isThorough } from '../thorough.ts';

/** The folder in which people can look at pictures of the pages after a thorough run. */
const SCREENSHOTS = fileURLToPath(new URL('../../../.data/screenshots', import.meta.url));

export interface Chromium {
  /**
   * Opens a separate browser context, which shares no cookies with other contexts. `faults` collects what went wrong in
   * its pages.
   */
  open(options?: BrowserContextOptions): Promise<{ context: BrowserContext; page: Page; faults: string[] }>;
}

/**
 * Starts Chromium. It ends with the test. `hosts` has a real address for each host and port of a URL, such as
 * 127.0.0.1:4567 for localhost:3000.
 */
export async function startChromium(t: Lifetime, hosts: Readonly<Record<string, string>>): Promise<Chromium> {
  const rules = Object.entries(hosts).map(([host, real]) => `MAP ${host} ${real}`);
  const browser: Browser = await chromium.launch({
    executablePath: await debianProgram('chromium-headless-shell'),
    args: [
      `--host-resolver-rules=${rules.join(',')}`,
      '--disable-gpu',
      '--disable-dev-shm-usage',
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
    ],
  });
  t.teardown(() => browser.close());
  return {
    async open(options = {}) {
      const context = await browser.newContext({
        baseURL: 'http://localhost:3000',
        reducedMotion: 'reduce',
        ...options,
      });
      const faults: string[] = [];
      context.setDefaultTimeout(60_000);
      const page = await context.newPage();
      page.on('pageerror', (error) => faults.push(`script: ${error.message}`));
      page.on('console', (line) => {
        // The browser also reports the status of an error page. This is not a fault.
        const isStatus = /Failed to load resource: the server responded with a status of/.test(line.text());
        if (line.type() === 'error' && !isStatus) faults.push(`console: ${line.text()}`);
      });
      page.on('requestfailed', (request) => {
        const { errorText = '' } = request.failure() ?? {};
        // ERR_ABORTED: the next page was opened before this one had loaded.
        if (errorText !== 'net::ERR_ABORTED') faults.push(`request: ${request.url()} ${errorText}`);
      });
      return { context, page, faults };
    },
  };
}

/** Returns the rules of accessibility (WCAG 2.2, levels A and AA, and good practice) that the page breaks. */
export async function violationsOf(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(async () => {
    const { axe: engine } = globalThis as unknown as { axe: typeof axe };
    return engine.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] });
  });
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`),
  );
}

/**
 * Returns what does not fit: the page if it is wider than the screen, and each target for a finger that is narrower or
 * lower than 44 pixels.
 */
export function cramped(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    interface Box {
      readonly outerHTML: string;
      getBoundingClientRect(): {
        readonly width: number;
        readonly height: number;
        readonly right: number;
        readonly left: number;
      };
    }
    const { document, innerWidth } = globalThis as unknown as {
      readonly document: {
        querySelectorAll(selector: string): Iterable<Box>;
        readonly documentElement: { scrollWidth: number };
      };
      readonly innerWidth: number;
    };
    const wide =
      document.documentElement.scrollWidth > innerWidth
        ? [`the page is ${document.documentElement.scrollWidth} wide`]
        : [];
    const targets = 'button, input:not([type=hidden], [type=checkbox]), .check, nav a, .brand, .button';
    const small = [...document.querySelectorAll(targets)].flatMap((one) => {
      const { width, height } = one.getBoundingClientRect();
      return height < 44 || width < 44
        ? [`${Math.round(width)} × ${Math.round(height)}: ${one.outerHTML.slice(0, 120)}`]
        : [];
    });
    return [...wide, ...small];
  });
}

/** Writes a picture of the whole page into .data/screenshots, in a thorough run only. */
export async function screenshot(page: Page, name: string): Promise<void> {
  if (!isThorough) return;
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
}
