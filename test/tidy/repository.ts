// The repository in the form that the rules read: files by their path, and the npm scripts. A test can add or replace a
// file in a copy, and check that a rule reports exactly this file.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isThere, readSource, type Source, sourceOf, sourcesBelow } from '../support/sources.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CODE = /\.(ts|mjs)$/;

export interface Repository {
  /** The code of src/, test/, scripts/, bench/ and examples/, without generated files. */
  readonly sources: readonly Source[];
  /** The pages of the documentation. */
  readonly pages: readonly Source[];
  /** The database schema that Prisma reads. */
  readonly schema: Source;
  /** The npm scripts by name. */
  readonly scripts: Readonly<Record<string, string>>;
  /** The names of files and folders in the root. */
  readonly top: readonly string[];
  /** Whether a path from the root exists. */
  has(path: string): boolean;
}

/** A rule, and a function that returns one line for each violation. Most lines start with the path of the file. */
export interface Rule {
  readonly name: string;
  find(repository: Repository): readonly string[];
}

/** Reads the repository from the disk. */
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

/** Returns the repository with one added or replaced file. */
export function withFile(repository: Repository, path: string, text: string): Repository {
  const file = sourceOf(path, text);
  const among = (files: readonly Source[]) => [...files.filter((one) => one.path !== path), file];
  if (path === 'prisma/schema.prisma') return { ...repository, schema: file };
  if (path.endsWith('.md')) return { ...repository, pages: among(repository.pages) };
  return { ...repository, sources: among(repository.sources), has: (other) => other === path || repository.has(other) };
}

/** Returns the files of src/. */
export function ownSources({ sources }: Repository): readonly Source[] {
  return sources.filter(({ path }) => path.startsWith('src/'));
}

/** Returns a function that caches its result for each file, because many rules read the same file. */
export function kept<Result>(work: (source: Source) => Result): (source: Source) => Result {
  const results = new WeakMap<Source, Result>();
  return (source) => {
    if (!results.has(source)) results.set(source, work(source));
    return results.get(source) as Result;
  };
}
