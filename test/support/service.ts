// Opens the service under test in this process, with a clock that tests can move, or as a separate process.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { type App, openApp } from '../../src/app/app.ts';
import { type Config, readConfig } from '../../src/base/config/config.ts';
import { hashingOf } from '../../src/base/config/derived.ts';
import type { DatabaseBounds } from '../../src/base/database/db.ts';
import { systemClock } from '../../src/base/platform/clock.ts';
import { openLog } from '../../src/base/platform/log.ts';
import { systemRandom } from '../../src/base/platform/random.ts';
import { ensureDevelopmentKeys } from '../../src/credentials/keys/development.ts';
import { createPasswords, type Passwords } from '../../src/credentials/passwords/hashing.ts';
import { openStrength, type Strength } from '../../src/credentials/passwords/strength.ts';
import { type Api, openApi } from './client.ts';
import { sharedKeysDirectory, writeDataKeys } from './data-keys.ts';
import type { TestDatabase } from './database.ts';
import { QUICK_HASH } from './quick-hash.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

// With a shared cache only the first program compiles the code.
const { PATH = '', NODE_COMPILE_CACHE } = process.env;
/** The variables of this environment that a program needs. */
export const PROGRAM_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH,
  ...(NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE }),
};

/** A clock with the system's time plus the time that a test has added. */
export class MovableClock {
  offsetMs = 0;
  now(): Date {
    return new Date(systemClock.now().getTime() + this.offsetMs);
  }
  advance(seconds: number): void {
    this.offsetMs += seconds * 1000;
  }
}

export interface Service {
  readonly app: App;
  readonly api: Api;
  readonly clock: MovableClock;
  readonly url: string;
  readonly keysDirectory: string;
  /** The lines that the service has logged. There are none if the service has no REDIS_URL. */
  readonly lines: readonly string[];
}

let keys: Promise<string> | undefined;

/** The services of this process without a KEYS_DIR share their keys, because creating signing keys is slow. */
function sharedKeys(): Promise<string> {
  keys ??= (async () => {
    const directory = sharedKeysDirectory();
    await ensureDevelopmentKeys(directory, systemClock);
    return directory;
  })();
  return keys;
}

/** Adds the keys of personal data to a keys folder of a test, unless the folder already has such keys. */
function ensureDataKeys(keysDirectory: string): void {
  if (!existsSync(join(keysDirectory, 'data'))) writeDataKeys(keysDirectory);
}

// Rate limits are off or high, so that only the tests about limits reach them.
const QUIET = {
  NODE_ENV: 'test',
  LOG_LEVEL: 'silent',
  RATE_LIMIT_ENABLED: 'false',
  LOGIN_FAILURES_MAX: '1000',
  ORGANIZATIONS_PER_USER_MAX: '100000',
  TOKEN_AUDIENCES: 'warehouse,https://crm.example',
};

/** Settings of `openService` for tests about hashing: a hash has its default cost. */
export const FULL_HASHES = { PASSWORD_HASH_MEMORY_KIB: '19456' };

// Hashes have the service's own code and format, but the cheapest parameters that argon2 accepts.
function passwordsFor(config: Config, settings: Record<string, string>): Passwords | undefined {
  if (Object.keys(settings).some((name) => name.startsWith('PASSWORD_HASH_'))) return undefined;
  return createPasswords({ ...hashingOf(config), parameters: QUICK_HASH });
}

/** Settings of `openService` for tests about passwords: their strength is estimated as in the service. */
export const FULL_STRENGTH = { PASSWORD_MIN_LENGTH: '8' };

// Only FULL_STRENGTH opens the real estimator, because a process needs half a second of CPU to load its dictionaries.
// The other checks of passwords always run.
function strengthFor(settings: Record<string, string>): Strength {
  return 'PASSWORD_MIN_LENGTH' in settings ? openStrength() : { estimate: async () => Number.POSITIVE_INFINITY };
}

/** Time limits that no work reaches, even on a busy machine. Only a PostgreSQL that does not answer reaches them. */
const PATIENT = {
  // Tests of races let many changes of one organization meet in PostgreSQL, as changes by many replicas would.
  databaseBounds: { statementMs: 100_000, acquireMs: 100_000, transactionsAtOnceMax: Number.POSITIVE_INFINITY },
  handlerTimeoutMs: 100_000,
};
/** A test may move the clock of a service to any time, and on a busy machine the process may have to wait. */
const MOVABLE = {
  revocationLimits: { clocksApartSecondsMax: Number.POSITIVE_INFINITY, pauseMsMax: Number.POSITIVE_INFINITY },
};

