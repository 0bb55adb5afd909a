// The errors that end a command, and the one line in which an error is printed.
import { CommanderError } from 'commander';
import { explainUnusable } from '../../base/database/unusable.ts';
import { OperatorError } from '../../base/errors/operator-error.ts';
import { Problem } from '../../base/errors/problem.ts';
import { DataKeyMissing, SealBroken } from '../../base/secrets/sealing.ts';

/** The command has wrong arguments, or something that it needs is missing. The exit code is 2. */
export class UsageRefused extends OperatorError {
  override readonly name = 'UsageRefused';
  readonly code: string;
  constructor(code: string, detail: string) {
    super(detail);
    this.code = code;
  }
}

/** The command cannot be carried out. The exit code is 1. */
export class CommandRefused extends OperatorError {
  override readonly name = 'CommandRefused';
  readonly code: string;
  constructor(code: string, detail: string, options?: ErrorOptions) {
    super(detail, options);
    this.code = code;
  }
}

/** A signal, or Ctrl-C at a question, ended the command. Nothing is printed about this error. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly signal: NodeJS.Signals;
  constructor(signal: NodeJS.Signals) {
    super(`ended by ${signal}`);
    this.signal = signal;
  }
}

export interface DescribedError {
  /** The code is in snake_case. For a Problem, it is the code of the problem. */
  readonly code: string;
  /** The detail is one line. */
  readonly detail: string;
  readonly exitCode: 1 | 2;
}

/** Describes an error in one line, without a stack. */
export function describeError(error: unknown): DescribedError {
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
  if (error instanceof Problem) {
    const issues = error.extras.issues?.map(({ path, message }) => `${path}: ${message}`) ?? [];
    return { code: error.code, detail: issues.length > 0 ? issues.join('\n') : error.message };
  }
  if (error instanceof DataKeyMissing) return { code: 'data_key_missing', detail: `${error.message}: see KEYS_DIR` };
  if (error instanceof SealBroken) return { code: 'personal_data_unreadable', detail: error.message };
  if (error instanceof OperatorError) return { code: inSnakeCase(error.name), detail: error.message };
  const unusable = explainUnusable(error);
  if (unusable) return unusable;
  if (!(error instanceof Error)) return { code: 'internal_error', detail: String(error) };
  return { code: 'failed', detail: error.message };
}

function inSnakeCase(name: string): string {
  return name.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toLowerCase();
}
