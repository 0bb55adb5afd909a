// The memory of verified tokens: a token is found only by its whole text, and the size is limited.
import t from 'tap';
import { createTokenCache } from '../../../src/verifier/core/cache.ts';

const tail = 'x'.repeat(60);

t.test('a token is found only by its whole text', async (t) => {
  const cache = createTokenCache<{ token: string }>(10);
  const entry = { token: `header.payload.${tail}` };
  cache.set(entry);
  t.equal(cache.get(`header.payload.${tail}`), entry);
  for (const other of [
    `header.payloae.${tail}`,
    `Header.payload.${tail}`,
    `.payload.${tail}`,
    tail,
    `${entry.token} `,
    '',
    entry.token.slice(1),
  ]) {
    t.equal(cache.get(other), undefined, JSON.stringify(other.slice(0, 30)));
  }
});

t.test('a token that was not used recently is also found only by its whole text', async (t) => {
  const cache = createTokenCache<{ token: string }>(4);
  const entry = { token: `header.payload.${tail}` };
  for (const kept of [entry, { token: 'b' }, { token: 'c' }]) cache.set(kept);
  t.equal(cache.get(`header.payloae.${tail}`), undefined);
  t.equal(cache.get(entry.token), entry);
});

t.test('the memory keeps no more tokens than its limit, and removes the least recently used tokens', async (t) => {
  const cache = createTokenCache<{ token: string }>(100);
  const entries = Array.from({ length: 1000 }, (_, index) => ({ token: `token-${String(index).padStart(30, '0')}` }));
  const kept = entries[0];
  for (const entry of entries) {
    cache.set(entry);
    t.equal(cache.get(kept?.token ?? ''), kept);
  }
  const found = entries.filter(({ token }) => cache.get(token));
  t.ok(found.length <= 100, `${found.length} of 1000`);
  t.ok(found.length >= 50);
  t.ok(found.includes(entries.at(-1) ?? { token: '' }));
});

t.test('with a limit of 0 no token is remembered', async (t) => {
  const cache = createTokenCache<{ token: string }>(0);
  cache.set({ token: 'a' });
  t.equal(cache.get('a'), undefined);
});

t.test('a deleted or cleared entry is not found any more', async (t) => {
  const cache = createTokenCache<{ token: string }>(4);
  for (const token of ['a', 'b', 'c', 'd']) cache.set({ token });
  for (const token of ['a', 'd']) {
    t.ok(cache.get(token));
    cache.delete(token);
    t.equal(cache.get(token), undefined);
  }
  t.ok(cache.get('c'));
  cache.clear();
  t.equal(cache.get('c'), undefined);
});

t.test('a cache of long tokens takes no more memory than a full cache of tokens of usual length', async (t) => {
  const long = (index: number) => `${'x'.repeat(20_000)}.${String(index).padStart(30, '0')}`;
  const cache = createTokenCache<{ token: string }>(100);
  const entries = Array.from({ length: 300 }, (_, index) => ({ token: long(index) }));
  for (const entry of entries) cache.set(entry);
  const found = entries.filter(({ token }) => cache.get(token));
  t.ok(found.length * 20_000 <= 100 * 2048, `${found.length} of 300`);
  t.ok(found.length >= 5);
  t.ok(found.includes(entries.at(-1) ?? { token: '' }));
  const one = createTokenCache<{ token: string }>(2);
  one.set({ token: long(1) });
  t.ok(one.get(long(1)), 'a single long token is remembered in the smallest cache');
});

t.test('tokens that were deleted do not count', async (t) => {
  const cache = createTokenCache<{ token: string }>(100);
  const kept = { token: `kept ${tail}` };
  cache.set(kept);
  for (let index = 0; index < 1_000; index += 1) {
    const token = `${'x'.repeat(20_000)}.${String(index).padStart(30, '0')}`;
    cache.set({ token });
    cache.delete(token);
  }
  t.equal(cache.get(kept.token), kept);
});
