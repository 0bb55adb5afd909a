// The start and end of a verifier, headers without a token, and the reading of the feed.
import t from 'tap';
import { createSseReader } from '../../../src/verifier/feed/sse.ts';
import { createVerifier } from '../../../src/verifier/index.ts';
import { until } from '../../support/until.ts';
import { begin } from '../feed/following.ts';
import { AUDIENCE, good, ISSUER, publicKey, verifier } from '../keys/material.ts';
import { createManualTiming } from '../manual-timing.ts';
import { CREDENTIALS, frames, openStandIn, PATHS } from '../stand-in.ts';

t.test('a caller that waits for a verifier gets an error at once when the verifier is closed', async (t) => {
  const keys = { find: () => undefined, ready: () => new Promise<void>(() => {}) };
  const closing = createVerifier({ issuer: ISSUER, audience: AUDIENCE, keys });
  const waiting = closing.ready(3600);
  closing.close();
  await t.rejects(waiting, { code: 'keys_unavailable', message: /closed/ });
  await t.rejects(closing.ready(3600), { code: 'keys_unavailable', message: /closed/ });
});

t.test('if the wait for a verifier fails, the error contains the reason', async (t) => {
  const serviceUrl = 'http://127.0.0.1:9'; // the discard port, where no server listens
  const { promise: refused, resolve: onError } = Promise.withResolvers<Error>();
  const waiting = createVerifier({ issuer: ISSUER, audience: AUDIENCE, serviceUrl, onError });
  t.teardown(() => waiting.close());
  await refused;
  await t.rejects(waiting.ready(0.05), { code: 'keys_unavailable', message: /not ready: \S/, cause: Error });
});

t.test('closing a verifier ends its requests, so that the process can end, and stops its log', async (t) => {
  const service = await openStandIn(t);
  const silent = () => {};
  Object.assign(service.endpoints, { token: silent, jwks: silent });
  const errors: Error[] = [];
  const closing = createVerifier({
    issuer: ISSUER,
    audience: AUDIENCE,
    serviceUrl: service.url,
    revocation: { credentials: CREDENTIALS },
    onError: (error) => errors.push(error),
  });
  await until(() => service.at(PATHS.token).length === 1 && service.at(PATHS.jwks).length === 1);
  const waiting = closing.verify(good).catch(({ code }) => code);
  const begun = performance.now();
  closing.close();
  t.equal(await waiting, 'keys_unavailable');
  await until(() => service.open() === 0);
  t.ok(performance.now() - begun < 4_000, 'the end comes before the time limit of 5 s');
  t.same(errors, []);
});

t.test('a token for another issuer or audience is logged, at most once per interval', async (t) => {
  const keys = { find: () => publicKey };
  for (const [options, expected] of [
    [{ issuer: `${ISSUER}/`, audience: AUDIENCE }, /its issuer is ".+", and this verifier's is ".+\/"/],
    [{ issuer: ISSUER, audience: 'other' }, /its audience is ".+", and this verifier's \["other"\]/],
  ] as const) {
    const told: string[] = [];
    const wrong = createVerifier({ ...options, keys, onError: ({ message }) => told.push(message) });
    t.teardown(() => wrong.close());
    for (let time = 0; time < 3; time += 1) await t.rejects(wrong.verify(good), { code: 'invalid_token' });
    t.equal(told.length, 1);
    t.match(told[0], expected);
    t.notOk(told[0]?.includes(good));
  }
});

t.test('an Authorization header that is not text counts as missing', async (t) => {
  for (const header of [undefined, null, 5, {}, [`Bearer ${good}`]]) {
    await t.rejects(
      verifier.verifyHeader(header as undefined),
      { code: 'unauthenticated' },
      String(header).slice(0, 20),
    );
  }
});

t.test('feed events are parsed with any line ending, and wherever the chunks are cut', async (t) => {
  const expected = [
    { event: 'heartbeat', data: 'x\ny', id: '7' },
    { event: 'message', data: 'z', id: '7' },
  ];
  for (const end of ['\n', '\r', '\r\n']) {
    const text = ['event: heartbeat', 'id: 7', 'data: x', ': a comment', 'data: y', '', 'data: z', '', ''].join(end);
    for (let cut = 0; cut <= text.length; cut += 1) {
      const reader = createSseReader(1000);
      const frames = [...reader.read(text.slice(0, cut)), ...reader.read(''), ...reader.read(text.slice(cut))];
      t.same(frames, expected, `${JSON.stringify(end)} cut at ${cut}`);
    }
  }
});

t.test('feed data that was buffered while the process was stopped does not count as current', async (t) => {
  const timing = createManualTiming();
  const { service, source } = await begin(t, timing);
  await source.ready?.();
  service.endpoints.feed = (_, response) => response.destroy();
  timing.freeze(60);
  service.send(frames.heartbeat('c1'));
  await until(() => service.open() === 0);
  t.ok(source.staleSeconds() >= 60);
});

t.test('if the clock does not return a number, no token is accepted', async (t) => {
  const keys = { find: () => publicKey };
  const lost = createVerifier({ issuer: ISSUER, audience: AUDIENCE, keys, clock: { now: () => Number.NaN } });
  await t.rejects(lost.verify(good), { code: 'token_expired' });
});
