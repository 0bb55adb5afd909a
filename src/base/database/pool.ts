// A pool of connections to PostgreSQL with its client of Prisma, and the queue before it. The queue gives each
// organization, user or network a fair share of the connections. So the statements and transactions of requests do not
// queue in the pool itself.
import { AsyncLocalStorage } from 'node:async_hooks';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaClient } from '../../generated/prisma/client.ts';
import { FairQueue, type Refusal } from '../platform/fair-queue.ts';
import type { Log } from '../platform/log.ts';
import { currentRequester } from '../platform/requester.ts';
import { DatabaseBusy } from './outage.ts';
import { statementName } from './statement.ts';

export interface DatabaseBounds {
  /** The maximum duration of one statement, and of a whole transaction. */
  readonly statementMs: number;
  /** How long to wait for a connection. */
  readonly acquireMs: number;
  /** How many transactions one organization, user or network may run at the same time; 2 by default. */
  readonly transactionsAtOnceMax?: number;
}

export const BOUNDS: DatabaseBounds = { statementMs: 5_000, acquireMs: 2_000 };

/**
 * What a connection is used for. `bulk` is a statement whose work grows with the size of the organization, such as a
 * list.
 */
export type Use = 'statement' | 'transaction' | 'bulk';

export interface Pool {
  readonly connections: pg.Pool;
  /**
   * Runs the work when its turn has come. `subject` names whose share the work uses; null for the service itself.
   * Raises DatabaseBusy when the queue is full, when the work has waited for too long, or when its requester is gone.
   */
  run<T>(use: Use, subject: string | null, work: () => Promise<T>): Promise<T>;
  /**
   * Runs work that uses the pool several times. For each subject, only one scan runs at a time. The scan itself holds
   * no connection. `assertWanted` raises DatabaseBusy once nobody waits for the answer. Raises DatabaseBusy as `run`
   * does.
   */
  scan<T>(subject: string, work: (assertWanted: () => void) => Promise<T>): Promise<T>;
}

export interface PoolOptions {
  readonly url: string;
  readonly size: number;
  /** The name that PostgreSQL shows for the connections. */
  readonly name: string;
  readonly log: Log;
  readonly bounds: DatabaseBounds;
  /** Replaces the bound for one statement. */
  readonly statementMs?: number;
}

// Changes of one organization wait for the lock of its row anyway. With two at a time, the next change is ready when
// the lock becomes free, and no further change holds a connection while it waits.
const TRANSACTIONS_AT_ONCE_MAX = 2;
const BULK_AT_ONCE_MAX = 2;
const WAITING_MAX = 1_000;
const SCANS_WAITING_MAX = 20;
// A pool with fewer connections has none to spare. There, the service's own work takes turns with the requesters.
const SMALL_POOL = 4;

const REASONS: Readonly<Record<Refusal, string>> = {
  'queue is full': 'too many requests wait for a connection',
  'waited too long': 'no connection became free in time',
  'requester is gone': 'the requester is gone',
};

/** Opens a pool. No connection is made before the first query. */
export function openPool(options: PoolOptions): Pool {
  const { size, bounds } = options;
  const connections = openConnections(options);
  const common = { waitMs: bounds.acquireMs, refusal: (why: Refusal) => new DatabaseBusy(REASONS[why]) };
  const reserved = size < SMALL_POOL ? 0 : 1;
  const queue = new FairQueue({ ...common, places: size, reserved, waitingMax: WAITING_MAX });
  const scans = new FairQueue({ ...common, places: Infinity, reserved: 0, waitingMax: SCANS_WAITING_MAX });
  const atOnce: Readonly<Record<Use, number>> = {
    statement: Number.POSITIVE_INFINITY,
    transaction: bounds.transactionsAtOnceMax ?? TRANSACTIONS_AT_ONCE_MAX,
    bulk: BULK_AT_ONCE_MAX,
  };
  return {
    connections,
    run(use, subject, work) {
      const whose = isHolding() ? null : subject;
      const atOnceMax = whose === null ? Number.POSITIVE_INFINITY : atOnce[use];
      return queue.run({ subject: whose, kind: use, atOnceMax, requester: currentRequester() }, work);
    },
    scan(subject, work) {
      const requester = currentRequester();
      return scans.run({ subject, kind: 'scan', atOnceMax: 1, requester }, async () => {
        let isGone = false;
        const stopListening = requester?.onGone(() => {
          isGone = true;
        });
        const assertWanted = () => {
          if (isGone) throw new DatabaseBusy(REASONS['requester is gone']);
        };
        return work(assertWanted).finally(() => stopListening?.());
      });
    },
  };
}

const holders = new AsyncLocalStorage<{ holds: boolean }>();
const isHolding = () => holders.getStore()?.holds === true;

/**
 * Runs the work, which holds a connection until it ends. If the work needs a second connection, it waits for that as
 * the service's own work does. If it waited for its own share, it could wait for itself.
 */
export async function whileHolding<T>(work: () => Promise<T>): Promise<T> {
  const holder = { holds: true };
  try {
    return await holders.run(holder, work);
  } finally {
    holder.holds = false; // work that is still running after this holds no connection
  }
}

// The time zone is UTC, because adapter-pg writes timestamps without a zone and reads them as UTC.
function sessionOptions(statementMs: number, idleMs: number): string {
  const settings = [
    'timezone=UTC',
    `statement_timeout=${statementMs}`,
    `idle_in_transaction_session_timeout=${idleMs}`,
  ];
  return settings.map((setting) => `-c ${setting}`).join(' ');
}

function openConnections({ url, size, name, log, bounds, statementMs = bounds.statementMs }: PoolOptions): pg.Pool {
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

const STATEMENTS_MAX = 500;

/**
 * Returns the function that names the statements of Prisma. A statement with a name stays prepared. Once STATEMENTS_MAX
 * statements have names, further statements stay unnamed.
 */
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
