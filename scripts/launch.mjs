// Starts the programs of this project: `node scripts/launch.mjs [--dev] <file.ts> [args…]` installs missing packages,
// finds a Node that can run the file, and passes signals and the exit code through. This is plain JavaScript for Node
// 18 and later, because it runs before anything is installed.

import { spawn } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endLike, startWithSignals } from './child.mjs';
import { installMissing } from './install.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const NODE_NEEDED = [24, 12];
const PARENT_POLL_MILLISECONDS = 250;

const args = process.argv.slice(2);
const withDev = args[0] === '--dev';
if (withDev) args.shift();
const [file, ...rest] = args;
if (file === undefined) fail('Usage: node scripts/launch.mjs [--dev] <file.ts> [args…]');

try {
  await installMissing(withDev);
} catch (error) {
  fail(error.message);
}
run();

/** Runs the file with the Node from the packages, or with the Node of this process if that one does not run. */
function run() {
  const own = { path: process.execPath, version: process.versions.node };
  const usable = [packagedNode(), own].filter((node) => node !== undefined && isNewEnough(node.version));
  if (usable.length === 0) {
    fail(
      `Node ${NODE_NEEDED.join('.')} or later is needed. This is ${own.version} (${own.path}), and no packaged one is installed for ${process.platform}-${process.arch}. Get it from https://nodejs.org.`,
    );
  }
  const flags = file === 'src/main.ts' ? ['--max-semi-space-size=8'] : [];
  start(usable, [...flags, file, ...rest]);
}

function start([node, ...others], argv) {
  const env = { NODE_COMPILE_CACHE: join(root, '.data', 'compile-cache'), ...process.env };
  const { child, stopForwarding } = startWithSignals(() =>
    spawn(node.path, argv, { stdio: 'inherit', env, detached: true }),
  );
  const stopWatching = watchNpm(child);
  child.once('error', (error) => {
    stopForwarding();
    stopWatching();
    if (others.length > 0) start(others, argv);
    else fail(`${node.path} cannot be run: ${error.message}`);
  });
  child.once('exit', (code, signal) => {
    stopForwarding();
    stopWatching();
    endLike(code, signal);
  });
}

// npm sends a signal to the shell that started this process. That shell may end without passing the signal on.
function watchNpm(child) {
  if (process.env.npm_lifecycle_event === undefined) return () => {};
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    child.kill('SIGTERM');
  }, PARENT_POLL_MILLISECONDS);
  return () => clearInterval(timer);
}

function packagedNode() {
  const link = join(root, 'node_modules', '.bin', 'node');
  if (!existsSync(link)) return undefined;
  const path = realpathSync(link);
  try {
    const manifest = JSON.parse(readFileSync(join(dirname(dirname(path)), 'package.json'), 'utf8'));
    return { path, version: manifest.version };
  } catch {
    return undefined;
  }
}

function isNewEnough(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > NODE_NEEDED[0] || (major === NODE_NEEDED[0] && minor >= NODE_NEEDED[1]);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
