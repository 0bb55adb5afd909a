// The command `tenantry migrate` migrates the database to the version of this program. It connects as the role that
// owns the tables.
import type { Command } from 'commander';
import { prepareDatabase } from '../base/database/open.ts';
import { act, leaf } from './line/command.ts';
import type { Invocation } from './line/invocation.ts';
import { configuration, MIGRATIONS, reachDatabase } from './line/operator.ts';
import { CommandRefused } from './line/refusal.ts';

/** Adds the command. */
export function migrateCommand(program: Command, invocation: Invocation): void {
  leaf(program, 'migrate', 'Migrate the database to this version; any number of processes may run it at once').action(
    act(invocation, async () => {
      const names = await migrate(invocation);
      const text = names.length === 0 ? 'Nothing to do.' : names.map((name) => `Applied ${name}`).join('\n');
      return { document: { data: { applied: names } }, text };
    }),
  );
}

async function migrate(invocation: Invocation): Promise<string[]> {
  const config = configuration(invocation);
  const reached = await reachDatabase(config);
  try {
    if (reached.ownerUrl === undefined) {
      throw new CommandRefused('owner_required', 'DATABASE_URL: migrations need the role that owns the tables: set it');
    }
    const names: string[] = [];
    await prepareDatabase({
      ownerUrl: reached.ownerUrl,
      appUrl: config.DATABASE_APP_URL,
      systemUrl: config.DATABASE_SYSTEM_URL,
      migrationsDirectory: MIGRATIONS,
      onMigrated: (applied) => names.push(...applied),
    });
    return names;
  } finally {
    await reached.release();
  }
}
