// The look of an installation: colours that can be read, files that are what they say, and the size of what a page
// loads.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { readConfig } from '../../../src/base/config/config.ts';
import { colourOf, contrast } from '../../../src/base/page-kit/contrast.ts';
import { html } from '../../../src/base/page-kit/html.ts';
import { layout } from '../../../src/base/page-kit/layout.ts';
import { kitOf, viewOf } from './views.ts';

const folder = mkdtempSync(join(tmpdir(), 'tenantry-brand-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, content: string | Buffer) => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

t.test('the contrast of colours is that of WCAG', async (t) => {
  const near = (one: string, other: string) => Math.round(contrast(colourOf(one), colourOf(other)) * 100) / 100;
  t.equal(near('#000000', '#ffffff'), 21);
  t.equal(near('#777777', '#ffffff'), 4.48);
  t.equal(near('#ff0000', '#ffffff'), 4);
});

/** The values of a variable in the stylesheet: in the light theme, and in the dark one. */
function valuesOf(css: string, name: string): string[] {
  return [...css.matchAll(new RegExp(`--${name}: ?(#[0-9a-f]{6})`, 'g'))].map(([, value = '']) => value);
}

t.test('buttons and links can be read in both themes, whatever colour the operator chooses', async (t) => {
  for (let index = 0; index < 216; index += 1) {
    const part = (place: number) => ((Math.floor(index / 6 ** place) % 6) * 51).toString(16).padStart(2, '0');
    const accent = `#${part(0)}${part(1)}${part(2)}`;
    const { assets } = kitOf({ BRAND_ACCENT: accent });
    const css = assets.find(assets.style.replace('/assets/', ''))?.content.toString() ?? '';
    const [accents, inks, papers] = [valuesOf(css, 'accent'), valuesOf(css, 'on-accent'), valuesOf(css, 'paper')];
    const grounds = valuesOf(css, 'ground');
    t.same([accents.length, inks.length, papers.length], [2, 2, 2]);
    for (const theme of [0, 1]) {
      const shade = colourOf(accents[theme] ?? '');
      t.ok(contrast(shade, colourOf(papers[theme] ?? '')) >= 4.5, `${accent} on the paper of theme ${theme}`);
      t.ok(contrast(shade, colourOf(grounds[theme] ?? '')) >= 4.5, `${accent} on the ground of theme ${theme}`);
      t.ok(contrast(shade, colourOf(inks[theme] ?? '')) >= 4.5, `the text on a button of ${accent} in theme ${theme}`);
    }
  }
});

t.test('the text colours of the stylesheet can be read on their backgrounds', async (t) => {
  const css = readFileSync(new URL('../../../src/base/page-kit/assets/style.css', import.meta.url), 'utf8');
  const pairs = {
    text: ['ground', 'paper', 'remark-ground'],
    quiet: ['ground', 'paper'],
    bad: ['bad-ground', 'paper'],
    good: ['good-ground'],
  };
  for (const [ink, grounds] of Object.entries(pairs)) {
    for (const ground of grounds) {
      for (const theme of [0, 1]) {
        const ratio = contrast(colourOf(valuesOf(css, ink)[theme] ?? ''), colourOf(valuesOf(css, ground)[theme] ?? ''));
        t.ok(ratio >= 4.5, `${ink} on ${ground} in theme ${theme}: ${ratio.toFixed(2)}`);
      }
    }
  }
});

t.test('the logo is an SVG or a PNG, and the operator’s CSS comes after the stylesheet', async (t) => {
  const svg = file('logo.svg', '<?xml version="1.0"?>\n<!-- us -->\n<svg xmlns="http://www.w3.org/2000/svg"/>');
  const png = file('logo.png', Buffer.from('89504e470d0a1a0a0000', 'hex'));
  const css = file('own.css', 'h1 { letter-spacing: 0.01em; }');
  const { assets, branding } = kitOf({ BRAND_LOGO: svg, BRAND_CSS: css });
  t.match(assets.logo, /^\/assets\/logo\.[\w-]{12}\.svg$/);
  t.equal(branding.logo?.mediaType, 'image/svg+xml');
  t.match(
    String(layout(viewOf({}, kitOf({ BRAND_LOGO: svg })), { title: 'x', body: html`` })),
    '<img src="/assets/logo.',
  );
  t.equal(kitOf({ BRAND_LOGO: png }).branding.logo?.mediaType, 'image/png');
  const style = assets.find(assets.style.replace('/assets/', ''))?.content.toString() ?? '';
  t.ok(style.endsWith('h1 { letter-spacing: 0.01em; }'));
  t.not(assets.style, kitOf().assets.style, 'a change of the content changes the name');
});

t.test('a file of the branding that cannot be used stops the start with a reason', async (t) => {
  const refused = (settings: Parameters<typeof kitOf>[0], message: RegExp) =>
    t.throws(() => kitOf(settings), { name: 'BrandRefused', message });
  refused({ BRAND_LOGO: join(folder, 'nowhere.svg') }, /BRAND_LOGO: .*cannot be read \(ENOENT\)/);
  refused({ BRAND_CSS: folder }, /BRAND_CSS: .*cannot be read/);
  refused({ BRAND_LOGO: file('page.svg', '<html><svg></svg></html>') }, /neither an SVG nor a PNG/);
  refused({ BRAND_LOGO: file('photo.jpg', Buffer.from('ffd8ffe0', 'hex')) }, /neither an SVG nor a PNG/);
  refused({ BRAND_CSS: file('large.css', 'x'.repeat(300_000)) }, /more than 256 KiB/);
  const wrong = { BRAND_ACCENT: 'red', BRAND_NAME: ' ', DEFAULT_LOCALE: 'fr' };
  t.throws(() => readConfig({ NODE_ENV: 'test', ...wrong }), {
    message: /BRAND_NAME: /,
  });
});

t.test('everything that a page loads is below 30 kB, compressed', async (t) => {
  const { assets } = kitOf();
  const folderOf = new URL('../../../src/base/page-kit/assets/', import.meta.url);
  const scripts = readdirSync(folderOf).filter((name) => name.endsWith('.js'));
  const entry = assets.find(assets.script.replace('/assets/', ''))?.content.toString() ?? '';
  const imported = [...entry.matchAll(/import '\/assets\/([^']+)'/g)].map(([, name = '']) => name);
  t.equal(imported.length, scripts.length, 'every script is loaded');
  const names = [assets.style, assets.script, assets.icon].map((path) => path.replace('/assets/', ''));
  const bytes = [...names, ...imported].map((name) => gzipSync(assets.find(name)?.content ?? '').length);
  t.ok(bytes.every((length) => length > 50));
  const total = bytes.reduce((sum, length) => sum + length, 0);
  t.ok(total < 30_000, `${total} bytes`);
  t.comment(`${total} bytes compressed`);
  for (const name of scripts) {
    const code = readFileSync(new URL(name, folderOf), 'utf8');
    t.notMatch(
      code,
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|\.style\b|cssText/,
      `${name} makes no markup`,
    );
  }
});
