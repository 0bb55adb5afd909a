// The connection to PostgreSQL. The scope of every query is a type: an OrganizationTx sees one organization, a UserTx
// the rows of one user, and a SystemTx the rows of all organizations. Only `db.system` and `db.systemReader` reach all
// organizations. Search for these names to find their uses. The queries belong to the stores.
import type pg from 'pg';
import type { Prisma } from '../../generated/prisma/client.ts';
import type { Log } from '../platform/log.ts';
import { systemRandom } from '../platform/random.ts';
import { currentRequester, organizationSubject, userSubject } from '../platform/requester.ts';
import { noteSent } from '../platform/sent.ts';
import { NO_DATA_KEYS } from '../secrets/data-keys.ts';
import { createPersonal, type Personal } from '../secrets/personal.ts';
import { openAvailability } from './availability.ts';
import { DatabaseUnavailable, isConflict, isOutage } from './outage.ts';
import { BOUNDS, createClients, type DatabaseBounds, openPool, type Pool, type Use, whileHolding } from './pool.ts';
import { runScoped } from './scoped-query.ts';
import { type Statement, statement } from './statement.ts';

export { DatabaseBusy, DatabaseNotWritable, DatabaseUnavailable, isOutage } from './outage.ts';
export type { DatabaseBounds } from './pool.ts';
export { type Statement, statement } from './statement.ts';

declare const scope: unique symbol;

/**
 * Runs single statements. A timestamp is returned as a Date, and jsonb is returned parsed. The statement must cast a
 * bigint to another type.
 */
