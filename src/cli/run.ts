// The command line of `tenantry`: the tree of commands, and how a command ends. What a command does is in a file of its
// own.
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { clientsCommands } from './clients.ts';
import { configCommand } from './config.ts';
import { doctorCommand } from './doctor/doctor.ts';
import { keysCommands } from './keys.ts';
import { mailCommands } from './mail.ts';
import { migrateCommand } from './migrate.ts';
import { organizationsCommands } from './organizations.ts';
import { tell } from './refusal.ts';
import { recoverCommand } from './restore.ts';
import { rolesCommands } from './roles.ts';
import { seedCommand } from './seed/seed.ts';
import { sessionsCommands } from './sessions.ts';
import { sidecarCommand } from './sidecar/sidecar.ts';
import { usersCommands } from './users.ts';

const MANIFEST = new URL('../../package.json', import.meta.url);

/** Runs one command and sets the exit code: 0 done, 1 failed or drift found, 2 not understood. `serve` is the service. */
export async function runCommand(args: readonly string[], serve: () => Promise<void>): Promise<void> {
  const said: string[] = [];
  // Whoever reads the answer may have seen enough of it.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  try {
    await program(serve, (text) => said.push(text)).parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return; // help or version
    const { code, detail, exitCode } = tell(error);
    // A command that only holds others answers with the list of them.
    const help = code === 'usage' ? said.join('') : '';
    const text = help === '' ? `tenantry: ${detail}${code === 'usage' ? ' (add --help for the usage)' : ''}\n` : help;
    process.stderr.write(args.includes('--json') ? `${JSON.stringify({ error: { code, detail } })}\n` : text);
    process.exitCode = exitCode;
  }
}

/** The tree of commands. `onHelp` is handed the help that is shown because a command was not understood. */
export function program(serve: () => Promise<void>, onHelp: (text: string) => void): Command {
  const { version } = JSON.parse(readFileSync(MANIFEST, 'utf8')) as { version: string };
  const root = new Command('tenantry')
    .description('Runs and administers Tenantry. The environment configures it: see tenantry config.')
    .version(version, '--version')
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ writeErr: onHelp, outputError: () => undefined })
    .addHelpText('after', '\nExit codes: 0 done, 1 failed or drift found, 2 not understood.');
  // The service and the sidecar end in their own way.
  root.hook('preAction', (_, command) => (['serve', 'sidecar'].includes(command.name()) ? undefined : endOnSignals()));
  root.command('serve').summary('Run the service').description('Run the service until it is stopped.').action(serve);
  migrateCommand(root);
  seedCommand(root);
  keysCommands(root);
  rolesCommands(root);
  organizationsCommands(root);
  usersCommands(root);
  sessionsCommands(root);
  recoverCommand(root);
  clientsCommands(root);
  mailCommands(root);
  sidecarCommand(root);
  configCommand(root);
  doctorCommand(root);
  return root;
}

// What a command has opened is given back when the process exits; a signal alone would end it without that.
function endOnSignals(): void {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.once(signal, () => process.exit(code));
  }
}
