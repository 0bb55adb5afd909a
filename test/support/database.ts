// Creates a separate database for a test, by default as a copy of the template, which takes tens of milliseconds.

import pg from 'pg';
import type { Test } from 'tap';
import { APP_ROLE, roleUrl, SYSTEM_ROLE } from '../../src/base/database/roles.ts';
import { TEMPLATE } from './template.ts';

export interface TestDatabase {
  readonly ownerUrl: string;
  readonly adminUrl: string;
  readonly appUrl: string;
  readonly systemUrl: string;
  readonly name: string;
  /** Runs a statement as the superuser, to whom no policy applies. */
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
}

function serverUrl(name: 'TEST_POSTGRES_OWNER_URL' | 'TEST_POSTGRES_ADMIN_URL'): URL {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run tests by npm test`);
  return new URL(value);
}

let made = 0;

/** Creates the database. After the test it is dropped with its connections, and the test does not wait for that. */
export async function createDatabase(t: Test, template: string | null = TEMPLATE): Promise<TestDatabase> {
  made += 1;
  const name = `t_${process.pid}_${made}`;
  const server = serverUrl('TEST_POSTGRES_ADMIN_URL');
  const owner = serverUrl('TEST_POSTGRES_OWNER_URL');
  const copied = template === null ? '' : ` TEMPLATE ${template} STRATEGY FILE_COPY`;
  await onServer(server.href, (client) =>
    client.query(
      `CREATE DATABASE ${name} OWNER ${client.escapeIdentifier(decodeURIComponent(owner.username))}${copied}`,
    ),
  );
  const admin = new URL(server);
  admin.pathname = `/${name}`;
  owner.pathname = `/${name}`;
  const pool = new pg.Pool({ connectionString: admin.href, max: 4, options: '-c timezone=UTC' });
  pool.on('error', () => undefined);
  t.teardown(async () => {
    await pool.end();
    const drop = `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`;
    onServer(server.href, (client) => client.query(drop)).catch(() => undefined); // the server is disposable
  });
  return {
    name,
    ownerUrl: owner.href,
    adminUrl: admin.href,
    appUrl: roleUrl(owner.href, APP_ROLE),
    systemUrl: roleUrl(owner.href, SYSTEM_ROLE),
    query: async (text, values) => (await pool.query(text, values)).rows,
  };
}

/**
 * Ends the connections to the database `name`, of the applications whose name begins with `application`, and returns
 * once they have ended. Until then, PostgreSQL may still serve them.
 */
export async function endConnections(
  { query }: Pick<TestDatabase, 'query'>,
  name: string,
  application = '',
): Promise<void> {
  const end = `SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
    WHERE datname = $1 AND starts_with(application_name, $2)`;
  await query(end, [name, application]);
}

// The type declarations of pg do not have these methods, which the client takes from its socket.
type Connection = pg.Client & { ref(): void; unref(): void };

let connection: Promise<Connection> | undefined;
let turn: Promise<void> = Promise.resolve();

/**
 * Runs work on the connection by which this process creates and drops databases, one call at a time. The connection
 * does not keep the process alive while it is idle.
 */
function onServer(url: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const done = turn.then(async () => {
    connection ??= connected(url);
    const client = await connection;
    client.ref();
    try {
      await work(client);
    } finally {
      client.unref();
    }
  });
  turn = done.catch(() => undefined);
  return done;
}

async function connected(url: string): Promise<Connection> {
  const client = new pg.Client({ connectionString: url }) as Connection;
  client.on('error', () => undefined);
  await client.connect();
  return client;
}
