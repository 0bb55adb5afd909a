// The command `tenantry database accept` ends the doubt about a database that a failover has set back.
import type { Command } from 'commander';
import { acceptDatabase } from '../admin/restore/restore.ts';
import { act, leaf, type Outcome } from './line/command.ts';
import type { Invocation } from './line/invocation.ts';
import { withOperator } from './line/operator.ts';
import { confirm } from './line/terminal.ts';

/** Adds the commands. */
export function databaseCommands(program: Command, invocation: Invocation): void {
  const database = program.command('database').summary('Decide about a database after a failover');
  leaf(database, 'accept', 'Accept sessions and tokens from before a failover that lost nothing of importance')
    .option('--yes', 'do not ask for confirmation')
    .action(act<{ readonly yes?: true }>(invocation, accept));
}

async function accept(invocation: Invocation, { yes }: { readonly yes?: true }): Promise<Outcome> {
  const question =
    'Logouts and other changes that the database has lost stay lost. Sessions from before will be valid.';
  await confirm(invocation, question, yes);
  return withOperator(invocation, async (operator) => {
    const doubtedAt = await acceptDatabase(operator);
    const text =
      doubtedAt === null
        ? 'Nothing was in doubt.'
        : `Sessions and tokens from before ${doubtedAt.toISOString()} are valid again.`;
    return { document: { data: { doubtedAt: doubtedAt?.toISOString() ?? null } }, text };
  });
}
