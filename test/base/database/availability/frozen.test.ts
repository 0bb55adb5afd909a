// A PostgreSQL that neither answers nor closes connections, as after a lost network or a stopped machine.
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { DatabaseUnavailable, openDatabase } from '../../../../src/base/database/db.ts';
import { prepareDatabase } from '../../../../src/base/database/open.ts';
import { startEmbedded } from '../../../../src/base/embedded/embedded.ts';
import { openLog } from '../../../../src/base/platform/log.ts';
import { countLiveSessions } from '../../../../src/sign-in/sessions/store.ts';
import { fillPostgresFolder } from '../../../support/servers/postgres.ts';
import { MIGRATIONS } from '../../../support/template.ts';
import { until } from '../../../support/until.ts';

/** Returns the process ids of the server and of its child processes, which serve its connections. */
function familyOf(pid: number): number[] {
  const children = readdirSync('/proc').filter((name) => {
    try {
      return (
        /^\d+$/.test(name) && readFileSync(`/proc/${name}/stat`, 'utf8').split(') ')[1]?.split(' ')[1] === String(pid)
      );
    } catch {
      return false; // the process has ended since the listing
    }
  });
  return [pid, ...children.map(Number)];
}

t.test('a PostgreSQL that stops answering is an outage for every access, and works again later', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'tenantry-frozen-'));
  chmodSync(directory, 0o755);
  const postgres = await startEmbedded({ directory: fillPostgresFolder(directory), disposable: true });
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  t.teardown(() => postgres.stop());
  const roles = { appUrl: undefined, systemUrl: undefined, migrationsDirectory: MIGRATIONS };
  const urls = await prepareDatabase({ ownerUrl: postgres.ownerUrl, ...roles });
  const db = openDatabase({ ...urls, poolSize: 2, log: openLog({ level: 'silent', pretty: false }) });
  t.teardown(() => db.close());
  const nobody = '00000000-0000-4000-8000-000000000000';
  const waysIn = [
    () => countLiveSessions(db.userReader(nobody), nobody),
    () => db.ping(),
    () => db.system((tx) => tx.models.user.count()),
  ];
  for (const way of waysIn) await way();

  const frozen = familyOf(postgres.pid);
  const signal = (name: NodeJS.Signals) => frozen.map((pid) => process.kill(pid, name));
  signal('SIGSTOP');
  try {
    const outcomes = await Promise.allSettled(waysIn.map((way) => way()));
    for (const outcome of outcomes) {
      t.equal(outcome.status, 'rejected');
      if (outcome.status === 'rejected') t.type(outcome.reason, DatabaseUnavailable, String(outcome.reason));
    }
    await t.rejects(db.ping(), DatabaseUnavailable, 'while PostgreSQL is known not to answer, no call waits for it');
  } finally {
    signal('SIGCONT');
  }
  // Every kind of access works again.
  await until(() =>
    Promise.all(waysIn.map((way) => way())).then(
      () => true,
      () => false,
    ),
  );
});
