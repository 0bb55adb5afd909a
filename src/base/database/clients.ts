// The clients of Prisma, which share the pools with the prepared statements.
import { PrismaPg } from '@prisma/adapter-pg';
import { PrismaClient } from '../../generated/prisma/client.ts';
import type { Pool } from './pool.ts';
import { statementName } from './statement.ts';

const STATEMENTS_MAX = 500;

/** Prisma keeps a statement prepared under its name. Past STATEMENTS_MAX, further statements stay unnamed. */
function createStatementNames(): (query: { sql: string }) => string {
  const names = new Map<string, string>();
  return ({ sql }) => {
    const known = names.get(sql);
    if (known !== undefined || names.size >= STATEMENTS_MAX) return known ?? '';
    const name = statementName(sql);
    names.set(sql, name);
    return name;
  };
}

/** The clients of Prisma, one for each pool. */
export function createClients() {
  const clients = new Map<Pool, PrismaClient>();
  return {
    of(pool: Pool): PrismaClient {
      const known = clients.get(pool);
      if (known) return known;
      const adapter = new PrismaPg(pool.connections, { statementNameGenerator: createStatementNames() });
      const client = new PrismaClient({ adapter, errorFormat: 'minimal' });
      clients.set(pool, client);
      return client;
    },
    async close(pool: Pool): Promise<void> {
      await clients.get(pool)?.$disconnect();
      clients.delete(pool);
      await pool.connections.end();
    },
  };
}
