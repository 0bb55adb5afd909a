// A command beside a service whose embedded PostgreSQL is gone: it says so, and does not wait for ever.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { takeLock } from '../../../src/base/embedded/lock.ts';
import { findRunning } from '../../../src/base/embedded/running.ts';

t.test('a database that does not answer although its service lives is refused after a time', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-running-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const lock = await takeLock(join(folder, 'lock'));
  if ('heldBy' in lock) throw new Error('nobody else holds it');
  // The holder of the lock is this process, which lives; nothing listens on the port.
  writeFileSync(join(folder, 'port'), '1');
  await t.rejects(findRunning(folder, 0), { name: 'EmbeddedRefused', message: /process \d+\): stop that process/ });
  lock.release();
  t.equal(await findRunning(folder, 0), null);
});
