// One running PostgreSQL server process. This file starts the server, takes over a server whose parent has ended, stops
// the server, and explains why it did not start. Other files are responsible for the server's files (files.ts), and for
// its roles and databases (embedded.ts).

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { Socket } from 'node:net';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ServerFolders } from './files.ts';
import { isRunning, markOf } from './lock.ts';
import { SERVER_ENVIRONMENT } from './native.ts';

export interface Server {
  readonly pid: number;
  readonly port: number;
  /** Requests a fast shutdown. Resolves when the process has ended. */
  stop(): Promise<void>;
}

/** The start failed. A second start may succeed, with another port or a moment later. */
export class TransientStartError extends Error {}

const START_MILLISECONDS_MAX = 120_000;
const FAST_STOP_MILLISECONDS = 8_000;
const IMMEDIATE_STOP_MILLISECONDS = 2_000;
const POLL_MILLISECONDS = 25;
const LINES_KEPT = 20;
/** A standby accepts read-only connections. */
const READY = /ready to accept (read-only )?connections/;

const SETTINGS = [
  'listen_addresses=127.0.0.1',
  'unix_socket_directories=',
  'timezone=UTC',
  'log_timezone=UTC',
  'lc_messages=C',
  'jit=off',
];

const DISPOSABLE_SETTINGS = [
  'fsync=off',
  'full_page_writes=off',
  'synchronous_commit=off',
  'wal_level=minimal',
  'max_wal_senders=0',
  'autovacuum=off',
  'max_connections=200',
  'scram_iterations=1', // enough for random passwords, and tests open thousands of connections
];

/**
 * Starts the server on `port` and resolves when it accepts connections. Raises TransientStartError, or an error that
 * explains the failure.
 */
export async function spawnServer(
  folders: ServerFolders,
  options: { port: number; disposable: boolean; onNotice: (line: string) => void },
): Promise<Server> {
  const [program, ...args] = commandLine(folders, options.port, options.disposable);
  // The server gets its own process group, so that Ctrl-C in the terminal does not stop the database before the
  // requests in progress have ended.
  const child = spawn(program, args, {
    ...folders.identity,
    env: SERVER_ENVIRONMENT,
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const lines: string[] = [];
  await untilReady(child, lines);
  const pid = child.pid ?? 0;
  child.unref();
  if (child.stderr instanceof Socket) child.stderr.unref();
  let isStopping = false;
  child.once('exit', () => {
    if (!isStopping) options.onNotice(`The embedded PostgreSQL stopped unexpectedly: ${explain(lines)}`);
  });
  return stoppable(pid, options.port, () => {
    isStopping = true;
    child.ref();
    return gone;
  });
}

/**
 * Takes over a server that still runs on this data folder with the same settings, and returns it. Otherwise returns
 * undefined. Before that, it stops a server that has other settings or does not answer, and removes the pid file of a
 * server that has ended.
 */
export async function adoptServer(
  folders: ServerFolders,
  options: { disposable: boolean; answers: (port: number) => Promise<boolean> },
): Promise<Server | undefined> {
  const path = join(folders.data, 'postmaster.pid');
  if (!existsSync(path)) return undefined;
  const lines = readFileSync(path, 'utf8').split('\n');
  const pid = Number(lines[0]);
  const port = Number(lines[3]);
  const running = postmasterCommand(pid, folders.data);
  if (running === undefined) {
    // The process id may belong to another program now. PostgreSQL checks only the id and would refuse to start.
    rmSync(path, { force: true });
    return undefined;
  }
  const mark = markOf(pid);
  const server = stoppable(pid, port, async () => {
    while (isRunning(mark)) await delay(POLL_MILLISECONDS);
  });
  const isSame = running.join('\0') === commandLine(folders, port, options.disposable).join('\0');
  if (isSame && lines[7]?.trim() === 'ready' && (await options.answers(port))) return server;
  await server.stop();
  return undefined;
}

function commandLine(folders: ServerFolders, port: number, disposable: boolean): [string, ...string[]] {
  const settings = disposable ? [...SETTINGS, ...DISPOSABLE_SETTINGS] : SETTINGS;
  const program = join(folders.native, 'bin/postgres');
  return [program, '-D', folders.data, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])];
}

