// Which values an Idempotency-Key may have, and what is derived from the key.
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { readIdempotencyKey } from '../../../src/base/idempotency/key.ts';
import { canonicalJson, fingerprintOf, rowIdOf, seal, unseal } from '../../../src/base/idempotency/seal.ts';
import { systemRandom } from '../../../src/base/platform/random.ts';

const KEY = '4f8f2c1e-6a1d-4b0e-9c55-0d9d6f0e7a31';

function read(...values: string[]) {
  const rawHeaders = values.flatMap((value) => ['Idempotency-Key', value]);
  const headers = values.length > 0 ? { 'idempotency-key': values.join(', ') } : {};
  return readIdempotencyKey({ headers, rawHeaders });
}

t.test('a key is a string with or without quotes, and both mean the same key', async (t) => {
  t.equal(read(), null);
  t.equal(read(KEY), KEY);
  t.equal(read(`"${KEY}"`), KEY);
  t.equal(read(`  ${KEY} `), KEY);
  t.equal(read(`"a \\"quoted\\" \\\\ key, of mine"`), 'a "quoted" \\ key, of mine');
  t.equal(read('x'.repeat(16)), 'x'.repeat(16));
  t.equal(read('x'.repeat(255)), 'x'.repeat(255));
});

t.test('a key that is too short, too long, malformed or sent twice is refused', async (t) => {
  const wrong = [
    ['', ' ', '""', 'x'.repeat(15), `"${'x'.repeat(15)}"`, 'x'.repeat(256), `"${'x'.repeat(256)}"`],
    [`"${KEY}`, `${KEY}"`, `${KEY}, ${KEY}`, `"${KEY}"; a=1`, `"${KEY}", "${KEY}"`, `${KEY} more`, `${KEY}é`],
    [`"${KEY}\\x"`, `"${KEY}\t"`, `${KEY}\\`],
  ].flat();
  for (const value of wrong) t.throws(() => read(value), { code: 'bad_request' }, JSON.stringify(value));
  t.throws(() => read(KEY, KEY), { code: 'bad_request' }, 'twice');
});

t.test('a row, a fingerprint and a sealed answer depend on the key, the scope and the secret', async (t) => {
  const [secret, other] = [randomBytes(32), randomBytes(32)];
  const row = rowIdOf(KEY, 'user 1');
  t.same(rowIdOf(KEY, 'user 1'), row);
  t.notSame(rowIdOf(KEY, 'user 2'), row);
  t.notSame(rowIdOf(`${KEY}x`, 'user 1'), row);
  const print = fingerprintOf(KEY, secret, 'request');
  t.same(fingerprintOf(KEY, secret, 'request'), print);
  t.notSame(fingerprintOf(KEY, other, 'request'), print, 'another installation');
  t.notSame(fingerprintOf(KEY, secret, 'other'), print);
  const sealed = seal(KEY, secret, row, 'answer', systemRandom);
  t.equal(unseal(KEY, secret, row, sealed), 'answer');
  t.notOk(sealed.includes('answer'));
  t.notSame(seal(KEY, secret, row, 'answer', systemRandom), sealed, 'a nonce of its own');
  t.throws(() => unseal(`${KEY}x`, secret, row, sealed));
  t.throws(() => unseal(KEY, other, row, sealed));
  t.throws(() => unseal(KEY, secret, rowIdOf(KEY, 'user 2'), sealed), 'an answer of another row');
  const changed = Buffer.from(sealed);
  changed[15] = (changed[15] ?? 0) ^ 1;
  t.throws(() => unseal(KEY, secret, row, changed));
});

t.test('the text of a request does not depend on the order of its members', async (t) => {
  t.equal(canonicalJson({ b: [1, { d: 1, c: 2 }], a: null }), '{"a":null,"b":[1,{"c":2,"d":1}]}');
  t.not(canonicalJson({ a: [1, 2] }), canonicalJson({ a: [2, 1] }));
});
