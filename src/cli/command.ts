// What every command is made of: its place in the tree, --json, and the printing of what it answers.
import { type Command, InvalidArgumentError } from 'commander';
import type { z } from 'zod';
import { problem } from '../base/errors/problem.ts';
import type { Invocation } from './invocation.ts';

/** What a command answers: printed as one JSON document with --json, else as text for people. */
export interface Outcome {
  readonly document: { readonly data: unknown; readonly [more: string]: unknown };
  readonly text: string;
  /** True lets the command end with exit code 1, although nothing was wrong with asking. */
  readonly failed?: boolean;
}

type Handler<Options> = (
  invocation: Invocation,
  options: Options & { readonly json?: true },
  ...args: string[]
) => Promise<Outcome>;

/** A command that only holds others, such as `tenantry users`. */
export function group(program: Command, name: string, summary: string): Command {
  return program.command(name).summary(summary).description(`${summary}.`).helpCommand(false);
}

/** A command that does something: `usage` is its name and arguments, such as `create <email>`. Help leaves out a hidden one. */
export function leaf(parent: Command, usage: string, summary: string, { hidden = false } = {}): Command {
  return parent
    .command(usage, { hidden })
    .summary(summary)
    .description(`${summary}.`)
    .option('--json', 'print one JSON document; errors too, on standard error');
}

/** Lets a command do its work and print what it answers. */
export function act<Options extends object = object>(invocation: Invocation, handler: Handler<Options>) {
  return async (...given: unknown[]): Promise<void> => {
    const command = given.at(-1) as Command;
    const options = command.opts<Options & { json?: true }>();
    const outcome = await handler(invocation, options, ...command.args);
    const text = options.json === true ? JSON.stringify(outcome.document, null, 2) : outcome.text;
    invocation.stdout.write(text === '' || text.endsWith('\n') ? text : `${text}\n`);
    if (outcome.failed === true) invocation.endWith(1);
  };
}

/** Reads a whole number within bounds, in digits. */
export function wholeNumber(low: number, high: number): (typed: string) => number {
  return (typed) => {
    const value = /^\d{1,15}$/.test(typed) ? Number(typed) : Number.NaN;
    if (!(value >= low && value <= high)) throw new InvalidArgumentError(`Give a whole number from ${low} to ${high}.`);
    return value;
  };
}

/** Reads an instant with its offset from UTC (RFC 3339). */
export function instant(typed: string): Date {
  const value = new Date(typed);
  if (!/^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$/.test(typed) || Number.isNaN(value.getTime())) {
    throw new InvalidArgumentError('Give an instant such as 2027-01-31T00:00:00Z.');
  }
  return value;
}

/** Gathers the values of an option that may be repeated. */
export function collect(typed: string, before: readonly string[] = []): string[] {
  return [...before, typed];
}

/** What a schema makes of a value that was typed. Raises validation_failed, which names the value. */
export function checked<S extends z.ZodType>(schema: S, value: unknown, name: string): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw problem('validation_failed', {
    issues: parsed.error.issues.map(({ path, message }) => ({ path: [name, ...path].join('.'), message })),
  });
}

/** Adds --limit and --offset, with the bounds of every list. */
export function paginated(command: Command): Command {
  return command
    .option('--limit <n>', 'at most so many', wholeNumber(1, 100), 20)
    .option('--offset <n>', 'after so many others', wholeNumber(0, 1_000_000_000), 0);
}

/** Lines of columns, each as wide as its widest cell. */
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

/** A page of a list as a table with a first line of names and a last line that says where it stands. */
export function pageText(
  names: readonly string[],
  rows: readonly (readonly string[])[],
  { total, offset }: { readonly total: number; readonly offset: number },
): string {
  if (rows.length === 0) return total === 0 ? 'None.' : `None from ${offset + 1} on, ${total} in all.`;
  const whole = rows.length === total ? '' : `\n${offset + 1} to ${offset + rows.length} of ${total}`;
  return `${table([names, ...rows])}${whole}`;
}
