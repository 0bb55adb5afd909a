// Owns: a whole test run: one disposable PostgreSQL for all test files, tap over them, and the totals as the last line.
// Leaves to others: the schema that tests start from (support/template.ts), the sum (support/totals.ts), the tests.

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
import { freemem, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { startEmbedded } from '../src/base/embedded/embedded.ts';
import { totalsOf } from './support/totals.ts';

interface Template {
  buildTemplate(ownerUrl: string, adminUrl: string): Promise<void>;
}

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tap = join(root, 'node_modules/tap/dist/esm/run.mjs');
const stamp = join(root, 'node_modules/@tapjs/test/.built-for');
/** A file system in memory: each test has a database of its own, hundreds of files that are soon gone. */
const MEMORY = '/dev/shm';
const ROOM_BYTES = 6 * 1024 ** 3;
const SIGNALS: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

let child: ChildProcess | undefined;
let interruption: NodeJS.Signals | undefined;
for (const signal of SIGNALS) {
  process.on(signal, () => {
    interruption ??= signal;
    child?.kill(signal);
  });
}

const folder = mkdtempSync(join(hasRoom(MEMORY) ? MEMORY : tmpdir(), 'tenantry-test-'));
// PostgreSQL runs as another user than root and has to get in.
chmodSync(folder, 0o755);
try {
  process.exitCode = await runTests(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
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

/** Runs everything and gives tap's exit code; 1 when nothing ran. */
async function runTests(args: string[]): Promise<number> {
  const postgres = await startEmbedded({ directory: join(folder, 'postgres'), disposable: true });
  let code: number;
  const results = join(folder, 'results.tap');
  try {
    await buildTemplate(postgres.ownerUrl, postgres.adminUrl);
    code = await buildTap();
    if (code !== 0) return code;
    // Without a terminal tap prints every assertion unless it is told to print the failed ones only.
    const reporter = process.stdout.isTTY ? [] : ['--reporter=min', '--no-color'];
    code = await runTap(['run', ...reporter, ...args, `--output-file=${results}`], {
      TEST_POSTGRES_ADMIN_URL: postgres.adminUrl,
      TEST_POSTGRES_OWNER_URL: postgres.ownerUrl,
      NODE_ENV: 'test',
    });
  } finally {
    await postgres.stop();
  }
  const totals = existsSync(results) ? totalsOf(readFileSync(results, 'utf8')) : undefined;
  if (totals === undefined) {
    console.error('No test ran to its end.');
    return code === 0 ? 1 : code;
  }
  for (const reason of totals.reasons) console.log(`\n${reason}`);
  console.log(`\n${totals.line}`);
  return code === 0 && !totals.isGreen ? 1 : code;
}

async function buildTemplate(ownerUrl: string, adminUrl: string): Promise<void> {
  const path = join(root, 'test/support/template.ts');
  if (!existsSync(path)) return;
  const template: Template = await import(pathToFileURL(path).href);
  await template.buildTemplate(ownerUrl, adminUrl);
}

// tap compiles its list of plugins into node_modules, where a fresh installation does not have it.
async function buildTap(): Promise<number> {
  const settings = readFileSync(join(root, '.taprc'), 'utf8');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === settings) return 0;
  const code = await runTap(['build'], {});
  if (code === 0) writeFileSync(stamp, settings);
  return code;
}

async function runTap(args: string[], environment: Record<string, string>): Promise<number> {
  if (interruption !== undefined) return 1;
  const started = spawn(process.execPath, [tap, ...args], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...environment },
  });
  child = started;
  return await new Promise<number>((resolve, reject) => {
    started.once('error', reject);
    started.once('exit', (code) => resolve(code ?? 1));
  }).finally(() => {
    child = undefined;
  });
}
