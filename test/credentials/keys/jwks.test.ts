// Tests the published key set.
import { createLocalJWKSet, jwtVerify, SignJWT } from 'jose';
import t from 'tap';
import { jwksDocument } from '../../../src/credentials/keys/jwks.ts';
import { clockAt, folderOf, openRing, sampleKey } from './sample-keys.ts';

const [a, b] = [await sampleKey(), await sampleKey()];
const files = { '2026-11-01T00-00-00Z.pem': a.pem, '2026-11-21T12-00-00Z.pem': b.pem };
const clock = clockAt('2026-11-21T11:00:00Z');

t.test('the key set contains only the public members of the keys', async (t) => {
  const ring = await openRing(t, { directory: await folderOf(t, files), clock });
  const { body } = jwksDocument(ring, clock.now());
  const { keys } = JSON.parse(body);
  t.equal(keys.length, 2);
  for (const key of keys) {
    t.same(Object.keys(key).sort(), ['alg', 'e', 'kid', 'kty', 'n', 'use']);
    t.match(key, { alg: 'RS256', kty: 'RSA', use: 'sig' });
  }
  const { d = '', p = '' } = a.key.export({ format: 'jwk' });
  t.notOk(body.includes(d) || body.includes(p));
});

t.test('replicas with the same keys serve the same bytes and ETag, and other keys give different ones', async (t) => {
  const one = await openRing(t, { directory: await folderOf(t, files), clock });
  const two = await openRing(t, {
    directory: await folderOf(t, Object.fromEntries(Object.entries(files).reverse())),
    clock,
  });
  const before = jwksDocument(one, clock.now());
  t.same(jwksDocument(two, clock.now()), before);
  t.match(before.etag, /^"[\w-]{43}"$/);
  t.equal(jwksDocument(one, new Date('2026-11-21T12:10:00Z')), before, 'rendered once while the set does not change');
  const after = jwksDocument(one, new Date('2026-11-21T12:20:00Z'));
  t.not(after.etag, before.etag, 'a key whose retention has ended is removed');
  t.equal(JSON.parse(after.body).keys.length, 1);
});

t.test('a standard JWT library can verify a token with the published key set', async (t) => {
  const ring = await openRing(t, { directory: await folderOf(t, files), clock });
  const { kid, privateKey } = ring.signingKeyAt(clock.now());
  const token = await new SignJWT({ sub: 's' }).setProtectedHeader({ alg: 'RS256', kid }).sign(privateKey);
  const set = createLocalJWKSet(JSON.parse(jwksDocument(ring, clock.now()).body));
  t.equal((await jwtVerify(token, set, { algorithms: ['RS256'] })).payload.sub, 's');
});
