// Checks that the targets of links, paths in backticks, npm scripts and files in the map of src/ exist, for all pages
// of the documentation.
import { dirname, join } from 'node:path';
import type { Source } from '../support/sources.ts';
import { ownSources, type Repository, type Rule } from './repository.ts';

const MAP = 'src/README.md';

function pathsOf({ path, text }: Source, repository: Repository): string[] {
  const links = [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map(([, to = '']) =>
    join(dirname(path), to),
  );
  const paths = quotedIn(text).filter((word) => isPath(word, repository));
  return [...links, ...paths].filter((word) => !repository.has(word));
}

function quotedIn(text: string): string[] {
  return [...text.matchAll(/`([^`\s]+)`/g)].map(([, word = '']) => word);
}

// What is below .data/ is made by programs when they run, so it need not exist.
function isPath(word: string, { top }: Repository): boolean {
  return !word.startsWith('.data/') && /^[\w.-]+\/[^*<]*$/.test(word) && top.includes(word.split('/')[0] ?? '');
}

// The map names a file or folder by its path below src/, or by the end of that path.
function placesOf({ path, text }: Source, repository: Repository): string[] {
  if (path !== MAP) return [];
  const isIn = (word: string) =>
    word === 'generated/' || ownSources(repository).some((file) => `/${file.path}`.includes(`/${word}`));
  return quotedIn(text).filter(
    (word) => /^[\w/-]+\.ts$|^[a-z-]+\/([a-z-]+\/)*$/.test(word) && !isPath(word, repository) && !isIn(word),
  );
}

function scriptsOf({ text }: Source): string[] {
  const commands = text.matchAll(/\bnpm (?:run ([\w:-]+)|(test|start)\b)|`(prove:[\w-]+)`/g);
  return [...commands].map(([, run, short, prove]) => run ?? short ?? prove ?? '');
}

export const documentRules: readonly Rule[] = [
  {
    name: 'every path that the documentation names exists',
    find: (repository) =>
      repository.pages.flatMap((page) =>
        [...pathsOf(page, repository), ...placesOf(page, repository)].map((word) => `${page.path}: ${word} is missing`),
      ),
  },
  {
    name: 'every npm script that the documentation names exists',
    find: ({ pages, scripts }) =>
      pages.flatMap((page) =>
        scriptsOf(page)
          .filter((name) => !(name in scripts))
          .map((name) => `${page.path}: npm run ${name} is missing`),
      ),
  },
  {
    name: 'every file that an npm script runs exists',
    find: ({ scripts, has }) =>
      Object.values(scripts)
        .flatMap((command) => command.match(/[\w/-]+\.(ts|mjs)\b/g) ?? [])
        .filter((path) => !has(path))
        .map((path) => `package.json: ${path} is missing`),
  },
];
