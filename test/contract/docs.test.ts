// The documentation as a whole: the index links every page of docs/, every relative link has a target, and every code
// block names its language.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const INDEX = 'docs/README.md';
const LANGUAGES = 'go,http,ini,java,js,json,nginx,python,sh,sql,text,ts,yaml'.split(',');

const pagesIn = (folder: string) =>
  readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name));
const PAGES = ['', 'docs', 'src', 'bench', 'keys.example', 'examples', 'examples/spa'].flatMap(pagesIn);
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

const FENCED = /^ *```.*\n[\s\S]*?^ *```$/gm;
const prose = (path: string) => read(path).replace(FENCED, '');

/**
 * Returns the relative links and the pictures of a page. `path` is relative to the root, and `anchor` may be empty.
 */
function linksOf(page: string): { text: string; path: string; anchor: string }[] {
  const links = prose(page)
    .replace(/`[^`\n]*`/g, 'code')
    .matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)/g);
  return [...links].map(([text, to = '', anchor = '']) => ({
    text,
    path: to === '' ? page : normalize(join(dirname(page), to)),
    anchor,
  }));
}

/** Returns the anchors that a Markdown host creates for the headings of a page. */
function anchorsOf(page: string): string[] {
  const headings = [...prose(page).matchAll(/^#+ +(.+)$/gm)].map(([, heading = '']) => heading);
  return headings.map((heading) =>
    heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

t.test('the index links every page of docs/, and README.md links the index', async (t) => {
  const listed = linksOf(INDEX).map(({ path }) => path);
  const pages = pagesIn('docs').filter((page) => page !== INDEX);
  t.ok(pages.length > 20, 'pages are found');
  t.same(
    pages.filter((page) => !listed.includes(page)),
    [],
  );
  t.ok(
    linksOf('README.md').some(({ path }) => path === INDEX),
    'README.md links the index',
  );
});

t.test('every relative link has an existing file and heading as its target', async (t) => {
  for (const page of PAGES) {
    const wrong = linksOf(page).filter(({ path, anchor }) => {
      if (!existsSync(join(ROOT, path))) return true;
      return anchor !== '' && !anchorsOf(path).includes(anchor);
    });
    t.same(
      wrong.map(({ text }) => text),
      [],
      page,
    );
  }
});

t.test('a command that prints an answer of the service also ends its line', async (t) => {
  const printing = PAGES.flatMap((page) =>
    [...read(page).matchAll(/^ *curl .*(?:\\\n.*)*$/gm)].map(([command]) => `${page}: ${command}`),
  );
  t.ok(printing.length > 10, 'commands are found');
  t.same(
    printing.filter((command) => !command.includes(" -w '\\n' ") && !command.includes('# 204: no content')),
    [],
  );
});

t.test('every code block is fenced and names its language', async (t) => {
  for (const page of PAGES) {
    const fences = [...read(page).matchAll(/^ *```(.*)$/gm)].map(([, tag = '']) => tag);
    t.equal(fences.length % 2, 0, `${page}: every fence is closed`);
    const tags = fences.filter((_, index) => index % 2 === 0);
    t.same(
      tags.filter((tag) => !LANGUAGES.includes(tag)),
      [],
      `${page}: languages`,
    );
    t.notMatch(prose(page), /^\n {4}\S/m, `${page}: no block is marked only by spaces`);
  }
});
