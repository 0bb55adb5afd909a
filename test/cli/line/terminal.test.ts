// The interaction at a terminal: passwords without echo, confirmations, the progress bar of long work, and Ctrl-C. The
// tests use streams that report a terminal, and once a real pseudo terminal.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import t, { type Test } from 'tap';
import { runCommand } from '../../../src/cli/run.ts';
import { sharedKeysDirectory } from '../../support/data-keys.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { seedPerson } from '../../support/fixtures/people.ts';
import { PROGRAM_ENVIRONMENT, ROOT } from '../../support/service.ts';
import { until } from '../../support/until.ts';
import { openSink } from '../command-line.ts';

const PASSWORD = 'gravel umbrella tuesday';
const CREATE = ['users', 'create', 'ada@example.com', '--name', 'Ada'];
const QUESTION = 'New password: ';
const AGAIN = 'Once more: ';

interface Seat {
  readonly database: TestDatabase;
  /** Runs a command. Types each answer once its question is the last text on standard error. */
  run(args: readonly string[], talk: readonly (readonly [question: string, answer: string])[]): Promise<Talk>;
}

interface Talk {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The calls that switched raw mode on and off. */
  readonly raw: readonly boolean[];
}

async function openSeat(t: Test): Promise<Seat> {
  const database = await createDatabase(t);
  const env = { NODE_ENV: 'test', DATABASE_URL: database.ownerUrl, KEYS_DIR: sharedKeysDirectory() };
  const run: Seat['run'] = async (args, talk) => {
    const raw: boolean[] = [];
    const setRawMode = (isRaw: boolean) => raw.push(isRaw);
    const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode });
    const [stdout, stderr] = [openSink(), Object.assign(openSink(), { isTTY: true })];
    const { signal } = new AbortController();
    const ended = runCommand({ args, env, stdin, stdout, stderr, signal, serve: async () => 0 });
    let read = 0;
    for (const [question, answer] of talk) {
      const isAsked = () => stderr.text().slice(read).endsWith(question);
      await Promise.race([until(isAsked), ended]);
      t.ok(isAsked(), `asked: ${question}`);
      read = stderr.text().length;
      stdin.write(answer);
    }
    return { status: await ended, stdout: stdout.text(), stderr: stderr.text(), raw };
  };
  return { database, run };
}

t.test('a password is requested twice without echo, and again if it is refused or the two inputs differ', async (t) => {
  const { run } = await openSeat(t);
  const made = await run(CREATE, [
    [QUESTION, 'password\r'],
    [QUESTION, `${PASSWORD}\r`],
    [AGAIN, 'gravel umbrella monday\r'],
    [QUESTION, `wrong\u0015gravel umbrella tuesdaz\u007fy\n`],
    [AGAIN, `${PASSWORD}\u0004`],
  ]);
  t.equal(made.status, 0, made.stderr);
  t.match(made.stdout, /^Created ada@example\.com /);
  t.match(made.stderr, /common[\s\S]*The two passwords differ\./);
  t.notMatch(made.stdout + made.stderr, /umbrella/);
  t.same(
    made.raw,
    [1, 2, 3, 4, 5].flatMap(() => [true, false]),
    'the terminal is restored after each',
  );
  const never = await run(
    [...CREATE, '--json'],
    [1, 2, 3].map(() => [QUESTION, 'short\r'] as const),
  );
  t.equal(never.status, 2);
  t.equal(JSON.parse(never.stderr.split('\n').at(-2) ?? '').error.code, 'password_refused');
});

t.test('Ctrl-C at a question ends the command like a signal, and the terminal is restored', async (t) => {
  const { database, run } = await openSeat(t);
  const left = await run(CREATE, [[QUESTION, `half\u0003`]]);
  t.same(left, { status: 130, stdout: '', stderr: `${QUESTION}\n`, raw: [true, false] });
  t.same(await database.query('SELECT 1 FROM users'), []);
});

t.test('a command that asks for a confirmation runs only after the answer yes', async (t) => {
  const { database, run } = await openSeat(t);
  const { email } = await seedPerson(database);
  const status = () => database.query('SELECT status FROM users');
  const disable = ['users', 'disable', email];
  const question = 'cannot sign in. Type yes to continue: ';
  for (const answer of ['y\n', '\n', 'YES\n']) {
    const refused = await run(disable, [[question, answer]]);
    t.equal(refused.status, 2);
    t.match(refused.stderr, /tenantry: Nothing was changed\n$/);
  }
  t.same(await status(), [{ status: 'active' }]);
  const done = await run(disable, [[question, 'yes\n']]);
  t.equal(done.status, 0, done.stderr);
  t.same(await status(), [{ status: 'disabled' }]);
});

t.test('long work shows a bar on standard error, and removes it', async (t) => {
  const { run } = await openSeat(t);
  const ended = await run(['sessions', 'revoke', '--all', '--yes', '--json'], []);
  t.same(JSON.parse(ended.stdout), { data: { ended: 0 } });
  t.match(ended.stderr, /^\rEnding sessions █+ 100 %\r\u001b\[2K$/);
});

t.test('a pseudo terminal echoes nothing of a password', async (t) => {
  const database = await createDatabase(t);
  const command = [process.execPath, join(ROOT, 'src', 'main.ts'), ...CREATE].map((word) => `'${word}'`).join(' ');
  const child = spawn('script', ['--quiet', '--return', '--flush', '--command', command, '/dev/null'], {
    env: { ...PROGRAM_ENVIRONMENT, NODE_ENV: 'test', DATABASE_URL: database.ownerUrl },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let shown = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    shown += chunk;
  });
  const ended = once(child, 'close');
  for (const question of [QUESTION, AGAIN]) {
    await Promise.race([until(() => shown.endsWith(question)), ended]);
    child.stdin.write(`${PASSWORD}\r`);
  }
  t.same(await ended, [0, null], shown);
  t.match(shown, /Created ada@example\.com /);
  t.notMatch(shown, /umbrella/);
});
