// Runs npm in a clone as a chosen user, and checks that no process of the clone is left. It works on Linux only.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { demand, type Frame } from '../proof.ts';

export interface Person {
  readonly name: string;
  /** Empty for the user of this process. */
  readonly identity: { readonly uid: number; readonly gid: number } | Record<string, never>;
  readonly home: string;
}

export interface Npm {
  /** The exit code, or null if a signal ended npm. */
  readonly ended: Promise<number | null>;
  output(): string;
  /**
   * Returns the whole output once the pattern matches it. Raises NotShown if npm ends before that or takes too long.
   */
  untilPrinted(pattern: RegExp, milliseconds: number): Promise<string>;
  /** Ends npm as Ctrl-C does, and waits until no process of the clone is left. */
  stop(): Promise<void>;
}

const POLL_MILLISECONDS = 20;
const STOP_MILLISECONDS_MAX = 20_000;

/** The part of this process's environment that a new user also has: no variables of npm, no packages in PATH. */
function newcomerEnvironment(person: Person, port: number): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_|INIT_CWD)|^HOME$/i.test(name));
  const certificates = process.env.NODE_EXTRA_CA_CERTS;
  const path = (process.env.PATH ?? '').split(delimiter).filter((entry) => !entry.includes('node_modules'));
  return {
    ...(Object.fromEntries(kept) as Record<string, string>),
    ...(certificates === undefined ? {} : { NODE_EXTRA_CA_CERTS: certificates }),
    PATH: path.join(delimiter),
    HOME: person.home,
    npm_config_cache: join(person.home, 'npm-cache'),
    PORT: String(port),
  };
}

/** Starts `npm <args>` in the clone. */
export function startNpm(
  { folder, atEnd }: Frame,
  person: Person,
  { clone, port, args }: { readonly clone: string; readonly port: number; readonly args: readonly string[] },
): Npm {
  const env = newcomerEnvironment(person, port);
  const child = spawn('npm', args, {
    ...person.identity,
    cwd: clone,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
  }
  const ended = (once(child, 'exit') as Promise<[number | null]>).then(([code]) => code);
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const stop = async () => {
    if (!hasEnded()) child.kill('SIGINT');
    await ended;
    const begun = performance.now();
    while (processesIn(folder).length > 0 && performance.now() - begun < STOP_MILLISECONDS_MAX) {
      await delay(POLL_MILLISECONDS);
    }
    const left = processesIn(folder);
    for (const pid of left) process.kill(pid, 'SIGKILL');
    demand(left.length === 0, `${left.length} processes still ran after npm had ended`);
  };
  atEnd(stop);
  return {
    ended,
    output: () => text,
    async untilPrinted(pattern, milliseconds) {
      const begun = performance.now();
      while (!pattern.test(text)) {
        demand(!hasEnded(), `npm ${args.join(' ')} ended as ${person.name}:\n${text}`);
        demand(performance.now() - begun < milliseconds, `npm ${args.join(' ')} took too long:\n${text}`);
        await delay(POLL_MILLISECONDS);
      }
      return text;
    },
    stop,
  };
}

/** Returns the processes whose working folder is this folder or one below it. */
function processesIn(folder: string): number[] {
  const pids = readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid);
  return pids.filter((pid) => {
    try {
      const workingFolder = readlinkSync(`/proc/${pid}/cwd`);
      return workingFolder === folder || workingFolder.startsWith(`${folder}/`);
    } catch {
      return false; // the process has just ended, or belongs to another user
    }
  });
}
