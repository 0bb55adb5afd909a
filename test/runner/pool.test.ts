// Test files that share a process. Each file has its own result, and a file that damages the process fails.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { planFiles, recordDurations } from './plan.ts';
import { createPool, type FileResult, type PlannedFile } from './pool.ts';
import { failureOf, totalsOf } from './totals.ts';

const ENV = { TAP_CHILD_ID: '1', TEST_CLOSING_MS: '2000' };
const GOOD = "t.test('fine', async (t) => { t.ok(true); });";

/** Writes the files into a folder, each with an import of tap. Returns the folder. */
function written(t: Test, files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-runner-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'test/runner'), { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, 'test', `${name}.test.ts`), `import t from 'tap';\n${text}\n`);
  }
  return folder;
}

/** Runs the files one after another, in as few processes as possible. */
async function ran(t: Test, files: Readonly<Record<string, string>>): Promise<Record<string, FileResult>> {
  const folder = written(t, files);
  const planned = Object.keys(files).map(
    (name): PlannedFile => ({ file: join(folder, 'test', `${name}.test.ts`), isApart: false }),
  );
  const results = new Map<string, FileResult>();
  await createPool(1, ENV).run(planned, (result) => {
    results.set(result.file.replace(/.*\/(.*)\.test\.ts$/, '$1'), result);
  });
  t.strictSame([...results.keys()], Object.keys(files), 'each is reported, in order');
  return Object.fromEntries(results);
}

t.test('several files share a process, and each file has its own results', async (t) => {
  const same = 'globalThis.shared = (globalThis.shared ?? 0) + 1;';
  const { one, two, three } = await ran(t, {
    one: `${same} ${GOOD} t.test('again', async (t) => { t.equal(globalThis.shared, 1); });`,
    two: `${same} t.teardown(() => { globalThis.shared = 10; }); ${GOOD} t.equal(globalThis.shared, 2);`,
    three: `t.test('late', async (t) => { await new Promise((resolve) => setTimeout(resolve, 5)); t.equal(globalThis.shared, 10); });`,
  });
  t.match(one, { isGreen: true, pass: 2, fail: 0 });
  t.match(two, { isGreen: true, pass: 2, fail: 0 });
  t.match(three, { isGreen: true, pass: 1, fail: 0 }, 'the teardown of a file runs before the next file starts');
});

const FAULTS: readonly [string, string, RegExp][] = [
  ['a wrong assertion', "t.test('x', async (t) => { t.equal(1, 2); });", /not ok 1 - should be equal/],
  ['a throw at import', "throw new Error('at import');", /not ok 1 - at import/],
  ['a missing import', "import './nothing.ts';", /Cannot find module/],
  ['an error of syntax', 'const x: = 1;', /not ok 1 - /],
  ['an exit', "t.test('x', async (t) => { t.ok(true); process.exit(0); });", /ended with exit code 1, amid its tests/],
  ['a kill', "t.test('x', async () => { process.kill(process.pid, 'SIGKILL'); for (;;); });", /ended by SIGKILL/],
  ['what never comes', "t.test('x', async (t) => { t.ok(true); await new Promise(() => {}); });", /not ok 2 - /],
  ['an open handle', `${GOOD} setInterval(() => {}, 1000);`, /left open: Timeout/],
  ['no tests', '', /no tests/],
  [
    'an uncaught error',
    "t.test('x', async (t) => { setImmediate(() => { throw new Error('late'); }); await new Promise((resolve) => setTimeout(resolve, 50)); });",
    /not ok 1 - late/,
  ],
  [
    'an unhandled rejection',
    "t.test('x', async (t) => { void Promise.reject(new Error('nobody looks')); await new Promise((resolve) => setTimeout(resolve, 50)); });",
    /not ok 1 - nobody looks/,
  ],
];

t.test('a file that damages its process fails, and the files before and after it pass', async (t) => {
  const files = FAULTS.flatMap(([, text], index) => [
    [`fault-${index}`, text],
    [`good-${index}`, GOOD],
  ]);
  const results = await ran(t, Object.fromEntries(files));
  for (const [index, [fault, , failure]] of FAULTS.entries()) {
    const red = results[`fault-${index}`];
    t.match(red, { isGreen: false, fail: 1 }, fault);
    t.match(red && failureOf(red), failure, fault);
    t.match(results[`good-${index}`], { isGreen: true, pass: 1, fail: 0 }, `the file after ${fault}`);
  }
});

t.test('a process that fails at its end is a failure, although its files passed', async (t) => {
  const folder = written(t, {
    good: GOOD,
    spoils: `process.on('exit', () => { process.exitCode = 3; }); ${GOOD}`,
    red: 't.fail();',
  });
  const endings = async (...files: readonly [name: string, isApart: boolean][]) => {
    const planned = files.map(([name, isApart]) => ({ file: join(folder, 'test', `${name}.test.ts`), isApart }));
    const areGreen: boolean[] = [];
    const found = await createPool(1, ENV).run(planned, ({ isGreen }) => areGreen.push(isGreen));
    return { areGreen, found };
  };
  t.strictSame(await endings(['good', false], ['good', true]), { areGreen: [true, true], found: [] });
  const shared = await endings(['spoils', false], ['good', false]);
  t.strictSame(shared.areGreen, [true, true]);
  t.match(shared.found, [
    /^red: .*good\.test\.ts: its process ended with exit code 3, after every file in it was green$/,
  ]);
  t.equal(shared.found.length, 1);
  t.match((await endings(['spoils', true], ['good', false])).found, [/^red: .*spoils\.test\.ts: .*exit code 3/]);
  t.strictSame(await endings(['red', false]), { areGreen: [false], found: [] }, 'a red file has its own failure');
  const totals = totalsOf(
    [{ file: 'x', pass: 1, fail: 0, skip: 0, seconds: 1, coreSeconds: 1, isGreen: true, text: '' }],
    shared.found,
  );
  t.strictSame(totals, { line: '1 passed, 1 failed', isGreen: false, reasons: shared.found });
});

t.test('the longest file comes first, after those of unknown length; a file may require its own process', async (t) => {
  const apart = '// Runs in a process of its own: it measures memory.';
  const folder = written(t, { slow: apart, quick: '', unknown: '' });
  t.strictSame(
    planFiles(folder, []).map(({ file }) => file),
    ['test/quick.test.ts', 'test/slow.test.ts', 'test/unknown.test.ts'],
  );
  const took = (file: string, seconds: number): FileResult => ({
    ...{ file, seconds, coreSeconds: seconds, isGreen: true, pass: 1, fail: 0, skip: 0, text: '' },
  });
  recordDurations(folder, [took('test/quick.test.ts', 0.1), took('test/slow.test.ts', 5)]);
  t.strictSame(planFiles(folder, []), [
    { file: 'test/unknown.test.ts', isApart: false },
    { file: 'test/slow.test.ts', isApart: true },
    { file: 'test/quick.test.ts', isApart: false },
  ]);
  t.strictSame(planFiles(folder, ['test/quick.test.ts', 'test/q*']), [{ file: 'test/quick.test.ts', isApart: false }]);
  t.throws(() => planFiles(folder, ['test/gone.test.ts']), /no test file test\/gone/);
});
