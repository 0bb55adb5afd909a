// The command line itself: every command has a description, an error is one line, the answer with --json is one
// document, and the exit codes are stable.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import t from 'tap';
import { program, runCommand } from '../../../src/cli/run.ts';
import { PROGRAM_ENVIRONMENT, ROOT } from '../../support/service.ts';
import { openCli, openSink, spawnCli } from '../command-line.ts';

const environment = { DATABASE_URL: 'postgres://nobody:secret-of-nobody@127.0.0.1:1/none' };
const cli = openCli(environment);

/** Every command that can be run, by its full name. */
function leavesOf(command: Command, path: readonly string[] = []): { name: string; leaf: Command }[] {
  if (command.commands.length === 0) return [{ name: path.join(' '), leaf: command }];
  return command.commands.flatMap((child) => leavesOf(child, [...path, child.name()]));
}

t.test('every command has a description, and every command that prints an answer has --json', async (t) => {
  const [stdout, stderr] = [openSink(), openSink()];
  const { signal } = new AbortController();
  const tree = program(
    { env: {}, stdin: Readable.from([]), stdout, stderr, signal, endWith: () => undefined },
    { serve: async () => 0, onHelp: () => undefined },
  );
  const leaves = leavesOf(tree);
  t.same(
    leaves.map(({ name }) => name),
    `serve,migrate,seed,keys list,keys generate,keys rotate,keys prune,keys revoke,keys seal,keys reseal,roles list,roles apply,roles diff,
    roles export,orgs list,orgs create,orgs suspend,orgs activate,orgs delete,orgs subscription,users verify,users export,users delete,users list,
    users create,users invite,users set-password,users disable,users enable,users grant,invitations list,invitations revoke,
    sessions list,sessions revoke,restore,recover,database accept,
    clients list,clients create,clients rotate,clients set-audience,clients disable,clients enable,clients delete,
    mail preview,mail list,mail retry,mail drop,sidecar,config,doctor`.split(/,\s*/),
  );
  for (const { name, leaf } of leaves) {
    t.match(leaf.description(), /^[A-Z].*\.$/, name);
    if (name === 'serve' || name === 'sidecar') continue; // these commands keep running and print no answer
    t.ok(
      leaf.options.some(({ long }) => long === '--json'),
      name,
    );
    for (const option of leaf.options) t.not(option.description, '', `${name} ${option.flags}`);
  }
  const page = await cli('--help');
  t.equal(page.status, 0);
  t.equal(page.stderr, '');
  // The old name of `restore` works, but the help does not list it.
  const told = leaves.filter(({ name }) => name !== 'recover');
  for (const { name } of told) t.match(page.stdout, new RegExp(`^  ${name.split(' ')[0]} `, 'm'));
  t.match(
    (await cli('users', 'create', '--help')).stdout,
    /Usage: tenantry users create [\s\S]*--json[\s\S]*--password-stdin/,
  );
  t.match((await cli('--version')).stdout, /^\d+\.\d+\.\d+\n$/);
});

t.test('an invalid command prints one line, with exit code 2', async (t) => {
  const wrong = [
    ['nonsense'],
    ['users', 'list', '--nonsense'],
    ['users', 'list', '--limit', '1e2'],
    ['users', 'list', '--status', 'asleep'],
    ['users', 'create', 'ada@example.com', '--name', 'Ada', '--role', 'owner'],
    ['users', 'create', 'ada@example.com', '--name', 'Ada'],
    ['users', 'grant', 'ada@example.com', '--platform-admin', '--revoke-platform-admin'],
    ['users', 'invite', 'ada@example.com', '--organization', 'acme'],
    ['sessions', 'revoke'],
    ['sessions', 'revoke', '--all', '--user', 'ada@example.com'],
    ['orgs', 'subscription', 'acme', '--trial-ends-at', 'tomorrow'],
  ];
  for (const args of wrong) {
    const { status, stdout, stderr } = await cli(...args);
    t.equal(status, 2, args.join(' '));
    t.equal(stdout, '');
    t.match(stderr, /^tenantry: .+\n$/, args.join(' '));
  }
  const asked = [['nonsense'], ['users', 'list', '--nonsense'], ['users', 'grant', 'x'], ['sessions', 'revoke', 'x']];
  for (const reply of await Promise.all(asked.map((args) => cli(...args, '--json')))) {
    t.equal(reply.status, 2);
    t.equal(reply.stdout, '');
    t.match(reply.json, { error: { code: 'usage', detail: String } });
  }
});

