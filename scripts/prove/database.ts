// Queries on the database of a testbed, as a role that no policy restricts.
import pg from 'pg';
import type { Testbed } from './testbed.ts';

export type Query = <Row extends pg.QueryResultRow>(text: string, values?: unknown[]) => Promise<Row[]>;

/** Queries the service's database as the superuser, on a separate connection. */
export function asAdmin<T>(testbed: Testbed, work: (query: Query) => Promise<T>): Promise<T> {
  const url = new URL(testbed.postgres.adminUrl);
  url.pathname = new URL(testbed.postgres.ownerUrl).pathname;
  return queryAt(url.href, work);
}

/** Queries a database on a separate connection. */
export async function queryAt<T>(url: string, work: (query: Query) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, options: '-c timezone=UTC' });
  client.on('error', () => undefined); // the queries of `work` raise the same error
  await client.connect();
  try {
    return await work(async (text, values) => (await client.query(text, values)).rows);
  } finally {
    await client.end();
  }
}
