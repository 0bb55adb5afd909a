// The commands that operators use to manage signing keys and the keys of personal data.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type Cli, openCli } from './command-line.ts';

function cliFor(t: Test): Cli {
  const directory = mkdtempSync(join(tmpdir(), 'tenantry-keys-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return openCli({ KEYS_DIR: join(directory, 'keys') });
}

t.test('commands create keys once, rotate them ahead of time, list them and revoke them', async (t) => {
  const cli = cliFor(t);
  t.equal((await cli('keys', 'generate')).status, 0);
  t.match((await cli('keys', 'generate')).stdout, /access: already has a key.*\nrefresh: already has a key/);
  t.match((await cli('keys', 'rotate', '--use', 'access')).stdout, /^access: made \S+, which signs from /);
  const listed = (await cli('keys', 'list')).stdout;
  t.equal(listed.match(/^access: /gm)?.length, 2);
  t.equal(listed.match(/^refresh: /gm)?.length, 1);
  t.match(listed, /future, 2048 bits/);
  const kid = /^access: (\S+) signing/m.exec(listed)?.[1] ?? '';
  const unasked = await cli('keys', 'revoke', kid);
  t.equal(unasked.status, 2);
  t.match(unasked.stderr, /Every token that the access key .* add --yes/);
  t.match((await cli('keys', 'list')).stdout, kid, 'nothing was done without --yes');
  t.match((await cli('keys', 'revoke', kid, '--yes')).stdout, /^access: removed .*which signs at once/);
  t.notMatch((await cli('keys', 'list')).stdout, new RegExp(kid));
  const document = (await cli('keys', 'list', '--json')).json;
  t.same(
    document.data.map(({ use, state }: { use: string; state: string }) => [use, state]),
    [
      ['access', 'signing'],
      ['access', 'future'],
      ['refresh', 'signing'],
      ['data', 'sealing'],
      ['data', 'lookup'],
    ],
  );
  t.notMatch(JSON.stringify(document), /PRIVATE/);
});

t.test('the keys of personal data are made, rotated and listed, and cannot be revoked', async (t) => {
  const cli = cliFor(t);
  t.match(
    (await cli('keys', 'generate', '--use', 'data')).stdout,
    /^data: made \S+Z.jwk and lookup.jwk\ndata: without/,
  );
  t.match((await cli('keys', 'generate', '--use', 'data')).stdout, /^data: already has its keys\n$/);
  t.match((await cli('keys', 'rotate', '--use', 'data')).stdout, /^data: made \S+Z.jwk, which seals from /);
  const { data } = (await cli('keys', 'list', '--use', 'data', '--json')).json;
  t.match(data, [{ state: 'sealing' }, { state: 'future' }, { state: 'lookup', file: 'lookup.jwk' }]);
  t.notMatch(JSON.stringify(data), /"k"/);
  for (const named of [[data[0].id], ['x', '--use', 'data']]) {
    const { status, stderr } = await cli('keys', 'revoke', ...named, '--yes');
    t.equal(status, 1);
    t.match(stderr, /cannot be revoked, because nobody could read/);
  }
  t.equal((await cli('keys', 'rotate')).status, 0);
  t.equal((await cli('keys', 'list', '--use', 'data', '--json')).json.data.length, 3, 'this made no data key');
});

t.test('an invalid command is refused with instructions', async (t) => {
  const cli = cliFor(t);
  for (const args of [[], ['nonsense'], ['list', '--use', 'both'], ['rotate', '--bits', '1024'], ['revoke']]) {
    const { status, stderr, stdout } = await cli('keys', ...args);
    t.equal(status, 2, args.join(' '));
    t.equal(stdout, '');
    t.match(stderr, /usage/i);
  }
  const unknown = await cli('keys', 'revoke', 'unknown', '--yes');
  t.equal(unknown.status, 1);
  t.match(unknown.stderr, /^tenantry: .*has the key unknown: see tenantry keys list\n$/);
  t.match((await cli('keys', '--help')).stdout, /Usage/);
});
