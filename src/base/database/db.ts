// The connection to PostgreSQL. The scope of every query is a type: an OrganizationTx sees one organization, a UserTx
// the rows of one user, a SystemTx everything. Only `db.system` reaches all organizations. Search for that name to find
// every use. The queries belong to the stores.
import { createHash } from 'node:crypto';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { type Prisma, PrismaClient } from '../../generated/prisma/client.ts';
import type { Log } from '../platform/log.ts';
import { createBreaker, isConflict, isOutage } from './outage.ts';
import { runScoped } from './scoped-query.ts';
import { noteSent } from './sent.ts';

export { DatabaseUnavailable, isOutage } from './outage.ts';

/** One SQL statement with its own name. Each connection keeps it prepared under that name. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** Names a statement by its text. */
export function statement(text: string): Statement {
  return { name: statementName(text), text };
}

function statementName(text: string): string {
  return `s${createHash('sha1').update(text).digest('hex').slice(0, 15)}`;
}

declare const scope: unique symbol;

/**
 * Runs single statements. A timestamp is returned as a Date, and jsonb is returned parsed. The statement must cast a
 * bigint.
 */
export interface Reader<Scope extends string> {
  readonly [scope]?: Scope;
  rows<Row>(query: Statement, values: readonly unknown[]): Promise<Row[]>;
}

/** A transaction: single statements, and the models of the Prisma client. */
export interface Transaction<Scope extends string> extends Reader<Scope> {
  readonly models: Prisma.TransactionClient;
}

export type OrganizationReader = Reader<'organization'>;
export type UserReader = Reader<'user'>;
export type SystemReader = Reader<'system'>;
export type OrganizationTx = Transaction<'organization'>;
export type UserTx = Transaction<'user'>;
export type SystemTx = Transaction<'system'>;

/** The organization and the user that a transaction acts for. */
export interface OrganizationScope {
  readonly organizationId: string;
  readonly userId?: string | undefined;
}

/**
 * Every call raises DatabaseUnavailable when PostgreSQL cannot answer. An error that `work` throws undoes the whole
 * transaction and is raised unchanged. When `work` returns, its writes are committed. Therefore, a refusal whose writes
 * must be kept is returned as a verdict, and the caller throws it. `work` may run more than once: see `retryConflicts`.
 */
export interface Database {
  organization<T>(scope: OrganizationScope, work: (tx: OrganizationTx) => Promise<T>): Promise<T>;
  user<T>(userId: string, work: (tx: UserTx) => Promise<T>): Promise<T>;
  /**
   * With `bound` the work has its own connection. Each statement and the whole transaction are limited to `timeoutMs`.
   */
  system<T>(work: (tx: SystemTx) => Promise<T>, bound?: { readonly timeoutMs: number }): Promise<T>;
  /** Readers for the hot paths. Every statement is its own transaction and takes one round trip. */
  organizationReader(scope: OrganizationScope): OrganizationReader;
  userReader(userId: string): UserReader;
  systemReader(): SystemReader;
  /** Resolves when PostgreSQL has answered both roles. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  /** postgres:// URL of the restricted role. */
  readonly appUrl: string;
  /** postgres:// URL of the system role, which has its own policies. */
  readonly systemUrl: string;
  /** Connections of each of the two pools. */
  readonly poolSize: number;
  readonly log: Log;
  /** Replaces the bounds of the service. */
  readonly bounds?: DatabaseBounds;
}

export interface DatabaseBounds {
  /** How long one statement may take, and how long a whole transaction. */
  readonly statementMs: number;
  /** How long to wait for a connection. */
  readonly acquireMs: number;
}

const BOUNDS: DatabaseBounds = { statementMs: 5_000, acquireMs: 2_000 };
// A transaction waits this much longer for its begin than for a connection. The timeout that runs out first then shows
// whether the pool is busy or PostgreSQL does not answer.
const BEGIN_EXTRA_MS = 500;

// The time zone is UTC, because adapter-pg writes timestamps without a zone and reads them as UTC.
function sessionOptions(statementMs: number, idleMs: number): string {
  const settings = [
    'timezone=UTC',
    `statement_timeout=${statementMs}`,
    `idle_in_transaction_session_timeout=${idleMs}`,
  ];
  return settings.map((setting) => `-c ${setting}`).join(' ');
}

function openPool(
  url: string,
  size: number,
  name: string,
  { log, bounds = BOUNDS }: Pick<DatabaseOptions, 'log' | 'bounds'>,
  statementMs = bounds.statementMs,
): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: size,
    connectionTimeoutMillis: bounds.acquireMs,
    // The server cannot enforce statement_timeout once it has stopped answering. The client enforces this bound.
    query_timeout: statementMs + 1_000,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    application_name: name,
    options: sessionOptions(statementMs, bounds.statementMs),
    pipeline: true,
  } as pg.PoolConfig);
  pool.on('error', (error) => log.warn({ reason: error.message }, 'an idle database connection was lost'));
  // A connection that is lost while a query uses it also emits 'error'. Without a listener, that event would end the
  // process. The running query fails through its own promise.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

