// The limits for the length of files, functions and lines of comments, and for the number of files in a folder, with
// the current exceptions.
import { dirname } from 'node:path';
import type { Source } from '../support/sources.ts';
import { kept, type Rule } from './repository.ts';
import { functionsOf, syntaxOf } from './syntax.ts';

const LINES_MAX = 300;
const FUNCTION_LINES_MAX = 80;
const FILES_MAX = 15;
/** The length to which the formatter wraps lines of code. It does not wrap comments. */
const COMMENT_CHARACTERS_MAX = 120;
/** A line that is only a comment. */
const COMMENT = /^[ \t]*(?:\/\/|\/?\*)/;
/** A URL cannot be wrapped, nor can an instruction to a tool. */
const UNWRAPPED = /https?:\/\/|biome-ignore/;

// These functions are over the limit. The number of an entry must not grow, and an entry within the limit must be
// removed.
const LONG_FUNCTIONS: Readonly<Record<string, number>> = {
  "test/base/database/db.test.ts '2,000 mixed operations, many of them failing, on three connections never see a foreign row'": 81,
  "test/base/database/isolation/isolation.test.ts 'an organization neither reads nor changes nor inserts a row of another'": 97,
  "test/contract/openapi.test.ts 'every operation answers as the document says, on a walk through all of them'": 112,
  'test/tenancy/calls.ts makeCall': 146,
  'test/verifier/adapters/http-cases.ts holdHttpCases': 151,
  'scripts/prove/revocation/targets.ts openTargets': 95,
};
const FULL_FOLDERS: Readonly<Record<string, number>> = {};
// A file with decorators, which its framework needs, cannot be measured.
const DECORATED = /^examples\/nestjs\//;

interface Measure {
  readonly name: string;
  readonly size: number;
}

const longestOf = kept((source: Source): readonly Measure[] => {
  const sizes = new Map<string, number>();
  for (const { name, lines } of functionsOf(source)) {
    const full = `${source.path} ${name}`;
    sizes.set(full, Math.max(lines, sizes.get(full) ?? 0));
  }
  return [...sizes].map(([name, size]) => ({ name, size }));
});

function foldersOf(sources: readonly Source[]): Measure[] {
  const counts = new Map<string, number>();
  for (const { path } of sources) counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1);
  return [...counts].map(([name, size]) => ({ name, size }));
}

/** The lines of comments that are too long, with the number of their line. */
function longComments({ path, text }: Source): string[] {
  const isLong = (line: string) => line.length > COMMENT_CHARACTERS_MAX && COMMENT.test(line) && !UNWRAPPED.test(line);
  return text
    .split('\n')
    .flatMap((line, index) => (isLong(line) ? [`${path}:${index + 1}: ${line.length} characters`] : []));
}

function over(
  measures: readonly Measure[],
  max: number,
  exceptions: Readonly<Record<string, number>>,
  unit: string,
): string[] {
  const sizes = new Map(measures.map(({ name, size }) => [name, size]));
  const idle = Object.keys(exceptions).filter((name) => (sizes.get(name) ?? 0) <= max);
  return [
    ...measures
      .filter(({ name, size }) => size > (exceptions[name] ?? max))
      .map(({ name, size }) => `${name}: ${size} ${unit}`),
    ...idle.map((name) => `${name}: is within ${max} ${unit}, and needs no exception`),
  ];
}

/** Returns the longest function, the longest file and the fullest folder of the given files. */
export function extremesOf(
  sources: readonly Source[],
): Record<'longestFunction' | 'longestFile' | 'fullestFolder', Measure> {
  const greatest = (measures: readonly Measure[]) =>
    measures.reduce((one, other) => (other.size > one.size ? other : one), { name: 'none', size: 0 });
  return {
    longestFunction: greatest(sources.flatMap(longestOf)),
    longestFile: greatest(sources.map(({ path, lines }) => ({ name: path, size: lines }))),
    fullestFolder: greatest(foldersOf(sources)),
  };
}

export const sizeRules: readonly Rule[] = [
  {
    name: `a file has at most ${LINES_MAX} lines`,
    find: ({ sources }) =>
      over(
        sources.map(({ path, lines }) => ({ name: path, size: lines })),
        LINES_MAX,
        {},
        'lines',
      ),
  },
  {
    name: `a function has at most ${FUNCTION_LINES_MAX} lines`,
    find: ({ sources }) => over(sources.flatMap(longestOf), FUNCTION_LINES_MAX, LONG_FUNCTIONS, 'lines'),
  },
  {
    name: `a line of a comment has at most ${COMMENT_CHARACTERS_MAX} characters`,
    find: ({ sources }) => sources.flatMap(longComments),
  },
  {
    name: 'every file can be measured',
    find: ({ sources }) =>
      sources
        .filter((source) => !syntaxOf(source).program && !DECORATED.test(source.path))
        .map(({ path }) => `${path}: is not plain JavaScript with types`),
  },
  {
    name: `a folder has at most ${FILES_MAX} files`,
    find: ({ sources }) => over(foldersOf(sources), FILES_MAX, FULL_FOLDERS, 'files'),
  },
];
