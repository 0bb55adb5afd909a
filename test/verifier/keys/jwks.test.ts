// The keys of a JWKS over time: they are fetched again before they are out of date, kept during an outage, and replaced
// with the set. Once keys are known, they are requested at most every 30 s, whatever the tokens contain.
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import t from 'tap';
import { createVerifier, type VerificationError } from '../../../src/verifier/index.ts';
import { createJwks } from '../../../src/verifier/keys/jwks.ts';
import { forge, rsa } from '../../support/forge.ts';
import { createManualTiming } from '../manual-timing.ts';
import { AUDIENCE, ISSUER, member } from './material.ts';

interface Pair {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const pairs: Pair[] = ['one', 'two', 'three'].map((kid) => ({
  kid,
  ...generateKeyPairSync('rsa', { modulusLength: 2048 }),
}));
const [one, two, three] = pairs as [Pair, Pair, Pair];
const jwksOf = (...set: Pair[]) => ({
  keys: set.map(({ kid, publicKey }) => ({ ...publicKey.export({ format: 'jwk' }), kid })),
});

interface Start {
  readonly keys?: Pair[];
  readonly headers?: Record<string, string>;
  readonly isDown?: boolean;
}

/** A JWKS endpoint in memory, and a verifier of its keys with its own clock. */
function begin({ keys = [one], headers = { 'cache-control': 'max-age=300' }, isDown = false }: Start = {}) {
  const timing = createManualTiming();
  const endpoint = {
    keys,
    headers: headers as Record<string, string>,
    isDown,
    asked: [] as number[],
    conditions: [] as (string | null)[],
  };
  const errors: Error[] = [];
  const source = createJwks({
    jwksUri: `${ISSUER}/.well-known/jwks.json`,
    timing,
    onError: (error) => errors.push(error),
    async fetch(_url, init) {
      endpoint.asked.push(timing.elapsed() / 1000);
      const condition = new Headers(init.headers).get('if-none-match');
      endpoint.conditions.push(condition);
      if (endpoint.isDown) throw new TypeError('fetch failed');
      const etag = `"${pairs.map((pair) => endpoint.keys.indexOf(pair)).join()}"`;
      const answered = { ...endpoint.headers, etag };
      if (condition === etag) return new Response(null, { status: 304, headers: answered });
      return Response.json(jwksOf(...endpoint.keys), { headers: answered });
    },
  });
  const verifier = createVerifier({ issuer: ISSUER, audience: AUDIENCE, keys: source, clock: timing });
  const tokenOf = ({ kid, privateKey }: Pair, jti = 'j') => {
    const iat = Math.floor(timing.now() / 1000);
    const claims = { ...member, iat, exp: iat + 900, jti };
    return forge({ header: { alg: 'RS256', typ: 'at+jwt', kid }, claims }, rsa(privateKey));
  };
  const outcome = (token: string) =>
    verifier.verify(token).then(
      () => 'good',
      ({ code }: VerificationError) => code,
    );
  return { timing, endpoint, errors, source, verifier, tokenOf, outcome };
}

const unknownKid = (kid: string) =>
  forge({ header: { alg: 'RS256', typ: 'at+jwt', kid }, claims: member }, rsa(three.privateKey));

/** Returns the shortest time between two consecutive instants. */
const least = (instants: readonly number[]) =>
  Math.min(...instants.slice(1).map((at, index) => at - (instants[index] ?? 0)));

t.test('keys are requested once, at the start, and callers wait for the answer', async (t) => {
  const { verifier, endpoint, tokenOf, outcome } = begin();
  t.same(
    await Promise.all(Array.from({ length: 50 }, (_, index) => outcome(tokenOf(one, `j${index}`)))),
    Array(50).fill('good'),
  );
  await verifier.ready();
  t.same(endpoint.asked, [0]);
});

t.test('keys are requested again before they expire, and a 304 answer keeps them', async (t) => {
  const { timing, endpoint, tokenOf, outcome, verifier } = begin({ headers: { 'cache-control': 'max-age=300' } });
  await timing.advance(1800);
  t.same(endpoint.asked, [0, 270, 540, 810, 1080, 1350, 1620]);
  t.same(endpoint.conditions, [null, ...Array(6).fill('"0,-1,-1"')]);
  t.equal(await outcome(tokenOf(one)), 'good');
  endpoint.headers = { 'cache-control': 'max-age=900' };
  await timing.advance(3600);
  t.same(endpoint.asked.slice(7), [1890, 2700, 3510, 4320, 5130], 'the 304 answer sets the new maximum age');
  verifier.close();
  await timing.advance(3600);
  t.equal(endpoint.asked.length, 12, 'no request is sent after the close');
});

t.test('a max-age of less than 30 s does not cause more requests', async (t) => {
  const { timing, endpoint } = begin({ headers: { 'cache-control': 'max-age=1' } });
  await timing.advance(600);
  t.ok(least(endpoint.asked) >= 30);
  t.equal(endpoint.asked.length, 21);
});

t.test('an unknown kid causes one request that all callers share, and no further request for 30 s', async (t) => {
  const { timing, endpoint, outcome } = begin({ headers: { 'cache-control': 'max-age=86400' } });
  await timing.advance(100);
  const crowd = await Promise.all(Array.from({ length: 200 }, (_, index) => outcome(unknownKid(`k${index}`))));
  t.same(new Set(crowd), new Set(['invalid_token']));
  t.same(endpoint.asked, [0, 100]);
  await timing.advance(29.9);
  t.equal(await outcome(unknownKid('late')), 'invalid_token');
  t.equal(endpoint.asked.length, 2);
  await timing.advance(0.1);
  t.equal(await outcome(unknownKid('later')), 'invalid_token');
  t.equal(endpoint.asked.length, 3);
});

t.test('a new key is fetched for the first token that it signed', async (t) => {
  const { timing, endpoint, tokenOf, outcome } = begin();
  await timing.advance(60);
  endpoint.keys = [two, one];
  t.same(await Promise.all([outcome(tokenOf(two)), outcome(tokenOf(two, 'b')), outcome(tokenOf(one))]), [
    'good',
    'good',
    'good',
  ]);
  t.same(endpoint.asked, [0, 60]);
});

t.test('a key that was removed from the set verifies no token, not even a remembered token', async (t) => {
  const { timing, endpoint, tokenOf, outcome } = begin({ keys: [one, two] });
  await timing.advance(200);
  const token = tokenOf(one);
  t.equal(await outcome(token), 'good');
  t.equal(await outcome(token), 'good');
  endpoint.keys = [two];
  await timing.advance(71);
  t.equal(await outcome(token), 'invalid_token');
  t.equal(await outcome(tokenOf(two)), 'good');
  const twin = { ...three, kid: 'two' };
  pairs.push(twin);
  endpoint.keys = [twin];
  await timing.advance(300);
  t.equal(await outcome(tokenOf(two)), 'invalid_token', 'another key with the same kid');
});

t.test('during an outage known keys still verify, and a token with a new key gets 503 and not 401', async (t) => {
  const { timing, endpoint, errors, tokenOf, outcome, verifier } = begin();
  await timing.advance(10);
  endpoint.isDown = true;
  const codes = new Set<string>();
  for (let second = 0; second < 600; second += 5) {
    await timing.advance(5);
    codes.add(await outcome(tokenOf(one, `j${second}`)));
    await outcome(unknownKid(`k${second}`));
  }
  t.same([...codes], ['good']);
  t.ok(least(endpoint.asked) >= 30, `requests are at least 30 s apart: ${endpoint.asked}`);
  t.match(errors.at(-1)?.message, /jwks\.json cannot be read: fetch failed/);
  endpoint.keys = [one, two];
  await t.rejects(verifier.verify(tokenOf(two)), { code: 'keys_unavailable', status: 503 });
  const { retryAfterSeconds = 0 } = (await verifier.verify(tokenOf(two)).catch((error) => error)) as VerificationError;
  t.ok(retryAfterSeconds >= 1 && retryAfterSeconds <= 30, `Retry-After ${retryAfterSeconds}`);
  endpoint.isDown = false;
  await timing.advance(30);
  t.equal(await outcome(tokenOf(two)), 'good', 'the new key is fetched at the end of the outage');
  t.equal(await outcome(unknownKid('x')), 'invalid_token', 'an unknown kid is refused again');
});

t.test('keys that could not be requested successfully for 24 h are no longer used', async (t) => {
  const { timing, endpoint, tokenOf, outcome } = begin({ headers: { 'cache-control': 'max-age=300' } });
  await timing.advance(1);
  endpoint.isDown = true;
  await timing.advance(86_390);
  const token = tokenOf(one);
  t.equal(await outcome(token), 'good');
  await timing.advance(20);
  t.equal(await outcome(token), 'keys_unavailable');
  t.equal(await outcome(tokenOf(one)), 'keys_unavailable');
  endpoint.isDown = false;
  await timing.advance(30);
  t.equal(await outcome(tokenOf(one)), 'good');
});

t.test('an answer that is not a key set leaves the known keys unchanged', async (t) => {
  const { timing, endpoint, errors, tokenOf, outcome } = begin();
  await timing.advance(10);
  endpoint.keys = [];
  await timing.advance(300);
  t.match(errors.at(-1)?.message, /no RSA key/);
  t.equal(await outcome(tokenOf(one)), 'good');
});

t.test('before the first keys arrive, retries come soon, and a token does not cause a request', async (t) => {
  const { timing, endpoint, tokenOf, outcome, verifier } = begin({ isDown: true });
  const ready = verifier.ready(60).then(() => 'ready');
  await timing.settle();
  t.same(
    await Promise.all([outcome(tokenOf(one)), outcome(tokenOf(one)), outcome(unknownKid('x'))]),
    Array(3).fill('keys_unavailable'),
  );
  for (let second = 0; second < 45; second += 1) {
    await outcome(tokenOf(one));
    await timing.advance(1);
  }
  t.same(endpoint.asked, [0, 1, 3, 7, 15, 30]);
  endpoint.isDown = false;
  await timing.advance(16);
  t.equal(await ready, 'ready');
  t.equal(await outcome(tokenOf(one)), 'good');
});

t.test(
  'during an outage, with a rotation and many unknown kids, no valid token is refused and no extra request is sent',
  async (t) => {
    const { timing, endpoint, tokenOf, outcome } = begin();
    const codes = new Map<string, number>();
    let signing = one;
    for (let second = 0; second < 1500; second += 1) {
      if (second === 100) endpoint.keys = [one, two]; // published ten minutes ahead
      if (second === 400) endpoint.isDown = true;
      if (second === 700) signing = two;
      if (second === 1000) endpoint.isDown = false;
      if (second === 1300) endpoint.keys = [two];
      await timing.advance(1);
      if (second % 5 > 0) continue;
      const asked = [
        tokenOf(signing, `a${second}`),
        tokenOf(signing, 'same'),
        ...['x', 'y', 'z'].map((kid) => unknownKid(kid + second)),
      ];
      const [first = '', second_ = ''] = await Promise.all(asked.map(outcome));
      for (const code of [first, second_]) codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    t.same([...codes], [['good', 600]]);
    t.ok(least(endpoint.asked) >= 30, `${endpoint.asked}`);
  },
);

t.test('setting the clock forward or back has no effect on the keys', async (t) => {
  const { timing, endpoint, source } = begin();
  await timing.advance(10);
  timing.step(10 * 86_400);
  t.ok(source.find('one'));
  timing.step(-20 * 86_400);
  t.ok(source.find('one'));
  await timing.advance(100);
  t.same(endpoint.asked, [0]);
});
