// Which JSON web keys can verify, and how a JWK set and its lifetime are read.
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import t from 'tap';
import { freshSeconds, readJwks } from '../../../src/verifier/keys/jwks-document.ts';
import { isVerificationKey, publicKeyOf } from '../../../src/verifier/keys/public-key.ts';
import { isFactorable } from '../../../src/verifier/keys/weak-key.ts';
import type { Members } from '../../support/forge.ts';

const made = generateKeyPairSync('rsa', { modulusLength: 2048 });
const bare = made.publicKey.export({ format: 'jwk' }) as { kty: string; n: string; e: string };
const none: ReadonlyMap<string, KeyObject> = new Map();
const number = (bytes: Buffer) => bytes.toString('base64url');
const modulus = Buffer.from(bare.n, 'base64url');

t.test('an RSA key of 2048 to 8192 bits that may verify RS256 is accepted', async (t) => {
  const keys: Members[] = [
    bare,
    { ...bare, alg: 'RS256' },
    { ...bare, use: 'sig' },
    { ...bare, key_ops: ['verify'] },
    { ...bare, key_ops: ['sign', 'verify'], x5t: 'x', ext: true, kid: 'k' },
    { ...bare, e: number(Buffer.from([3])) },
  ];
  for (const jwk of keys) t.ok(publicKeyOf(jwk), JSON.stringify(jwk).slice(-40));
  for (const bits of [2049, 3072, 4096]) {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: bits });
    t.ok(publicKeyOf(publicKey.export({ format: 'jwk' })), `${bits} bits`);
  }
});

t.test('a key that is not for verifying RS256, or is not a valid RSA key, is refused', async (t) => {
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
  const small = (bits: number) =>
    generateKeyPairSync('rsa', { modulusLength: bits }).publicKey.export({ format: 'jwk' });
  const keys: Record<string, unknown> = {
    'use enc': { ...bare, use: 'enc' },
    'use null': { ...bare, use: null },
    'use in a list': { ...bare, use: ['sig'] },
    'alg PS256': { ...bare, alg: 'PS256' },
    'alg RS512': { ...bare, alg: 'RS512' },
    'alg rs256': { ...bare, alg: 'rs256' },
    'alg RSA-OAEP': { ...bare, alg: 'RSA-OAEP' },
    'alg null': { ...bare, alg: null },
    'key_ops without verify': { ...bare, key_ops: ['sign'] },
    'key_ops empty': { ...bare, key_ops: [] },
    'key_ops a text': { ...bare, key_ops: 'verify' },
    'kty EC': { ...bare, kty: 'EC' },
    'kty in small letters': { ...bare, kty: 'rsa' },
    'kty oct': { kty: 'oct', k: bare.n },
    'an EC key': ec,
    'a private key': made.privateKey.export({ format: 'jwk' }),
    'a part of a private key': { ...bare, d: 'AQAB' },
    'a secret': { ...bare, k: 'AQAB' },
    'other primes': { ...bare, oth: [] },
    'no modulus': { kty: 'RSA', e: 'AQAB' },
    'no exponent': { kty: 'RSA', n: bare.n },
    'an empty modulus': { ...bare, n: '' },
    'a modulus of 1024 bits': small(1024),
    'a modulus of 2047 bits': { ...bare, n: number(Buffer.concat([Buffer.from([0x7f]), modulus.subarray(1)])) },
    'a modulus of 8200 bits': { ...bare, n: number(Buffer.concat([modulus, Buffer.alloc(769, 0xff)])) },
    'a modulus with a zero before it': { ...bare, n: number(Buffer.concat([Buffer.alloc(1), modulus])) },
    'an even modulus': { ...bare, n: number(Buffer.concat([modulus.subarray(0, -1), Buffer.from([0xfe])])) },
    'a padded modulus': { ...bare, n: `${bare.n}==` },
    'a modulus of another alphabet': { ...bare, n: modulus.toString('base64') },
    'a modulus that is a number': { ...bare, n: 3 },
    'exponent 0': { ...bare, e: number(Buffer.from([0])) },
    'exponent 1': { ...bare, e: 'AQ' },
    'exponent 2': { ...bare, e: 'Ag' },
    'an even exponent': { ...bare, e: number(Buffer.from([1, 0, 0])) },
    'an exponent with a zero before it': { ...bare, e: 'AAEAAQ' },
    'an exponent of nine bytes': { ...bare, e: number(Buffer.alloc(9, 0xff)) },
    'an exponent that is a number': { ...bare, e: 65_537 },
    nothing: undefined,
    null: null,
    'a text': JSON.stringify(bare),
    'a list': [bare],
  };
  for (const [name, jwk] of Object.entries(keys)) t.equal(publicKeyOf(jwk), null, name);
  const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey;
  t.notOk(isVerificationKey(pss), 'a key for PSS only');
  t.notOk(isVerificationKey(made.privateKey), 'a private KeyObject');
});

