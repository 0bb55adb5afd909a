// The files of data keys: their form, which of them seals, what is refused, and how a running process follows them.
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { systemRandom } from '../../../src/base/platform/random.ts';
import { DataKeysRefused } from '../../../src/base/secrets/data-keys.ts';
import { seal, unseal } from '../../../src/base/secrets/sealing.ts';
import { ensureDevelopmentDataKeys } from '../../../src/credentials/data-keys/development.ts';
import { newDataKey, parseDataKey } from '../../../src/credentials/data-keys/file.ts';
import {
  generateDataKeys,
  listDataKeys,
  pruneDataKeys,
  rotateDataKey,
} from '../../../src/credentials/data-keys/lifecycle.ts';
import { openDataKeys } from '../../../src/credentials/data-keys/ring.ts';
import { jwkOf } from '../../support/data-keys.ts';
import { until } from '../../support/until.ts';
import { clockAt, folderOf, keptLog } from '../keys/sample-keys.ts';

const clock = clockAt('2026-11-21T12:00:00Z');
const random = systemRandom;

async function emptyFolder(t: Test) {
  const directory = join(await folderOf(t), 'data');
  return { directory, clock, random };
}

async function ringOn(t: Test, directory: string, passphrase?: string) {
  const log = keptLog();
  const ring = await openDataKeys({ directory, clock, log, passphrase });
  t.teardown(() => ring.close());
  return { ring, log };
}

t.test('a folder gets one data key and the lookup key, in files that only their owner can read', async (t) => {
  const folder = await emptyFolder(t);
  t.same(await generateDataKeys(folder), ['2026-11-21T12-00-00Z.jwk', 'lookup.jwk']);
  t.same(await generateDataKeys(folder), []);
  for (const [file, alg] of [
    ['2026-11-21T12-00-00Z.jwk', 'A256GCM'],
    ['lookup.jwk', 'HS256'],
  ] as const) {
    const path = join(folder.directory, file);
    t.equal(statSync(path).mode & 0o777, 0o600);
    const jwk = JSON.parse(readFileSync(path, 'utf8'));
    t.match(jwk, { kty: 'oct', alg });
    t.equal(Buffer.from(jwk.k, 'base64url').length, 32);
  }
  t.same(readdirSync(folder.directory).length, 2, 'no unfinished file stays');
});

t.test('the id of a key is the beginning of its RFC 7638 thumbprint', async (t) => {
  const bytes = Buffer.alloc(32, 7);
  const digest = createHash('sha256')
    .update(`{"k":"${bytes.toString('base64url')}","kty":"oct"}`)
    .digest('hex');
  t.match(await parseDataKey(Buffer.from(jwkOf(bytes, 'A256GCM')), 'A256GCM', undefined), { id: digest.slice(0, 8) });
});

t.test('with a passphrase a file is a JWE, which opens with this passphrase only', async (t) => {
  const content = await newDataKey('A256GCM', random, 'correct horse');
  t.equal(content.trim().split('.').length, 5);
  const header = JSON.parse(Buffer.from(content.split('.')[0] ?? '', 'base64url').toString());
  t.match(header, { alg: 'PBES2-HS256+A128KW', cty: 'jwk+json', p2c: 600_000 });
  t.match(await parseDataKey(Buffer.from(content), 'A256GCM', 'correct horse'), { id: /^[0-9a-f]{8}$/ });
  t.match(await parseDataKey(Buffer.from(content), 'A256GCM', 'wrong'), { reason: /passphrase does not open/ });
  t.match(await parseDataKey(Buffer.from(content), 'A256GCM', undefined), { reason: /no passphrase/ });
  await t.rejects(newDataKey('A256GCM', random, ''), RangeError);
});

