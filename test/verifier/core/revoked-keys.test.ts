// What a verifier does when a signing key has been revoked: the tokens of the key are refused at once, and the key is
// not requested again.
import { generateKeyPairSync } from 'node:crypto';
import t from 'tap';
import { createRevocationMap } from '../../../src/protocol/revocation-map.ts';
import { createListeners } from '../../../src/verifier/feed/listeners.ts';
import { createVerifier, type Revocation, type VerificationError } from '../../../src/verifier/index.ts';
import { createJwks } from '../../../src/verifier/keys/jwks.ts';
import { forge, partsOf, rsa } from '../../support/forge.ts';
import { openIssuer } from '../../support/issuer.ts';
import { until } from '../../support/until.ts';
import { AUDIENCE, ISSUER, member } from '../keys/material.ts';
import { createManualTiming } from '../manual-timing.ts';
import { CREDENTIALS, frames, openStandIn, PATHS } from '../stand-in.ts';

const codeOf = (verified: Promise<unknown>) =>
  verified.then(
    () => 'good',
    ({ code }: VerificationError) => code,
  );
const kidOf = (token: string) => String(partsOf(token).header.kid);

t.test('a revoked key ends its tokens at once, remembered ones too, and no tokens of other keys', async (t) => {
  const issuer = openIssuer();
  const verifier = issuer.verifier();
  const older = issuer.token();
  issuer.rotate();
  const [remembered, unseen, client] = [issuer.token(), issuer.token(), issuer.clientToken()];
  const principal = await verifier.verify(remembered);
  t.equal(principal.keyId, kidOf(remembered));
  await verifier.verify(client);
  const heard: Revocation[] = [];
  verifier.onRevocation((revocation) => heard.push(revocation));
  t.equal(issuer.revokeKey(), kidOf(remembered));
  t.same(heard, [{ kind: 'key', kid: kidOf(remembered) }]);
  for (const token of [remembered, unseen, client]) t.equal(await codeOf(verifier.verify(token)), 'invalid_token');
  t.equal(verifier.judge(principal), 'invalid_token', 'judge() refuses the principal of an open socket');
  await t.rejects(verifier.authorize(principal, 'deals:read'), { code: 'invalid_token', status: 401 });
  t.equal(await codeOf(verifier.verify(older)), 'good');
  t.equal(await codeOf(verifier.verify(issuer.token())), 'good', 'the next key signs');
  t.equal(issuer.jwks().keys.length, 2, 'the revoked key is not published');
  issuer.advance(100_000);
  t.equal(verifier.judge({ ...principal, expiresAt: principal.expiresAt + 200_000 }), 'invalid_token', 'for good');
});

/** A verifier whose keys come from an endpoint in memory, with a clock that the test moves. */
function begin() {
  const timing = createManualTiming();
  const pairs = new Map(
    ['one', 'two', 'three'].map((kid) => [kid, generateKeyPairSync('rsa', { modulusLength: 2048 })]),
  );
  const published = new Set(['one']);
  const asked: number[] = [];
  const keys = createJwks({
    jwksUri: `${ISSUER}/.well-known/jwks.json`,
    timing,
    onError: (error) => t.fail(error.message),
    async fetch() {
      asked.push(timing.elapsed() / 1000);
      const set = [...published].map((kid) => ({ ...pairs.get(kid)?.publicKey.export({ format: 'jwk' }), kid }));
      return Response.json({ keys: set }, { headers: { 'cache-control': 'max-age=300' } });
    },
  });
  const map = createRevocationMap(() => timing.elapsed() / 1000, 960);
  const listeners = createListeners((error) => t.fail(error.message));
  const verifier = createVerifier({
    ...{ issuer: ISSUER, audience: AUDIENCE, keys, clock: timing },
    revocations: {
      judge: map.judge,
      isKeyRevoked: map.isKeyRevoked,
      staleSeconds: () => 0,
      onRevocation: (listener) => listeners.add(listener),
    },
  });
  function outcome(kid: string, jti = 'j'): Promise<string> {
    const iat = Math.floor(timing.now() / 1000);
    const key = pairs.get(kid)?.privateKey ?? generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const header = { alg: 'RS256', typ: 'at+jwt', kid };
    return codeOf(verifier.verify(forge({ header, claims: { ...member, iat, exp: iat + 900, jti } }, rsa(key))));
  }
  function revoke(kid: string): void {
    if (map.add({ kind: 'key', kid })) listeners.tell({ kind: 'key', kid });
  }
  return { timing, published, asked, verifier, outcome, revoke };
}

