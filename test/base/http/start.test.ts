// The log of a start: a reason that prevents listening is reported at once, and one line says that the service listens.
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { markOf } from '../../../src/base/embedded/lock.ts';
import { createDatabase } from '../../support/database.ts';
import { spawnService } from '../../support/service.ts';

t.test('a port in use, or a host address of another machine, is reported before a database is started', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'tenantry-start-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const other = createServer().listen(0, '127.0.0.1');
  t.teardown(() => other.close());
  await once(other, 'listening');
  const PORT = String((other.address() as AddressInfo).port);
  const taken = spawnService(t, { PORT, DATA_DIR: directory });
  await t.rejects(taken, { message: new RegExp(`PORT: 127\\.0\\.0\\.1:${PORT} is used by another program`) });
  const elsewhere = spawnService(t, { HOST: '192.0.2.1', DATA_DIR: directory });
  await t.rejects(elsewhere, { message: /HOST, PORT: 192\.0\.2\.1:0 cannot be listened on \(EADDRNOTAVAIL\)/ });
  t.notOk(existsSync(join(directory, 'postgres')));
});

t.test('a second start is told that Tenantry is already running, and not that its port is used', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'tenantry-start-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const other = createServer().listen(0, '127.0.0.1');
  t.teardown(() => other.close());
  await once(other, 'listening');
  const lock = join(directory, 'postgres', 'lock');
  await mkdir(lock, { recursive: true });
  await writeFile(join(lock, 'owner.json'), JSON.stringify(markOf(process.pid)));
  const second = spawnService(t, { PORT: String((other.address() as AddressInfo).port), DATA_DIR: directory });
  await t.rejects(second, { message: new RegExp(`Tenantry is already running \\(process ${process.pid}\\)`) });
});

t.test('a start logs once that the service listens, and nothing about existing keys', async (t) => {
  const database = await createDatabase(t);
  const { lines, api, end } = await spawnService(t, {
    DATABASE_URL: database.ownerUrl,
    DATABASE_APP_URL: database.appUrl,
    DATABASE_SYSTEM_URL: database.systemUrl,
  });
  t.equal((await api.get('/healthz')).status, 200);
  t.equal(await end('SIGTERM'), 0);
  const said = lines.map((line) => JSON.parse(line).msg as string);
  t.strictSame(
    said.filter((message) => /listening/i.test(message)),
    ['listening'],
  );
  t.strictSame(
    said.filter((message) => /key/i.test(message)),
    [],
  );
  t.ok(said.includes('request'));
});
