// Finds an embedded PostgreSQL that another process already runs in a given folder, so that both use the same server.
// embedded.ts starts and stops a server.

import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { canConnect, EmbeddedRefused, lastPort, urlsOf } from './embedded.ts';
import { isRunning, readHolder } from './lock.ts';

export interface RunningPostgres {
  /** postgres:// URL of the owner role of the database, password included. */
  readonly ownerUrl: string;
  /** The process that started the server and will stop it. */
  readonly startedBy: number;
}

const POLL_MILLISECONDS = 50;
/** A first start takes much less time than this. */
const START_MILLISECONDS_MAX = 60_000;

/**
 * Finds the server that another process runs in this folder, and waits while that process is still starting the server.
 * Returns null when no process runs a server here. Raises EmbeddedRefused when the server does not answer within
 * `waitMs`.
 */
export async function findRunning(directory: string, waitMs = START_MILLISECONDS_MAX): Promise<RunningPostgres | null> {
  if (!existsSync(directory)) return null;
  const folder = realpathSync(directory);
  const deadline = performance.now() + waitMs;
  for (;;) {
    const holder = readHolder(join(folder, 'lock'));
    if (holder === undefined || !isRunning(holder)) return null;
    const urls = addressOf(folder);
    if (urls && (await canConnect(urls.adminUrl))) return { ownerUrl: urls.ownerUrl, startedBy: holder.pid };
    if (performance.now() >= deadline) {
      throw new EmbeddedRefused(
        `The database in ${folder} does not answer, although Tenantry runs there (process ${holder.pid}): stop that process, and start it again.`,
      );
    }
    await delay(POLL_MILLISECONDS);
  }
}

/**
 * Returns the addresses of the server, read from the files of the folder. Returns null while a file is still missing.
 */
function addressOf(folder: string): ReturnType<typeof urlsOf> | null {
  const path = join(folder, 'credentials.json');
  const port = lastPort(folder);
  if (port === 0 || !existsSync(path)) return null;
  const { superuserPassword, ownerPassword } = JSON.parse(readFileSync(path, 'utf8'));
  return urlsOf(port, { superuserPassword, ownerPassword });
}
