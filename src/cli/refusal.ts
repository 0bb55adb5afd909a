// What ends a command: the errors of the command line itself, and how every other error is told in one line.
import { CommanderError } from 'commander';
import { ConfigRefused } from '../base/config/config.ts';
import { DatabaseUnavailable } from '../base/database/outage.ts';
import { Problem } from '../base/errors/problem.ts';

/** The command was given wrongly, or needs something that was not given: exit code 2. */
export class UsageRefused extends Error {
  override readonly name = 'UsageRefused';
  readonly code: string;
  constructor(code: string, detail: string) {
    super(detail);
    this.code = code;
  }
}

/** The command cannot be done: exit code 1. */
export class CommandRefused extends Error {
  override readonly name = 'CommandRefused';
  readonly code: string;
  constructor(code: string, detail: string, options?: ErrorOptions) {
    super(detail, options);
    this.code = code;
  }
}

export interface Told {
  /** snake_case; a problem's own code where there is one. */
  readonly code: string;
  /** One line. */
  readonly detail: string;
  readonly exitCode: 1 | 2;
}

/** What is told of an error. Never a stack. */
export function tell(error: unknown): Told {
  const { code, detail } = find(error);
  const isUsage = error instanceof UsageRefused || error instanceof CommanderError;
  return { code, detail: detail.trim().replace(/\s*\n\s*/g, '; '), exitCode: isUsage ? 2 : 1 };
}

function find(error: unknown): { code: string; detail: string } {
  if (error instanceof CommanderError) {
    const isHelp = error.code === 'commander.help';
    return { code: 'usage', detail: isHelp ? 'Name one of the commands' : error.message.replace(/^error: /, '') };
  }
  if (error instanceof UsageRefused || error instanceof CommandRefused) {
    return { code: error.code, detail: error.message };
  }
  if (error instanceof ConfigRefused) return { code: 'config_refused', detail: error.problems.join('\n') };
  if (error instanceof Problem) {
    const issues = error.extras.issues?.map(({ path, message }) => `${path}: ${message}`) ?? [];
    return { code: error.code, detail: issues.length > 0 ? issues.join('\n') : error.message };
  }
  if (error instanceof DatabaseUnavailable) return unreachable(error.message);
  if (!(error instanceof Error)) return { code: 'internal_error', detail: String(error) };
  const { code } = error as NodeJS.ErrnoException;
  if (code !== undefined && /^(28\w{3}|3D000|42501)$/.test(code)) {
    return {
      code: 'database_refused',
      detail: `PostgreSQL lets nobody in (${error.message}): check DATABASE_URL, or where the database is new run tenantry migrate`,
    };
  }
  const ofFiles = (error as NodeJS.ErrnoException).path !== undefined;
  if (code !== undefined && !ofFiles && /^(E[A-Z]+|57P0\d|08\w{3})$/.test(code))
    return unreachable(error.message || code);
  // DatabaseRefused, MigrationRefused, EmbeddedRefused, UnknownKey, …: their messages say what to do.
  const named = error.name === 'Error' ? 'failed' : error.name.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toLowerCase();
  return { code: named, detail: error.message };
}

function unreachable(reason: string) {
  return {
    code: 'database_unavailable',
    detail: `The database cannot be reached (${reason}): check DATABASE_URL and that PostgreSQL runs`,
  };
}
