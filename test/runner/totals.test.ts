// The last line of a run never says "0 failed" when a file failed, for any end of that file.
import t from 'tap';
import type { FileResult } from './pool.ts';
import { failureOf, totalsOf } from './totals.ts';

const GOOD: FileResult = {
  file: 'test/good.test.ts',
  isGreen: true,
  pass: 1,
  fail: 0,
  skip: 0,
  seconds: 1,
  coreSeconds: 1,
  text: `# Subtest: test/good.test.ts
    # Subtest: fine
        ok 1 - a
        1..1
    ok 1 - fine # time=2.597ms
    
    1..1
ok 1 - test/good.test.ts # time=9.32ms
`,
};
const KILLED: FileResult = {
  ...GOOD,
  file: 'test/killed.test.ts',
  isGreen: false,
  reason: 'its process ended by SIGKILL, amid its tests',
  pass: 0,
  text: `# Subtest: test/killed.test.ts
    ok 1 - a
`,
};
const THREW: FileResult = {
  ...GOOD,
  file: 'test/threw.test.ts',
  isGreen: false,
  pass: 0,
  fail: 1,
  text: `# Subtest: test/threw.test.ts
    not ok 1 - no such module
      ---
      code: ERR_MODULE_NOT_FOUND
      ...
    
    1..1
not ok 1 - test/threw.test.ts # time=305.349ms
`,
};
const RED: FileResult = {
  ...GOOD,
  file: 'test/red.test.ts',
  isGreen: false,
  fail: 2,
  text: `# Subtest: test/red.test.ts
    # Subtest: fine
        # Subtest: finer
            not ok 1 - should be equal
              ---
              compare: ===
              ...
            
            1..1
        not ok 1 - finer # time=4.305ms
          ---
          at: here
          ...
        
        1..1
    not ok 1 - fine # time=49.305ms
      ---
      at: there
      ...
    
    not ok 2 - should match
    1..2
not ok 5 - test/red.test.ts # time=64.015ms
`,
};

t.test(
  'a file that ends early without a failed assertion counts as one failure, and other files count their own failures',
  async (t) => {
    const lineOf = (...results: FileResult[]) => totalsOf(results)?.line;
    t.equal(lineOf(GOOD), '1 passed, 0 failed');
    t.equal(lineOf(KILLED), '0 passed, 1 failed', 'killed amid its tests');
    t.equal(lineOf(GOOD, KILLED, GOOD, KILLED), '2 passed, 2 failed', 'two of them');
    t.equal(lineOf(THREW, KILLED, RED), '1 passed, 4 failed', 'all of them');
    t.equal(lineOf(GOOD, { ...GOOD, isGreen: false }), '2 passed, 1 failed', 'one that failed for another reason');
    t.equal(lineOf({ ...GOOD, skip: 1 }), '1 passed, 0 failed, 1 skipped');
    t.strictSame(
      [[GOOD], [GOOD, KILLED], [RED]].map((results) => totalsOf(results)?.isGreen),
      [true, false, false],
    );
  },
);

t.test('the report names each failed file with its first failure, which is the innermost one', async (t) => {
  t.strictSame(totalsOf([GOOD, KILLED, RED, THREW])?.reasons, [
    'red: test/killed.test.ts: its process ended by SIGKILL, amid its tests',
    'red: test/red.test.ts\n            not ok 1 - should be equal\n              ---\n              compare: ===',
    'red: test/threw.test.ts\n    not ok 1 - no such module\n      ---\n      code: ERR_MODULE_NOT_FOUND',
  ]);
  t.strictSame(totalsOf([GOOD])?.reasons, []);
  t.match(
    failureOf(RED),
    /not ok 1 - should be equal\n.*---\n.*compare: ===\n {4}not ok 2 - should match$/,
    'without a limit, with all failures',
  );
});

t.test('a run in which no file ran has no totals', async (t) => {
  t.equal(totalsOf([]), undefined);
  t.equal(totalsOf([{ ...GOOD, pass: 0, skip: 1 }]), undefined, 'a run that skipped all has no totals');
});
