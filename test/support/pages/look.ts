// Looks at a page as people with different screens, languages and needs see it.
import type { Page } from 'playwright-core';
import type { Test } from 'tap';
import { LANGUAGES, type Language } from '../../../src/base/page-kit/language.ts';
import { cases, isThorough } from '../thorough.ts';
import { type Chromium, cramped, screenshot, violationsOf } from './chromium.ts';

export type ColorScheme = 'light' | 'dark';

export const NARROW = { width: 320, height: 640 };
const WIDE = { width: 1280, height: 800 };

/** The languages to look at in this theme. A short run looks at one language in each theme. */
export function languagesFor(colorScheme: ColorScheme): Language[] {
  return (colorScheme === 'light' ? LANGUAGES : LANGUAGES.toReversed()).slice(0, cases(LANGUAGES.length));
}

/** How a person uses pages in a walk. */
export interface Way {
  readonly language: Language;
  /** Whether the browser runs scripts. */
  readonly scripts: boolean;
  /** A short name of this way, for titles and addresses. */
  readonly how: string;
}

/** The ways in which people walk. A short run has one with scripts, and one without scripts in another language. */
export function ways(): Way[] {
  const all = [...LANGUAGES, ...LANGUAGES].map((language, index) => {
    const scripts = index < LANGUAGES.length;
    return { language, scripts, how: `${language}-${scripts ? 'scripts' : 'plain'}` };
  });
  return isThorough ? all : all.filter((_, index) => index === 0 || index === all.length - 1);
}

export interface Look {
  /** The name of the pictures. */
  readonly name: string;
  readonly language: Language;
  readonly colorScheme: ColorScheme;
  /** Whether to look also at the page from right to left, and at the accessibility of the wide page. */
  readonly fully: boolean;
}

/**
 * Checks that the open page is in its language, is accessible, and fits a narrow and a wide screen. A thorough run
 * writes pictures into .data/screenshots. The page must be narrow, and is wide afterwards.
 */
export async function lookAt(t: Test, page: Page, { name, language, colorScheme, fully }: Look): Promise<void> {
  const what = `${name} ${language} ${colorScheme}`;
  t.equal(await page.locator('html').getAttribute('lang'), language);
  t.same(await cramped(page), [], what);
  t.same(await violationsOf(page), [], what);
  await screenshot(page, `${name}-${language}-${colorScheme}-320`);
  if (fully) {
    await page.evaluate(`document.documentElement.dir = 'rtl'`);
    t.same(await cramped(page), [], `${what}, from right to left`);
    await screenshot(page, `${name}-rtl-${colorScheme}-320`);
    await page.evaluate(`document.documentElement.dir = 'ltr'`);
  }
  await page.setViewportSize(WIDE);
  t.same(await cramped(page), [], `${what}, wide`);
  if (fully) t.same(await violationsOf(page), [], `${what}, wide`);
  await screenshot(page, `${name}-${language}-${colorScheme}-1280`);
}

/** What to look at: the name of the pictures, and how a person gets there. */
export interface Shown {
  readonly name: string;
  readonly open: (page: Page, language: Language) => Promise<void>;
}

/** Looks at every page in this theme. Each language has a browser context of its own, without faults of scripts. */
export async function lookAtEach(
  t: Test,
  browser: Chromium,
  colorScheme: ColorScheme,
  shown: readonly Shown[],
): Promise<void> {
  for (const language of languagesFor(colorScheme)) {
    const { page, context, faults } = await browser.open({ locale: language, colorScheme, viewport: NARROW });
    for (const { name, open } of shown) {
      await page.setViewportSize(NARROW);
      await open(page, language);
      await lookAt(t, page, { name, language, colorScheme, fully: true });
    }
    t.same(faults, []);
    await context.close();
  }
}
