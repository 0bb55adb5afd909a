// Runs the command line as an operator does, mostly on a real database. It runs in this process, or in a separate
// process for tests about signals and exit codes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { runCommand } from '../../src/cli/run.ts';
import { sharedKeysDirectory } from '../support/data-keys.ts';
import type { TestDatabase } from '../support/database.ts';
import { PROGRAM_ENVIRONMENT, ROOT } from '../support/service.ts';

export interface CliReply {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The JSON document on standard output, or the JSON error on standard error. Raises an error if there is neither. */
  readonly json: any;
}

export interface Cli {
  (...args: string[]): Promise<CliReply>;
  /** Runs the command with the given text on standard input. */
  fed(input: string, ...args: string[]): Promise<CliReply>;
}

type Environment = Readonly<Record<string, string>>;

/** Runs the command line in this process, with `environment` as its whole environment. It has no terminal. */
export function openCli(environment: Environment): Cli {
  const env = { ...keysFor(environment), ...environment };
  return cliOf(async (input, args) => {
    const [stdout, stderr] = [openSink(), openSink()];
    const status = await runCommand({
      args,
      env,
      stdin: Readable.from([input]),
      stdout,
      stderr,
      signal: new AbortController().signal,
      serve: async () => {
        throw new Error('the service runs in a process of its own: see spawnCli');
      },
    });
    return { status, stdout: stdout.text(), stderr: stderr.text() };
  });
}

/** Runs the command line as a separate process, with only the given environment. */
export function spawnCli(environment: Environment): Cli {
  return cliOf(async (input, args) => {
    const child = spawn(process.execPath, [join(ROOT, 'src', 'main.ts'), ...args], {
      env: { ...PROGRAM_ENVIRONMENT, ...keysFor(environment), ...environment },
      stdio: 'pipe',
    });
    child.stdin.on('error', () => undefined); // the command need not read its input
    child.stdin.end(input);
    const [[status], stdout, stderr] = await Promise.all([
      once(child, 'close'),
      text(child.stdout),
      text(child.stderr),
    ]);
    return { status: status as number | null, stdout, stderr };
  });
}

/** The keys of the services that tests start. A command on a database uses the same keys. */
function keysFor(environment: Environment): Environment {
  return environment.DATABASE_URL === undefined ? {} : { KEYS_DIR: sharedKeysDirectory() };
}

/** Runs the command line in this process, on the database of a test. */
export function cliOn(database: Pick<TestDatabase, 'ownerUrl'>, settings: Environment = {}): Cli {
  return openCli({ NODE_ENV: 'test', DATABASE_URL: database.ownerUrl, ...settings });
}

/** Returns a stream that keeps everything written to it. */
export function openSink(): Writable & { text(): string } {
  const chunks: Buffer[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _, done) {
      chunks.push(chunk);
      done();
    },
  });
  return Object.assign(sink, { text: () => Buffer.concat(chunks).toString() });
}

function cliOf(run: (input: string, args: readonly string[]) => Promise<Omit<CliReply, 'json'>>): Cli {
  const fed = async (input: string, ...args: string[]): Promise<CliReply> => {
    const reply = await run(input, args);
    return {
      ...reply,
      get json() {
        return JSON.parse(reply.stdout === '' ? reply.stderr : reply.stdout);
      },
    };
  };
  return Object.assign((...args: string[]) => fed('', ...args), { fed });
}
