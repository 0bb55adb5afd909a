// The command line of `tenantry`. This file has the tree of commands, and says how a command ends. The commands, except
// serve, are in other files. The code that they share is in line/.
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { type Command, CommanderError } from 'commander';
import { clientsCommands } from './clients.ts';
import { configCommand } from './config.ts';
import { databaseCommands } from './database.ts';
import { doctorCommand } from './doctor/doctor.ts';
import { keysCommands } from './keys.ts';
import { CommandLine } from './line/command-line.ts';
import type { Invocation } from './line/invocation.ts';
import { ReaderClosed, watchOutput } from './line/output.ts';
import { describeError, Interrupted } from './line/refusal.ts';
import { namingCommands, startedAs } from './line/started.ts';
import { mailCommands } from './mail.ts';
import { migrateCommand } from './migrate.ts';
import { organizationsCommands } from './organizations.ts';
import { invitationsCommands } from './people/invitations.ts';
import { restoreCommand } from './restore.ts';
import { rolesCommands } from './roles.ts';
import { seedCommand } from './seed/seed.ts';
import { sessionsCommands } from './sessions.ts';
import { sidecarCommand } from './sidecar/sidecar.ts';
import { usersCommands } from './users.ts';

const MANIFEST = new URL('../../package.json', import.meta.url);
/** The exit code of a command that a signal ended is this number plus the number of the signal. */
const SIGNALLED = 128;
/** The width of the help text when the output is not a terminal. */
const COLUMNS = 80;
/** These commands handle a signal themselves. They drain, and then they end. */
const DRAINING: readonly string[] = ['serve', 'sidecar'];

export interface CommandRun extends Omit<Invocation, 'endWith'> {
  readonly args: readonly string[];
  /** Runs the service, which handles signals itself. Resolves with an exit code when the service has ended. */
  readonly serve: () => Promise<number>;
}

/**
 * Runs one command and returns its exit code. 0 means done, 1 means failed or a difference found, 2 means wrong usage,
 * and 128 or more means ended by a signal. After a signal, and when standard output fails, this function does not wait
 * for the command. The resources of the command are released when its work ends, or when the process ends.
 */
export async function runCommand({ args, serve, ...given }: CommandRun): Promise<number> {
  const { stdout, stderr, signal } = given;
  let exitCode = 0;
  const endWith = (code: number) => {
    exitCode = code;
  };
  const helpTexts: string[] = [];
  const interruption = interrupted(signal);
  const output = watchOutput(stdout);
  try {
    const root = program({ ...given, endWith }, { serve, onHelp: (text) => helpTexts.push(text) });
    root.hook('preAction', (_, command) => {
      if (!DRAINING.includes(command.name())) return;
      interruption.ignore();
      output.ignore();
    });
    const ended = root.parseAsync(args, { from: 'user' }).catch(acceptHelp);
    await Promise.race([ended, interruption.raised, output.failed]);
    await output.written();
    return exitCode;
  } catch (error) {
    if (error instanceof ReaderClosed) return exitCode;
    if (error instanceof Interrupted) return SIGNALLED + (constants.signals[error.signal] ?? 0);
    const { code, detail, exitCode: failed } = describeError(error);
    // A command that only contains other commands prints the list of these commands.
    const help = code === 'usage' ? helpTexts.join('') : '';
    const line = `tenantry: ${namingCommands(given.env, detail)}${code === 'usage' ? ' (add --help for the usage)' : ''}\n`;
    const text = help === '' ? line : help;
    stderr.write(args.includes('--json') ? `${JSON.stringify({ error: { code, detail } })}\n` : text);
    return failed;
  } finally {
    interruption.ignore();
  }
}

/** Raises the error again, unless it says that the user asked for the help or the version. */
function acceptHelp(error: unknown): void {
  if (!(error instanceof CommanderError && error.exitCode === 0)) throw error;
}

/**
 * `raised` rejects with Interrupted when the signal aborts. After a call of `ignore`, a signal has no effect on
 * `raised`.
 */
function interrupted(signal: AbortSignal): { readonly raised: Promise<never>; ignore(): void } {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  const onAbort = () => reject(new Interrupted(signal.reason));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort);
  return { raised: promise, ignore: () => signal.removeEventListener('abort', onAbort) };
}

interface TreeOptions {
  readonly serve: () => Promise<number>;
  /** Receives the help text that is shown because of wrong usage. */
  readonly onHelp: (text: string) => void;
}

/** Returns the tree of commands. The commands run with the invocation. */
export function program(invocation: Invocation, { serve, onHelp }: TreeOptions): Command {
  const { stdout, stderr } = invocation;
  const { version } = JSON.parse(readFileSync(MANIFEST, 'utf8')) as { version: string };
  const root = new CommandLine(startedAs(invocation.env))
    .description(
      `Runs and administers Tenantry. The environment configures it: see ${startedAs(invocation.env)} config.`,
    )
    .version(version, '--version')
    .helpCommand(false)
    .enablePositionalOptions() // so that the value of an option of a command may be `--version`
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: onHelp,
      outputError: () => undefined,
      getOutHelpWidth: () => stdout.columns ?? COLUMNS,
      getErrHelpWidth: () => stderr.columns ?? COLUMNS,
    })
    .addHelpText('after', '\nExit codes: 0 done, 1 failed or a difference found, 2 wrong usage.');
  root
    .command('serve')
    .summary('Run the service')
    .description('Run the service until it is stopped.')
    .action(async () => invocation.endWith(await serve()));
  migrateCommand(root, invocation);
  seedCommand(root, invocation);
  keysCommands(root, invocation);
  rolesCommands(root, invocation);
  organizationsCommands(root, invocation);
  usersCommands(root, invocation);
  invitationsCommands(root, invocation);
  sessionsCommands(root, invocation);
  restoreCommand(root, invocation);
  databaseCommands(root, invocation);
  clientsCommands(root, invocation);
  mailCommands(root, invocation);
  sidecarCommand(root, invocation);
  configCommand(root, invocation);
  doctorCommand(root, invocation);
  return root;
}