t.test('a person who started the command by npm is told commands that begin with npx', async (t) => {
  const answers = async (more: Readonly<Record<string, string>>) => {
    const run = openCli({ ...environment, ...more });
    const [wrong, help, asJson] = [
      await run('mail', 'drop', 'x', '--yes'),
      await run('--help'),
      await run('mail', 'drop', 'x', '--json'),
    ];
    return { wrong: wrong.stderr, help: help.stdout, json: asJson.json.error.detail };
  };
  const list = 'A mail is named by its id: see tenantry mail list';
  const installed = await answers({});
  t.match([installed.wrong, installed.json], [`tenantry: ${list}`, list]);
  t.match(installed.help, /^Usage: tenantry .*see tenantry\s+config\./s);
  const cloned = await answers({ npm_command: 'exec' });
  t.match(cloned.wrong, 'tenantry: A mail is named by its id: see npx tenantry mail list');
  t.match(cloned.help, /^Usage: npx tenantry .*see npx tenantry\s+config\./s);
  t.equal(cloned.json, list, 'a program gets the same document');
});

t.test('a failure prints one line without a stack or a secret, with exit code 1', async (t) => {
  for (const args of [['users', 'list'], ['migrate']]) {
    const { status, stdout, stderr } = await cli(...args);
    t.equal(status, 1, args.join(' '));
    t.equal(stdout, '');
    t.match(stderr, /^tenantry: The database cannot be reached \(.*ECONNREFUSED.*\n$/);
    t.notMatch(stderr, /secret-of-nobody| {4}at /);
  }
  t.equal((await cli('users', 'list', '--json')).json.error.code, 'database_unavailable');
  const broken = await openCli({ PORT: 'x', NODE_ENV: 'nonsense' })('users', 'list', '--json');
  t.equal(broken.status, 1);
  t.match(broken.json, { error: { code: 'config_refused', detail: /NODE_ENV: .*; PORT: / } });
});

t.test('the configuration is printed with its sources, and without its secrets', async (t) => {
  const shown = await openCli({
    DATABASE_URL: 'postgres://owner:very-secret@db.example/t',
    KEYS_PASSPHRASE: 'very-secret-too',
    PORT: '8080',
    ACCESS_TOKEN_TTL: '5m',
  })('config', '--json');
  t.equal(shown.status, 0);
  t.notMatch(shown.stdout, /very-secret/);
  const find = (name: string) => shown.json.data.find((variable: { name: string }) => variable.name === name);
  t.match(find('PORT'), { value: '8080', from: 'environment', default: '3000', secret: false });
  t.match(find('ACCESS_TOKEN_TTL'), { value: '5m', from: 'environment', default: '15m' });
  t.match(find('PUBLIC_URL'), { value: 'http://localhost:8080', from: 'default', default: null });
  t.match(find('DATABASE_URL'), { value: '(secret)', from: 'environment', secret: true });
  t.match(find('DATABASE_APP_URL'), { value: null, from: 'default', secret: true });
  const plain = (await openCli({ SMTP_URL: 'smtp://user:very-secret@mail.example' })('config')).stdout;
  t.match(plain, /^SMTP_URL=\(secret\) {2}\(default none\)\n {4}/m);
  t.notMatch(plain, /very-secret/);
});

t.test('a reader that closes the pipe early is not an error', async (t) => {
  const child = spawn(process.execPath, [join(ROOT, 'src', 'main.ts'), '--help'], { stdio: 'pipe' });
  child.stdout.destroy();
  const [[status], stderr] = await Promise.all([once(child, 'close'), text(child.stderr)]);
  t.equal(status, 0);
  t.equal(stderr, '');
});

t.test('the command line as a process gives the same answers and exit codes, even through npm', async (t) => {
  const calls = [['--version'], ['users', 'list'], ['nonsense'], ['users', 'grant', 'x', '--json']];
  for (const args of calls) {
    const { status, stdout, stderr } = await cli(...args);
    t.match(await spawnCli(environment)(...args), { status, stdout, stderr }, args.join(' '));
  }
  const { PATH = '' } = process.env;
  const child = spawn('npm', ['run', '--silent', 'tenantry', '--', 'config', '--json'], {
    cwd: ROOT,
    env: { PATH, PORT: '8080' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [[status], stdout] = await Promise.all([once(child, 'close'), text(child.stdout)]);
  t.equal(status, 0);
  const port = JSON.parse(stdout).data.find(({ name }: { name: string }) => name === 'PORT');
  t.match(port, { value: '8080', from: 'environment' });
});

t.test('a signal ends a waiting command, with the exit code of the signal and no output', async (t) => {
  const silent = createServer().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  t.teardown(() => silent.close());
  const { port } = silent.address() as AddressInfo;
  const env = { DATABASE_URL: `postgres://a:b@127.0.0.1:${port}/x` };
  const asked = async (work: () => void) => {
    const [socket] = (await once(silent, 'connection')) as [Socket];
    t.teardown(() => socket.destroy());
    work();
  };
  for (const [name, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    const child = spawn(process.execPath, [join(ROOT, 'src', 'main.ts'), 'users', 'list'], {
      env: { ...PROGRAM_ENVIRONMENT, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)]);
    await asked(() => child.kill(name));
    t.same(await ended, [[code, null], '', ''], name);

    const [stdout, stderr, ending] = [openSink(), openSink(), new AbortController()];
    const { signal } = ending;
    const run = {
      args: ['users', 'list'],
      env,
      stdin: Readable.from([]),
      stdout,
      stderr,
      signal,
      serve: async () => 0,
    };
    const running = runCommand(run);
    await asked(() => ending.abort(name));
    t.same([await running, stdout.text(), stderr.text()], [code, '', ''], `${name} within a program`);
  }
});

t.test('an argument may begin with a hyphen: a kid as it is, any other after --', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'tenantry-keys-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const keys = openCli({ ...environment, KEYS_DIR: directory });
  for (const kid of ['-', '--', '-h', '--y'].map((start) => start.padEnd(43, 'Nxr5o'))) {
    for (const args of [[kid], [kid, '--yes'], ['--yes', kid], ['--use', 'access', kid, '--yes'], ['--', kid]]) {
      const { status, json } = await keys('keys', 'revoke', '--json', ...args);
      t.equal(status, 1, args.join(' '));
      t.match(json.error, { code: 'unknown_key', detail: `has the key ${kid}:` });
    }
    const twice = await keys('keys', 'revoke', kid, kid);
    t.match(twice, { status: 2, stderr: /too many arguments/ });
  }
  const hint =
    /unknown option '-[^']*'; (\(Did you mean [^)]*\)|)[; ]*Write -- before an argument that begins with - \(/;
  const [short, long] = ['-'.padEnd(42, 'x'), '-'.padEnd(44, 'x')];
  for (const typed of [short, long, '--yse', '-']) {
    const { status, stderr } = await keys('keys', 'revoke', typed);
    t.equal(status, typed === '-' ? 1 : 2, 'a hyphen alone is not an option');
    t.match(stderr, typed === '-' ? /has the key -:/ : hint, typed);
  }
  const kid = '-'.padEnd(43, 'x');
  t.match(await keys('keys', 'revoke', kid, '--yse'), { status: 2, stderr: /unknown option '--yse'/ });
  t.notMatch((await keys('users', 'list', '--nonsense')).stderr, 'Write --', 'this command has no arguments');

  for (const args of [
    ['users', 'disable', '--yes'],
    ['users', 'set-password', '--password-stdin', '--yes'],
    ['orgs', 'create', '--owner', 'ada@example.com'],
    ['orgs', 'suspend', '--yes'],
    ['clients', 'create'],
    ['roles', 'diff'],
  ]) {
    t.match(await cli(...args, '-x@example.com'), { status: 2, stderr: hint }, args.join(' '));
    t.equal((await cli(...args, '--', '-x@example.com')).status, 1, 'the argument is understood');
  }
});

t.test('the value of an option may begin with a hyphen', async (t) => {
  for (const value of ['-x', '--yes', '--version', '--help', '--', '-'.padEnd(43, 'x')]) {
    const { status, json } = await cli('users', 'list', '--search', value, '--json');
    t.equal(status, 1, value);
    t.equal(json.error.code, 'database_unavailable');
    t.equal((await cli('users', 'list', `--search=${value}`)).status, 1);
  }
});
