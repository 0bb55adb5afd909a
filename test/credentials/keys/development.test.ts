// The first keys that development creates in an empty folder.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { ensureDevelopmentKeys, isDevelopmentKey } from '../../../src/credentials/keys/development.ts';
import { keepApart } from '../../../src/credentials/keys/ring.ts';
import { clockAt, folderOf, openRing } from './sample-keys.ts';

const clock = clockAt('2026-11-21T12:00:00Z');

// Each process has its own clock, and waits for its standard input, so that all processes begin at the same moment.
const PROGRAM = `
  import { once } from 'node:events';
  const { ensureDevelopmentKeys } = await import(process.argv[1]);
  const { openKeyRing } = await import(process.argv[2]);
  process.stdout.write('ready\\n');
  await once(process.stdin, 'data');
  const clock = { now: () => new Date(Number(process.argv[4])) };
  await ensureDevelopmentKeys(process.argv[3], clock);
  const silent = { info() {}, warn() {}, error() {} };
  for (const use of ['access', 'refresh']) {
    const directory = process.argv[3] + '/' + use;
    const ring = await openKeyRing({ directory, use, retentionSeconds: 60, clock, log: silent });
    process.stdout.write(use + ' ' + ring.signingKeyAt(clock.now()).kid + ' ' + ring.keys().length + '\\n');
    ring.close();
  }
  process.exit();
`;

function starter(keysDir: string, now: number): ChildProcessWithoutNullStreams {
  const modules = ['development', 'ring'].map(
    (name) => new URL(`../../../src/credentials/keys/${name}.ts`, import.meta.url).href,
  );
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM, ...modules, keysDir, String(now)]);
  child.stderr.pipe(process.stderr);
  return child;
}

t.test('eight processes that start at the same moment create exactly one key for each use', async (t) => {
  const keysDir = join(await folderOf(t), 'keys');
  const children = Array.from({ length: 8 }, (_, index) => starter(keysDir, clock.now().getTime() + index * 1500));
  await Promise.all(children.map((child) => once(child.stdout, 'data')));
  const answers = children.map((child) => text(child.stdout));
  for (const child of children) child.stdin.end('go\n');
  const said = new Set(await Promise.all(answers));
  t.equal(said.size, 1, [...said].join('; '));
  t.match([...said][0], /^access [\w-]{43} 1\nrefresh [\w-]{43} 1\n$/);
  for (const use of ['access', 'refresh']) {
    const names = await readdir(join(keysDir, use));
    t.equal(names.filter((name) => name.endsWith('-development.pem')).length, 1);
    t.equal(names.filter((name) => name.endsWith('.tmp')).length, 0);
  }
});

t.test('development keys sign at once, are created once, and are recognised by their names', async (t) => {
  const keysDir = await folderOf(t);
  await ensureDevelopmentKeys(keysDir, clock);
  await ensureDevelopmentKeys(keysDir, clock);
  const access = await openRing(t, { directory: join(keysDir, 'access'), clock });
  const refresh = await openRing(t, { directory: join(keysDir, 'refresh'), clock, use: 'refresh' });
  keepApart(access, refresh);
  t.equal(access.keys().length, 1);
  t.same(access.signingKeyAt(clock.now()).activeFrom, new Date('2026-11-21T11:59:00Z'));
  t.ok(isDevelopmentKey(access.signingKeyAt(clock.now())));
  t.notOk(isDevelopmentKey({ file: '2026-11-21T12-00-00Z.pem' }));
});

t.test('a folder with any *.pem file gets no key, and an emptied folder gets a new key', async (t) => {
  const keysDir = await folderOf(t);
  await ensureDevelopmentKeys(keysDir, clock);
  const directory = join(keysDir, 'access');
  const [made = ''] = (await readdir(directory)).filter((name) => name.endsWith('.pem'));
  await rm(join(directory, made));
  await writeFile(join(directory, 'mine.pem'), 'garbage');
  await ensureDevelopmentKeys(keysDir, clock);
  await t.rejects(openRing(t, { directory, clock }), /mine\.pem/);
  await rm(join(directory, 'mine.pem'));
  await ensureDevelopmentKeys(keysDir, clock);
  t.equal((await openRing(t, { directory, clock })).keys().length, 1);
});
