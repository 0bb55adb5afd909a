// The server programs for tests are found on the PATH, or are fetched once for all processes. These tests replace apt.
// The tests that start a Redis use the real apt if no Redis is found.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { debianProgram, type Surroundings } from './debian.ts';

interface Machine extends Required<Surroundings> {
  /** Returns the calls of apt-get, one line for each. */
  calls(): string[];
  write(file: string, text: string): void;
  /** Lets apt-get continue. */
  go(): void;
}

/** Creates a system like Debian. Its apt-get waits for `go`, and delivers programs that run. */
function machine(t: Test, download = 'true'): Machine {
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-debian-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const write = (file: string, text: string) => {
    mkdirSync(join(folder, file, '..'), { recursive: true });
    writeFileSync(join(folder, file), text);
    if (text.startsWith('#!')) chmodSync(join(folder, file), 0o755);
  };
  write('etc/os-release', 'NAME="Debian GNU/Linux"\nVERSION_CODENAME=woody\nID=debian\n');
  write('usr/share/keyrings/debian-archive-keyring.gpg', '');
  const shell = `#!/bin/sh\nPATH=/usr/bin:/bin\ncd '${folder}'\n`;
  write(
    'bin/apt-get',
    `${shell}case "$*" in
*update*) echo update >> calls; while [ -d '${folder}' ] && [ ! -e go ]; do sleep 0.01; done ;;
*install*) echo install >> calls; { ${download}; } && : > "\${2%/*}/archives/all.deb" ;;
esac\n`,
  );
  write(
    'bin/dpkg-deb',
    `${shell}mkdir -p "$3/usr/bin" "$3/usr/sbin"\nfor name in bin/redis-server sbin/nginx; do
printf '#!/bin/sh\\nexit 0\\n' > "$3/usr/$name"; chmod +x "$3/usr/$name"; done\n`,
  );
  return {
    root: folder,
    path: join(folder, 'bin'),
    cache: join(folder, 'data/cache/debian'),
    calls: () =>
      existsSync(join(folder, 'calls')) ? readFileSync(join(folder, 'calls'), 'utf8').trim().split('\n') : [],
    write,
    go: () => write('go', ''),
  };
}

interface Asking {
  readonly child: ChildProcess;
  /** Resolves once the process prints a line that matches. */
  says(pattern: RegExp): Promise<string>;
  lines(): readonly string[];
}

/** Requests the program in a separate process, which prints "asked", the progress, and the path. */
function ask(t: Test, name: string, { root, path, cache }: Machine): Asking {
  const module = new URL('debian.ts', import.meta.url).href;
  const code = `import { debianProgram } from '${module}';
    const found = debianProgram('${name}', ${JSON.stringify({ root, path, cache })});
    console.log('asked');
    found.then((path) => console.log('found ' + path), (error) => console.log('failed ' + error.message));`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      child.emit('said');
    });
  }
  return {
    child,
    lines: () => lines,
    async says(pattern) {
      for (;;) {
        const found = lines.find((line) => pattern.test(line));
        if (found !== undefined) return found;
        await once(child, 'said');
      }
    },
  };
}

const placeIn = ({ cache }: Machine) => join(cache, `woody-${process.arch}`);

t.test('a program that needs all of its files is kept with them and with its fonts, and can be moved', async (t) => {
  const there = machine(t);
  there.go();
  const files = '"$3/usr/lib/chromium" "$3/usr/share/fonts/sans" "$3/usr/bin"';
  there.write(
    'bin/dpkg-deb',
    `#!/bin/sh\nPATH=/usr/bin:/bin\nmkdir -p ${files}
echo a > "$3/usr/lib/chromium/resources.pak"; echo b > "$3/usr/share/fonts/sans/a.ttf"; echo 'exit 9' > "$3/usr/bin/chromium-headless-shell"
printf '#!/bin/sh\\ncat "\${0%%/*}/resources.pak" "\${FONTCONFIG_FILE%%/*}/fonts/sans/a.ttf"; echo "$@"\\n' > "$3/usr/lib/chromium/chromium-headless-shell"
chmod +x "$3/usr/lib/chromium/chromium-headless-shell"\n`,
  );
  const program = await debianProgram('chromium-headless-shell', there);
  t.equal(program, join(`${placeIn(there)}-browser`, 'chromium-headless-shell'));
  const moved = join(there.root, 'moved');
  renameSync(`${placeIn(there)}-browser`, moved);
  const run = (...args: string[]) =>
    spawnSync(join(moved, 'chromium-headless-shell'), args, { encoding: 'utf8' }).stdout;
  t.equal(run('-v'), 'a\nb\n--version\n');
  t.equal(run('--headless', 'about:blank'), 'a\nb\n--headless about:blank\n');
});

