// The list of the test files of a run, and their order. The longest files come first, so that no long file runs alone
// at the end. The durations come from durations.json, which `npm test -- --record` writes. Files that are not in
// durations.json come before all others. An outdated entry costs a few idle seconds at most.
import { existsSync, globSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FileResult, PlannedFile } from './pool.ts';

type Durations = Readonly<Record<string, number>>;

/** A test file with this text in a comment needs its own process. The reason follows the colon. */
const APART = /^\/\/ Runs in a process of its own: ./m;

/** Returns all test files below `root`, or those that the names match. Raises an error for a name without a file. */
export function planFiles(root: string, wanted: readonly string[]): PlannedFile[] {
  const found = (wanted.length === 0 ? ['test'] : wanted).flatMap((name) => {
    const isFolder = existsSync(join(root, name)) && statSync(join(root, name)).isDirectory();
    const files = globSync(isFolder ? `${name.replace(/\/$/, '')}/**/*.test.ts` : name, { cwd: root });
    if (files.length === 0) throw new Error(`There is no test file ${name}.`);
    return files;
  });
  const durations = readDurations(root);
  const secondsOf = (file: string) => durations[file] ?? Number.POSITIVE_INFINITY;
  return [...new Set(found)]
    .sort()
    .sort((one, other) => (secondsOf(one) === secondsOf(other) ? 0 : secondsOf(other) - secondsOf(one)))
    .map((file) => ({ file, isApart: APART.test(readFileSync(join(root, file), 'utf8')) }));
}

function durationsFile(root: string): string {
  return join(root, 'test/runner/durations.json');
}

function readDurations(root: string): Durations {
  try {
    return JSON.parse(readFileSync(durationsFile(root), 'utf8'));
  } catch {
    return {};
  }
}

/** Stores the durations of this run. Keeps the older durations of other files that still exist. */
export function recordDurations(root: string, results: readonly FileResult[]): void {
  const kept = Object.entries(readDurations(root)).filter(([file]) => existsSync(join(root, file)));
  const measured = results.map(({ file, seconds }) => [file, Number(seconds.toFixed(1))] as const);
  const all = [...new Map([...kept, ...measured])].sort(([one], [other]) => (one < other ? -1 : 1));
  writeFileSync(durationsFile(root), `${JSON.stringify(Object.fromEntries(all), null, 2)}\n`);
}
