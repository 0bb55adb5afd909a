// The connections of the pools, so that those that lead nowhere can be ended without the help of PostgreSQL.
import type { Socket } from 'node:net';
import type pg from 'pg';

export interface Connections {
  /** Ends the connections that are in use. Their statements fail. */
  endBusy(): void;
  /** Ends the connections that wait in a pool. The pool opens others when it needs them. */
  endIdle(): void;
}

/** Follows which connections the pools have. */
export function trackConnections(pools: readonly pg.Pool[]): Connections {
  const all = new Set<pg.PoolClient>();
  const busy = new Set<pg.PoolClient>();
  for (const pool of pools) {
    pool.on('connect', (client) => all.add(client));
    pool.on('remove', (client) => [all, busy].map((clients) => clients.delete(client)));
    pool.on('acquire', (client) => busy.add(client));
    pool.on('release', (_, client) => busy.delete(client));
  }
  const end = (client: object) => (client as { connection?: { stream?: Socket } }).connection?.stream?.destroy();
  return {
    endBusy: () => [...busy].forEach(end),
    endIdle: () => [...all].filter((client) => !busy.has(client)).forEach(end),
  };
}