t.test(
  'a file that is not exactly one symmetric key of 256 bits for this use is refused without being quoted',
  async (t) => {
    const k = randomBytes(32).toString('base64url');
    const refused = [
      '',
      'not a key',
      '{',
      'null',
      '[]',
      JSON.stringify({ kty: 'RSA', alg: 'A256GCM', k }),
      JSON.stringify({ kty: 'oct', k }),
      JSON.stringify({ kty: 'oct', alg: 'HS256', k }),
      JSON.stringify({ kty: 'oct', alg: 'A256GCM', k: `${k}=` }),
      jwkOf(randomBytes(31), 'A256GCM'),
      jwkOf(randomBytes(33), 'A256GCM'),
      'a.b.c.d.e',
    ];
    for (const text of refused) {
      const outcome = await parseDataKey(Buffer.from(text), 'A256GCM', 'some passphrase');
      t.match(outcome, { reason: /^[^{]+$/ }, text);
      t.notMatch(JSON.stringify(outcome), k);
    }
  },
);

t.test('the newest key whose instant has passed seals, and every key opens', async (t) => {
  const folder = await emptyFolder(t);
  await generateDataKeys(folder);
  const { ring } = await ringOn(t, folder.directory);
  const old = ring.sealingKey();
  const sealed = seal(old, 'users.name:1', 'Ada', random);
  const made = await rotateDataKey(folder);
  t.equal(made.activeFrom.toISOString(), '2026-11-21T12:10:00.000Z', 'ten minutes ahead');
  await ring.reload();
  t.equal(ring.sealingKey().id, old.id);
  const later = ring.sealingKeyAt(made.activeFrom);
  t.not(later.id, old.id);
  t.ok(ring.find(later.id), 'it opens before it seals');
  t.equal(unseal(ring.find(old.id) ?? later, 'users.name:1', sealed), 'Ada');
  t.same(
    (await listDataKeys({ ...folder, clock: clockAt('2026-11-21T13:00:00Z') })).keys.map(({ state }) => state),
    ['opening', 'sealing'],
  );
});

t.test('only keys that seal nothing and open nothing are removed', async (t) => {
  const folder = await emptyFolder(t);
  await generateDataKeys(folder);
  await rotateDataKey(folder);
  const later = { ...folder, clock: clockAt('2026-11-21T13:00:00Z') };
  const [old] = (await listDataKeys(later)).keys;
  const none = { removed: [], kept: [], settling: [] };
  t.same(await pruneDataKeys(folder, () => false), none, 'one seals, one is for later');
  t.same(await pruneDataKeys(later, (id) => id === old?.id), { ...none, kept: [old?.file] });
  t.same(await pruneDataKeys(later, () => false), { ...none, removed: [old?.file] });
  t.equal((await listDataKeys(later)).keys.length, 1);
});

t.test('a key that sealed a moment ago is kept, because a slow process may still store what it sealed', async (t) => {
  const folder = await emptyFolder(t);
  await generateDataKeys(folder);
  const { activeFrom } = await rotateDataKey(folder);
  const [old] = (await listDataKeys(folder)).keys;
  const prune = (seconds: number) => {
    const at = new Date(activeFrom.getTime() + seconds * 1000).toISOString();
    return pruneDataKeys({ ...folder, clock: clockAt(at) }, () => false);
  };
  const settling = [{ file: old?.file, until: new Date(activeFrom.getTime() + 600_000) }];
  for (const seconds of [0, 1, 599]) t.same(await prune(seconds), { removed: [], kept: [], settling });
  t.same(await prune(600), { removed: [old?.file], kept: [], settling: [] });
});

t.test('a process without a key that seals, or without the lookup key, says what is missing', async (t) => {
  const folder = await emptyFolder(t);
  const { ring } = await ringOn(t, folder.directory);
  t.throws(() => ring.assertUsable(), DataKeysRefused);
  t.throws(() => ring.assertUsable(), {
    message: /No key can seal[\s\S]*lookup.jwk is missing[\s\S]*tenantry keys generate/,
  });
  t.throws(() => ring.sealingKey(), { name: 'DataKeyMissing' });
  t.throws(() => ring.lookupKey(), { name: 'DataKeyMissing' });
  await generateDataKeys(folder);
  rmSync(join(folder.directory, 'lookup.jwk'));
  await ring.reload();
  t.throws(() => ring.assertUsable(), { message: /^(?![\s\S]*No key can seal)[\s\S]*lookup.jwk is missing/ });
  writeFileSync(join(folder.directory, 'lookup.jwk'), jwkOf(randomBytes(32), 'A256GCM'));
  await ring.reload();
  t.throws(() => ring.assertUsable(), { message: /Refused "lookup.jwk": its alg is not HS256/ });
});

t.test('a key whose file has gone still opens, and seals no more', async (t) => {
  const folder = await emptyFolder(t);
  await generateDataKeys(folder);
  const { ring, log } = await ringOn(t, folder.directory);
  const { id, file } = ring.sealingKeyAt(clock.now());
  const lookupKey = ring.lookupKey();
  rmSync(join(folder.directory, file));
  rmSync(join(folder.directory, 'lookup.jwk'));
  await ring.reload();
  t.throws(() => ring.sealingKey(), { name: 'DataKeyMissing' });
  t.ok(ring.find(id));
  t.equal(ring.lookupKey(), lookupKey);
  t.match(JSON.stringify(log.lines), new RegExp(`the file of the key ${id} has gone`));
});

t.test('a second file with the id of another key is refused, and so is a file with a wrong name', async (t) => {
  const folder = await emptyFolder(t);
  await mkdir(folder.directory);
  const content = jwkOf(randomBytes(32), 'A256GCM');
  writeFileSync(join(folder.directory, '2026-11-01T00-00-00Z.jwk'), content);
  writeFileSync(join(folder.directory, '2026-11-02T00-00-00Z.jwk'), content);
  writeFileSync(join(folder.directory, 'key.jwk'), content);
  writeFileSync(join(folder.directory, '2026-11-03T00-00-00Z.pem'), content);
  const { keys, refused } = await listDataKeys(folder);
  t.same(
    keys.map(({ file }) => file),
    ['2026-11-01T00-00-00Z.jwk'],
  );
  const reasons = refused.map(({ reason }) => reason).join('\n');
  for (const reason of [/does not end in .jwk/, /has the id/, /does not begin with a UTC/]) t.match(reasons, reason);
});

t.test('a running process follows its folder', async (t) => {
  const folder = await emptyFolder(t);
  await generateDataKeys(folder);
  const { ring } = await ringOn(t, folder.directory);
  ring.watch();
  await rotateDataKey(folder);
  const [, added] = (await listDataKeys(folder)).keys;
  await until(() => Boolean(ring.find(added?.id ?? '')));
});

t.test('development makes its keys once, and ten starts at the same moment agree on them', async (t) => {
  const keysDir = await folderOf(t);
  await Promise.all(Array.from({ length: 10 }, () => ensureDevelopmentDataKeys(keysDir, { clock, random })));
  const directory = join(keysDir, 'data');
  const names = readdirSync(directory).filter((name) => name.endsWith('.jwk'));
  t.same(names.sort(), ['2026-11-21T11-59-00Z-development.jwk', 'lookup.jwk']);
  const before = names.map((name) => readFileSync(join(directory, name), 'utf8'));
  await ensureDevelopmentDataKeys(keysDir, { clock, random });
  t.same(
    names.map((name) => readFileSync(join(directory, name), 'utf8')),
    before,
  );
  const { ring } = await ringOn(t, directory);
  ring.assertUsable();
});
