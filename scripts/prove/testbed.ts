// The testbed of a proof or a measurement: its own PostgreSQL in a temporary folder, signing keys, and the
// service as a separate process. proof.ts cleans up.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type EmbeddedPostgres, startEmbedded } from '../../src/base/embedded/embedded.ts';
import { systemClock } from '../../src/base/platform/clock.ts';
import { systemRandom } from '../../src/base/platform/random.ts';
import { ensureDevelopmentDataKeys } from '../../src/credentials/data-keys/development.ts';
import { ensureDevelopmentKeys } from '../../src/credentials/keys/development.ts';
import { type Frame, runProof } from './proof.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const READY_MILLISECONDS_MAX = 60_000;
const END_MILLISECONDS_MAX = 12_000;

export interface ServiceOptions {
  /** With 0 or undefined, a free port is used. */
  readonly port?: number;
  /** Environment variables in addition to those that the testbed sets. */
  readonly settings?: Record<string, string>;
  /** The folder of another checkout, whose service is started. */
  readonly root?: string;
  /** Flags for Node. */
  readonly nodeFlags?: readonly string[];
  /** Starts the service through scripts/launch.mjs, as `npm start` does. */
  readonly launched?: boolean;
  /** Waits until the process answers at all, ready or not. */
  readonly unready?: boolean;
  /** Milliseconds between two checks of readiness. */
  readonly pollMilliseconds?: number;
}

export interface Service {
  readonly child: ChildProcess;
  readonly url: string;
  readonly port: number;
  /** The time from the start of the process until readiness answered 200. */
  readonly readyMilliseconds: number;
  /** Whether the process has ended, for any reason. */
  hasEnded(): boolean;
  /** Returns the last lines of the log. */
  log(): string;
  /** Sends the signal and waits for the end of the process. SIGTERM lets the process shut down normally. */
  end(signal: NodeJS.Signals): Promise<void>;
}

export interface Testbed {
  readonly folder: string;
  readonly keysDirectory: string;
  /** The server that runs now. */
  readonly postgres: EmbeddedPostgres;
  startService(options?: ServiceOptions): Promise<Service>;
  /** Registers a step of the cleanup. The last registered step runs first. All steps run before the database stops. */
  teardown(undo: () => unknown): void;
  /** Starts PostgreSQL again with the same data and port, after it has been stopped or killed. */
  restartPostgres(): Promise<void>;
}

/** Runs a proof on a testbed and cleans up. See runProof for the returned line. */
export function withTestbed(
  options: {
    readonly name: string;
    readonly disposable: boolean;
    /** Prepares the folder in which PostgreSQL is created. */
    readonly prepare?: (directory: string, frame: Frame) => unknown;
  },
  run: (testbed: Testbed) => Promise<string>,
): Promise<never> {
  return runProof(options.name, async (frame) => {
    const { folder, atEnd } = frame;
    await options.prepare?.(join(folder, 'postgres'), frame);
    const keysDirectory = join(folder, 'keys');
    await ensureDevelopmentKeys(keysDirectory, systemClock);
    await ensureDevelopmentDataKeys(keysDirectory, { clock: systemClock, random: systemRandom });
    const startPostgres = () => startEmbedded({ directory: join(folder, 'postgres'), disposable: options.disposable });
    let postgres = await startPostgres();
    atEnd(() => postgres.stop());
    const children = new Set<ChildProcess>();
    atEnd(async () => {
      const running = [...children];
      const ended = running.map((child) => child.exitCode ?? child.signalCode ?? once(child, 'exit'));
      // SIGKILL would end only the launcher, not the service that it started.
      for (const child of running) child.kill('SIGTERM');
      const timer = setTimeout(() => running.forEach((child) => void child.kill('SIGKILL')), END_MILLISECONDS_MAX);
      await Promise.all(ended);
      clearTimeout(timer);
    });
    return run({
      folder,
      keysDirectory,
      get postgres() {
        return postgres;
      },
      teardown: atEnd,
      startService: (asked = {}) => startService(asked, { folder, children, ownerUrl: postgres.ownerUrl }),
      async restartPostgres() {
        const { port } = postgres;
        await postgres.stop();
        postgres = await startPostgres();
        if (postgres.port !== port) throw new Error(`another program has taken port ${port}: run this again`);
      },
    });
  });
}

interface TestbedParts {
  readonly folder: string;
  readonly children: Set<ChildProcess>;
  readonly ownerUrl: string;
}

async function startService(options: ServiceOptions, parts: TestbedParts): Promise<Service> {
  const port = options.port || (await freePort());
  const logPath = join(parts.folder, `service-${port}.log`);
  const output = openSync(logPath, 'a');
  const begun = performance.now();
  // The launcher sets flags of its own. Without the launcher, the same flags are set here.
  const program = options.launched ? ['scripts/launch.mjs', 'src/main.ts'] : ['--max-semi-space-size=8', 'src/main.ts'];
  const child = spawn(process.execPath, [...(options.nodeFlags ?? []), ...program], {
    cwd: options.root ?? ROOT,
    stdio: ['ignore', output, output],
    env: {
      PATH: process.env.PATH ?? '',
      NODE_COMPILE_CACHE: join(ROOT, '.data', 'compile-cache'),
      PORT: String(port),
      PUBLIC_URL: `http://localhost:${port}`,
      DATABASE_URL: parts.ownerUrl,
      DATA_DIR: join(parts.folder, 'data'),
      KEYS_DIR: join(parts.folder, 'keys'),
      RATE_LIMIT_ENABLED: 'false',
      LOG_LEVEL: 'warn',
      ...options.settings,
    },
  });
  closeSync(output);
  parts.children.add(child);
  const ended = once(child, 'exit').then(() => void parts.children.delete(child));
  const url = `http://127.0.0.1:${port}`;
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const log = () => readFileSync(logPath, 'utf8').split('\n').slice(-30).join('\n');
  while (!(await answers(`${url}/${options.unready ? 'healthz' : 'readyz'}`))) {
    if (hasEnded()) throw new Error(`the service ended with ${child.exitCode ?? child.signalCode}:\n${log()}`);
    if (performance.now() - begun > READY_MILLISECONDS_MAX) throw new Error(`the service did not get ready:\n${log()}`);
    await delay(options.pollMilliseconds ?? 20);
  }
  const readyMilliseconds = performance.now() - begun;
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    await ended;
  };
  return { child, url, port, readyMilliseconds, hasEnded, log, end };
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).status === 200;
  } catch {
    return false;
  }
}

/** Returns a port of the loopback interface that was free a moment ago. */
export async function freePort(): Promise<number> {
  const probe = createServer();
  probe.listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  return address !== null && typeof address === 'object' ? address.port : 0;
}