// The working directory of a postmaster is its data folder, and a postmaster keeps the command line with which it was
// started. Its child processes change their command lines.
function postmasterCommand(pid: number, data: string): string[] | undefined {
  try {
    const inside = statSync(`/proc/${pid}/cwd`);
    const wanted = statSync(data);
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
    const isOurs = inside.ino === wanted.ino && inside.dev === wanted.dev && basename(command[0] ?? '') === 'postgres';
    return isOurs ? command : undefined;
  } catch {
    return undefined;
  }
}

function stoppable(pid: number, port: number, untilGone: () => Promise<void>): Server {
  // If stop() was not called before this process exits, the signal still makes the server shut down.
  const onExit = (): void => signal(pid, 'SIGINT');
  process.once('exit', onExit);
  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    const gone = untilGone();
    signal(pid, 'SIGINT');
    if (!(await within(gone, FAST_STOP_MILLISECONDS))) signal(pid, 'SIGQUIT');
    if (!(await within(gone, IMMEDIATE_STOP_MILLISECONDS))) signal(pid, 'SIGKILL');
    await gone;
    process.removeListener('exit', onExit);
  };
  return {
    pid,
    port,
    stop() {
      stopping ??= stop();
      return stopping;
    },
  };
}

async function untilReady(child: ChildProcess, lines: string[]): Promise<void> {
  const onExit = (): void => void child.kill('SIGINT');
  process.once('exit', onExit);
  let timer: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      let rest = '';
      child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
        const parts = (rest + chunk).split('\n');
        rest = parts.pop() ?? '';
        lines.push(...parts);
        lines.splice(0, lines.length - LINES_KEPT);
        if (parts.some((line) => READY.test(line))) resolve();
      });
      child.once('error', reject);
      // 'close' is emitted after the last line of output, but 'exit' may be emitted before that line.
      child.once('close', () => reject(failure(lines)));
      timer = setTimeout(() => {
        child.kill('SIGKILL');
        reject(new Error(`The embedded PostgreSQL was not ready in time: ${explain(lines)}`));
      }, START_MILLISECONDS_MAX);
    });
  } finally {
    clearTimeout(timer);
    process.removeListener('exit', onExit);
  }
}

function failure(lines: string[]): Error {
  const message = `The embedded PostgreSQL did not start: ${explain(lines)}`;
  const isTransient =
    /could not bind|could not create any TCP|pre-existing shared memory|postmaster\.pid" already exists/.test(
      lines.join('\n'),
    );
  return isTransient ? new TransientStartError(message) : new Error(message);
}

/** Returns a sentence that says why PostgreSQL stopped, followed by its last lines of output. */
export function explain(lines: readonly string[]): string {
  const text = lines.join('\n');
  const output = text.trim() === '' ? '' : `\n${text}`;
  if (/no space left on device|disk quota exceeded/i.test(text)) return `the disk is full.${output}`;
  if (/could not bind|could not create any TCP/i.test(text)) return `no free port on 127.0.0.1.${output}`;
  if (/out of (shared )?memory|could not (map|create|resize) .*shared memory/i.test(text)) {
    return `the machine has too little memory or shared memory left.${output}`;
  }
  if (/permission denied|wrong ownership/i.test(text)) return `its files belong to another user.${output}`;
  return output === '' ? 'it printed nothing.' : `it printed:${output}`;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    if (pid > 0) process.kill(pid, name);
  } catch {
    // The process has already ended.
  }
}

async function within(gone: Promise<void>, milliseconds: number): Promise<boolean> {
  const abort = new AbortController();
  const late = delay(milliseconds, false, { signal: abort.signal }).catch(() => false);
  const inTime = await Promise.race([gone.then(() => true), late]);
  abort.abort();
  return inTime;
}