t.test('a modulus with the fingerprint of the ROCA weakness (CVE-2017-15361) is refused', async (t) => {
  const primes = [3n, 5n, 7n, 11n, 13n, 17n, 19n, 23n, 29n, 31n, 37n, 41n, 43n, 47n, 53n, 59n, 61n, 67n, 71n, 73n, 79n];
  const more = [83n, 89n, 97n, 101n, 103n, 107n, 109n, 113n, 127n, 131n, 137n, 139n, 149n, 151n, 157n, 163n, 167n];
  const product = [...primes, ...more].reduce((left, right) => left * right);
  let power = 1n;
  for (let count = 0; count < 1234; count += 1) power = (power * 65_537n) % product;
  const top = (1n << 2047n) / product + 1n;
  const found = power + product * (top % 2n === power % 2n ? top + 1n : top);
  const n = number(Buffer.from(found.toString(16), 'hex'));
  t.equal(found.toString(2).length, 2048);
  t.equal(isFactorable(found), true);
  t.ok(createPublicKey({ key: { kty: 'RSA', n, e: 'AQAB' }, format: 'jwk' }), 'node:crypto accepts it');
  t.equal(publicKeyOf({ kty: 'RSA', n, e: 'AQAB' }), null);
  t.equal(isFactorable(BigInt(`0x${modulus.toString('hex')}`)), false, 'a valid key does not have the fingerprint');
});

t.test('invalid keys of a set are left out, and the valid keys are used', async (t) => {
  const good = { ...bare, kid: 'good', use: 'sig', alg: 'RS256' };
  const bad: unknown[] = [
    { ...good, kid: undefined },
    { ...good, kid: '' },
    { ...good, kid: 7 },
    { ...good, kid: 'x'.repeat(129) },
    { ...good, kid: 'enc', use: 'enc' },
    { ...good, kid: 'private', d: 'AQAB' },
    ...[null, 1, 'x', [], {}],
  ];
  t.same([...readJwks(JSON.stringify({ keys: [...bad, good, ...bad] }), none).keys()], ['good']);
  t.same(
    [...readJwks(JSON.stringify({ keys: [{ ...good, kid: '__proto__' }, good] }), none).keys()],
    ['__proto__', 'good'],
  );
});

t.test('two keys with one kid are both left out, even if one of them is unusable', async (t) => {
  const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' });
  const kept = { ...bare, kid: 'kept' };
  for (const twin of [
    { ...other, kid: 'twice' },
    { ...bare, kid: 'twice' },
    { ...bare, kid: 'twice', use: 'enc' },
  ]) {
    for (const keys of [
      [twin, { ...bare, kid: 'twice' }, kept],
      [{ ...bare, kid: 'twice' }, kept, twin],
      [twin, { ...bare, kid: 'twice' }, kept, { ...bare, kid: 'twice' }],
    ]) {
      t.same([...readJwks(JSON.stringify({ keys }), none).keys()], ['kept']);
    }
  }
});

t.test('a document without a usable JWK set is refused', async (t) => {
  const texts = [
    ...['', '{}', '[]', 'null', '{"keys":{}}', '{"keys":[]}', '{"keys":null}', '<html></html>', JSON.stringify([bare])],
    ...['{"keys":[{"kty":"RSA"}]}', JSON.stringify({ keys: [bare] }), `{"keys":[],"keys":${JSON.stringify([bare])}}`],
    JSON.stringify({ keys: Array.from({ length: 101 }, (_, index) => ({ ...bare, kid: `k${index}` })) }),
    `\ufeff${JSON.stringify({ keys: [{ ...bare, kid: 'a' }] })}`,
  ];
  for (const text of texts) t.throws(() => readJwks(text, none), Error, text.slice(0, 40));
});

t.test('a key that stays in the set stays the same object; another key with its kid does not', async (t) => {
  const text = JSON.stringify({ keys: [{ ...bare, kid: 'a' }] });
  const first = readJwks(text, none);
  t.equal(readJwks(text, first).get('a'), first.get('a'));
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const replaced = readJwks(JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'a' }] }), first);
  t.not(replaced.get('a'), first.get('a'));
});

t.test('the headers of the answer set how long a key set is kept, within limits (RFC 9111)', async (t) => {
  const cases: readonly [Record<string, string>, number][] = [
    [{}, 300],
    [{ 'cache-control': 'public, max-age=600, stale-while-revalidate=60' }, 600],
    [{ 'cache-control': 'MAX-AGE=600' }, 600],
    [{ 'cache-control': 'max-age="600"' }, 600],
    [{ 'cache-control': 's-maxage=900' }, 300],
    [{ 'cache-control': 'x-max-age=900' }, 300],
    [{ 'cache-control': 'max-age=600', age: '200' }, 400],
    [{ 'cache-control': 'max-age=600', age: '700' }, 30],
    [{ 'cache-control': 'max-age=600', age: 'old' }, 600],
    [{ 'cache-control': 'max-age=0' }, 30],
    [{ 'cache-control': 'no-store' }, 30],
    [{ 'cache-control': 'no-cache, max-age=600' }, 30],
    [{ 'cache-control': 'max-age=31536000, immutable' }, 86_400],
    [{ 'cache-control': 'max-age=99999999999999999999' }, 86_400],
    [{ 'cache-control': 'max-age=-5' }, 300],
    [{ 'cache-control': 'max-age=x' }, 300],
    [{ date: 'Sat, 21 Nov 2026 10:00:00 GMT', expires: 'Sat, 21 Nov 2026 10:10:00 GMT' }, 600],
    [{ date: 'Sat, 21 Nov 2026 10:00:00 GMT', expires: '0' }, 30],
    [{ 'cache-control': 'max-age=60', expires: '0' }, 60],
  ];
  for (const [headers, seconds] of cases) t.equal(freshSeconds(new Headers(headers)), seconds, JSON.stringify(headers));
});
