// The repository as the rules see it: files by their path, and the npm scripts. A test may add a file to a copy, or
// replace one, and check that a rule reports exactly that.
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
  /** The names of files and folders in the root. */
  readonly top: readonly string[];
  /** Whether a path from the root exists. */
  has(path: string): boolean;
}

/** A rule, and what breaks it: one line for each violation, with the path first. */
export interface Rule {
  readonly name: string;
  find(repository: Repository): readonly string[];
}

/** The repository on the disk. */
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

/** The same repository with one file added or replaced. */
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

/** A function of a file whose result is cached: many rules read the same file. */
export function kept<Result>(work: (source: Source) => Result): (source: Source) => Result {
  const results = new WeakMap<Source, Result>();
  return (source) => {
    if (!results.has(source)) results.set(source, work(source));
    return results.get(source) as Result;
  };
}
