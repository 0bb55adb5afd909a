// Chooses the language of a page: the language in the address, the one that was chosen before, the one that the browser
// asks for (RFC 4647 §3.4, RFC 9110 §12.5.4), or the default.

import type { Catalogue } from './catalogues/catalogue.ts';
import { en } from './catalogues/en.ts';
import { es } from './catalogues/es.ts';
import { pt } from './catalogues/pt.ts';

export const LANGUAGES = ['en', 'pt', 'es'] as const;
export type Language = (typeof LANGUAGES)[number];

export const CATALOGUES: Readonly<Record<Language, Catalogue>> = { en, pt, es };

const HEADER_LENGTH_MAX = 1000;
const RANGE = /^([a-z]{1,8}(?:-[a-z0-9]{1,8})*|\*)$/;
const WEIGHT = /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/;

/** The language with this tag, or null. */
export function languageOf(tag: string | undefined): Language | null {
  return LANGUAGES.find((language) => language === tag) ?? null;
}

/**
 * Returns the language of the service that the header prefers. A range is shortened from its end until it fits: pt-BR
 * asks for pt. Returns null if none fits.
 */
export function preferredLanguage(header: string | undefined): Language | null {
  const ranges = (header ?? '')
    .slice(0, HEADER_LENGTH_MAX)
    .toLowerCase()
    .split(',')
    .flatMap((part) => {
      const [range = '', ...rest] = part.split(';').map((piece) => piece.trim());
      const weight = rest.length === 0 ? '1' : WEIGHT.exec(rest[0] ?? '')?.[1];
      return RANGE.test(range) && weight !== undefined && rest.length < 2 ? [{ range, weight: Number(weight) }] : [];
    })
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight);
  for (const { range } of ranges) {
    for (let tag = range; tag !== ''; tag = shortened(tag)) {
      const found = languageOf(tag);
      if (found) return found;
    }
  }
  return null;
}

/** Removes the last subtag, and then also a subtag of one character at the end. */
function shortened(tag: string): string {
  return tag
    .split('-')
    .slice(0, -1)
    .join('-')
    .replace(/-[a-z0-9]$/, '');
}
