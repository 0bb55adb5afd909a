// Which keys sign, verify and are published over time, and after files have been added or removed.
import { execFile } from 'node:child_process';
import { mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { jwtVerify, SignJWT } from 'jose';
import t from 'tap';
import { keepApart, NoSigningKey, openKeyRing, SharedKey } from '../../../src/credentials/keys/ring.ts';
import { arrange } from '../../../src/credentials/keys/timeline.ts';
import { clockAt, folderOf, keptLog, kids, nextChange, openRing, sampleKey } from './sample-keys.ts';

const [a, b, c] = [await sampleKey(), await sampleKey(), await sampleKey()];
const A = '2026-11-01T00-00-00Z.pem';
const B = '2026-11-21T12-00-00Z.pem';
const at = (text: string) => new Date(`2026-11-${text}Z`);

t.test(
  'a key is published ahead, signs from its instant, verifies until its retention ends, and then disappears',
  async (t) => {
    const clock = clockAt('2026-11-21T11:00:00Z');
    const ring = await openRing(t, {
      directory: await folderOf(t, { [A]: a.pem, [B]: b.pem }),
      clock,
      retentionSeconds: 1200,
    });
    const story = ['21T11:59:59.999', '21T12:00:00', '21T12:19:59.999', '21T12:20:00'].map((instant) => {
      const now = at(instant);
      const verifying = [a, b].filter(({ kid }) => ring.verificationKey(kid, now)).map(({ kid }) => kid);
      return [ring.signingKeyAt(now).kid, kids(ring.published(now)), verifying];
    });
    t.same(story, [
      [a.kid, [a.kid, b.kid], [a.kid, b.kid]],
      [b.kid, [a.kid, b.kid], [a.kid, b.kid]],
      [b.kid, [a.kid, b.kid], [a.kid, b.kid]],
      [b.kid, [b.kid], [b.kid]],
    ]);
    t.throws(() => ring.signingKeyAt(at('00T00:00:00')), NoSigningKey, 'an invalid instant has no key');
    t.throws(() => ring.signingKeyAt(new Date('2026-10-31T23:59:59Z')), NoSigningKey);
    t.equal(ring.verificationKey('unknown', at('21T12:00:00')), undefined);
    t.equal(ring.verificationKey('', at('21T12:00:00')), undefined);
  },
);

t.test('after a rotation a token with an earlier instant can be signed again, with the same bytes', async (t) => {
  const clock = clockAt('2026-11-21T11:59:55Z');
  const ring = await openRing(t, { directory: await folderOf(t, { [A]: a.pem, [B]: b.pem }), clock });
  const issued = clock.now();
  const sign = () => {
    const key = ring.signingKeyAt(issued);
    return new SignJWT({ sub: 'someone' }).setProtectedHeader({ alg: 'RS256', kid: key.kid }).sign(key.privateKey);
  };
  const first = await sign();
  clock.set('2026-11-21T12:00:05Z');
  await ring.reload();
  t.equal(await sign(), first);
  const verified = await jwtVerify(first, ({ kid }) => {
    const key = ring.verificationKey(kid ?? '', clock.now());
    if (!key) throw new Error('unknown key');
    return key.publicKey;
  });
  t.equal(verified.payload.sub, 'someone');
});

t.test('when two keys have the same instant, the key with the later name signs', async (t) => {
  const files = { '2026-11-01T00-00-00Z.pem': a.pem, '2026-11-01T00-00-00Z-b.pem': b.pem };
  const ring = await openRing(t, { directory: await folderOf(t, files), clock: clockAt('2026-11-21T12:00:00Z') });
  t.equal(ring.signingKeyAt(at('21T12:00:00')).kid, b.kid);
  const { dated } = arrange(ring.keys().toReversed(), 1200);
  t.same(kids(dated.map(({ key }) => key)), [a.kid, b.kid], 'the order is the same however the folder is listed');
});

t.test('a key in two files with different instants uses the earlier instant, and a warning is logged', async (t) => {
  const log = keptLog();
  const directory = await folderOf(t, { [A]: a.pem, [B]: b.pem, '2026-12-01T00-00-00Z.pem': a.pem });
  const ring = await openRing(t, { directory, clock: clockAt('2026-11-21T12:00:00Z'), log });
  await ring.reload();
  t.same(
    ring.keys().map(({ file }) => file),
    [A, B],
  );
  t.equal(ring.signingKeyAt(new Date('2026-12-02T00:00:00Z')).kid, b.kid);
  const warnings = log.lines.filter(({ level }) => level === 'warn');
  t.equal(warnings.length, 1);
  t.match(warnings[0]?.fields.finding, /2026-12-01T00-00-00Z\.pem holds the key/);
});

t.test('without a restart, a new key file is used and the key of a deleted file stops verifying', async (t) => {
  const directory = await folderOf(t, { [A]: a.pem });
  const clock = clockAt('2026-11-21T12:00:00Z');
  const ring = await openRing(t, { directory, clock });
  const before = ring.keys()[0];
  const added = nextChange(ring);
  await writeFile(join(directory, '.new'), b.pem);
  await rename(join(directory, '.new'), join(directory, B));
  await added;
  t.equal(ring.signingKeyAt(clock.now()).kid, b.kid);
  t.equal(ring.version, 2);
  t.equal(ring.keys()[0], before, 'an unchanged file is not parsed again');
  const removed = nextChange(ring);
  await rm(join(directory, B));
  await removed;
  t.equal(ring.verificationKey(b.kid, clock.now()), undefined);
  t.equal(ring.signingKeyAt(clock.now()).kid, a.kid);
});

t.test('when the content of a key file is replaced, the old key stops and the new key starts', async (t) => {
  const directory = await folderOf(t, { [A]: a.pem });
  const ring = await openRing(t, { directory, clock: clockAt('2026-11-21T12:00:00Z') });
  const replaced = nextChange(ring);
  await writeFile(join(directory, '.new'), b.pem);
  await rename(join(directory, '.new'), join(directory, A));
  await replaced;
  t.same(kids(ring.keys()), [b.kid]);
});

t.test('the keys of a mounted secret are read again after the whole secret was replaced', async (t) => {
  const directory = await folderOf(t);
  for (const [version, key] of Object.entries({ '..1': a, '..2': b })) {
    await mkdir(join(directory, version));
    await writeFile(join(directory, version, A), key.pem);
  }
  await symlink('..1', join(directory, '..data'));
  await symlink(join('..data', A), join(directory, A));
  const ring = await openRing(t, { directory, clock: clockAt('2026-11-21T12:00:00Z') });
  const exchanged = nextChange(ring);
  await symlink('..2', join(directory, '..data_tmp'));
  await rename(join(directory, '..data_tmp'), join(directory, '..data'));
  await exchanged;
  t.same(kids(ring.keys()), [b.kid]);
});

t.test('polling notices a folder that is removed and put back, without file events', async (t) => {
  const parent = await folderOf(t);
  const directory = join(parent, 'access');
  await mkdir(directory);
  await writeFile(join(directory, A), a.pem);
  const log = keptLog();
  const clock = clockAt('2026-11-21T12:00:00Z');
  const ring = await openRing(t, { directory, clock, log });
  const gone = nextChange(ring);
  await rename(directory, join(parent, 'elsewhere'));
  await gone;
  t.same(ring.keys(), []);
  t.throws(() => ring.signingKeyAt(clock.now()), NoSigningKey);
  t.equal(ring.verificationKey(a.kid, clock.now()), undefined);
  t.ok(log.lines.some(({ level, message }) => level === 'error' && message.startsWith('no usable key is left')));
  const back = nextChange(ring);
  await mkdir(directory);
  await writeFile(join(directory, B), b.pem);
  await back;
  t.same(kids(ring.keys()), [b.kid]);
});

t.test('a key whose file arrives after its instant does not shorten the retention of the previous key', async (t) => {
  const directory = await folderOf(t, { [A]: a.pem });
  const clock = clockAt('2026-11-21T15:00:00Z');
  const ring = await openRing(t, { directory, clock, retentionSeconds: 1200 });
  await writeFile(join(directory, B), b.pem);
  await ring.reload();
  t.equal(ring.signingKeyAt(clock.now()).kid, b.kid);
  t.ok(ring.verificationKey(a.kid, at('21T15:19:59')), 'it signed until 15:00, not until 12:00');
  t.equal(ring.verificationKey(a.kid, at('21T15:20:00')), undefined);
});

t.test(
  'a reload that changes nothing calls no listener, and a listener that fails does not prevent the calls of the others',
  async (t) => {
    const directory = await folderOf(t, { [A]: a.pem });
    const ring = await openRing(t, { directory, clock: clockAt('2026-11-21T12:00:00Z') });
    let calls = 0;
    ring.onChange(() => {
      throw new Error('broken');
    });
    ring.onChange(() => {
      calls += 1;
    });
    await ring.reload();
    t.same([calls, ring.version], [0, 1]);
    await writeFile(join(directory, B), b.pem);
    await Promise.all([ring.reload(), ring.reload(), ring.reload()]);
    t.same([calls, ring.version], [1, 2]);
    ring.close();
    await rm(join(directory, B));
    await ring.reload();
    t.same([calls, kids(ring.keys())], [1, [a.kid, b.kid]], 'a closed ring stops polling');
  },
);

t.test('a single PEM file signs from the start of Unix time, and is read again after it was replaced', async (t) => {
  const directory = await folderOf(t, { 'signing-key': c.pem });
  const file = join(directory, 'signing-key');
  const ring = await openRing(t, { file, clock: clockAt('2026-11-21T12:00:00Z') });
  t.equal(ring.signingKeyAt(new Date(0)).kid, c.kid);
  t.equal(ring.signingKeyAt(new Date(0)).file, 'signing-key');
  const replaced = nextChange(ring);
  await writeFile(join(directory, '.new'), a.pem);
  await rename(join(directory, '.new'), file);
  await replaced;
  t.same(kids(ring.keys()), [a.kid]);
  t.same(await readdir(directory), ['signing-key']);
});

t.test('a ring needs either a folder or a file, and both or neither are refused', async (t) => {
  const base = { use: 'access', retentionSeconds: 1, clock: clockAt('2026-11-21T12:00:00Z'), log: keptLog() } as const;
  await t.rejects(openKeyRing(base), TypeError);
  await t.rejects(openKeyRing({ ...base, directory: 'x', file: 'y' }), TypeError);
});

t.test('two rings that share a key are refused with its kid, even if one of them does not use it yet', async (t) => {
  const clock = clockAt('2026-11-21T12:00:00Z');
  const access = await openRing(t, { directory: await folderOf(t, { [A]: a.pem }), clock });
  const refresh = await openRing(t, { directory: await folderOf(t, { [A]: b.pem }), clock, use: 'refresh' });
  t.doesNotThrow(() => keepApart(access, refresh));
  const mixed = await folderOf(t, { [A]: b.pem, '2027-01-01T00-00-00Z.pem': a.pem });
  const shared = await openRing(t, { directory: mixed, clock, use: 'refresh' });
  t.throws(() => keepApart(access, shared), SharedKey);
  t.throws(() => keepApart(access, shared), new RegExp(a.kid));
});

t.test('when a key is copied to another running ring, the first ring keeps it and the other ignores it', async (t) => {
  const clock = clockAt('2026-11-21T12:00:00Z');
  const folders = { access: await folderOf(t, { [A]: a.pem }), refresh: await folderOf(t, { [A]: b.pem }) };
  const log = keptLog();
  const access = await openRing(t, { directory: folders.access, clock, log });
  const refresh = await openRing(t, { directory: folders.refresh, clock, log, use: 'refresh' });
  keepApart(access, refresh);
  const cases = [
    { name: 'a refresh key in access/', into: access, folder: folders.access, from: refresh, copied: b, own: a },
    { name: 'an access key in refresh/', into: refresh, folder: folders.refresh, from: access, copied: a, own: b },
  ];
  for (const { name, into, folder, from, copied, own } of cases) {
    log.lines.length = 0;
    await writeFile(join(folder, B), copied.pem);
    await into.reload();
    await into.reload();
    t.same(kids(into.keys()), [own.kid], name);
    t.same(kids(into.published(clock.now())), [own.kid]);
    t.equal(into.signingKeyAt(clock.now()).kid, own.kid, 'although the copy has the newer instant');
    t.equal(into.verificationKey(copied.kid, clock.now()), undefined);
    t.ok(from.verificationKey(copied.kid, clock.now()), 'its signed tokens stay valid');
    t.equal(log.lines.length, 1, 'said once');
    t.match(log.lines[0], { level: 'warn', fields: { finding: `${B} holds the key ${copied.kid} of the other ring` } });
    t.equal(into.version, 1);
  }
  await rm(join(folders.refresh, A));
  await refresh.reload();
  await access.reload();
  t.same(kids(access.keys()), [a.kid], 'a refresh key does not become an access key when it is moved either');
});

t.test('the first keys of a ring are not reported as changes, and later keys are', async (t) => {
  const directory = await folderOf(t, { [A]: a.pem });
  const log = keptLog();
  const ring = await openRing(t, { directory, clock: clockAt('2026-11-21T12:00:00Z'), log });
  t.same(log.lines, []);
  await writeFile(join(directory, B), b.pem);
  await ring.reload();
  t.match(log.lines, [{ level: 'info', message: 'key added', fields: { kid: b.kid } }]);
});

t.test('a private key cannot be read out of the ring', async (t) => {
  const ring = await openRing(t, {
    directory: await folderOf(t, { [A]: a.pem }),
    clock: clockAt('2026-11-21T12:00:00Z'),
  });
  const key = ring.signingKeyAt(at('21T12:00:00'));
  await t.rejects(crypto.subtle.exportKey('pkcs8', key.privateKey));
  await t.rejects(crypto.subtle.exportKey('jwk', key.privateKey));
  t.equal(key.kid, a.kid, 'the kid is the RFC 7638 thumbprint');
});

const STARVED = `
  import { openSync, closeSync } from 'node:fs';
  const { openKeyRing } = await import(process.argv[1]);
  const clock = { now: () => new Date(1795262400000) };
  const warnings = [];
  const log = { info() {}, warn(fields) { warnings.push(fields.finding); }, error() {} };
  const ring = await openKeyRing({ directory: process.argv[2], use: 'access', retentionSeconds: 60, clock, log });
  const held = [];
  let code = '';
  while (code === '') try { held.push(openSync('/dev/null')); } catch (error) { code = error.code; }
  await ring.reload();
  await ring.reload();
  const none = ring.keys().length;
  closeSync(held.pop());
  await ring.reload();
  console.log(JSON.stringify([code, none, ring.keys().length, ring.version, warnings.length]));
  process.exit();
`;

t.test('a process without free file descriptors keeps its keys', async (t) => {
  const directory = await folderOf(t, { [A]: a.pem });
  const module = new URL('../../../src/credentials/keys/ring.ts', import.meta.url).href;
  const command = 'ulimit -n 64; exec "$0" --input-type=module -e "$1" "$2" "$3"';
  const { stdout } = await promisify(execFile)('sh', ['-c', command, process.execPath, STARVED, module, directory]);
  t.same(JSON.parse(stdout), ['EMFILE', 1, 1, 1, 1], 'the reason is logged once');
});
