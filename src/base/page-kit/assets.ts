// The files that pages load: the stylesheet, the scripts, the icon and the logo. Each has the hash of its content in
// its name, so a browser may keep it for ever, and a new version has another name.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Branding } from './branding.ts';

export interface Asset {
  readonly mediaType: string;
  readonly content: Buffer;
}

export interface Assets {
  /** The paths for the pages. `logo` is null without a logo. */
  readonly style: string;
  readonly script: string;
  readonly icon: string;
  readonly logo: string | null;
  /** Returns the asset with this name, which is the last part of its path; null for any other name. */
  find(name: string): Asset | null;
}

/** The script of the pages is a module that imports these scripts. */
const SCRIPTS = ['confirm', 'copy', 'link', 'show-password'];

/** Reads the assets once. */
export function readAssets({ css, logo, name, accent }: Branding): Assets {
  const known = new Map<string, Asset>();
  function add(stem: string, extension: string, mediaType: string, content: Buffer): string {
    const hash = createHash('sha256').update(content).digest('base64url').slice(0, 12);
    const file = `${stem}.${hash}.${extension}`;
    known.set(file, { mediaType, content });
    return `/assets/${file}`;
  }
  const text = (file: string) => readFileSync(new URL(`assets/${file}`, import.meta.url), 'utf8');
  const script = (stem: string, code: string) => add(stem, 'js', 'text/javascript; charset=utf-8', Buffer.from(code));
  const imports = SCRIPTS.map((stem) => `import '${script(stem, text(`${stem}.js`))}';\n`);
  return {
    style: add('style', 'css', 'text/css; charset=utf-8', Buffer.from(`${text('style.css')}${css}`)),
    script: script('page', imports.join('')),
    icon: add('icon', 'svg', 'image/svg+xml', Buffer.from(iconOf(name, accent))),
    logo: logo && add('logo', logo.mediaType === 'image/png' ? 'png' : 'svg', logo.mediaType, logo.bytes),
    find: (file) => known.get(file) ?? null,
  };
}

/** Returns the icon as SVG: a square with the first letter of the name. */
function iconOf(name: string, accent: string): string {
  const [letter = ''] = new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(name.toUpperCase());
  const shown = letter === '' ? '' : letter.segment.replace(/[&<>"']/g, '');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="${accent}"/><text x="16" y="22.5" font-family="system-ui,sans-serif" font-size="19" font-weight="600" text-anchor="middle" fill="#fff">${shown}</text></svg>\n`;
}
