// package.json has the version of the project. All other places that state the version read it from there, are
// generated from it, or are checked here.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { parse } from 'yaml';
import { sourcesBelow } from '../support/sources.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const STATING = /(^|\/)Dockerfile$|\.(md|mjs|ts|ya?ml|example)$/;
const read = (path: string) => readFileSync(`${ROOT}/${path}`, 'utf8');
const { version } = JSON.parse(read('package.json')) as { version: string };

t.test('the version in package.json follows Semantic Versioning', async (t) => {
  t.match(version, /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/);
});

t.test('every file that states the version has the version of package.json', async (t) => {
  const lock = JSON.parse(read('package-lock.json')) as { version: string; packages: Record<string, object> };
  t.equal(lock.version, version, 'package-lock.json');
  t.match(lock.packages[''], { version }, 'package-lock.json, the root package');
  t.equal(parse(read('openapi.yaml')).info.version, version, 'openapi.yaml, which npm run generate writes');
  const told = execFileSync(process.execPath, ['scripts/tenantry.mjs', '--version'], { cwd: ROOT, encoding: 'utf8' });
  t.equal(told.trim(), version, 'tenantry --version');
});

t.test('the newest release in the changelog has the current version, and follows the unreleased changes', async (t) => {
  const [first, newest] = [...read('CHANGELOG.md').matchAll(/^## \[(.+?)\](.*)$/gm)];
  t.equal(first?.[1], 'Unreleased');
  t.equal(newest?.[1], version);
  t.match(newest?.[2], /^ - \d{4}-\d{2}-\d{2}$/, 'with its date');
});

t.test('no other file of the repository contains the version', async (t) => {
  const stating = ['package.json', 'package-lock.json', 'openapi.yaml', 'CHANGELOG.md'];
  const folders = ['bench', 'docs', 'examples', 'keys.example', 'prisma', 'scripts', 'src', 'test'];
  const below = folders.flatMap((folder) => sourcesBelow(folder, STATING)).map(({ path }) => path);
  const entries = readdirSync(ROOT, { withFileTypes: true }).filter((entry) => entry.isFile());
  const others = [...entries.map(({ name }) => name).filter((name) => STATING.test(name)), ...below];
  t.ok(others.length > 100, 'files are found');
  const pattern = new RegExp(`(?<![\\d.])${version.replaceAll('.', '\\.')}(?![\\d.]*\\d)`);
  const wrong = others.filter((path) => !stating.includes(path) && pattern.test(read(path)));
  t.same(wrong, []);
});