t.test('a program on the PATH is used, and nothing is fetched', async (t) => {
  const there = machine(t);
  there.write('sbin/nginx', '#!/bin/sh\n');
  there.write('other/nginx', 'no program');
  const path = ['', join(there.root, 'none'), join(there.root, 'other'), join(there.root, 'sbin')].join(':');
  t.equal(await debianProgram('nginx', { ...there, path }), join(there.root, 'sbin/nginx'));
  t.same(there.calls(), []);
});

t.test('when many processes need the programs at the same time, one complete copy is fetched', async (t) => {
  const there = machine(t);
  const asking = ['redis-server', 'nginx', 'redis-server', 'nginx'].map((name) => ask(t, name, there));
  for (const { says } of asking) await says(/^asked/);
  t.notOk(existsSync(placeIn(there)), 'an incomplete copy is not visible');
  there.go();
  const found = await Promise.all(asking.map(({ says }) => says(/^(found|failed)/)));
  t.same(
    found,
    ['redis-server', 'nginx', 'redis-server', 'nginx'].map((name) => `found ${join(placeIn(there), name)}`),
  );
  t.same(there.calls(), ['update', 'install']);
  t.equal(asking.flatMap(({ lines }) => lines()).filter((line) => line.startsWith('Fetching')).length, 1, 'said once');
  t.same(readdirSync(there.cache), [`woody-${process.arch}`], 'nothing else is left');
  t.equal(await debianProgram('nginx', there), join(placeIn(there), 'nginx'));
  t.equal(there.calls().length, 2, 'the next one finds it');
});

t.test('a process that is killed while it fetches leaves the work to the next one', async (t) => {
  const there = machine(t);
  const killed = ask(t, 'nginx', there);
  await killed.says(/^Fetching/);
  killed.child.kill('SIGKILL');
  await once(killed.child, 'exit');
  there.go();
  t.equal(await debianProgram('nginx', there), join(placeIn(there), 'nginx'));
  t.same(readdirSync(there.cache), [`woody-${process.arch}`], 'everything that the killed process left is removed');
});

t.test('a cached program that no longer runs is fetched again', async (t) => {
  const there = machine(t);
  there.go();
  const path = await debianProgram('nginx', there);
  writeFileSync(path, '#!/bin/sh\necho "cannot open shared object file" >&2; exit 127\n');
  await ask(t, 'redis-server', there).says(/^found/);
  t.same(there.calls().length, 2, 'the other one still runs');
  await ask(t, 'nginx', there).says(/^found/);
  t.same(there.calls().length, 4);
});

t.test('when the fetch fails, the error says why and what to do, and no file is left behind', async (t) => {
  const offline = machine(t, `echo "Reading" >&2; echo "E: Failed to fetch http://x: no route" >&2; exit 100`);
  offline.go();
  const refused = debianProgram('redis-server', offline);
  await t.rejects(refused, {
    message: /needs redis-server.*\bE: Failed to fetch http:\/\/x: no route\n.*apt-get install/,
  });
  await t.rejects(refused, { message: /^(?![\s\S]*Reading)/ }, 'the message has nothing else');
  t.same(readdirSync(offline.cache), []);
  t.same(readdirSync(join(offline.cache, '..')), ['debian'], 'the lock is given back');

  const broken = machine(t);
  broken.go();
  broken.write('bin/dpkg-deb', '#!/bin/sh\n');
  await t.rejects(debianProgram('nginx', broken), /not found|does not run/, 'packages that hold no such program');

  const bare = machine(t);
  await t.rejects(debianProgram('nginx', { ...bare, path: join(bare.root, 'etc') }), /needs nginx.*no apt-get/s);
  bare.write('etc/os-release', 'ID=gentoo\n');
  await t.rejects(debianProgram('nginx', bare), /not a release of Debian/);
  const keyless = machine(t);
  rmSync(join(keyless.root, 'usr'), { recursive: true });
  await t.rejects(debianProgram('nginx', keyless), /Debian's keys are not at/, 'nothing is fetched without the keys');
});
