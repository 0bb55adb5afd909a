// Runs the tests, all of them unless some are named. One disposable PostgreSQL serves all test files, tap runs in each
// process, and the last line has the totals. `npm test -- [options] [files, folders or patterns]`: --jobs=N sets the
// number of processes at a time, --durations prints how long each file took, --record saves these durations, which
// decide the order of later runs. Other modules have the schema that tests start from (support/template.ts), the order
// of the files (runner/) and the totals (runner/totals.ts).

import { type ChildProcess, spawn } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, freemem, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { startEmbedded } from '../src/base/embedded/embedded.ts';
import { coreSeconds } from './runner/cpu.ts';
import { planFiles, recordDurations } from './runner/plan.ts';
import { createPool, type FileResult, type Pool } from './runner/pool.ts';
import { failureOf, totalsOf } from './runner/totals.ts';
import { fillPostgresFolder } from './support/servers/postgres.ts';

interface Options {
  /** Processes at a time. */
  readonly jobs: number;
  readonly isRecording: boolean;
  readonly showsDurations: boolean;
  readonly names: readonly string[];
}

interface Template {
  buildTemplate(ownerUrl: string, adminUrl: string): Promise<void>;
}

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tap = join(root, 'node_modules/tap/dist/esm/run.mjs');
const stamp = join(root, 'node_modules/@tapjs/test/.built-for');
/** A file system in memory, because most tests create a database, whose hundreds of files are soon deleted. */
const MEMORY = '/dev/shm';
const ROOM_BYTES = 6 * 1024 ** 3;
const SIGNALS: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

let child: ChildProcess | undefined;
let pool: Pool | undefined;
let interruption: NodeJS.Signals | undefined;
for (const signal of SIGNALS) {
  process.on(signal, () => {
    interruption ??= signal;
    child?.kill(signal);
    pool?.stop(signal);
  });
}

const folder = mkdtempSync(join(hasRoom(MEMORY) ? MEMORY : tmpdir(), 'tenantry-test-'));
// When root runs the tests, PostgreSQL runs as another user, who needs access.
chmodSync(folder, 0o755);
try {
  process.exitCode = await runTests(readOptions(process.argv.slice(2)));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function readOptions(args: string[]): Options {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { jobs: { type: 'string' }, record: { type: 'boolean' }, durations: { type: 'boolean' } },
  });
  const jobs = Number(values.jobs ?? 2 * availableParallelism()); // test files often wait
  if (!Number.isInteger(jobs) || jobs < 1) throw new Error('--jobs takes a number of processes');
  const [isRecording, showsDurations] = [values.record === true, values.durations === true];
  return { jobs, isRecording, showsDurations, names: positionals };
}

function hasRoom(directory: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(directory);
    accessSync(directory, constants.W_OK);
    return bavail * bsize >= ROOM_BYTES && freemem() >= ROOM_BYTES;
  } catch {
    return false;
  }
}

/**
 * Makes the files from which the PostgreSQL servers of this run start. Returns undefined if their data is stored in
 * another folder.
 */
async function makePostgresFiles(): Promise<string | undefined> {
  const directory = join(folder, 'made');
  await (await startEmbedded({ directory, disposable: true })).stop();
  rmSync(join(directory, 'port')); // each server looks for a free port
  return existsSync(join(directory, 'data')) ? directory : undefined;
}

/** Runs the test files and returns the exit code. */
async function runTests({ jobs, isRecording, showsDurations, names }: Options): Promise<number> {
  const files = planFiles(root, names);
  const made = await makePostgresFiles();
  const directory = fillPostgresFolder(join(folder, 'postgres'), made);
  const postgres = await startEmbedded({ directory, disposable: true });
  const results: FileResult[] = [];
  let endings: readonly string[] = [];
  try {
    await buildTemplate(postgres.ownerUrl, postgres.adminUrl);
    const code = await buildTap();
    if (code !== 0) return code;
    pool = createPool(jobs, {
      TEST_POSTGRES_ADMIN_URL: postgres.adminUrl,
      TEST_POSTGRES_OWNER_URL: postgres.ownerUrl,
      TEST_POSTGRES_FILES: made ?? '',
      NODE_ENV: 'test',
      TAP_CHILD_ID: '1', // tap is silent about totals, see totals.ts
    });
    if (interruption === undefined) {
      endings = await pool.run(files, (result) => {
        results.push(result);
        const { file, seconds, isGreen } = result;
        if (!isGreen) console.log(`\n${failureOf(result)}`);
        else if (process.stdout.isTTY) console.log(`${file} ${seconds.toFixed(1)} s`);
      });
    }
  } finally {
    await postgres.stop();
  }
  if (showsDurations) {
    for (const line of durationLines(results)) console.log(line);
    console.log(
      `${coreSeconds().toFixed(1).padStart(7)} s of CPU in all, with PostgreSQL and the start of the processes`,
    );
  }
  if (isRecording) recordDurations(root, results);
  const totals = totalsOf(results, endings);
  if (totals === undefined || results.length < files.length) console.error('Not every test file ran to its end.');
  for (const reason of totals?.reasons ?? []) console.log(`\n${reason}`);
  if (totals !== undefined) console.log(`\n${totals.line}`);
  return totals?.isGreen === true && results.length === files.length ? 0 : 1;
}

function durationLines(results: readonly FileResult[]): string[] {
  return results
    .toSorted((one, other) => other.seconds - one.seconds)
    .map(({ file, seconds, coreSeconds }) => {
      const [waited, worked] = [seconds, coreSeconds].map((value) => value.toFixed(1).padStart(7));
      return `${waited} s, ${worked} s of CPU  ${file}`;
    });
}

async function buildTemplate(ownerUrl: string, adminUrl: string): Promise<void> {
  const path = join(root, 'test/support/template.ts');
  if (!existsSync(path)) return;
  const template: Template = await import(pathToFileURL(path).href);
  await template.buildTemplate(ownerUrl, adminUrl);
}

// tap compiles its list of plugins into node_modules. A new installation does not have it.
async function buildTap(): Promise<number> {
  const settings = readFileSync(join(root, '.taprc'), 'utf8');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === settings) return 0;
  const code = await runTap(['build']);
  if (code === 0) writeFileSync(stamp, settings);
  return code;
}

async function runTap(args: string[]): Promise<number> {
  if (interruption !== undefined) return 1;
  const started = spawn(process.execPath, [tap, ...args], { cwd: root, stdio: 'inherit' });
  child = started;
  return await new Promise<number>((resolve, reject) => {
    started.once('error', reject);
    started.once('exit', (code) => resolve(code ?? 1));
  }).finally(() => {
    child = undefined;
  });
}
