// The cache of verified tokens: what it finds, and that its memory is limited whatever the tokens contain.
// Runs in a process of its own: it measures memory.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { createVerifiedCache } from '../../../src/credentials/tokens/verified-cache.ts';
import { createDatabase } from '../../support/database.ts';
import { openService } from '../../support/service.ts';

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

function liveBytes(): number {
  for (let collection = 0; collection < 3; collection += 1) collect();
  return process.memoryUsage().heapUsed;
}

const KIB = 1024;
let texts = 0;

/** A new text with memory of its own, as if it had been read from a request. */
function textOf(length: number): string {
  texts += 1;
  return Buffer.alloc(length, `text ${texts} `).toString('latin1');
}

function valueWith(permissions: number, expiresAt = 0) {
  return {
    expiresAt,
    caller: { id: textOf(36), permissions: Array.from({ length: permissions }, () => textOf(60)) },
  };
}

type Value = ReturnType<typeof valueWith>;
const cacheOf = (bytesMax: number, now = () => -1) =>
  createVerifiedCache<Value>({ bytesMax, isOver: ({ expiresAt }) => expiresAt <= now() });

t.test('a token is found only by its whole text', async (t) => {
  const cache = cacheOf(100 * KIB);
  const value = valueWith(1);
  cache.set('header.payload.signature', value);
  t.equal(cache.get('header.payload.signature'), value);
  for (const other of ['header.payloae.signature', 'header.payload.signatur', 'eader.payload.signature', '', ' ']) {
    t.equal(cache.get(other), undefined, JSON.stringify(other));
  }
  cache.delete('header.payload.signature');
  t.equal(cache.get('header.payload.signature'), undefined);
  t.equal(cache.bytes, 0);
});

t.test(
  'after any number of tokens the memory is within its limit, and the last used tokens are remembered',
  async (t) => {
    const cache = cacheOf(256 * KIB);
    const kept = valueWith(1);
    cache.set('kept', kept);
    let [most, misses] = [0, 0];
    for (let index = 0; index < 5_000; index += 1) {
      cache.set(`token ${index}`, valueWith(index % 20));
      most = Math.max(most, cache.bytes);
      if (cache.get('kept') !== kept) misses += 1;
    }
    t.equal(misses, 0, 'a token that is used again and again is always remembered');
    t.ok(most <= 256 * KIB, `${most} bytes at most`);
    t.ok(cache.bytes > 128 * KIB, 'the limit is used');
    t.ok(cache.get('token 4999'));
    t.equal(cache.get('token 0'), undefined);
    cache.clear();
    t.equal(cache.bytes, 0);
  },
);

t.test('setting a token again counts it once', async (t) => {
  const cache = cacheOf(256 * KIB);
  cache.set('token', valueWith(10));
  const once = cache.bytes;
  for (let index = 0; index < 10; index += 1) cache.set('token', valueWith(10));
  t.ok(Math.abs(cache.bytes - once) < 100, `${once} and ${cache.bytes} bytes`);
});

t.test('an entry that is larger than the limit is not kept', async (t) => {
  const cache = cacheOf(KIB);
  cache.set('token', valueWith(1_000));
  t.equal(cache.get('token'), undefined);
  t.equal(cache.bytes, 0);
});

t.test('expired tokens are removed from memory when another token is remembered', async (t) => {
  let now = 0;
  const cache = cacheOf(1024 * KIB, () => now);
  for (let index = 0; index < 500; index += 1) cache.set(`old ${index}`, valueWith(1, 900));
  now = 899;
  t.ok(cache.get('old 0'), 'a token that is still good is remembered');
  cache.set('young', valueWith(1, 1_800));
  now = 900;
  cache.set('younger', valueWith(1, 1_801));
  for (const left of ['young', 'younger']) t.ok(cache.get(left), left);
  const two = cache.bytes;
  cache.delete('young');
  cache.delete('younger');
  t.equal(cache.bytes, 0, `nothing but those two was left in ${two} bytes`);
});

t.test('the estimate is not below the memory that entries really take, and no text of a token is kept', async (t) => {
  for (const [permissions, count] of [
    [0, 3_000],
    [200, 300],
  ] as const) {
    const cache = cacheOf(1024 * 1024 * KIB);
    const before = liveBytes();
    for (let index = 0; index < count; index += 1) cache.set(textOf(24 * KIB), valueWith(permissions));
    const grown = liveBytes() - before;
    t.ok(grown > 0);
    t.ok(grown < cache.bytes * 1.25, `${permissions} permissions: ${grown} bytes, estimated as ${cache.bytes}`);
  }
});

t.test('the cache of a service has a limit of 16 MiB', async (t) => {
  const { app } = await openService(t, await createDatabase(t));
  const { verified } = app.parts;
  const permissions = Array.from({ length: 200 }, (_, index) => `${'long'.repeat(25)}${index}:read`);
  const value = { expiresAt: Number.MAX_SAFE_INTEGER, caller: { permissions } } as never;
  for (let index = 0; index < 2_000; index += 1) verified.set(`token ${index}`, value);
  t.ok(verified.bytes <= 16 * 1024 * KIB, `${verified.bytes} bytes`);
  t.ok(verified.bytes > 15 * 1024 * KIB, 'and uses it');
});
