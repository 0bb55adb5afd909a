// The changes that an operator makes in a folder of keys, and how a running key ring applies them.
import { readdir, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { generateKeyFile } from '../../../src/credentials/keys/generate.ts';
import { listKeys, pruneKeys, revokeKey, rotateKey, UnknownKey } from '../../../src/credentials/keys/lifecycle.ts';
import { clockAt, folderOf, kids, openRing, sampleKey } from './sample-keys.ts';

const [a, b, c] = [await sampleKey(), await sampleKey(), await sampleKey()];
const A = '2026-11-01T00-00-00Z.pem';
const B = '2026-11-11T00-00-00Z.pem';
const C = '2026-11-21T00-00-00Z.pem';

t.test('only the owner can read a generated key and its folder, and the key replaces no other file', async (t) => {
  const directory = join(await folderOf(t), 'new', 'access');
  const activeFrom = new Date('2026-11-21T09:08:07.900Z');
  const made = await Promise.all([1, 2, 3].map(() => generateKeyFile({ directory, activeFrom })));
  const names = ['2026-11-21T09-08-07Z-b.pem', '2026-11-21T09-08-07Z-c.pem', '2026-11-21T09-08-07Z.pem'];
  t.same(made.map(({ file }) => file).sort(), names);
  t.same((await readdir(directory)).sort(), names, 'nothing else is left behind');
  t.equal((await stat(directory)).mode & 0o777, 0o700);
  for (const name of names) t.equal((await stat(join(directory, name))).mode & 0o777, 0o600);
  const ring = await openRing(t, { directory, clock: clockAt('2026-11-21T10:00:00Z') });
  t.same(kids(ring.keys()).sort(), kids(made).sort());
  t.same(
    ring.keys().map(({ bits }) => bits),
    [2048, 2048, 2048],
  );
});

t.test('the first key signs at once, and every later key signs after at least ten minutes', async (t) => {
  const directory = join(await folderOf(t), 'access');
  const clock = clockAt('2026-11-21T12:00:00.400Z');
  const folder = { directory, retentionSeconds: 1200, clock };
  t.same((await listKeys(folder)).keys, [], 'a missing folder contains no key');
  const first = await rotateKey(folder, { bits: 3072 });
  t.equal(first.file, '2026-11-21T12-00-00Z.pem');
  const next = await rotateKey(folder);
  t.equal(next.file, '2026-11-21T12-10-01Z.pem', 'never a moment less');
  await t.rejects(rotateKey(folder, { leadSeconds: 599 }), RangeError);
  await t.rejects(rotateKey(folder, { leadSeconds: Number.NaN }), RangeError);
  const { keys } = await listKeys(folder);
  t.same(
    keys.map(({ kid, state, bits }) => [kid, state, bits]),
    [
      [first.kid, 'signing', 3072],
      [next.kid, 'future', 3072],
    ],
  );
  t.same(
    keys.map(({ verifiesUntil }) => verifiesUntil),
    [new Date('2026-11-21T12:30:01Z'), undefined],
  );
});

t.test('the list shows the state of every key and names the refused files', async (t) => {
  const directory = await folderOf(t, { [A]: a.pem, [B]: b.pem, [C]: c.pem, 'x.pem': 'x' });
  const folder = { directory, retentionSeconds: 1200, clock: clockAt('2026-11-21T00:10:00Z') };
  const { keys, refused } = await listKeys(folder);
  t.same(
    keys.map(({ state }) => state),
    ['retired', 'retiring', 'signing'],
  );
  t.match(refused, [{ file: 'x.pem', reason: /begin/ }]);
});

t.test('pruning removes retired keys and unfinished files, and no key that still verifies', async (t) => {
  const unfinished = `.${'k'.repeat(43)}.tmp`;
  const recent = `.${'r'.repeat(43)}.tmp`;
  const files = { [A]: a.pem, '2026-12-01T00-00-00Z.pem': a.pem, [B]: b.pem, [C]: c.pem, 'x.pem': 'x' };
  const directory = await folderOf(t, { ...files, [unfinished]: 'x', [recent]: 'x' });
  const clock = clockAt('2026-11-21T00:10:00Z');
  await utimes(join(directory, unfinished), clock.now(), new Date('2026-11-20T23:09:00Z'));
  await utimes(join(directory, recent), clock.now(), new Date('2026-11-21T00:09:00Z'));
  const folder = { directory, retentionSeconds: 1200, clock };
  const { removed } = await pruneKeys(folder);
  t.same(
    removed.sort(),
    [A, '2026-12-01T00-00-00Z.pem', unfinished].sort(),
    'the repeated file of a retired key is removed too',
  );
  t.same((await readdir(directory)).sort(), [B, C, recent, 'x.pem'].sort());
  t.same((await pruneKeys(folder)).removed, []);
  clock.set('2036-01-01T00:00:00Z');
  await pruneKeys(folder);
  t.same(
    (await listKeys(folder)).keys.map(({ kid }) => kid),
    [c.kid],
    'the newest key never retires',
  );
});

t.test('no token of a revoked key is accepted, and the previous key signs again while it still verifies', async (t) => {
  const directory = await folderOf(t, { [A]: a.pem, [B]: b.pem, [C]: c.pem, '2026-12-24T00-00-00Z.pem': c.pem });
  const clock = clockAt('2026-11-21T00:10:00Z');
  const folder = { directory, retentionSeconds: 1200, clock };
  const ring = await openRing(t, { directory, clock });
  const { removed, replacement } = await revokeKey(folder, c.kid);
  t.same(removed.sort(), [A, C, '2026-12-24T00-00-00Z.pem'].sort(), 'every file of the key, and retired keys as well');
  t.equal(replacement, undefined);
  await ring.reload();
  t.equal(ring.verificationKey(c.kid, clock.now()), undefined);
  t.equal(ring.signingKeyAt(clock.now()).kid, b.kid);
  await t.rejects(revokeKey(folder, c.kid), UnknownKey);
});

t.test('when the last key that can sign is revoked, a new key of the same length replaces it', async (t) => {
  const directory = await folderOf(t, { [B]: b.pem, [C]: c.pem });
  const clock = clockAt('2026-11-25T00:00:00Z');
  const folder = { directory, retentionSeconds: 1200, clock };
  const ring = await openRing(t, { directory, clock });
  const { replacement } = await revokeKey(folder, c.kid);
  await ring.reload();
  t.equal(ring.signingKeyAt(clock.now()).kid, replacement?.kid);
  t.same(
    ring.keys().map(({ kid, bits }) => [kid, bits]),
    [[replacement?.kid, 2048]],
    'a retired key does not come back',
  );
});

t.test('encrypted keys can be generated, listed and revoked', async (t) => {
  const directory = join(await folderOf(t), 'access');
  const clock = clockAt('2026-11-21T12:00:00Z');
  const folder = { directory, retentionSeconds: 1200, clock, passphrase: 'right' };
  const { kid } = await rotateKey(folder);
  t.same(
    (await listKeys(folder)).keys.map((key) => key.kid),
    [kid],
  );
  const blind = await listKeys({ ...folder, passphrase: undefined });
  t.match(blind, { keys: [], refused: [{ reason: /no passphrase/ }] });
  await writeFile(join(directory, 'x.pem'), 'x');
  await revokeKey(folder, kid);
  t.not((await listKeys(folder)).keys[0]?.kid, kid);
});