t.test('a revoked key is refused although a cache still publishes it, and is never requested', async (t) => {
  const { timing, published, asked, outcome, revoke, verifier } = begin();
  t.equal(await outcome('one'), 'good');
  revoke('one');
  t.equal(await outcome('one', 'seen for the first time'), 'invalid_token');
  published.add('two').delete('one');
  await timing.advance(271); // the set is fetched as planned
  t.same(asked, [0, 270]);
  await timing.advance(60);
  for (let attempt = 0; attempt < 20; attempt += 1) t.equal(await outcome('one', `${attempt}`), 'invalid_token');
  t.same(asked, [0, 270], 'tokens of the key cause no request');
  published.add('one');
  await timing.advance(3600);
  t.equal(
    await outcome('one', 'later'),
    'invalid_token',
    'the key stays revoked when a cache publishes it again an hour later',
  );
  verifier.close();
});

t.test('after a revocation the next key is fetched at once, and unknown keys stay limited', async (t) => {
  const { timing, published, asked, outcome, revoke, verifier } = begin();
  await timing.advance(1);
  t.equal(await outcome('one'), 'good');
  published.add('two').delete('one');
  t.equal(await outcome('two'), 'invalid_token', 'so soon after a fetch an unknown key is not requested');
  revoke('one');
  t.equal(await outcome('two', 'again'), 'good');
  t.same(asked, [0, 1]);
  revoke('one');
  for (let attempt = 0; attempt < 5; attempt += 1) t.equal(await outcome('three', `${attempt}`), 'invalid_token');
  t.same(asked, [0, 1], 'a repeated event lifts no limit');
  await timing.advance(31);
  t.equal(await outcome('three'), 'invalid_token');
  t.same(asked, [0, 1, 32]);
  verifier.close();
});

t.test('a verifier learns of a revoked key from a snapshot and from an event of the feed', async (t) => {
  const service = await openStandIn(t);
  const { issuer } = service;
  const first = issuer.token();
  issuer.rotate();
  const second = issuer.token();
  issuer.rotate();
  const third = issuer.token();
  service.endpoints.feed = (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    service.streams.push(response);
    const extended = JSON.stringify([{ kind: 'key', kid: kidOf(first) }]);
    response.write(`event: snapshot\nid: c1\ndata: {"cursor":"c1","events":[],"extended":${extended}}\n\n`);
  };
  const verifier = createVerifier({
    ...{ issuer: issuer.issuer, audience: issuer.audience, serviceUrl: service.url, clock: { now: issuer.now } },
    revocation: { credentials: CREDENTIALS, onStale: 'reject' },
  });
  t.teardown(() => verifier.close());
  await verifier.ready();
  t.equal(await codeOf(verifier.verify(first)), 'invalid_token');
  t.equal(await codeOf(verifier.verify(second)), 'good');
  const event = { kind: 'key', kid: kidOf(second) };
  service.send(`event: extended\nid: c2\ndata: ${JSON.stringify(event)}\n\n`);
  await until(async () => (await codeOf(verifier.verify(second))) === 'invalid_token');
  t.equal(await codeOf(verifier.verify(third)), 'good');
  service.send(frames.heartbeat('c2'));
  t.equal(await codeOf(verifier.verify(third)), 'good', 'the state stays complete');
  t.equal(service.at(PATHS.jwks).length, 1);
});
