// The rules for the names of files and for their content: every file starts with a comment, and no test is skipped.
import { basename, dirname } from 'node:path';
import { ownSources, type Rule } from './repository.ts';
import { holdsTests } from './syntax.ts';

const VAGUE = /(^|[/-])(utils?|helpers?|commons?|managers?|misc)(\/|\.|$)/;

function repeatsFolder(path: string): boolean {
  const [folder, file] = [basename(dirname(path)), basename(path)];
  return file.startsWith(`${folder}-`) || file.startsWith(`${folder.replace(/s$/, '')}-`);
}

export const nameRules: readonly Rule[] = [
  {
    name: 'a file does not repeat the name of its folder',
    find: (repository) =>
      ownSources(repository)
        .filter(({ path }) => repeatsFolder(path))
        .map(({ path }) => `${path}: begins with the name of its folder`),
  },
  {
    name: 'nothing is called utils, helpers, common or manager',
    find: ({ sources }) =>
      sources.filter(({ path }) => VAGUE.test(path)).map(({ path }) => `${path}: says nothing of what it owns`),
  },
  {
    name: 'the edges of a folder are called routes.ts, pages.ts and schema.ts',
    find: (repository) =>
      ownSources(repository)
        .filter(({ path }) => /-(routes|pages|schemas?|stores)\.ts$|\/(schemas|stores)\.ts$/.test(path))
        .map(({ path }) => `${path}: an edge has a fixed name`),
  },
  {
    name: 'a file begins with a comment that says what the file is for',
    find: ({ sources }) =>
      sources.filter(({ text }) => !/^(#!.*\n)?\/[/*]/.test(text)).map(({ path }) => `${path}: has no first comment`),
  },
  {
    name: 'no test is skipped, marked as todo or run alone',
    find: ({ sources }) =>
      sources
        .filter((source) => source.path.startsWith('test/') && holdsTests(source))
        .map(({ path }) => `${path}: holds back a test`),
  },
];
