// The command `tenantry restore` ends sessions and tokens after a backup was restored. The former name of the command,
// `tenantry recover`, still works.
import type { Command } from 'commander';
import { type EndedCounts, endEverything } from '../admin/restore/restore.ts';
import { act, counted, instant, leaf, type Outcome } from './line/command.ts';
import type { Invocation } from './line/invocation.ts';
import { withOperator } from './line/operator.ts';
import { confirm } from './line/terminal.ts';

interface RestoreOptions {
  readonly restoredAt: Date;
  readonly dryRun?: true;
  readonly yes?: true;
}

/** Adds the command. */
export function restoreCommand(program: Command, invocation: Invocation): void {
  const summary = 'End every session and token from before a backup was restored';
  withOptions(leaf(program, 'restore', summary)).action(act<RestoreOptions>(invocation, run));
  withOptions(leaf(program, 'recover', summary, { hidden: true })).action(
    act<RestoreOptions>(invocation, runByOldName),
  );
}

function withOptions(command: Command): Command {
  return command
    .requiredOption('--restored-at <instant>', 'the time from which the restored database was used', instant)
    .option('--dry-run', 'count what would end, and change nothing')
    .option('--yes', 'do not ask for confirmation');
}

// With --json, standard error must contain one document or nothing.
function runByOldName(invocation: Invocation, options: RestoreOptions & { readonly json?: true }): Promise<Outcome> {
  const note = 'The command is now called tenantry restore; recover will be removed.\n';
  if (options.json !== true) invocation.stderr.write(note);
  return run(invocation, options);
}

function run(invocation: Invocation, { restoredAt, dryRun, yes }: RestoreOptions): Promise<Outcome> {
  return withOperator(invocation, async (operator) => {
    const instantText = restoredAt.toISOString();
    const before = await endEverything(operator, { restoredAt, dryRun: true });
    if (dryRun) return outcome(instantText, before, true);
    const question = `${counted(before.sessions, 'session')} from before ${instantText} will end, with all access tokens from before then.`;
    await confirm(invocation, question, yes);
    return outcome(instantText, await endEverything(operator, { restoredAt }), false);
  });
}

function outcome(restoredAt: string, counts: EndedCounts, dryRun: boolean): Outcome {
  const { sessions, users, clients, invitations } = counts;
  const [ended, refused, must] = dryRun ? ['would end', 'would be', 'would have to'] : ['ended', 'are', 'must'];
  const lines = [
    `${counted(sessions, 'session')} from before ${restoredAt} ${ended}.`,
    `Access tokens of ${counted(users, 'user')} and ${counted(clients, 'service client')} from before then ${refused} refused.`,
    `The organizations ${must} send ${counted(invitations, 'invitation')} again.`,
  ];
  return { document: { data: { restoredAt, dryRun, ...counts } }, text: lines.join('\n') };
}
