// A deliberate violation of a project rule: a file that is added or changed, and the expected report.

import { type Repository, withFile } from '../repository.ts';
import { brokenFiles } from './files.ts';
import { brokenStructure } from './structure.ts';

/**
 * What it is, the path, and the text: it comes after a first comment, or after the text of a file that is there, or is made
 * of that text. At last, how the report begins, if not with the path.
 */
export type Mutation = readonly [
  title: string,
  path: string,
  text: string | ((text: string) => string),
  report?: string,
];

/** Mutations by the name of the rule that reports them. */
export type Mutations = Readonly<Record<string, readonly Mutation[]>>;

export const mutations: Mutations = { ...brokenStructure, ...brokenFiles };

/** The repository, broken in one place. */
export function broken(repository: Repository, [, path, text]: Mutation): Repository {
  const there = [...repository.sources, ...repository.pages].find((file) => file.path === path)?.text;
  if (typeof text === 'function') return withFile(repository, path, text(there ?? ''));
  return withFile(repository, path, (there ?? '// Broken on purpose.\n') + text);
}