/** Opens a log that keeps its lines in `lines`. */
function keepLog(lines: string[]) {
  const to = new Writable({
    write(line, _, written) {
      lines.push(String(line));
      written();
    },
  });
  return openLog({ level: 'info', pretty: false, to });
}

/**
 * Opens the service in this process on a free port. `settings` are environment variables. Hashes of passwords are
 * quick, unless a setting changes their parameters. The time limits for PostgreSQL and for answers are long, unless
 * `bounds` is `as served`. `bounds` may also replace those for PostgreSQL. The clock of the service may differ from the
 * clock of PostgreSQL, except with `one clock`, which has the long time limits.
 */
export async function openService(
  t: Test,
  database: TestDatabase,
  settings: Record<string, string> = {},
  bounds: 'patient' | 'as served' | 'one clock' | DatabaseBounds = 'patient',
): Promise<Service> {
  const keysDirectory = settings.KEYS_DIR ?? (await sharedKeys());
  if (settings.KEYS_DIR !== undefined) ensureDataKeys(settings.KEYS_DIR);
  const config = readConfig({ ...QUIET, PUBLIC_URL: 'http://localhost:3000', KEYS_DIR: keysDirectory, ...settings });
  const clock = new MovableClock();
  const lines: string[] = [];
  const log = settings.REDIS_URL === undefined ? openLog({ level: config.LOG_LEVEL, pretty: false }) : keepLog(lines);
  const urls = { appUrl: database.appUrl, systemUrl: database.systemUrl };
  const passwords = passwordsFor(config, settings);
  const app = await openApp({
    ...{ config, urls, clock, random: systemRandom, log, root: ROOT },
    ...(passwords && { passwords }),
    strength: strengthFor(settings),
    ...(bounds !== 'as served' && PATIENT),
    ...(typeof bounds === 'object' && { databaseBounds: bounds }),
    ...(bounds !== 'one clock' && MOVABLE),
  });
  // main.ts does the same before it listens. In some tests these readings fail, and the loops of the service read
  // again.
  await app.parts.personalPhase.synchronize().catch(() => undefined);
  await app.parts.revocations.synchronize().catch(() => undefined);
  await app.server.listen({ host: '127.0.0.1', port: 0 });
  let closed: Promise<void> | undefined;
  const close = app.close;
  app.close = () => {
    closed ??= close();
    return closed;
  };
  t.teardown(() => app.close());
  const url = `http://127.0.0.1:${(app.server.server.address() as AddressInfo).port}`;
  return { app, api: openApi(url), clock, url, keysDirectory, lines };
}

export interface ServiceProcess {
  readonly child: ChildProcess;
  readonly api: Api;
  readonly url: string;
  readonly lines: string[];
  /** Sends the signal, waits for the end of the process and returns the exit code. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

const NO_ESTIMATES = new URL('./processes/no-estimates.ts', import.meta.url).href;

/**
 * Starts src/main.ts as a separate process on a free port. Its environment is `settings` and a few defaults. It
 * estimates no password, except with FULL_STRENGTH. `nodeFlags` are further flags of Node.
 */
export async function spawnService(
  t: Test,
  settings: Record<string, string>,
  nodeFlags: readonly string[] = [],
): Promise<ServiceProcess> {
  const keysDirectory = settings.KEYS_DIR ?? (await sharedKeys());
  if (settings.KEYS_DIR !== undefined) ensureDataKeys(settings.KEYS_DIR);
  const loaded = 'PASSWORD_MIN_LENGTH' in settings ? [] : ['--import', NO_ESTIMATES];
  const child = spawn(process.execPath, [...nodeFlags, ...loaded, join(ROOT, 'src', 'main.ts')], {
    env: {
      ...PROGRAM_ENVIRONMENT,
      ...QUIET,
      LOG_LEVEL: 'info',
      PORT: '0',
      PUBLIC_URL: 'http://localhost:3000',
      KEYS_DIR: keysDirectory,
      ...settings,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  const ended = once(child, 'exit') as Promise<[number | null]>;
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    return (await ended)[0];
  };
  t.teardown(() => end('SIGKILL'));
  const port = await new Promise<number>((resolve, reject) => {
    const onLine = (line: string) => {
      lines.push(line);
      const listening = /"port":(\d+).*"msg":"listening"/.exec(line);
      if (listening) resolve(Number(listening[1]));
    };
    createInterface({ input: child.stdout }).on('line', onLine);
    createInterface({ input: child.stderr }).on('line', onLine);
    void ended.then(([code]) => reject(new Error(`the service ended with ${code}:\n${lines.join('\n')}`)));
  });
  const url = `http://127.0.0.1:${port}`;
  return { child, api: openApi(url), url, lines, end };
}
