// `tenantry migrate`: brings the database to this program's version, as the role that owns the tables.
import type { Command } from 'commander';
import { prepareDatabase } from '../base/database/open.ts';
import { act, leaf } from './command.ts';
import type { Invocation } from './invocation.ts';
import { configuration, MIGRATIONS, reachDatabase } from './operator.ts';
import { CommandRefused } from './refusal.ts';

/** Adds the command. */
export function migrateCommand(program: Command, invocation: Invocation): void {
  leaf(program, 'migrate', 'Bring the database to this version; any number may run at once').action(
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
      throw new CommandRefused(
        'owner_required',
        'DATABASE_URL: migrations need the role that owns the tables: name it',
      );
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
