// A ring whose keys are revoked, and the deletions that a ring reports as revocations.
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { jwksDocument } from '../../../src/credentials/keys/jwks.ts';
import { NoSigningKey } from '../../../src/credentials/keys/ring.ts';
import type { GoneKey } from '../../../src/credentials/keys/vanished.ts';
import { until } from '../../support/until.ts';
import { clockAt, folderOf, keptLog, kids, openRing, sampleKey } from './sample-keys.ts';

const [a, b, c] = [await sampleKey(), await sampleKey(), await sampleKey()];
const A = '2026-11-01T00-00-00Z.pem';
const B = '2026-11-21T12-00-00Z.pem';
const NOW = '2026-11-21T12:01:00Z';

t.test('a revoked key neither signs nor verifies and is not published, although its file is there', async (t) => {
  const clock = clockAt(NOW);
  const log = keptLog();
  const ring = await openRing(t, { directory: await folderOf(t, { [A]: a.pem, [B]: b.pem }), clock, log });
  const { etag } = jwksDocument(ring, clock.now());
  let changes = 0;
  ring.onChange(() => {
    changes += 1;
  });
  ring.revoke(b.kid);
  ring.revoke(b.kid);
  t.equal(changes, 1, 'a cache of verified tokens is emptied once');
  t.equal(ring.signingKeyAt(clock.now()).kid, a.kid);
  t.equal(ring.verificationKey(b.kid, clock.now()), undefined);
  t.same([kids(ring.keys()), kids(ring.published(clock.now()))], [[a.kid], [a.kid]]);
  t.not(jwksDocument(ring, clock.now()).etag, etag);
  t.notMatch(jwksDocument(ring, clock.now()).body, b.kid);
  await ring.reload();
  await ring.reload();
  t.same(kids(ring.keys()), [a.kid], 'the key stays revoked after the files were read again');
  const said = log.lines.filter(({ fields }) => String(fields.finding).includes(b.kid));
  t.equal(said.length, 1);
  t.match(said[0]?.fields.finding, `${B} holds the revoked key ${b.kid}: it is ignored. Run tenantry keys revoke`);
});

t.test('the file of a revoked key that comes back is ignored, and the log says what to do', async (t) => {
  const directory = await folderOf(t, { [A]: a.pem });
  const log = keptLog();
  const ring = await openRing(t, { directory, clock: clockAt(NOW), log });
  ring.revoke(b.kid);
  ring.revoke(c.kid);
  await writeFile(join(directory, B), b.pem);
  await ring.reload();
  t.same(kids(ring.keys()), [a.kid]);
  t.equal(ring.version, 1, 'nothing changes');
  t.match(log.lines.at(-1)?.fields.finding, `tenantry keys revoke ${b.kid}`);
});

t.test(
  'without a key that can sign, the ring raises NoSigningKey, logs it, and works again with a new key',
  async (t) => {
    const clock = clockAt(NOW);
    const log = keptLog();
    const directory = await folderOf(t, { [A]: a.pem });
    const ring = await openRing(t, { directory, clock, log });
    ring.revoke(a.kid);
    t.throws(() => ring.signingKeyAt(clock.now()), NoSigningKey);
    t.same(ring.keys(), [], 'so that no token gets a 401 answer');
    t.match(log.lines.at(-1), { level: 'error', message: /^no usable key is left/ });
    await writeFile(join(directory, B), b.pem);
    await ring.reload();
    t.equal(ring.signingKeyAt(clock.now()).kid, b.kid);
    const future = await openRing(t, {
      directory: await folderOf(t, { [A]: a.pem, '2026-12-01T00-00-00Z.pem': c.pem }),
      ...{ clock, log },
    });
    future.revoke(a.kid);
    t.throws(() => future.signingKeyAt(clock.now()), NoSigningKey);
    t.match(log.lines.at(-1), { level: 'error', message: /^no key is left that can sign/ });
  },
);

