// Owns: what a whole run of tap says in the end, read from the results that tap writes. Whatever has a red file has a
// failure here, also a file that broke off without a failed assertion.

export interface Totals {
  /** N passed, M failed. */
  readonly line: string;
  readonly isGreen: boolean;
}

const FILE = /^# Subtest: .*\n((?: .*\n|\n)*)not ok /gm;

/** The totals of a run; undefined when nothing ran to its end. */
export function totalsOf(results: string): Totals | undefined {
  const found = [...results.matchAll(/^# \{ (total: .*) \}$/gm)].at(-1)?.[1];
  if (found === undefined) return undefined;
  const count = (name: string): number => Number(new RegExp(`\\b${name}: (\\d+)`).exec(found)?.[1] ?? 0);
  const skipped = count('skip') + count('todo');
  const failed = count('fail') + uncounted(results);
  if (count('pass') + failed === 0) return undefined;
  const line = `${count('pass')} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
  return { line, isGreen: failed === 0 };
}

// tap counts a file that ends with a wrong exit code as one failure, but not one that was killed amid its tests (its
// plan is short then, and no assertion has failed) nor one that called the whole run off.
function uncounted(results: string): number {
  const brokenOff = [...results.matchAll(FILE)].filter(
    ([, content = '']) => !/^ +not ok /m.test(content) && /^ {4}# test count\(/m.test(content),
  );
  return brokenOff.length + (/^Bail out!/m.test(results) ? 1 : 0);
}
