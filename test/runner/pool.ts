// Runs the test files in few processes. A process gets the next file when its file has ended. A file that ends
// or damages its process fails, and the later files get a new process.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { DONE, type Done, FILE_SECONDS_MAX } from './protocol.ts';

export interface FileResult extends Omit<Done, 'residentBytes' | 'left'> {
  readonly isGreen: boolean;
  /** The results in the format of tap. */
  readonly text: string;
  /** The failures outside the assertions: how the process ended, and which resources were left open. */
  readonly reason?: string;
}

export interface PlannedFile {
  readonly file: string;
  /** True for a file that cannot share a process. */
  readonly isApart: boolean;
}

export interface Pool {
  /**
   * Runs the files in order, `jobs` at a time. Calls `onResult` at the end of each. Returns the failures of processes
   * that failed at their end although every file in them passed.
   */
  run(files: readonly PlannedFile[], onResult: (result: FileResult) => void): Promise<readonly string[]>;
  /** Ends all processes. No further file starts. */
  stop(signal: NodeJS.Signals): void;
}

const HOST = fileURLToPath(new URL('./host.ts', import.meta.url));
const RESIDENT_BYTES_MAX = 1.5 * 1024 ** 3;
/** This limit is longer than the limit of tap, because tap's report on a slow file has more details. */
const SILENT_MS = (FILE_SECONDS_MAX + 15) * 1000;
const END_MS = 15_000;
const OUTPUT_MS = 1_000;
const ENDED_WELL = 'with exit code 0';

export function createPool(jobs: number, env: Readonly<Record<string, string>>): Pool {
  const hosts = new Set<Host>();
  let isStopped = false;

  async function work(queue: PlannedFile[], onResult: (result: FileResult) => void): Promise<readonly string[]> {
    let shared: Host | undefined;
    const failures: string[] = [];
    const end = async (host: Host) => {
      const failure = await host.end();
      if (failure !== undefined && !isStopped) failures.push(failure);
      hosts.delete(host);
    };
    for (let next = queue.shift(); next !== undefined && !isStopped; next = queue.shift()) {
      const { file, isApart } = next;
      const host: Host = (isApart ? undefined : shared) ?? startHost(env);
      hosts.add(host);
      const result = await host.run(file);
      if (!isStopped) onResult(result);
      if (isApart || host.isSpoilt) await end(host);
      if (!isApart) shared = host.isSpoilt ? undefined : host;
    }
    if (shared) await end(shared);
    return failures;
  }

  return {
    async run(files, onResult) {
      const queue = [...files];
      const failures = await Promise.all(Array.from({ length: jobs }, () => work(queue, onResult)));
      return failures.flat();
    },
    stop(signal) {
      isStopped = true;
      for (const host of hosts) host.kill(signal);
    },
  };
}

interface Host {
  /** True when no other file should run in this process. */
  readonly isSpoilt: boolean;
  run(file: string): Promise<FileResult>;
  /** Returns how the process ended if it failed although no file in it failed, and otherwise undefined. */
  end(): Promise<string | undefined>;
  kill(signal: NodeJS.Signals): void;
}

function startHost(env: Readonly<Record<string, string>>): Host {
  const child = spawn(process.execPath, [HOST], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    env: { ...process.env, ...env },
  });
  let lines: string[] = [];
  let onDone: ((done: Done) => void) | undefined;
  let isSpoilt = false;
  let isRed = false;
  let newest = '';
  const output = child.stdout as Readable;
  createInterface({ input: output }).on('line', (line) => {
    if (line.startsWith(DONE)) onDone?.(JSON.parse(line.slice(DONE.length)));
    else lines.push(line);
  });
  const ready = new Promise<void>((resolve) => {
    child.on('message', (message) => {
      if (typeof message === 'object' && 'ready' in message) resolve();
    });
  });
  const ended = endOf(child, output);
  /** Waits for the process to end. Returns false when the process had to be killed. */
  async function endByItself(): Promise<boolean> {
    if (child.connected) child.disconnect();
    let isKilled = false;
    const limit = setTimeout(() => {
      isKilled = true;
      child.kill('SIGKILL');
    }, END_MS);
    await ended;
    clearTimeout(limit);
    return !isKilled;
  }
  return {
    get isSpoilt() {
      return isSpoilt;
    },
    async run(file) {
      newest = file;
      const begun = performance.now();
      const done = new Promise<Done>((resolve) => {
        onDone = resolve;
      });
      let isLate = false;
      const limit = setTimeout(() => {
        isLate = true;
        child.kill('SIGKILL');
      }, SILENT_MS);
      void Promise.race([ready, ended]).then(() => child.connected && child.send({ file }));
      const outcome = await Promise.race([done, ended]);
      clearTimeout(limit);
      const text = lines.join('\n');
      lines = [];
      if (typeof outcome === 'string') {
        isSpoilt = true;
        isRed = true;
        return { ...brokenOff(file, begun, isLate, outcome), text };
      }
      // An open resource might not keep the process alive, and may still close. Only an attempt to end the process
      // shows whether the resource is a problem.
      const isStuck = outcome.left.length > 0 && !(await endByItself());
      const result = judged(outcome, isStuck);
      isRed ||= !result.isGreen;
      isSpoilt ||= !result.isGreen || outcome.left.length > 0 || outcome.residentBytes > RESIDENT_BYTES_MAX;
      return { ...result, text };
    },
    async end() {
      await endByItself();
      const how = await ended;
      if (isRed || how === ENDED_WELL) return undefined;
      return `red: ${newest}: its process ended ${how}, after every file in it was green`;
    },
    kill: (signal) => void child.kill(signal),
  };
}

/**
 * Returns in words how the process ended, once its output has been read. Another process that it started can keep the
 * output open, so the wait for the output has a limit.
 */
function endOf(child: ChildProcess, output: Readable): Promise<string> {
  const read = new Promise<void>((resolve) => output.once('end', () => resolve()));
  return new Promise((resolve) => {
    child.once('error', ({ message }) => resolve(message));
    child.once('exit', async (code, signal) => {
      await Promise.race([read, sleep(OUTPUT_MS)]);
      resolve(signal === null ? `with exit code ${code}` : `by ${signal}`);
    });
  });
}

function judged({ residentBytes: _, left, ...done }: Done, isStuck: boolean): Omit<FileResult, 'text'> {
  const total = done.pass + done.fail + done.skip;
  const reasons = [
    ...(isStuck ? [`it keeps its process from ending, and has left open: ${left.join(', ')}`] : []),
    ...(total === 0 ? ['it has no tests'] : []),
  ];
  if (reasons.length === 0) return { ...done, isGreen: done.fail === 0 };
  return { ...done, fail: Math.max(1, done.fail), isGreen: false, reason: reasons.join('; ') };
}

function brokenOff(file: string, begun: number, isLate: boolean, how: string): Omit<FileResult, 'text'> {
  const seconds = (performance.now() - begun) / 1000;
  const reason = isLate ? `it took longer than ${SILENT_MS / 1000} s` : `its process ended ${how}, amid its tests`;
  return { file, pass: 0, fail: 1, skip: 0, seconds, coreSeconds: 0, isGreen: false, reason };
}
