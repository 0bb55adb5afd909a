// Owns: finding the embedded PostgreSQL that another process of this folder runs, to work beside it. Starting and
// stopping one is embedded.ts' matter.

import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { canConnect, EmbeddedRefused, lastPort, urlsOf } from './embedded.ts';
import { isRunning, readHolder } from './lock.ts';

export interface RunningPostgres {
  /** postgres:// URL of the owner role of the database, password included. */
  readonly ownerUrl: string;
  /** The process that started the server, and that ends it. */
  readonly startedBy: number;
}

const POLL_MILLISECONDS = 50;
/** A first start is done in a fraction of this. */
const START_MILLISECONDS_MAX = 60_000;

/**
 * The server that another process runs in this folder; one that is being started is waited for. Null when nobody runs
 * one. Raises EmbeddedRefused when it does not answer within `patienceMs`.
 */
export async function findRunning(
  directory: string,
  patienceMs = START_MILLISECONDS_MAX,
): Promise<RunningPostgres | null> {
  if (!existsSync(directory)) return null;
  const folder = realpathSync(directory);
  const deadline = performance.now() + patienceMs;
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

/** The addresses that the files of the folder speak of; null while they are not all there yet. */
function addressOf(folder: string): ReturnType<typeof urlsOf> | null {
  const path = join(folder, 'credentials.json');
  const port = lastPort(folder);
  if (port === 0 || !existsSync(path)) return null;
  const { superuserPassword, ownerPassword } = JSON.parse(readFileSync(path, 'utf8'));
  return urlsOf(port, { superuserPassword, ownerPassword });
}
