// The installed packages. This file checks that the versions pinned in package.json are installed, and runs npm if one
// is missing. Only one process at a time runs npm. The file is plain JavaScript for Node 18 and later, because it runs
// before anything is installed.

import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endLike, startWithSignals } from './child.mjs';
import { releaseLock, shareLock, takeLock } from './lock.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const lockPath = join(root, '.data', 'install.lock');
const NPM_OPTIONS = ['--include=optional', '--no-audit', '--no-fund', '--loglevel=error'];
const TAIL_LINES = 25;
const OUTPUT_CHARACTERS_MAX = 20_000;

/**
 * Installs what is missing, with `withDev` also the development packages. Raises an error whose message says what to
 * do.
 */
export async function installMissing(withDev) {
  if (whatIsMissing(withDev) === undefined) return;
  await takeLock(lockPath, (pid) => console.error(`Waiting for process ${pid}, which is installing the packages …`));
  try {
    const reason = whatIsMissing(withDev);
    if (reason === undefined) return;
    const manifest = readManifest();
    // `npm ci` empties node_modules first, which breaks a service that runs from this folder. So if only development
    // packages are missing, `npm install` adds them. Development packages that are already installed are kept.
    const command = whatIsMissing(false) === undefined ? ['install', '--no-save'] : ['ci'];
    const hasDev = Object.keys(manifest.devDependencies ?? {}).some((name) => installedVersion(name) !== undefined);
    await runNpm([...command, withDev || hasDev ? '--include=dev' : '--omit=dev'], reason);
    for (const [name, pin] of ownOptional(manifest)) {
      if (installedVersion(name) === undefined) writeFileSync(refusedPath(name), pin);
    }
    const still = whatIsMissing(withDev);
    if (still !== undefined) {
      throw new Error(`The packages were installed, but ${still}: package.json and package-lock.json disagree.`);
    }
  } catch (error) {
    throw inPlainWords(error);
  } finally {
    releaseLock(lockPath);
  }
}

/** Why the packages have to be installed, or undefined when every pinned version that is needed here is installed. */
function whatIsMissing(withDev) {
  // npm writes .package-lock.json last. If the file is missing, npm has not run or was interrupted.
  if (!existsSync(join(modules, '.package-lock.json'))) return 'they are not installed yet';
  const manifest = readManifest();
  const pins = [...Object.entries(manifest.dependencies ?? {}), ...ownOptional(manifest)];
  if (withDev) pins.push(...Object.entries(manifest.devDependencies ?? {}));
  for (const [name, pin] of pins) {
    const found = installedVersion(name);
    // An alias is pinned as npm:name@version.
    const wanted = pin.slice(pin.lastIndexOf('@') + 1);
    if (found !== wanted && !wasRefused(name, pin)) {
      return found === undefined ? `${name} is missing` : `${name} is ${found} and should be ${wanted}`;
    }
  }
  return undefined;
}

function readManifest() {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
}

function ownOptional(manifest) {
  const here = `${process.platform}-${process.arch}`;
  const isOurs = (name) => name.endsWith(`-${here}`) || name.endsWith(`/${here}`);
  return Object.entries(manifest.optionalDependencies ?? {}).filter(([name]) => isOurs(name));
}

function installedVersion(name) {
  try {
    return JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8')).version;
  } catch {
    return undefined;
  }
}

// npm continues without an optional package that it cannot get. Trying again at every start would change nothing.
function wasRefused(name, pin) {
  const path = refusedPath(name);
  return existsSync(path) && readFileSync(path, 'utf8') === pin;
}

function refusedPath(name) {
  return join(modules, `.refused-${name.replace('/', '+')}`);
}

function runNpm(command, reason) {
  console.error(`Installing the packages, which takes about a minute (${reason}) …`);
  const isNpm = process.env.npm_execpath?.endsWith('npm-cli.js') ?? false;
  const [program, ...first] = isNpm
    ? [process.env.npm_node_execpath ?? process.execPath, process.env.npm_execpath]
    : ['npm'];
  const { child, stopForwarding } = startWithSignals(() =>
    spawn(program, [...first, ...command, ...NPM_OPTIONS], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    }),
  );
  if (child.pid !== undefined) shareLock(lockPath, child.pid);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output = (output + text).slice(-OUTPUT_CHARACTERS_MAX);
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', (error) =>
      reject(new Error(`npm cannot be run (${error.message}). Install npm and try again.`)),
    );
    child.once('close', (code, signal) => {
      const interruption = stopForwarding();
      if (interruption !== undefined) {
        releaseLock(lockPath);
        endLike(code, interruption);
      } else if (code === 0) resolve();
      else reject(new Error(`${tail(output)}\n\n${whyFailed(output, signal)}`));
    });
  });
}

function tail(output) {
  const lines = output.trim().split('\n');
  // After a usage error npm prints its whole manual.
  return (/EUSAGE/.test(output) ? lines.slice(0, TAIL_LINES) : lines.slice(-TAIL_LINES)).join('\n');
}

function whyFailed(output, signal) {
  const failed = 'The packages could not be installed';
  if (/ENOSPC|EDQUOT|no space left/i.test(output)) return `${failed}: the disk is full.`;
  if (/EUSAGE|in sync/.test(output)) {
    return `${failed}: package.json and package-lock.json disagree. Run \`npm install\` and check what it changes.`;
  }
  if (/EACCES|EPERM|EROFS/.test(output)) {
    return `${failed}: this user may not write to ${root} or to npm's cache.`;
  }
  if (/ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|SOCKET_TIMEOUT|ENOTCACHED/.test(output)) {
    return `${failed}: the npm registry cannot be reached. Check the network and the proxy settings of npm.`;
  }
  return `${failed}: npm ended with ${signal ?? 'an error'}; its last lines are above.`;
}

function inPlainWords(error) {
  if (error.code === 'EACCES' || error.code === 'EROFS') {
    return new Error(`The packages could not be installed: this user may not write to ${root} (${error.message}).`);
  }
  if (error.code === 'ENOSPC') return new Error('The packages could not be installed: the disk is full.');
  return error;
}
