// Sets the clocks of processes with Debian's libfaketime, which replaces the time that a process reads. Each
// clock is a file, so it can be set while the process runs.
import { existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { debianProgram } from './debian.ts';

const LIBRARY = 'libfaketimeMT.so.1'; // for programs with several threads
const SYSTEM_LIBRARIES = '/usr/lib';

export interface FakeClock {
  /** The environment of the processes that have this clock. */
  readonly environment: Readonly<Record<string, string>>;
  /** Sets the clock ahead of the true time by this number of seconds. With a negative number, the clock is behind. */
  set(secondsAhead: number): void;
}

/** Creates a clock in a file, which must be in a folder that the processes with this clock can read. */
export async function createFakeClock(
  file: string,
  options: {
    readonly secondsAhead?: number;
    /** Whether the monotonic clock is set, too. */
    readonly steady?: boolean;
  } = {},
): Promise<FakeClock> {
  const set = (seconds: number) => {
    writeFileSync(`${file}.next`, `${seconds < 0 ? '' : '+'}${seconds.toFixed(3)}\n`);
    renameSync(`${file}.next`, file);
  };
  set(options.secondsAhead ?? 0);
  const environment = {
    LD_PRELOAD: await findLibrary(),
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    NO_FAKE_STAT: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: options.steady ? '0' : '1',
  };
  return { environment, set };
}

async function findLibrary(): Promise<string> {
  const program = await debianProgram('faketime');
  const folders = [
    join(dirname(program), 'lib'), // unpacked beside the program
    ...readdirSync(SYSTEM_LIBRARIES).map((name) => join(SYSTEM_LIBRARIES, name, 'faketime')),
  ];
  const found = folders.map((folder) => join(folder, LIBRARY)).find((path) => existsSync(path));
  if (found === undefined) throw new Error(`${LIBRARY} is not in any of ${folders.join(', ')}`);
  return found;
}
