// Knows whether PostgreSQL answers and stores changes. Combines the circuit breaker, the probes and the connections of
// the two pools of the service.
import type { Socket } from 'node:net';
import type pg from 'pg';
import type { Log } from '../platform/log.ts';
import { createBreaker } from './breaker.ts';
import { askServer, assertWritten, createWritability, WRITE_PROBE } from './probe.ts';
import { statement } from './statement.ts';

export interface AvailabilityOptions {
  readonly appUrl: string;
  readonly systemUrl: string;
  readonly appPool: pg.Pool;
  readonly systemPool: pg.Pool;
  /** How long opening a connection may take. */
  readonly connectMs: number;
  readonly log: Log;
}

export interface Availability {
  /** Whether work is refused without being tried. */
  isOpen(): boolean;
  /** Runs work that queries PostgreSQL. Raises DatabaseUnavailable for an outage. */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** See Database in db.ts. */
  ping(): Promise<void>;
  /** See Database in db.ts. */
  checkWrites(): Promise<void>;
  close(): void;
}

const PING = statement('SELECT 1');

export function openAvailability(options: AvailabilityOptions): Availability {
  const { appUrl, systemUrl, appPool, systemPool, connectMs, log } = options;
  const connections = trackConnections([appPool, systemPool]);
  const breaker = createBreaker({
    probe: () => Promise.all([appUrl, systemUrl].map((url) => askServer(url, connectMs))),
    onGiveUp: connections.endBusy,
    onError: (error) => writability.note(error),
  });

  async function probe(): Promise<void> {
    const [written] = await Promise.all([systemPool.query(WRITE_PROBE), appPool.query(PING)]);
    // A connection may still lead to a former primary, or have a setting that has been changed since.
    if (written.rows[0]?.readOnly) connections.endIdle();
    assertWritten(written.rows[0]);
  }

  const writability = createWritability({
    probe: () => breaker.run(probe),
    onChange: (reason) => reportWrites(log, reason),
  });
  return {
    isOpen: breaker.isOpen,
    run: breaker.run,
    ping: () => breaker.run(async () => void (await Promise.all([appPool.query(PING), systemPool.query(PING)]))),
    checkWrites: writability.check,
    close: breaker.close,
  };
}

function reportWrites(log: Log, reason: string | null): void {
  if (reason === null) log.info('PostgreSQL stores changes again');
  else log.error({ reason }, 'PostgreSQL answers but stores no changes: requests that change something get 503');
}

/** The connections of the pools, so that those to an unreachable server can be ended without the help of PostgreSQL. */
interface Connections {
  /** Ends the connections that are in use. Their statements fail. */
  endBusy(): void;
  /** Ends the connections that wait in a pool. The pool opens others when it needs them. */
  endIdle(): void;
}

// A connection is taken out of the pool before it ends. Otherwise, a request could take one that is about to end.
function endIdleOf(pool: pg.Pool): void {
  const take = async () => (await pool.connect()).release(true);
  for (let left = pool.idleCount; left > 0; left -= 1) take().catch(() => undefined);
}

/** Tracks which connections of the pools are in use. */
function trackConnections(pools: readonly pg.Pool[]): Connections {
  const busy = new Set<pg.PoolClient>();
  for (const pool of pools) {
    pool.on('remove', (client) => busy.delete(client));
    pool.on('acquire', (client) => busy.add(client));
    pool.on('release', (_, client) => busy.delete(client));
  }
  const end = (client: object) => (client as { connection?: { stream?: Socket } }).connection?.stream?.destroy();
  return {
    endBusy: () => [...busy].forEach(end),
    endIdle: () => pools.forEach(endIdleOf),
  };
}
