// A standby that follows a PostgreSQL over a network that can stall, and its promotion. The replication is
// asynchronous, as it is in PostgreSQL by default.
import { execFile } from 'node:child_process';
import { appendFileSync, chownSync, copyFileSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type pg from 'pg';
import { type EmbeddedPostgres, startEmbedded } from '../../../src/base/embedded/embedded.ts';
import { openTcpProxy } from '../../../test/support/servers/tcp-proxy.ts';
import { queryAt } from '../database.ts';
import { demand } from '../proof.ts';
import type { Testbed } from '../testbed.ts';

export interface Standby {
  readonly directory: string;
  readonly postgres: EmbeddedPostgres;
  /** Resolves when the standby has replayed everything that the primary has committed by now. */
  caughtUp(): Promise<void>;
  /** Stops the arrival of changes. */
  stall(): void;
  /** Lets the standby take over as a server that accepts changes. */
  promote(): Promise<void>;
}

const CATCH_UP_MILLISECONDS_MAX = 30_000;
const POLL_MILLISECONDS = 20;

async function ask<Row extends pg.QueryResultRow>(url: string, text: string, values: unknown[] = []): Promise<Row> {
  const [row] = await queryAt(url, (query) => query<Row>(text, values));
  if (!row) throw new Error(`no row: ${text}`);
  return row;
}

/** Copies the data of a running server into `to`, which is created. */
async function backUp(primary: EmbeddedPostgres, from: string, to: string): Promise<void> {
  await queryAt(primary.adminUrl, async (query) => {
    await query("SELECT pg_backup_start('standby', true)");
    // The server may remove files meanwhile. The standby later replays the log, which contains the removals.
    await promisify(execFile)('cp', ['-a', from, to]).catch((error: { stderr?: string }) => {
      const lines = (error.stderr ?? '').split('\n').filter((line) => line !== '');
      if (lines.length === 0 || lines.some((line) => !line.includes('No such file or directory'))) throw error;
    });
    const [stopped] = await query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop(false)');
    // The standby gets the log over the network. Slots and locks belong to the other server.
    for (const name of ['pg_wal', 'pg_replslot']) {
      rmSync(join(to, name), { recursive: true, force: true });
      mkdirSync(join(to, name), { mode: 0o700 });
    }
    for (const name of ['postmaster.pid', 'postmaster.opts']) rmSync(join(to, name), { force: true });
    if (!stopped) throw new Error('pg_backup_stop returned no row');
    writeFileSync(join(to, 'backup_label'), stopped.labelfile);
    writeFileSync(join(to, 'standby.signal'), '');
  });
  const { uid, gid } = statSync(to);
  for (const name of ['pg_wal', 'pg_replslot', 'backup_label', 'standby.signal']) chownSync(join(to, name), uid, gid);
}

/** Starts a standby of the server whose folder is `from`. The standby ends with the testbed. */
export async function startStandby(
  testbed: Testbed,
  primary: EmbeddedPostgres,
  from: string,
  name: string,
): Promise<Standby> {
  const directory = join(dirname(from), name);
  const data = join(directory, 'data');
  mkdirSync(directory, { recursive: true });
  copyFileSync(join(from, 'credentials.json'), join(directory, 'credentials.json'));
  const network = await openTcpProxy(testbed, primary.port);
  await ask(primary.adminUrl, 'SELECT pg_create_physical_replication_slot($1, true)', [name]);
  await backUp(primary, join(from, 'data'), data);
  const { username, password } = new URL(primary.adminUrl);
  const source = `host=127.0.0.1 port=${network.port} user=${username} password=${password}`;
  appendFileSync(join(data, 'postgresql.auto.conf'), `primary_conninfo = '${source}'\nprimary_slot_name = '${name}'\n`);
  const postgres = await startEmbedded({ directory });
  testbed.teardown(() => postgres.stop());
  return {
    directory,
    postgres,
    async caughtUp() {
      const { lsn } = await ask<{ lsn: string }>(primary.adminUrl, 'SELECT pg_current_wal_lsn()::text AS lsn');
      const begun = performance.now();
      const replayed = 'SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS done';
      while (!(await ask<{ done: boolean }>(postgres.adminUrl, replayed, [lsn])).done) {
        demand(performance.now() - begun < CATCH_UP_MILLISECONDS_MAX, `the standby does not reach ${lsn}`);
        await delay(POLL_MILLISECONDS);
      }
    },
    stall: () => network.hold(),
    async promote() {
      const { done } = await ask<{ done: boolean }>(postgres.adminUrl, 'SELECT pg_promote(true, 60) AS done');
      demand(done, 'the standby was not promoted');
      await network.close();
    },
  };
}
