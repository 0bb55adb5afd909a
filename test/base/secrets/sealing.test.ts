// Sealed texts: what opens, what does not, and that the format is the one of the standards.
import { createDecipheriv, createHmac, createSecretKey, randomBytes } from 'node:crypto';
import t from 'tap';
import { systemRandom } from '../../../src/base/platform/random.ts';
import { containing, gramsOf, gramsOfQuery } from '../../../src/base/secrets/grams.ts';
import { lookup } from '../../../src/base/secrets/lookup.ts';
import { type DataKey, DataKeyMissing, keyIdOf, SealBroken, seal, unseal } from '../../../src/base/secrets/sealing.ts';

const secret = randomBytes(32);
const KEY: DataKey = { id: '0a0b0c0d', secret: createSecretKey(secret) };
const PLACE = 'users.email:019abc';

t.test('a sealed text opens at its place, whatever it is', async (t) => {
  for (const text of ['ada@example.com', '', 'Łódź 東京 👩‍🚀', 'x'.repeat(100_000), 'a\0b\n']) {
    t.equal(unseal(KEY, PLACE, seal(KEY, PLACE, text, systemRandom)), text);
  }
});

t.test('the sealed bytes are the key id, the nonce, the ciphertext of AES-256-GCM and the tag', async (t) => {
  const sealed = seal(KEY, PLACE, 'Ada Lovelace', systemRandom);
  t.equal(sealed.length, 4 + 12 + 12 + 16);
  t.equal(sealed.toString('hex', 0, 4), KEY.id);
  t.equal(keyIdOf(sealed, PLACE), KEY.id);
  // Opened here without the code under test.
  const decipher = createDecipheriv('aes-256-gcm', secret, sealed.subarray(4, 16));
  decipher.setAAD(Buffer.from('users.email:019abc', 'utf8')).setAuthTag(sealed.subarray(28));
  t.equal(decipher.update(sealed.subarray(16, 28)).toString() + decipher.final('utf8'), 'Ada Lovelace');
});

t.test('test case 13 of the GCM specification gives the same bytes', async (t) => {
  // McGrew and Viega, "The Galois/Counter Mode of Operation": an empty text under a zero key and a zero nonce.
  const zero: DataKey = { id: '00000000', secret: createSecretKey(Buffer.alloc(32)) };
  const tag = Buffer.from('530f8afbc74536b9a963b4f1c4cb738b', 'hex');
  t.equal(unseal(zero, '', Buffer.concat([Buffer.alloc(16), tag])), '');
  const fixed = { bytes: (count: number) => Buffer.alloc(count) };
  t.same(seal(zero, '', '', fixed), Buffer.concat([Buffer.alloc(16), tag]));
});

t.test('a value that was moved to another row, column or table does not open', async (t) => {
  const sealed = seal(KEY, PLACE, 'ada@example.com', systemRandom);
  for (const place of ['users.email:019abd', 'users.name:019abc', 'invitations.email:019abc', '']) {
    t.throws(() => unseal(KEY, place, sealed), SealBroken, place);
  }
});

t.test('a value with one changed bit, or cut at any place, does not open', async (t) => {
  const sealed = seal(KEY, PLACE, 'ada', systemRandom);
  for (let at = 4; at < sealed.length; at += 1) {
    const changed = Buffer.from(sealed);
    changed[at] = (changed[at] ?? 0) ^ 1;
    t.throws(() => unseal(KEY, PLACE, changed), SealBroken, `byte ${at}`);
  }
  for (let length = 0; length < sealed.length; length += 1) {
    t.throws(() => unseal(KEY, PLACE, sealed.subarray(0, length)), SealBroken, `${length} bytes`);
  }
  t.throws(() => unseal(KEY, PLACE, Buffer.concat([sealed, Buffer.alloc(1)])), SealBroken);
});

t.test('a value of another key is told apart from a broken value, and the error shows no value', async (t) => {
  const other: DataKey = { id: '0a0b0c0e', secret: createSecretKey(randomBytes(32)) };
  const sealed = seal(other, PLACE, 'ada@example.com', systemRandom);
  t.throws(() => unseal(KEY, PLACE, sealed), DataKeyMissing);
  const sameId: DataKey = { id: other.id, secret: KEY.secret };
  t.throws(() => unseal(sameId, PLACE, sealed), {
    name: 'SealBroken',
    message: `The sealed value of ${PLACE} does not open`,
  });
});

t.test('no nonce repeats', async (t) => {
  const nonces = new Set<string>();
  for (let count = 0; count < 20_000; count += 1) nonces.add(seal(KEY, PLACE, '', systemRandom).toString('hex', 4, 16));
  t.equal(nonces.size, 20_000);
});

t.test('a lookup is HMAC-SHA-256 of purpose and text, and depends on both and on the key', async (t) => {
  const key = createSecretKey(secret);
  const expected = createHmac('sha256', secret).update('users.email\0ada@example.com').digest();
  t.same(lookup(key, 'users.email', 'ada@example.com'), expected);
  t.notSame(lookup(key, 'invitations.email', 'ada@example.com'), expected);
  t.notSame(lookup(key, 'users.email', 'ada@example.org'), expected);
  t.notSame(lookup(createSecretKey(randomBytes(32)), 'users.email', 'ada@example.com'), expected);
});

t.test(
  'a text has the hash of every part of one to three characters, each once and in no order of the text',
  async (t) => {
    const key = createSecretKey(secret);
    const one = gramsOf(key, ['abab']);
    t.equal(one.length, 6, 'a b ab ba aba bab');
    t.same(one, gramsOf(key, ['baba']).toSorted());
    t.same(one, one.toSorted());
    t.same(gramsOf(key, ['', '']), []);
    t.equal(gramsOf(key, ['👩🚀']).length, 3, 'characters are counted, not code units');
    const gram = createHmac('sha256', secret).update('search\0ab').digest().readBigInt64BE(0);
    t.ok(one.includes(String(gram)));
  },
);

t.test('a query finds its parts in every text that contains it, whatever the case and the form', async (t) => {
  const key = createSecretKey(secret);
  const pairs = [
    ['Ada Lovelace', 'LOVE'],
    ['ada@example.com', '@EX'],
    ['ΟΔΥΣΣΕΥΣ', 'σευς'],
    ['Straße', 'straß'],
    ['STRASSE', 'straße'],
    ['Istanbul', 'ıs'],
    ['ﬁnance', 'FIN'],
    ['Ａｄａ', 'ada'],
    ['Z\u00fcrich', 'zu\u0308r'],
    ['東京太郎', '京太'],
    ['x', 'X'],
  ] as const;
  for (const [text, query] of pairs) {
    const found = gramsOfQuery(key, query);
    const stored = new Set(gramsOf(key, [text]));
    t.ok(found.grams.length > 0 && found.grams.every((gram) => stored.has(gram)), `${query} in ${text}`);
    t.ok(containing(query)(text), `${query} in ${text}`);
  }
  t.equal(gramsOfQuery(key, 'abc').isExact, true);
  t.equal(gramsOfQuery(key, 'abcd').isExact, false);
  t.same(gramsOfQuery(key, '').grams, []);
});
