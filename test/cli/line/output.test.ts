// Standard output that fails: a full disk, and a reader that closes early. The command names standard output
// and never the database, and it does not lose its answer silently, except when the reader is gone.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { runCommand } from '../../../src/cli/run.ts';
import { sharedKeysDirectory } from '../../support/data-keys.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { openService, PROGRAM_ENVIRONMENT, ROOT } from '../../support/service.ts';
import { openSink } from '../command-line.ts';

const database = await createDatabase(t);
const { api } = await openService(t, database);
const account = await newAccount(api);
const env = { NODE_ENV: 'test', DATABASE_URL: database.ownerUrl, KEYS_DIR: sharedKeysDirectory() };
const COMMANDS = [
  ['users', 'export', account.email],
  ['users', 'list'],
  ['users', 'list', '--json'],
  ['config'],
  ['doctor'],
  ['--help'],
];

/** Runs a command whose standard output fails with this error after `accepted` writes. */
async function withOutput(code: string, accepted: number, args: readonly string[]) {
  let count = 0;
  const stdout = new Writable({
    write(_chunk, _encoding, done) {
      count += 1;
      done(count <= accepted ? null : Object.assign(new Error(`write ${code}`), { code }));
    },
  });
  const stderr = openSink();
  const { signal } = new AbortController();
  const serve = async () => 0;
  const status = await runCommand({ args, env, stdin: Readable.from([]), stdout, stderr, signal, serve });
  return { status, stderr: stderr.text() };
}

t.test('a command reports a full disk, whatever it prints', async (t) => {
  for (const args of COMMANDS) {
    const { status, stderr } = await withOutput('ENOSPC', 0, args);
    t.equal(status, 1, args.join(' '));
    if (args.includes('--json')) {
      t.strictSame(JSON.parse(stderr).error, {
        code: 'output_not_written',
        detail: 'Standard output cannot be written: ENOSPC',
      });
    } else t.equal(stderr, 'tenantry: Standard output cannot be written: ENOSPC\n', args.join(' '));
  }
  t.match(await withOutput('ENOSPC', 1, ['users', 'export', account.email]), { status: 1, stderr: /ENOSPC/ });
});

t.test('a reader that closes early ends the command in silence', async (t) => {
  for (const args of COMMANDS.filter(([name]) => name !== 'doctor')) {
    t.strictSame(await withOutput('EPIPE', 0, args), { status: 0, stderr: '' }, args.join(' '));
  }
  t.strictSame(await withOutput('EPIPE', 1, ['users', 'export', account.email]), { status: 0, stderr: '' });
});

t.test('a command in a separate process reports it, too', async (t) => {
  for (const args of [['users', 'export', account.email], ['config']]) {
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, [join(ROOT, 'src', 'main.ts'), ...args], {
      env: { ...PROGRAM_ENVIRONMENT, ...env },
      stdio: ['ignore', full, 'pipe'],
    });
    const stderr = child.stderr as Readable;
    const [[status], told] = await Promise.all([once(child, 'close'), text(stderr)]);
    closeSync(full);
    t.strictSame(
      { status, told },
      { status: 1, told: 'tenantry: Standard output cannot be written: ENOSPC\n' },
      args.join(' '),
    );
  }
});
