// A command next to a service whose embedded PostgreSQL no longer runs reports this, and does not wait forever.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { takeLock } from '../../../src/base/embedded/lock.ts';
import { findRunning } from '../../../src/base/embedded/running.ts';

t.test('a command fails after a time limit when its service runs but the database does not answer', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-running-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const lock = await takeLock(join(folder, 'lock'));
  if ('heldBy' in lock) throw new Error('another process has the lock');
  // This process holds the lock, so the service seems to run. Nothing listens on the port.
  writeFileSync(join(folder, 'port'), '1');
  await t.rejects(findRunning(folder, 0), { name: 'EmbeddedRefused', message: /process \d+\): stop that process/ });
  lock.release();
  t.equal(await findRunning(folder, 0), null);
});
