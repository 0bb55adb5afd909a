// Owns: what a whole run of tap says in the end, read from the results that tap writes. Whatever has a red file has a
// failure here, also a file that broke off without a failed assertion.

export interface Totals {
  /** N passed, M failed. */
  readonly line: string;
  readonly isGreen: boolean;
  /** The red files, each with the beginning of its first failure. */
  readonly reasons: readonly string[];
}

const FILE = /^# Subtest: (.*)\n((?: .*\n|\n)*)not ok (.*\n(?: .*\n)*)/gm;
const REASON_LINES_MAX = 40;

/** The totals of a run; undefined when nothing ran to its end. */
export function totalsOf(results: string): Totals | undefined {
  const found = [...results.matchAll(/^# \{ (total: .*) \}$/gm)].at(-1)?.[1];
  if (found === undefined) return undefined;
  const count = (name: string): number => Number(new RegExp(`\\b${name}: (\\d+)`).exec(found)?.[1] ?? 0);
  const skipped = count('skip') + count('todo');
  const failed = count('fail') + uncounted(results);
  if (count('pass') + failed === 0) return undefined;
  const line = `${count('pass')} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
  return { line, isGreen: failed === 0, reasons: reasonsIn(results) };
}

// tap counts a file that ends with a wrong exit code as one failure, but not one that was killed amid its tests (its
// plan is short then, and no assertion has failed) nor one that called the whole run off.
function uncounted(results: string): number {
  const brokenOff = [...results.matchAll(FILE)].filter(
    ([, , content = '']) => !/^ +not ok /m.test(content) && /^ {4}# test count\(/m.test(content),
  );
  return brokenOff.length + (/^Bail out!/m.test(results) ? 1 : 0);
}

// Of what nests the innermost stands first, its diagnosis below it. What ran out of time has a line without a file.
function reasonsIn(results: string): string[] {
  const files = [...results.matchAll(FILE)].map(([, file, content = '', end = '']) => {
    const at = content.search(/^ +not ok /m);
    return diagnosis(`red: ${file}`, at < 0 ? end : content.slice(at));
  });
  const others = [...results.replace(FILE, '').matchAll(/^not ok (.*)\n((?: .*\n)*)/gm)];
  return [...files, ...others.map(([, name, text = '']) => diagnosis(`red: ${name}`, text))];
}

function diagnosis(title: string, text: string): string {
  const lines = text.split('\n').slice(0, REASON_LINES_MAX);
  const last = lines.findIndex((line) => /^ +\.\.\.$/.test(line));
  return [title, ...(last < 0 ? lines : lines.slice(0, last))].join('\n').trimEnd();
}
