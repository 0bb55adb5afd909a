// `npm run check`: the checks that must pass before a commit, without the tests. Each check is one step. The steps
// change no file of the repository. `npm run format` and `npm run generate` do.
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BIN = join(ROOT, 'node_modules', '.bin');
const CLIENT = join(ROOT, 'src', 'generated', 'prisma');
const OFFLINE = { REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true', CHECKPOINT_DISABLE: '1' };

interface Outcome {
  readonly isGood: boolean;
  readonly output: string;
}

/** Runs a program and waits for its end. Returns its standard output and error as one text. */
function run(program: string, args: readonly string[]): Promise<Outcome> {
  const child = spawn(program, args, {
    cwd: ROOT,
    env: { ...process.env, ...OFFLINE },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const stop = () => child.kill('SIGTERM');
  process.once('exit', stop);
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ isGood: false, output: error.message }));
    child.once('close', (code) => {
      process.removeListener('exit', stop);
      resolve({ isGood: code === 0, output });
    });
  });
}

const tool = (name: string, ...args: string[]) => run(join(BIN, name), args);
const script = (...args: string[]) => run(process.execPath, ['--disable-warning=ExperimentalWarning', ...args]);

/** Generates the Prisma client into a temporary folder and compares it with the one in src/, byte by byte. */
async function compareClient(): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-client-'));
  try {
    // The client contains the schema with its output path, so the copy needs the same relative path as the original.
    const schema = join(folder, 'prisma', 'schema.prisma');
    mkdirSync(join(folder, 'prisma'));
    copyFileSync(join(ROOT, 'prisma', 'schema.prisma'), schema);
    const generated = await tool('prisma', 'generate', '--schema', schema, '--no-hints');
    if (!generated.isGood) return generated;
    const [made, kept] = [contentsOf(join(folder, 'src', 'generated', 'prisma')), contentsOf(CLIENT)];
    const differing = [...new Set([...made.keys(), ...kept.keys()])].filter(
      (path) => made.get(path) !== kept.get(path),
    );
    const output = differing.map((path) => `src/generated/prisma/${path} differs: run npx prisma generate\n`).join('');
    return { isGood: differing.length === 0, output };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function contentsOf(folder: string): Map<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    entries.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(folder.length + 1), readFileSync(path, 'utf8')];
    }),
  );
}

const STEPS: Readonly<Record<string, () => Promise<Outcome>>> = {
  'format and lint': () => tool('biome', 'ci', '--colors=off', '.'),
  types: () => tool('tsc', '-p', 'tsconfig.json'),
  'house rules': () => script('test/tidy.test.ts'),
  'generated files': () => script('scripts/generate.ts', '--check'),
  'generated client': compareClient,
  'API description': () => tool('redocly', 'lint', '--config', '.redocly.yaml', '--max-problems', '20', 'openapi.yaml'),
  'schema and migrations': () => script('scripts/schema.ts', 'diff'),
};

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));

const failed: string[] = [];
for (const [name, step] of Object.entries(STEPS)) {
  const began = performance.now();
  const { isGood, output } = await step();
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`${isGood ? 'good  ' : 'FAILED'} ${name} (${seconds} s)`);
  if (isGood) continue;
  failed.push(name);
  console.log(`${output.trimEnd()}\n`);
}

console.log(`\n${(await script('test/tidy/extremes.ts')).output.trimEnd()}`);
console.log(failed.length === 0 ? '\nEverything holds.' : `\nNot good: ${failed.join(', ')}.`);
process.exitCode = failed.length === 0 ? 0 : 1;
