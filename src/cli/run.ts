// The command line of `tenantry`: the tree of commands, and how a command ends. What a command does is in a file of its
// own.
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { Command, CommanderError } from 'commander';
import { clientsCommands } from './clients.ts';
import { configCommand } from './config.ts';
import { doctorCommand } from './doctor/doctor.ts';
import type { Invocation } from './invocation.ts';
import { keysCommands } from './keys.ts';
import { mailCommands } from './mail.ts';
import { migrateCommand } from './migrate.ts';
import { organizationsCommands } from './organizations.ts';
import { Interrupted, tell } from './refusal.ts';
import { restoreCommand } from './restore.ts';
import { rolesCommands } from './roles.ts';
import { seedCommand } from './seed/seed.ts';
import { sessionsCommands } from './sessions.ts';
import { sidecarCommand } from './sidecar/sidecar.ts';
import { usersCommands } from './users.ts';

const MANIFEST = new URL('../../package.json', import.meta.url);
/** A command that a signal ended has this and the signal's number as its exit code. */
const SIGNALLED = 128;
/** The width of help where there is no terminal. */
const COLUMNS = 80;
/** They drain on a signal, and answer when they are done. */
const DRAINING: readonly string[] = ['serve', 'sidecar'];

export interface CommandRun extends Omit<Invocation, 'endWith'> {
  readonly args: readonly string[];
  /** The service: resolves with an exit code when it has ended. It sees to signals by itself. */
  readonly serve: () => Promise<number>;
}

/**
 * Runs one command and gives its exit code: 0 done, 1 failed or drift found, 2 not understood, 128 and more ended by a
 * signal. After a signal it waits for nothing: what the command has opened is given back when its work ends, or when
 * the process does.
 */
export async function runCommand({ args, serve, ...given }: CommandRun): Promise<number> {
  const { stdout, stderr, signal } = given;
  let exitCode = 0;
  const endWith = (code: number) => {
    exitCode = code;
  };
  const said: string[] = [];
  const interruption = interrupted(signal);
  stdout.on('error', ignoreClosedReader);
  try {
    const root = program({ ...given, endWith }, { serve, onHelp: (text) => said.push(text) });
    root.hook('preAction', (_, command) => {
      if (DRAINING.includes(command.name())) interruption.ignore();
    });
    await Promise.race([root.parseAsync(args, { from: 'user' }), interruption.raised]);
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0; // help or version
    if (error instanceof Interrupted) return SIGNALLED + (constants.signals[error.signal] ?? 0);
    const told = tell(error);
    const { code, detail } = told;
    // A command that only holds others answers with the list of them.
    const help = code === 'usage' ? said.join('') : '';
    const text = help === '' ? `tenantry: ${detail}${code === 'usage' ? ' (add --help for the usage)' : ''}\n` : help;
    stderr.write(args.includes('--json') ? `${JSON.stringify({ error: { code, detail } })}\n` : text);
    return told.exitCode;
  } finally {
    interruption.ignore();
  }
}

/** Whoever reads the answer may have seen enough of it. */
function ignoreClosedReader(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

/** Raises Interrupted when the signal aborts, unless it is ignored from then on. */
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
  /** Is handed the help that is shown because a command was not understood. */
  readonly onHelp: (text: string) => void;
}

/** The tree of commands, whose work is done in the invocation. */
export function program(invocation: Invocation, { serve, onHelp }: TreeOptions): Command {
  const { stdout, stderr } = invocation;
  const { version } = JSON.parse(readFileSync(MANIFEST, 'utf8')) as { version: string };
  const root = new Command('tenantry')
    .description('Runs and administers Tenantry. The environment configures it: see tenantry config.')
    .version(version, '--version')
    .helpCommand(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: onHelp,
      outputError: () => undefined,
      getOutHelpWidth: () => stdout.columns ?? COLUMNS,
      getErrHelpWidth: () => stderr.columns ?? COLUMNS,
    })
    .addHelpText('after', '\nExit codes: 0 done, 1 failed or drift found, 2 not understood.');
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
  sessionsCommands(root, invocation);
  restoreCommand(root, invocation);
  clientsCommands(root, invocation);
  mailCommands(root, invocation);
  sidecarCommand(root, invocation);
  configCommand(root, invocation);
  doctorCommand(root, invocation);
  return root;
}
