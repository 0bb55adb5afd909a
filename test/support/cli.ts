// The command line as an operator runs it: a process of its own, on a real database.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { TestDatabase } from './database.ts';
import { PROGRAM_ENVIRONMENT, ROOT } from './service.ts';

export interface CliReply {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The document on standard output, or the error on standard error. Raises when neither is one. */
  readonly json: any;
}

export interface Cli {
  (...args: string[]): Promise<CliReply>;
  /** The same with something on standard input. */
  fed(input: string, ...args: string[]): Promise<CliReply>;
}

/** The command line with an environment that holds nothing else. */
export function openCli(environment: Record<string, string>): Cli {
  const fed = async (input: string, ...args: string[]): Promise<CliReply> => {
    const child = spawn(process.execPath, [join(ROOT, 'src', 'main.ts'), ...args], {
      env: { ...PROGRAM_ENVIRONMENT, ...environment },
      stdio: 'pipe',
    });
    child.stdin.on('error', () => undefined); // it need not be read
    child.stdin.end(input);
    const [[status], stdout, stderr] = await Promise.all([
      once(child, 'close'),
      text(child.stdout),
      text(child.stderr),
    ]);
    return {
      status: status as number | null,
      stdout,
      stderr,
      get json() {
        return JSON.parse(stdout === '' ? stderr : stdout);
      },
    };
  };
  return Object.assign((...args: string[]) => fed('', ...args), { fed });
}

/** The command line on a test's database. */
export function cliOn(database: Pick<TestDatabase, 'ownerUrl'>, settings: Record<string, string> = {}): Cli {
  return openCli({ NODE_ENV: 'test', DATABASE_URL: database.ownerUrl, ...settings });
}
