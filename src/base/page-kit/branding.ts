// The look of an installation: its name, its logo, its colour and its own CSS. The files are read once, at the start.
import { readFileSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { OperatorError } from '../errors/operator-error.ts';
import { type Colour, colourOf, hexOf, inkOn, readableOn } from './contrast.ts';

export interface Branding {
  readonly name: string;
  readonly logo: { readonly mediaType: 'image/svg+xml' | 'image/png'; readonly bytes: Buffer } | null;
  /** CSS that follows the stylesheet: the colours, and then the file of the operator. */
  readonly css: string;
  /** The colour for the icon and for the buttons of mails: a shade with enough contrast to the light background. */
  readonly accent: string;
}

export type BrandSettings = Pick<Config, 'BRAND_NAME' | 'BRAND_LOGO' | 'BRAND_ACCENT' | 'BRAND_CSS'>;

/** A file of the branding cannot be used. */
export class BrandRefused extends OperatorError {
  override readonly name = 'BrandRefused';
}

const FILE_BYTES_MAX = 256 * 1024;
// The backgrounds of the two themes: see assets/style.css.
const LIGHT: Colour = [255, 255, 255];
const DARK: Colour = [24, 27, 32];
/**
 * The least contrast of the colour to the background. It is a little more than WCAG 2.2, 1.4.3 requires, because a link
 * may also lie on a slightly darker or lighter background.
 */
const CONTRAST_MIN = 5;
const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Reads the branding. Raises BrandRefused for a file that is missing, too large or of another type. */
export function readBranding(settings: BrandSettings): Branding {
  const { BRAND_NAME, BRAND_LOGO, BRAND_ACCENT, BRAND_CSS } = settings;
  const own = BRAND_CSS === undefined ? '' : readFile('BRAND_CSS', BRAND_CSS).toString('utf8');
  const accent = colourOf(BRAND_ACCENT);
  return {
    name: BRAND_NAME,
    logo: BRAND_LOGO === undefined ? null : logoOf(readFile('BRAND_LOGO', BRAND_LOGO)),
    css: `${colours(accent)}${own}`,
    accent: hexOf(readableOn(LIGHT, accent, CONTRAST_MIN)),
  };
}

function colours(accent: Colour): string {
  const rule = (background: Colour) => {
    const shade = readableOn(background, accent, CONTRAST_MIN);
    return `:root{--accent:${hexOf(shade)};--on-accent:${hexOf(inkOn(shade))}}`;
  };
  return `${rule(LIGHT)}@media (prefers-color-scheme:dark){${rule(DARK)}}\n`;
}

function logoOf(bytes: Buffer): NonNullable<Branding['logo']> {
  if (bytes.subarray(0, PNG.length).equals(PNG)) return { mediaType: 'image/png', bytes };
  if (
    /^\uFEFF?\s*(<\?xml[^>]*>\s*)?(<!--[\s\S]*?-->\s*)*(<!DOCTYPE svg[^>]*>\s*)?<svg[\s>]/i.test(bytes.toString('utf8'))
  ) {
    return { mediaType: 'image/svg+xml', bytes };
  }
  throw new BrandRefused('BRAND_LOGO: the file is neither an SVG nor a PNG image: convert it to one of them');
}

function readFile(name: string, path: string): Buffer {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new BrandRefused(`${name}: the file ${path} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  if (bytes.length > FILE_BYTES_MAX) {
    throw new BrandRefused(`${name}: the file ${path} has more than ${FILE_BYTES_MAX / 1024} KiB: make it smaller`);
  }
  return bytes;
}