const SET_SCOPE = statement(
  "SELECT set_config('app.current_org_id', $1, true), set_config('app.current_user_id', $2, true)",
);
const PING = statement('SELECT 1');
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

const ATTEMPTS_MAX = 3;

/**
 * Repeats work that PostgreSQL undid because of a conflict. Repeating it is safe, because a transaction contains only
 * storage calls.
 */
async function retryConflicts<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (attempt === ATTEMPTS_MAX || !isConflict(error)) throw error;
    }
  }
}

/** Opens the two pools. No connection is made before the first query. */
export function openDatabase(options: DatabaseOptions): Database {
  const { bounds = BOUNDS } = options;
  const appPool = openPool(options.appUrl, options.poolSize, 'tenantry', options);
  const systemPool = openPool(options.systemUrl, options.poolSize, 'tenantry-system', options);
  const clients = new Map<pg.Pool, PrismaClient>();
  const breaker = createBreaker();
  const ask = <T>(work: () => Promise<T>) => breaker.run(() => retryConflicts(work));

  function prisma(pool: pg.Pool): PrismaClient {
    const known = clients.get(pool);
    if (known) return known;
    const adapter = new PrismaPg(pool, { statementNameGenerator: createStatementNames() });
    const client = new PrismaClient({ adapter, errorFormat: 'minimal' });
    clients.set(pool, client);
    return client;
  }

  function transaction<T, S extends string>(
    pool: pg.Pool,
    scoped: OrganizationScope | { userId: string } | undefined,
    work: (tx: Transaction<S>) => Promise<T>,
    timeoutMs = bounds.statementMs,
  ): Promise<T> {
    return ask(() =>
      prisma(pool).$transaction(
        async (models) => {
          noteSent();
          const tx: Transaction<S> = {
            models,
            rows: (query, values) => models.$queryRawUnsafe(query.text, ...values),
          };
          if (scoped) await tx.rows(SET_SCOPE, scopeValues(scoped));
          return work(tx);
        },
        { maxWait: bounds.acquireMs + BEGIN_EXTRA_MS, timeout: timeoutMs },
      ),
    );
  }

  async function longTransaction<T>(work: (tx: SystemTx) => Promise<T>, timeoutMs: number): Promise<T> {
    const pool = openPool(options.systemUrl, 1, 'tenantry-system-long', options, timeoutMs);
    try {
      return await transaction(pool, undefined, work, timeoutMs);
    } finally {
      await clients.get(pool)?.$disconnect();
      clients.delete(pool);
      await pool.end();
    }
  }

  function scopedReader<S extends string>(scoped: OrganizationScope | { userId: string }): Reader<S> {
    return {
      rows: <Row>(query: Statement, values: readonly unknown[]) =>
        ask(() => scopedStatement<Row>(appPool, scopeValues(scoped), query, values)),
    };
  }

  return {
    organization: (scoped, work) => transaction(appPool, scoped, work),
    user: (userId, work) => transaction(appPool, { userId }, work),
    system: (work, bound) =>
      bound ? longTransaction(work, bound.timeoutMs) : transaction(systemPool, undefined, work),
    organizationReader: (scoped) => scopedReader(scoped),
    userReader: (userId) => scopedReader({ userId }),
    systemReader: () => ({
      rows: <Row>(query: Statement, values: readonly unknown[]) =>
        ask(async () => {
          noteSent();
          return (await systemPool.query({ ...query, values: [...values] })).rows as Row[];
        }),
    }),
    ping: () => breaker.run(async () => void (await Promise.all([appPool.query(PING), systemPool.query(PING)]))),
    async close() {
      await Promise.all([...clients.values()].map((client) => client.$disconnect()));
      await Promise.all([appPool, systemPool].map((pool) => pool.end()));
    },
  };
}

function scopeValues(scoped: OrganizationScope | { userId: string }): [string, string] {
  return ['organizationId' in scoped ? scoped.organizationId : '', scoped.userId ?? ''];
}

/** The scope is local to the statement's transaction and ends with that transaction, even when the statement fails. */
async function scopedStatement<Row>(
  pool: pg.Pool,
  scopedTo: readonly string[],
  query: Statement,
  values: readonly unknown[],
): Promise<Row[]> {
  const client = await pool.connect();
  let lost = false;
  try {
    noteSent();
    return await runScoped<Row>(client, scopedTo, query, values);
  } catch (error) {
    lost = isOutage(error); // the pool must not hand this connection out again
    throw error;
  } finally {
    client.release(lost);
  }
}
