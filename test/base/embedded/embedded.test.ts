// The guarantees of the embedded PostgreSQL when the service is started, killed or started twice.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import t, { type Test } from 'tap';
import { type EmbeddedOptions, type EmbeddedPostgres, startEmbedded } from '../../../src/base/embedded/embedded.ts';
import { isRunning, markOf } from '../../../src/base/embedded/lock.ts';
import { explain } from '../../../src/base/embedded/server.ts';
import { fillPostgresFolder } from '../../support/servers/postgres.ts';

const isRoot = process.getuid?.() === 0;
const MODULE = new URL('../../../src/base/embedded/embedded.ts', import.meta.url).href;

/** Creates a folder that the server's user can reach. The folder is removed after the test. */
function folder(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'tenantry-embedded-'));
  chmodSync(path, 0o755);
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Creates a folder that the server's user can reach, and in which a first start has completed. */
const filled = (t: Test): string => fillPostgresFolder(folder(t));

async function started(t: Test, directory: string, options: Partial<EmbeddedOptions> = {}): Promise<EmbeddedPostgres> {
  const postgres = await startEmbedded({ directory, disposable: true, ...options });
  t.teardown(() => postgres.stop());
  return postgres;
}

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Runs code in its own process, with `postgres` started in the directory. */
function otherProcess(t: Test, directory: string, code: string): ChildProcess {
  const source = `import { startEmbedded } from ${JSON.stringify(MODULE)};
    const postgres = await startEmbedded({ directory: ${JSON.stringify(directory)}, disposable: true });
    ${code}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    await exit;
  });
  return child;
}

const HOLD = `console.log(JSON.stringify(postgres));
  const timer = setInterval(() => {}, 60_000);
  process.once('SIGTERM', () => { clearInterval(timer); postgres.stop(); });`;

async function said(child: ChildProcess): Promise<EmbeddedPostgres> {
  const [chunk] = child.stdout ? await once(child.stdout, 'data') : [];
  return JSON.parse(String(chunk));
}

async function killed(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

t.test('a first start creates an owner who is not a superuser, and a password for every role', async (t) => {
  const directory = folder(t);
  const postgres = await started(t, directory);
  const [role] = await query(
    postgres.ownerUrl,
    'SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcanlogin FROM pg_roles WHERE rolname = current_user',
  );
  t.strictSame(role, {
    rolname: 'tenantry_owner',
    rolsuper: false,
    rolbypassrls: false,
    rolcreaterole: true,
    rolcanlogin: true,
  });
  const [settings] = await query(
    postgres.adminUrl,
    `SELECT current_setting('TimeZone') AS zone, current_setting('jit') AS jit, current_setting('server_encoding') AS encoding,
      current_setting('listen_addresses') AS listens, current_setting('unix_socket_directories') AS sockets,
      (SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'tenantry') AS owner`,
  );
  t.strictSame(settings, {
    zone: 'UTC',
    jit: 'off',
    encoding: 'UTF8',
    listens: '127.0.0.1',
    sockets: '',
    owner: 'tenantry_owner',
  });
  const wrong = new URL(postgres.adminUrl);
  wrong.password = 'wrong';
  await t.rejects(query(wrong.href, 'SELECT 1'), { code: '28P01' });
  t.equal(statSync(join(directory, 'credentials.json')).mode & 0o777, 0o600, 'only this user can read the passwords');
});

t.test('a later start finds the data, and uses another port when the last port is in use', async (t) => {
  const directory = filled(t);
  const first = await started(t, directory);
  await query(first.ownerUrl, 'CREATE TABLE kept AS SELECT 42 AS answer');
  await Promise.all([first.stop(), first.stop()]);
  t.notOk(isRunning(markOf(first.pid)), 'stop() resolves after the server has ended');

  const other = createServer().listen(first.port, '127.0.0.1');
  await once(other, 'listening');
  t.teardown(() => other.close());
  const second = await started(t, directory);
  t.not(second.port, first.port);
  t.strictSame(await query(second.ownerUrl, 'SELECT answer FROM kept'), [{ answer: 42 }]);
});

t.test('a server that still runs after its process was killed is reused, and stopped in the end', async (t) => {
  const directory = filled(t);
  const child = otherProcess(t, directory, HOLD);
  const left = await said(child);
  await killed(child);
  t.ok(isRunning(markOf(left.pid)), 'the server is still running');

  const notices: string[] = [];
  const postgres = await started(t, directory, { onNotice: (line) => notices.push(line) });
  t.equal(postgres.pid, left.pid);
  t.equal(postgres.adminUrl, left.adminUrl);
  t.match(notices, [/Took over .*process/]);
  t.strictSame(await query(postgres.ownerUrl, 'SELECT 1 AS one'), [{ one: 1 }]);
  await postgres.stop();
  t.notOk(isRunning(markOf(left.pid)));
});

t.test('a server that still runs with other settings is replaced, and its data stays', async (t) => {
  const directory = filled(t);
  const child = otherProcess(t, directory, HOLD);
  const left = await said(child);
  await query(left.ownerUrl, 'CREATE TABLE kept AS SELECT 7 AS answer');
  await killed(child);

  const postgres = await started(t, directory, { disposable: false });
  t.not(postgres.pid, left.pid);
  t.strictSame(await query(postgres.adminUrl, 'SHOW fsync'), [{ fsync: 'on' }]);
  t.strictSame(await query(postgres.ownerUrl, 'SELECT answer FROM kept'), [{ answer: 7 }]);
});

t.test('a process that ends without stop() also ends its server', async (t) => {
  const directory = filled(t);
  const child = otherProcess(t, directory, 'console.log(JSON.stringify(postgres)); process.exitCode = 3;');
  const exit = once(child, 'exit');
  const left = await said(child);
  t.strictSame(await exit, [3, null], 'the running server does not keep the process alive');
  const postgres = await started(t, directory);
  t.not(postgres.pid, left.pid);
  t.notOk(isRunning(markOf(left.pid)));
});

t.test('a Ctrl-C in the terminal does not reach the server', async (t) => {
  const postgres = await started(t, filled(t));
  const stat = readFileSync(`/proc/${postgres.pid}/stat`, 'utf8');
  const group = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
  t.equal(group, postgres.pid, 'the server leads its own process group');
});

t.test('a second start in the same directory is refused and does not affect the first', async (t) => {
  const directory = filled(t);
  const child = otherProcess(t, directory, HOLD);
  const first = await said(child);
  await t.rejects(startEmbedded({ directory }), {
    message: new RegExp(`Tenantry is already running \\(process ${child.pid}\\)`),
  });
  t.strictSame(await query(first.ownerUrl, 'SELECT 1 AS one'), [{ one: 1 }]);
  t.ok(isRunning(markOf(first.pid)));
});

t.test('of several starts at the same time over a stale lock, exactly one succeeds', async (t) => {
  const directory = folder(t);
  mkdirSync(join(directory, 'lock'));
  writeFileSync(join(directory, 'lock/owner.json'), JSON.stringify({ pid: process.pid, started: '1' }));
  const starts = Array.from({ length: 6 }, () => startEmbedded({ directory, disposable: true }));
  const results = await Promise.allSettled(starts);
  const winners = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  t.teardown(() => Promise.all(winners.map((winner) => winner.stop())));
  t.equal(winners.length, 1);
  for (const result of results) {
    if (result.status === 'rejected') t.match(result.reason, { message: /already running/ });
  }
});

t.test('a process id that now belongs to another program does not block the start', async (t) => {
  const directory = filled(t);
  const first = await started(t, directory);
  await first.stop();
  // PostgreSQL checks only processes to which its own user could send a signal.
  const stranger = spawn('sleep', ['600'], isRoot ? { uid: 65_534, gid: 65_534, cwd: '/' } : {});
  t.teardown(() => stranger.kill('SIGKILL'));
  await once(stranger, 'spawn');
  const lines = [stranger.pid, join(directory, 'data'), 1, first.port, '', '127.0.0.1', '', 'ready', ''];
  writeFileSync(join(directory, 'data/postmaster.pid'), lines.join('\n'));

  const postgres = await started(t, directory);
  t.strictSame(await query(postgres.ownerUrl, 'SELECT 1 AS one'), [{ one: 1 }]);
  t.equal(stranger.exitCode ?? stranger.signalCode, null, 'the other program is not ended');
});

t.test('the incomplete data folder that a killed first start left is created again', async (t) => {
  const directory = folder(t);
  const child = otherProcess(t, directory, HOLD);
  const watcher = watch(directory);
  for (let name = ''; !name.startsWith('staging-'); ) {
    name = String((await once(watcher, 'change'))[1]);
  }
  watcher.close();
  await killed(child);
  t.notOk(existsSync(join(directory, 'data')), 'nothing incomplete under the final name');
  const postgres = await started(t, directory);
  t.strictSame(await query(postgres.ownerUrl, 'SELECT 1 AS one'), [{ one: 1 }]);
});

t.test('when the first start was killed before its last step, the next start completes it', async (t) => {
  const directory = filled(t);
  const first = await started(t, directory);
  await query(first.adminUrl, 'DROP DATABASE tenantry');
  await first.stop();
  const second = await started(t, directory);
  t.strictSame(await query(second.ownerUrl, 'SELECT 1 AS one'), [{ one: 1 }], 'the database exists again');
  await query(second.adminUrl, 'DROP DATABASE tenantry');
  await query(second.adminUrl, 'DROP ROLE tenantry_owner');
  await second.stop();
  const third = await started(t, directory);
  t.strictSame(await query(third.ownerUrl, 'SELECT 1 AS one'), [{ one: 1 }], 'the role exists again');
});

t.test('a lost file of passwords is reported, and no new passwords are created', async (t) => {
  const directory = filled(t);
  await (await started(t, directory)).stop();
  rmSync(join(directory, 'credentials.json'));
  await t.rejects(startEmbedded({ directory }), { message: /put .*credentials\.json back, or start over/ });
  t.notOk(existsSync(join(directory, 'lock')), 'a failed start leaves no lock');
});

t.test('the data of a folder that only root can enter is stored elsewhere, and the log names the place', async (t) => {
  const directory = join(folder(t), 'database');
  chmodSync(dirname(directory), 0o700);
  const notices: string[] = [];
  const postgres = await started(t, directory, { onNotice: (line) => notices.push(line) });
  const [row] = await query(postgres.adminUrl, 'SHOW data_directory');
  const data = String(row?.data_directory);
  if (!isRoot) {
    t.equal(data, join(directory, 'data'), 'an ordinary user keeps it in the folder');
    t.strictSame(notices, []);
    return;
  }
  const place = dirname(data);
  t.teardown(() => rmSync(place, { recursive: true, force: true }));
  t.match(place, /^\/var\/lib\/tenantry\/[0-9a-f]{24}$/);
  t.equal(readFileSync(join(directory, 'location'), 'utf8').trim(), place);
  t.match(notices, [place]);
  await query(postgres.ownerUrl, 'CREATE TABLE kept AS SELECT 42 AS answer');
  await postgres.stop();
  const again = await started(t, directory, { onNotice: (line) => notices.push(line) });
  t.strictSame(await query(again.ownerUrl, 'SELECT answer FROM kept'), [{ answer: 42 }]);
  t.equal(notices.length, 1, 'the notice is logged once');
  await again.stop();
  rmSync(directory, { recursive: true });
  const anew = await started(t, directory);
  t.strictSame(
    await query(anew.ownerUrl, `SELECT to_regclass('kept') AS kept`),
    [{ kept: null }],
    'removal starts over',
  );
});

t.test('the usual reasons for a failed start have messages in plain words', async (t) => {
  t.match(explain(['FATAL:  could not write lock file: No space left on device']), /^the disk is full\./);
  t.match(explain(['LOG:  could not bind IPv4 address "127.0.0.1": Address already in use']), /^no free port/);
  t.match(explain(['FATAL:  could not map anonymous shared memory: Cannot allocate memory']), /too little memory/);
  t.match(explain(['FATAL:  out of shared memory']), /too little memory/);
  t.match(explain(['FATAL:  something else']), /it printed:\nFATAL: {2}something else/);
});