export interface Reader<Scope extends string> {
  readonly [scope]?: Scope;
  /** Seals and opens the personal data in the rows. */
  readonly personal: Personal;
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

export interface SystemOptions {
  /** Gives the work its own connection, and limits each statement and the whole transaction to this time. */
  readonly timeoutMs?: number;
  /**
   * The organization whose row the transaction locks. The transaction takes a connection from the share of this
   * organization, because it waits for the other changes of the organization.
   */
  readonly organizationId?: string;
}

export interface ReaderOptions {
  /**
   * True for lists, and for other statements that may read many rows. Only a few of them run at the same time for one
   * organization, user or network.
   */
  readonly bulk?: boolean;
}

/**
 * Each call that queries PostgreSQL raises DatabaseUnavailable when PostgreSQL cannot answer, and DatabaseBusy when the
 * share of the organization, user or network is used up for too long. An error that `work` throws undoes the whole
 * transaction and is raised unchanged. When `work` returns, its writes are committed. Therefore, a refusal whose writes
 * must be kept is returned as a verdict, and the caller throws it. `work` may run more than once: see `retryConflicts`.
 */
export interface Database {
  readonly personal: Personal;
  organization<T>(scope: OrganizationScope, work: (tx: OrganizationTx) => Promise<T>): Promise<T>;
  user<T>(userId: string, work: (tx: UserTx) => Promise<T>): Promise<T>;
  system<T>(work: (tx: SystemTx) => Promise<T>, options?: SystemOptions): Promise<T>;
  /** Readers for the hot paths. Every statement is its own transaction and takes one round trip. */
  organizationReader(scope: OrganizationScope, options?: ReaderOptions): OrganizationReader;
  /**
   * Runs statements that together read many rows of an organization. For each organization, only one call runs at a
   * time. The next call waits without a connection. Between two statements, the work holds no connection either. Raises
   * DatabaseBusy when too many calls wait, when this one waits for too long, or when nobody waits for the answer any
   * more.
   */
  scanOrganization<T>(scope: OrganizationScope, work: (reader: OrganizationReader) => Promise<T>): Promise<T>;
  userReader(userId: string, options?: ReaderOptions): UserReader;
  systemReader(options?: ReaderOptions): SystemReader;
  /** Resolves when PostgreSQL has answered both roles. */
  ping(): Promise<void>;
  /**
   * Resolves when PostgreSQL has answered both roles and has stored something. Raises DatabaseNotWritable when it is
   * read-only, its disk is full, or it recently could not store a change of a request for such a reason.
   */
  checkWrites(): Promise<void>;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  /** postgres:// URL of the restricted role. */
  readonly appUrl: string;
  /** postgres:// URL of the system role, which has its own policies. */
  readonly systemUrl: string;
  /** The maximum number of connections of each of the two pools. */
  readonly poolSize: number;
  readonly log: Log;
  /** Seals and opens personal data. Without it, statements with personal data raise DataKeyMissing. */
  readonly personal?: Personal;
  /** Replaces the bounds of the service. */
  readonly bounds?: DatabaseBounds;
}

// A transaction waits this much longer for its BEGIN than for a connection. The timeout that runs out first then shows
// whether the pool is busy or PostgreSQL does not answer.
const BEGIN_EXTRA_MS = 500;

const SET_SCOPE = statement(
  "SELECT set_config('app.current_org_id', $1, true), set_config('app.current_user_id', $2, true)",
);
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

type Ask = <T>(pool: Pool, use: Use, subject: string | null, work: () => Promise<T>) => Promise<T>;

/** Opens the two pools. No connection is made before the first query. */
export function openDatabase(options: DatabaseOptions): Database {
  const { bounds = BOUNDS, log, personal = createPersonal(NO_DATA_KEYS, systemRandom) } = options;
  const appPool = openPool({ url: options.appUrl, size: options.poolSize, name: 'tenantry', log, bounds });
  const systemPool = openPool({ url: options.systemUrl, size: options.poolSize, name: 'tenantry-system', log, bounds });
  const clients = createClients();
  const availability = openAvailability({
    ...options,
    appPool: appPool.connections,
    systemPool: systemPool.connections,
    connectMs: bounds.acquireMs,
  });

  const ask: Ask = (pool, use, subject, work) => {
    // Nobody waits for a connection to a PostgreSQL that does not answer.
    if (availability.isOpen()) return Promise.reject(new DatabaseUnavailable('PostgreSQL does not answer'));
    return pool.run(use, subject, () => availability.run(() => retryConflicts(work)));
  };

  function transaction<T, S extends string>(
    pool: Pool,
    { subject, scoped, timeoutMs = bounds.statementMs }: TransactionOptions,
    work: (tx: Transaction<S>) => Promise<T>,
  ): Promise<T> {
    const begun = async (models: Prisma.TransactionClient) => {
      noteSent();
      const rows: Transaction<S>['rows'] = (query, values) => models.$queryRawUnsafe(query.text, ...values);
      const tx: Transaction<S> = { models, personal, rows };
      if (scoped) await tx.rows(SET_SCOPE, scopeValues(scoped));
      return work(tx);
    };
    const timeouts = { maxWait: bounds.acquireMs + BEGIN_EXTRA_MS, timeout: timeoutMs };
    return ask(pool, 'transaction', subject, () =>
      whileHolding(() => clients.of(pool).$transaction((models) => begun(models), timeouts)),
    );
  }

  async function longTransaction<T>(work: (tx: SystemTx) => Promise<T>, timeoutMs: number): Promise<T> {
    const connection = { url: options.systemUrl, size: 1, name: 'tenantry-system-long', log };
    const pool = openPool({ ...connection, bounds, statementMs: timeoutMs });
    return transaction(pool, { subject: null, timeoutMs }, work).finally(() => clients.close(pool));
  }

  const reading: Reading = { ask, personal };
  return {
    personal,
    organization: (scoped, work) => transaction(appPool, { scoped, subject: subjectOf(scoped) }, work),
    user: (userId, work) => transaction(appPool, { scoped: { userId }, subject: subjectOf({ userId }) }, work),
    system(work, { timeoutMs, organizationId } = {}) {
      if (timeoutMs !== undefined) return longTransaction(work, timeoutMs);
      const subject = organizationId === undefined ? requesterSubject() : organizationSubject(organizationId);
      return transaction(systemPool, { subject }, work);
    },
    organizationReader: (scoped, how) => scopedReader(reading, appPool, scoped, how),
    scanOrganization: (scoped, work) =>
      appPool.scan(subjectOf(scoped), (assertWanted) => {
        const { rows } = scopedReader<'organization'>(reading, appPool, scoped, { bulk: true });
        return work({
          personal,
          async rows(query, values) {
            assertWanted();
            return rows(query, values);
          },
        });
      }),
    userReader: (userId, how) => scopedReader(reading, appPool, { userId }, how),
    systemReader: (how) => systemReader(reading, systemPool, how),
    ping: availability.ping,
    checkWrites: availability.checkWrites,
    async close() {
      availability.close();
      await Promise.all([appPool, systemPool].map(clients.close));
    },
  };
}

interface Reading {
  readonly ask: Ask;
  readonly personal: Personal;
}

function scopedReader<S extends string>(
  { ask, personal }: Reading,
  pool: Pool,
  scoped: OrganizationScope | { userId: string },
  { bulk = false }: ReaderOptions = {},
): Reader<S> {
  return {
    personal,
    rows: <Row>(query: Statement, values: readonly unknown[]) =>
      ask(pool, bulk ? 'bulk' : 'statement', subjectOf(scoped), () =>
        scopedStatement<Row>(pool.connections, scopeValues(scoped), query, values),
      ),
  };
}

function systemReader({ ask, personal }: Reading, pool: Pool, { bulk = false }: ReaderOptions = {}): SystemReader {
  return {
    personal,
    rows: <Row>(query: Statement, values: readonly unknown[]) =>
      ask(pool, bulk ? 'bulk' : 'statement', requesterSubject(), async () => {
        noteSent();
        return (await pool.connections.query({ ...query, values: [...values] })).rows as Row[];
      }),
  };
}

interface TransactionOptions {
  /** Whose share the transaction takes; null for the service itself. */
  readonly subject: string | null;
  readonly scoped?: OrganizationScope | { readonly userId: string };
  readonly timeoutMs?: number;
}

const requesterSubject = () => currentRequester()?.subject ?? null;

/**
 * Whose share the work takes: that of the organization, or, in the scope of a user, that of the requester. Without a
 * requester, the share of the user.
 */
function subjectOf(scoped: OrganizationScope | { userId: string }): string {
  if ('organizationId' in scoped) return organizationSubject(scoped.organizationId);
  return requesterSubject() ?? userSubject(scoped.userId);
}

function scopeValues(scoped: OrganizationScope | { userId: string }): [string, string] {
  return ['organizationId' in scoped ? scoped.organizationId : '', scoped.userId ?? ''];
}

/** The scope is local to the statement's transaction and ends with that transaction, even when the statement fails. */
async function scopedStatement<Row>(
  connections: pg.Pool,
  scopedTo: readonly string[],
  query: Statement,
  values: readonly unknown[],
): Promise<Row[]> {
  const client = await connections.connect();
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
