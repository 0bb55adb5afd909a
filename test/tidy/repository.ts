// The repository as the house rules see it: files by their path, and the npm scripts. A test may put one more file, or
// another text, into a copy of it, so that a rule can be seen to report exactly that.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isThere, readSource, type Source, sourceOf, sourcesBelow } from '../support/sources.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CODE = /\.(ts|mjs)$/;

export interface Repository {
  /** The code of src/, test/, scripts/, bench/ and examples/, without what is generated. */
  readonly sources: readonly Source[];
  /** The documentation. */
  readonly pages: readonly Source[];
  /** The model of the database, as Prisma reads it. */
  readonly schema: Source;
  /** The npm scripts by name. */
  readonly scripts: Readonly<Record<string, string>>;
  /** The names of files and folders that stand in the root. */
  readonly top: readonly string[];
  /** Whether a path from the root is there. */
  has(path: string): boolean;
}

/** A rule, and what breaks it: one line a violation, with the path first. */
export interface Rule {
  readonly name: string;
  find(repository: Repository): readonly string[];
}

/** The repository as it lies on the disk. */
export function readRepository(): Repository {
  const { scripts } = JSON.parse(readSource('package.json').text) as { scripts: Record<string, string> };
  return {
    sources: ['src', 'test', 'scripts', 'bench', 'examples'].flatMap((folder) => sourcesBelow(folder, CODE)),
    pages: [
      ...['README.md', 'CONTRIBUTING.md', 'src/README.md', 'bench/README.md'].filter(isThere).map(readSource),
      ...sourcesBelow('docs', /\.md$/),
    ],
    schema: readSource('prisma/schema.prisma'),
    scripts,
    top: readdirSync(join(ROOT)),
    has: isThere,
  };
}

/** The same repository with one file added or put in the place of the one that has its path. */
export function withFile(repository: Repository, path: string, text: string): Repository {
  const file = sourceOf(path, text);
  const among = (files: readonly Source[]) => [...files.filter((one) => one.path !== path), file];
  if (path === 'prisma/schema.prisma') return { ...repository, schema: file };
  if (path.endsWith('.md')) return { ...repository, pages: among(repository.pages) };
  return { ...repository, sources: among(repository.sources), has: (other) => other === path || repository.has(other) };
}

/** The files of src/. */
export function ownSources({ sources }: Repository): readonly Source[] {
  return sources.filter(({ path }) => path.startsWith('src/'));
}

/** A function of a file whose result is kept: the same file is asked about by many rules. */
export function kept<Result>(work: (source: Source) => Result): (source: Source) => Result {
  const results = new WeakMap<Source, Result>();
  return (source) => {
    if (!results.has(source)) results.set(source, work(source));
    return results.get(source) as Result;
  };
}
