// `tenantry recover`: after a backup was restored.
import type { Command } from 'commander';
import { type RecoveredCounts, recover } from '../admin/restore/restore.ts';
import { act, instant, leaf, type Outcome } from './command.ts';
import type { Invocation } from './invocation.ts';
import { withOperator } from './operator.ts';
import { confirm } from './terminal.ts';

interface RecoverOptions {
  readonly restoredAt: Date;
  readonly dryRun?: true;
  readonly yes?: true;
}

/** Adds the command. */
export function recoverCommand(program: Command, invocation: Invocation): void {
  leaf(program, 'recover', 'End every session and token from before a backup was restored')
    .requiredOption('--restored-at <instant>', 'when the restored database took over', instant)
    .option('--dry-run', 'count what would end, and change nothing')
    .option('--yes', 'do not ask')
    .action(act<RecoverOptions>(invocation, run));
}

function run(invocation: Invocation, { restoredAt, dryRun, yes }: RecoverOptions): Promise<Outcome> {
  return withOperator(invocation, async (operator) => {
    const instantText = restoredAt.toISOString();
    const before = await recover(operator, { restoredAt, dryRun: true });
    if (dryRun) return outcome(instantText, before, true);
    const question = `${before.sessions} sessions from before ${instantText} will end, with all access tokens from before then.`;
    await confirm(invocation, question, yes);
    return outcome(instantText, await recover(operator, { restoredAt }), false);
  });
}

function outcome(restoredAt: string, counts: RecoveredCounts, dryRun: boolean): Outcome {
  const { sessions, users, clients, invitations } = counts;
  const [ended, refused, need] = dryRun ? ['would end', 'would be', 'would need'] : ['have ended', 'are', 'need'];
  const lines = [
    `${sessions} sessions from before ${restoredAt} ${ended}.`,
    `Access tokens of ${users} users and ${clients} service clients from before then ${refused} refused.`,
    `${invitations} invitations ${need} to be sent again.`,
  ];
  return { document: { data: { restoredAt, dryRun, ...counts } }, text: lines.join('\n') };
}
