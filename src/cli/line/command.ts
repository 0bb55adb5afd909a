// The parts that all commands except serve and sidecar share: the option --json, the parsing of arguments, and the
// printing of the answer.
import { type Command, InvalidArgumentError } from 'commander';
import type { z } from 'zod';
import { problem } from '../../base/errors/problem.ts';
import type { Invocation } from './invocation.ts';
import { namingCommands } from './started.ts';

/** The answer of a command. It is printed as one JSON document with --json, otherwise as text for people. */
export interface Outcome {
  readonly document: { readonly data: unknown; readonly [more: string]: unknown };
  readonly text: string;
  /** When true, the command ends with exit code 1, although it ran without an error. */
  readonly failed?: boolean;
  /** True for a command that has written its answer itself, as one JSON document. */
  readonly isWritten?: true;
}

type Handler<Options> = (
  invocation: Invocation,
  options: Options & { readonly json?: true },
  ...args: string[]
) => Promise<Outcome>;

/** Adds a command that only contains other commands, such as `tenantry users`. */
export function group(program: Command, name: string, summary: string): Command {
  return program.command(name).summary(summary).description(`${summary}.`).helpCommand(false);
}

/**
 * Adds a command that does work. `usage` is its name and arguments, such as `create <email>`. The help text omits a
 * hidden command.
 */
export function leaf(parent: Command, usage: string, summary: string, { hidden = false } = {}): Command {
  return parent
    .command(usage, { hidden })
    .summary(summary)
    .description(`${summary}.`)
    .option('--json', 'print one JSON document; an error is printed as JSON to standard error');
}

/** Returns the action of a command. The action runs the handler and prints the answer of the handler. */
export function act<Options extends object = object>(invocation: Invocation, handler: Handler<Options>) {
  return async (...given: unknown[]): Promise<void> => {
    const command = given.at(-1) as Command;
    const options = command.opts<Options & { json?: true }>();
    const outcome = await handler(invocation, options, ...command.args);
    if (outcome.isWritten) return;
    const { document } = outcome;
    const text = options.json ? JSON.stringify(document, null, 2) : namingCommands(invocation.env, outcome.text);
    invocation.stdout.write(text === '' || text.endsWith('\n') ? text : `${text}\n`);
    if (outcome.failed === true) invocation.endWith(1);
  };
}

/** Returns a parser for a whole number that is written in digits and within bounds. */
export function wholeNumber(low: number, high: number): (typed: string) => number {
  return (typed) => {
    const value = /^\d{1,15}$/.test(typed) ? Number(typed) : Number.NaN;
    if (!(value >= low && value <= high)) throw new InvalidArgumentError(`Give a whole number from ${low} to ${high}.`);
    return value;
  };
}

/** Parses an instant with its offset from UTC (RFC 3339). */
export function instant(typed: string): Date {
  const value = new Date(typed);
  if (!/^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$/.test(typed) || Number.isNaN(value.getTime())) {
    throw new InvalidArgumentError('Give an instant such as 2027-01-31T00:00:00Z.');
  }
  return value;
}

/** Collects the values of an option that may be repeated. */
export function collect(typed: string, before: readonly string[] = []): string[] {
  return [...before, typed];
}

/** Parses the text of an argument by a schema. Raises validation_failed, which names the argument. */
export function checked<S extends z.ZodType>(schema: S, value: unknown, name: string): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw problem('validation_failed', {
    issues: parsed.error.issues.map(({ path, message }) => ({ path: [name, ...path].join('.'), message })),
  });
}

/** Adds --limit and --offset, with the same bounds for every list. */
export function paginated(command: Command): Command {
  return command
    .option('--limit <n>', 'the number of entries to show', wholeNumber(1, 100), 20)
    .option('--offset <n>', 'the number of entries to skip', wholeNumber(0, 1_000_000_000), 0);
}

/** A number with its noun, in the singular for one. The plural ends in s. */
export function counted(count: number, noun: string): string {
  return `${count} ${count === 1 ? noun : `${noun}s`}`;
}

/** Formats rows as lines. Each column is as wide as its widest cell. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/**
 * Formats a page of a list as a table. The first line has the names of the columns. Unless the page is the whole list,
 * the last line has the position of the page in the list.
 */
export function pageText(
  names: readonly string[],
  rows: readonly (readonly string[])[],
  { total, offset }: { readonly total: number; readonly offset: number },
): string {
  if (rows.length === 0) return total === 0 ? 'None.' : `None from ${offset + 1} on, ${total} in all.`;
  const whole = rows.length === total ? '' : `\n${offset + 1} to ${offset + rows.length} of ${total}`;
  return `${table([names, ...rows])}${whole}`;
}
