// The totals of a whole run, which are computed from the results of its files. A file that ended early counts as a
// failure, even without a failed assertion.
import type { FileResult } from './pool.ts';

export interface Totals {
  /** N passed, M failed. */
  readonly line: string;
  readonly isGreen: boolean;
  /** The failed files, each with the start of its first failure. */
  readonly reasons: readonly string[];
}

const REASON_LINES_MAX = 40;

/**
 * The totals of a run, in which each failed end of a process is a failure. Undefined when nothing passed and nothing
 * failed.
 */
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

/** Returns a failed file with its first failure or with all failures, each with tap's diagnosis. */
export function failureOf({ file, text, reason }: FileResult, linesMax = Number.POSITIVE_INFINITY): string {
  const all = failuresIn(text).map((lines) => lines.slice(0, linesMax).join('\n'));
  const failures = linesMax === Number.POSITIVE_INFINITY ? all : all.slice(0, 1);
  return [`red: ${file}${reason === undefined ? '' : `: ${reason}`}`, ...failures].join('\n').trimEnd();
}

// Matches a failed test point, up to the end of its diagnosis. Only the innermost of nested failures counts: tap prints
// it first, and the outer failures repeat it.
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
