// A deliberate violation of a project rule: a file that is added or changed, and the expected report.

import { type Repository, withFile } from '../repository.ts';
import { brokenFiles } from './files.ts';
import { brokenStructure } from './structure.ts';

/**
 * The title of the mutation, the path of the file, and the text. The text is added after a first comment, or after the
 * text of an existing file. A function may stand in place of the text. It makes the new text from the text of an
 * existing file. The last member is the start of the report, if the report does not start with the path.
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

/** Returns the repository with one file that breaks a rule. */
export function broken(repository: Repository, [, path, text]: Mutation): Repository {
  const there = [...repository.sources, ...repository.pages].find((file) => file.path === path)?.text;
  if (typeof text === 'function') return withFile(repository, path, text(there ?? ''));
  return withFile(repository, path, (there ?? '// Broken on purpose.\n') + text);
}
