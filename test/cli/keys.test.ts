// The command that operators handle signing keys with, as a process of its own.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ROOT } from '../support/service.ts';

function directoryOf(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'tenantry-keys-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function keys(directory: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'src', 'cli', 'keys.ts'), ...args], {
    env: { PATH: process.env.PATH ?? '', KEYS_DIR: directory },
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

t.test('keys are made once, rotated ahead of time, listed and revoked', async (t) => {
  const directory = join(directoryOf(t), 'keys');
  t.equal(keys(directory, 'generate').status, 0);
  t.match(keys(directory, 'generate').stdout, /access: has a key already.*\nrefresh: has a key already/);
  t.match(keys(directory, 'rotate', '--use', 'access').stdout, /^access: made \S+, which signs from /);
  const listed = keys(directory, 'list').stdout;
  t.equal(listed.match(/^access: /gm)?.length, 2);
  t.equal(listed.match(/^refresh: /gm)?.length, 1);
  t.match(listed, /future, 2048 bits/);
  const kid = /^access: (\S+) signing/m.exec(listed)?.[1] ?? '';
  t.match(keys(directory, 'revoke', kid).stdout, /^access: removed .*which signs at once/);
  t.notMatch(keys(directory, 'list').stdout, new RegExp(kid));
});

t.test('what is not understood is refused with the usage', async (t) => {
  const directory = directoryOf(t);
  for (const args of [[], ['nonsense'], ['list', '--use', 'both'], ['rotate', '--bits', '1024'], ['revoke']]) {
    const { status, stderr } = keys(directory, ...args);
    t.equal(status, 2, args.join(' '));
    t.match(stderr, /usage/);
  }
  t.match(keys(directory, 'revoke', 'unknown').stderr, /holds the key unknown/);
  t.match(keys(directory, '--help').stdout, /usage/);
});
