// Runs a real server as a child process of the test, reads its output and waits for its end. With setpriv, which most
// Linux systems have, the server ends when the test process ends, even if that process is killed. This file also finds
// a free port for the server.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';

/** A test, or another object that runs registered work at its end. */
export interface Lifetime {
  teardown(work: () => unknown): void;
}

export interface ServerProcess {
  readonly pid: number;
  readonly hasEnded: boolean;
  /** Returns the last lines that the process printed, on its standard output or standard error. */
  output(): string;
  /**
   * Resolves once a printed line matches, even an earlier line. Raises an error with the output if the process ends
   * first.
   */
  printed(pattern: RegExp): Promise<void>;
  /** Sends the signal, even to a stopped process, and waits until the process has ended. */
  end(signal: NodeJS.Signals): Promise<void>;
}

const LINES_MAX = 500;
// These ports are above the well-known ports, and below the ports that systems use for outgoing connections. So no
// client takes the port of a server that restarts, and no connection connects to itself.
const PORTS = { from: 15_000, count: 16_000 };
const SETPRIV = '/usr/bin/setpriv';

/** Starts the program. With setpriv, the program gets `deathSignal` when this process ends. */
export function startProcess(
  program: string,
  args: readonly string[],
  deathSignal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL',
): ServerProcess {
  const bound = existsSync(SETPRIV) ? [SETPRIV, '--pdeathsig', deathSignal.slice('SIG'.length)] : [];
  const [command = program, ...rest] = [...bound, program, ...args];
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: string[] = [];
  const listeners = new Set<() => void>();
  const wake = () => {
    for (const listener of listeners) listener();
  };
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      if (lines.push(line) > LINES_MAX) lines.shift();
      wake();
    });
  }
  let state: 'running' | 'ended' = 'running';
  const ended = new Promise<void>((resolve) => {
    const end = () => {
      state = 'ended';
      wake();
      resolve();
    };
    child.once('error', (error) => {
      lines.push(error.message);
      end();
    });
    // Not 'exit', because the last output has been read only at 'close'.
    child.once('close', end);
  });
  return {
    pid: child.pid ?? 0,
    get hasEnded() {
      return state === 'ended';
    },
    output: () => lines.join('\n'),
    printed(pattern) {
      return new Promise<void>((resolve, reject) => {
        const look = () => {
          if (lines.some((line) => pattern.test(line))) resolve();
          else if (state === 'ended') reject(new Error(`${program} ended:\n${lines.join('\n')}`));
          else return;
          listeners.delete(look);
        };
        listeners.add(look);
        look();
      });
    },
    async end(signal) {
      if (state === 'running') {
        child.kill(signal);
        child.kill('SIGCONT');
      }
      await ended;
    },
  };
}

/** Returns a free port of the loopback interface. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS.from + Math.floor(Math.random() * PORTS.count);
    const isFree = await new Promise<boolean>((resolve) => {
      const probe = createServer();
      probe.once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}

/**
 * Runs the work with a free port, and again with another one when a process has taken the port meanwhile: five times at
 * most.
 */
export async function onFreePort<Result>(work: (port: number) => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work(await freePort());
    } catch (error) {
      if (attempt === 5 || !/address already in use/i.test(String(error))) throw error;
    }
  }
}
