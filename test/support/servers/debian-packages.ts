// Unpacks programs from Debian's packages so that they run in any folder, without an installation.
import { execFile } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type DebianSystem, reasonIn, unpackPackages } from './debian-apt.ts';

export interface ProgramSet {
  /** Programs by their names, each with the packages that hold it. */
  readonly programs: Readonly<Record<string, readonly string[]>>;
  /**
   * For a program that needs all of its files: their folder in the packages, such as usr/lib/chromium. It holds the
   * program itself.
   */
  readonly folders?: Readonly<Record<string, string>>;
}

const VERSION_FLAG = '-v'; // of each program, or of the script that starts it

/** Whether the program exists and starts. */
export async function answersVersion(program: string): Promise<boolean> {
  return existsSync(program) && (await whyNotRunning(program)) === undefined;
}

/**
 * Fetches the programs into `staging`, an absolute path of an empty folder. Returns the folder below it that contains
 * the programs under their names. This folder can be moved.
 */
export async function makePrograms(
  staging: string,
  { programs, folders = {} }: ProgramSet,
  system: DebianSystem,
): Promise<string> {
  const unpacked = await unpackPackages(staging, Object.values(programs).flat(), system);
  const made = join(staging, 'made');
  for (const folder of ['lib', 'bin']) mkdirSync(join(made, folder), { recursive: true });
  for (const [name, folder] of Object.entries(folders)) {
    if (existsSync(join(unpacked, folder))) renameSync(join(unpacked, folder), join(made, `${name}-files`));
  }
  const fonts = join(unpacked, 'usr/share/fonts');
  if (existsSync(fonts)) renameSync(fonts, join(made, 'fonts'));
  writeFileSync(join(made, 'fonts.conf'), FONTS);
  const entries = readdirSync(unpacked, { recursive: true, withFileTypes: true });
  // A broken symbolic link is left out.
  const files = entries.filter((entry) => !entry.isDirectory() && existsSync(join(entry.parentPath, entry.name)));
  for (const { name, parentPath } of files) {
    const isLibrary = /^lib.*\.so(\.|$)/.test(name);
    const isProgram = Object.hasOwn(programs, name) && !Object.hasOwn(folders, name) && /\/s?bin$/.test(parentPath);
    if (!isLibrary && !isProgram) continue;
    copyFileSync(realpathSync(join(parentPath, name)), join(made, isLibrary ? 'lib' : 'bin', name));
  }
  for (const name of Object.keys(programs)) {
    const program = join(made, name);
    writeFileSync(program, Object.hasOwn(folders, name) ? inFolder(name) : alone(name));
    chmodSync(program, 0o755);
    const reason = await whyNotRunning(program);
    if (reason !== undefined) throw new Error(`${name} of Debian's packages does not run: ${reason}`);
  }
  return made;
}

function alone(name: string): string {
  return `#!/bin/sh\nhere=\${0%/*}\nLD_LIBRARY_PATH="$here/lib" exec "$here/bin/${name}" "$@"\n`;
}

/**
 * Returns the script that starts a program in its folder. The program has a longer flag for its version, and uses the
 * fonts that were fetched with it.
 */
function inFolder(name: string): string {
  return `#!/bin/sh
here=\${0%/*}
[ "$1" = ${VERSION_FLAG} ] && set -- --version
export LD_LIBRARY_PATH="$here/lib" FONTCONFIG_FILE="$here/fonts.conf" XDG_CACHE_HOME="$here/cache"
exec "$here/${name}-files/${name}" "$@"
`;
}

const FONTS = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
<dir prefix="relative">fonts</dir>
<cachedir prefix="xdg">fontconfig</cachedir>
<alias><family>sans-serif</family><prefer><family>DejaVu Sans</family></prefer></alias>
<alias><family>system-ui</family><prefer><family>DejaVu Sans</family></prefer></alias>
</fontconfig>
`;

async function whyNotRunning(program: string): Promise<string | undefined> {
  try {
    await promisify(execFile)(program, [VERSION_FLAG]);
    return undefined;
  } catch (error) {
    return reasonIn(error);
  }
}
