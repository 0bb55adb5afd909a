// Owns: the totals of a whole run, from the results of its files. A run with a red file has a failure, also when
// the file ended early without a failed assertion.
import type { FileResult } from './pool.ts';

export interface Totals {
  /** N passed, M failed. */
  readonly line: string;
  readonly isGreen: boolean;
  /** The red files, each with the beginning of its first failure. */
  readonly reasons: readonly string[];
}

const REASON_LINES_MAX = 40;

/** The totals of a run, in which each bad ending of a process is a failure. Undefined when no file ran to its end. */
export function totalsOf(results: readonly FileResult[], endings: readonly string[] = []): Totals | undefined {
  const sum = (count: (result: FileResult) => number) => results.reduce((total, result) => total + count(result), 0);
  const passed = sum(({ pass }) => pass);
  const failed = endings.length + sum(({ isGreen, fail }) => (isGreen ? 0 : Math.max(1, fail)));
  const skipped = sum(({ skip }) => skip);
  if (passed + failed === 0) return undefined;
  const line = `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
  const reasons = results.filter(({ isGreen }) => !isGreen).map((result) => failureOf(result, REASON_LINES_MAX));
  return { line, isGreen: failed === 0, reasons: [...reasons, ...endings] };
}

/** A red file with its first failure or all of them, each with tap's diagnosis. */
export function failureOf({ file, text, reason }: FileResult, linesMax = Number.POSITIVE_INFINITY): string {
  const all = failuresIn(text).map((lines) => lines.slice(0, linesMax).join('\n'));
  const failures = linesMax === Number.POSITIVE_INFINITY ? all : all.slice(0, 1);
  return [`red: ${file}${reason === undefined ? '' : `: ${reason}`}`, ...failures].join('\n').trimEnd();
}

// A failed test point, up to the end of its diagnosis. Of nested failures only the innermost counts: tap prints it
// first, and the outer ones repeat it.
function failuresIn(text: string): string[][] {
  const lines = text.split('\n');
  const failures: string[][] = [];
  let innermost = -1;
  for (const [at, line] of lines.entries()) {
    const [, indent] = /^( *)not ok /.exec(line) ?? [];
    if (indent === undefined) continue;
    const isAround = indent.length < innermost;
    innermost = indent.length;
    if (!isAround) failures.push([line, ...diagnosisAfter(lines, at, indent)]);
  }
  return failures;
}

function diagnosisAfter(lines: readonly string[], at: number, indent: string): readonly string[] {
  if (lines[at + 1] !== `${indent}  ---`) return [];
  const end = lines.indexOf(`${indent}  ...`, at);
  return lines.slice(at + 1, end < 0 ? undefined : end);
}
