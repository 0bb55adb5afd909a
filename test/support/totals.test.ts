// The last line of a run: a red file is never "0 failed", however it ended.
import t from 'tap';
import { totalsOf } from './totals.ts';

const GOOD = `# Subtest: test/good.test.ts
    # Subtest: fine
        ok 1 - a
        1..1
    ok 1 - fine # time=2.597ms
    
    1..1
    # time=9.32ms
ok 2 - test/good.test.ts # time=9.32ms
`;
const KILLED = `# Subtest: test/killed.test.ts
    ok 1 - a
    # test count(1) != plan(null)
not ok 3 - test/killed.test.ts # time=471.378ms
  ---
  signal: SIGKILL
  ...
`;
const THREW = `# Subtest: test/threw.test.ts
    1..0 # no tests found
not ok 1 - test/threw.test.ts # time=305.349ms
  ---
  exitCode: 1
  ...
`;
const RED = `# Subtest: test/red.test.ts
    # Subtest: fine
        not ok 1 - should be equal
          ---
          compare: ===
          ...
        
        1..1
    not ok 1 - fine # time=49.305ms
    
    # test count(1) != plan(2)
not ok 5 - test/red.test.ts # time=64.015ms
`;

function lineOf(files: readonly string[], totals: string): string | undefined {
  return totalsOf(`TAP version 14\n1..${files.length}\n${files.join('\n')}\n# { ${totals} }\n# time=1ms\n`)?.line;
}

t.test('a file that breaks off without a failed assertion counts as one failure, and every other once', async (t) => {
  t.equal(lineOf([GOOD], 'total: 1, pass: 1'), '1 passed, 0 failed');
  t.equal(lineOf([KILLED], 'total: 1, pass: 1'), '1 passed, 1 failed', 'killed amid its tests');
  t.equal(lineOf([GOOD, KILLED, GOOD, KILLED], 'total: 4, pass: 4'), '4 passed, 2 failed', 'two of them');
  t.equal(lineOf([THREW], 'total: 1, pass: 0, fail: 1'), '0 passed, 1 failed', 'one that tap counts itself');
  t.equal(
    lineOf([RED, GOOD], 'total: 2, pass: 1, fail: 1'),
    '1 passed, 1 failed',
    'a failed assertion, and a short plan',
  );
  t.equal(lineOf([THREW, KILLED, RED], 'total: 3, pass: 1, fail: 2'), '1 passed, 3 failed', 'all of them');
  t.equal(lineOf([GOOD, 'Bail out! why\n'], 'total: 1, pass: 1'), '1 passed, 1 failed', 'a run that was called off');
  t.equal(lineOf([GOOD], 'total: 2, pass: 1, skip: 1'), '1 passed, 0 failed, 1 skipped');
});

t.test('each red file is named with its first failure', async (t) => {
  const late = 'not ok 4 - timeout!\n  ---\n  expired: test/late.test.ts\n  ...\n';
  const results = `TAP version 14\n1..5\n${[GOOD, KILLED, RED, THREW, late].join('\n')}\n# { total: 3, pass: 1, fail: 2 }\n`;
  t.strictSame(totalsOf(results)?.reasons, [
    'red: test/killed.test.ts\n3 - test/killed.test.ts # time=471.378ms\n  ---\n  signal: SIGKILL',
    'red: test/red.test.ts\n        not ok 1 - should be equal\n          ---\n          compare: ===',
    'red: test/threw.test.ts\n1 - test/threw.test.ts # time=305.349ms\n  ---\n  exitCode: 1',
    'red: 4 - timeout!\n  ---\n  expired: test/late.test.ts',
  ]);
  t.strictSame(totalsOf(`TAP version 14\n1..1\n${GOOD}# { total: 1, pass: 1 }\n`)?.reasons, []);
});

t.test('a run in which nothing ran has no totals', async (t) => {
  t.equal(lineOf([], 'total: 1, pass: 0, skip: 1'), undefined);
  t.equal(totalsOf('TAP version 14\n'), undefined);
  t.equal(totalsOf(KILLED), undefined, 'nor one that was stopped before its end');
});
