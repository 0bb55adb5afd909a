// Unpacks programs from Debian's packages so that they run in any folder, without an installation.
import { execFile } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type DebianSystem, reasonIn, unpackPackages } from './debian-apt.ts';

/** Programs by their names, each with the packages that hold it. */
export type Programs = Readonly<Record<string, readonly string[]>>;

const VERSION_FLAG = '-v'; // all programs have this flag

/** Whether the program exists and starts. */
export async function answersVersion(program: string): Promise<boolean> {
  return existsSync(program) && (await whyNotRunning(program)) === undefined;
}

/**
 * Fetches the programs into `staging`, an absolute path of an empty folder. Returns the folder below it that contains
 * the programs under their names. This folder can be moved.
 */
export async function makePrograms(staging: string, programs: Programs, system: DebianSystem): Promise<string> {
  const unpacked = await unpackPackages(staging, Object.values(programs).flat(), system);
  const entries = readdirSync(unpacked, { recursive: true, withFileTypes: true });
  // A broken symbolic link is left out.
  const files = entries.filter((entry) => !entry.isDirectory() && existsSync(join(entry.parentPath, entry.name)));
  const made = join(staging, 'made');
  for (const folder of ['lib', 'bin']) mkdirSync(join(made, folder), { recursive: true });
  for (const { name, parentPath } of files) {
    const isLibrary = /^lib.*\.so(\.|$)/.test(name);
    const isProgram = Object.hasOwn(programs, name) && /\/s?bin$/.test(parentPath);
    if (!isLibrary && !isProgram) continue;
    copyFileSync(realpathSync(join(parentPath, name)), join(made, isLibrary ? 'lib' : 'bin', name));
  }
  for (const name of Object.keys(programs)) {
    const program = join(made, name);
    writeFileSync(program, `#!/bin/sh\nhere=\${0%/*}\nLD_LIBRARY_PATH="$here/lib" exec "$here/bin/${name}" "$@"\n`);
    chmodSync(program, 0o755);
    const reason = await whyNotRunning(program);
    if (reason !== undefined) throw new Error(`${name} of Debian's packages does not run: ${reason}`);
  }
  return made;
}

async function whyNotRunning(program: string): Promise<string | undefined> {
  try {
    await promisify(execFile)(program, [VERSION_FLAG]);
    return undefined;
  } catch (error) {
    return reasonIn(error);
  }
}