/** Opens a ring that reports deleted keys, with a clock for their absence that moves 500 ms before each reading. */
async function reporting(t: Test, files: Record<string, string>, retentionSeconds = 1200) {
  const gone: GoneKey[] = [];
  const directory = await folderOf(t, files);
  const clock = clockAt(NOW);
  let steadyMs = 0;
  const ring = await openRing(t, {
    ...{ directory, clock, retentionSeconds, steadyMs: () => steadyMs },
    onGone: async (key) => gone.push(key),
  });
  async function readings(count: number): Promise<void> {
    for (let reading = 0; reading < count; reading += 1) {
      steadyMs += 500;
      await ring.reload();
    }
  }
  return { gone, directory, clock, ring, readings };
}

t.test(
  'the deletion of a key whose tokens may live is reported: of one that signs, verifies or is planned',
  async (t) => {
    const planned = '2026-12-01T00-00-00Z.pem';
    const { gone, directory, ring, readings } = await reporting(t, { [A]: a.pem, [B]: b.pem, [planned]: c.pem });
    for (const [file, { kid }] of [
      [planned, c],
      [A, a],
    ] as const) {
      await rm(join(directory, file));
      await readings(5);
      t.same(gone.splice(0), [{ kid, file }]);
    }
    await writeFile(join(directory, A), a.pem);
    await ring.reload();
    await rm(join(directory, B));
    await readings(5);
    t.same(gone, [{ kid: b.kid, file: B }], 'the key that signs');
  },
);

t.test('a key whose file was replaced by another key is reported', async (t) => {
  const { gone, directory, readings } = await reporting(t, { [A]: a.pem });
  await writeFile(join(directory, '.new'), b.pem);
  await rename(join(directory, '.new'), join(directory, A));
  await readings(5);
  t.same(gone, [{ kid: a.kid, file: A }]);
});

t.test('the removal of a retired key is not a revocation', async (t) => {
  const { gone, directory, clock, ring, readings } = await reporting(t, { [A]: a.pem, [B]: b.pem }, 600);
  clock.set('2026-11-21T12:10:00Z');
  await rm(join(directory, A));
  await readings(5);
  t.same([gone, kids(ring.keys())], [[], [b.kid]]);
});

t.test(
  'a missing, empty or incomplete folder, and a damaged or renamed file, do not count as revocations',
  async (t) => {
    const { gone, directory, ring, readings } = await reporting(t, { [A]: a.pem, [B]: b.pem });
    const away = `${directory}-away`;
    t.teardown(() => rm(away, { recursive: true, force: true }));
    await rename(directory, away);
    await readings(4);
    t.same(kids(ring.keys()), [], 'the folder does not exist');
    await mkdir(directory);
    await readings(4);
    await rm(directory, { recursive: true });
    await rename(away, directory);
    await readings(4);
    t.same([gone, kids(ring.keys())], [[], [a.kid, b.kid]], 'a volume that was not mounted for a while');
    await writeFile(join(directory, B), b.pem.slice(0, 100));
    await readings(4);
    t.same(kids(ring.keys()), [a.kid], 'a damaged key does not verify');
    await writeFile(join(directory, B), b.pem);
    await rename(join(directory, B), join(directory, '2026-11-21T11-00-00Z.pem'));
    await readings(4);
    t.same([gone, kids(ring.keys())], [[], [a.kid, b.kid]]);
  },
);

t.test('a key that was revoked by others is not reported when its file is removed', async (t) => {
  const { gone, directory, ring, readings } = await reporting(t, { [A]: a.pem, [B]: b.pem });
  ring.revoke(b.kid);
  await rm(join(directory, B));
  await readings(5);
  t.same(gone, []);
});

t.test('a ring notices and reports a deletion by its own readings, with the real clock', async (t) => {
  const gone: GoneKey[] = [];
  const directory = await folderOf(t, { [A]: a.pem, [B]: b.pem });
  await openRing(t, { directory, clock: clockAt(NOW), onGone: async (key) => gone.push(key) });
  const alive = setInterval(() => undefined, 1000);
  t.teardown(() => clearInterval(alive));
  await rm(join(directory, B));
  await until(() => gone.length > 0);
  t.same(gone, [{ kid: b.kid, file: B }]);
});
