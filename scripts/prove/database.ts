// Owns: looking into the database of a testbed past every policy.
import pg from 'pg';
import type { Testbed } from './testbed.ts';

export type Query = <Row extends pg.QueryResultRow>(text: string, values?: unknown[]) => Promise<Row[]>;

/** Asks the service's database as the superuser, on a connection of its own. */
export async function asAdmin<T>(testbed: Testbed, work: (query: Query) => Promise<T>): Promise<T> {
  const url = new URL(testbed.postgres.adminUrl);
  url.pathname = new URL(testbed.postgres.ownerUrl).pathname;
  const client = new pg.Client({ connectionString: url.href, options: '-c timezone=UTC' });
  await client.connect();
  try {
    return await work(async (text, values) => (await client.query(text, values)).rows);
  } finally {
    await client.end();
  }
}
