// Starts the other processes of a measurement, and reads the memory and CPU time of a process.
import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Worker {
  readonly pid: number;
  /** The message that the process sent when it was ready. */
  hello<Hello>(): Promise<Hello>;
  /** Sends a message and returns the next answer. Raises an error if the process ends instead. */
  ask<Answer>(message: object): Promise<Answer>;
  end(): void;
}

/** Starts a file of this folder as a process that is controlled by messages. */
export function startWorker(file: string, ...args: string[]): Worker {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args, { execArgv: [] });
  const ended = new Promise<never>((_, reject) => {
    child.once('exit', (code, signal) => reject(new Error(`${file} ended with ${code ?? signal}`)));
  });
  ended.catch(() => undefined);
  const next = () => Promise.race([new Promise<unknown>((resolve) => child.once('message', resolve)), ended]);
  let greeting: Promise<unknown> | undefined;
  return {
    pid: child.pid ?? 0,
    hello: <Hello>() => {
      greeting ??= next();
      return greeting as Promise<Hello>;
    },
    ask: <Answer>(message: object) => {
      const answer = next();
      child.send(message);
      return answer as Promise<Answer>;
    },
    end: () => void (child.connected && child.disconnect()),
  };
}

/** Returns the service process that the launcher with the id `pid` started. Linux only. */
export function serviceProcess(pid: number): number {
  const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  return child ? Number(child) : pid;
}

/** Returns VmRSS of a process in megabytes (2^20 bytes). Linux only. */
export function residentMegabytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) / 1024;
}

// The unit in which Linux counts CPU time, on every architecture that Node supports: a hundredth of a second.
const TICK_MICROSECONDS = 10_000;

/** Returns the CPU time that all threads of a process have used so far, in microseconds. Linux only. */
export function cpuMicroseconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MICROSECONDS;
}
