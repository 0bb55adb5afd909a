// Following the feed: which revocations are known, up to which moment, and how the stream continues after a lost
// connection.
import { randomUUID } from 'node:crypto';
import t from 'tap';
import { SYSTEM_TIMING, type Timing } from '../../../src/verifier/core/clock.ts';
import { until } from '../../support/until.ts';
import { json } from '../local-server.ts';
import { createManualTiming } from '../manual-timing.ts';
import { beginStream, frames, openStandIn, PATHS } from '../stand-in.ts';
import { begin } from './following.ts';

const session = () => ({ kind: 'session', sid: randomUUID() }) as const;

t.test('the snapshot, in any number of frames, and each later revocation are stored and reported once', async (t) => {
  const [a, b, c] = [session(), session(), session()];
  const user = { kind: 'user', sub: randomUUID(), epoch: 7 } as const;
  const { service, source, heard, isRevoked } = await begin(t, SYSTEM_TIMING, ({ endpoints, streams }) => {
    endpoints.feed = (_, response) => {
      beginStream(response);
      streams.push(response);
      response.write(frames.partOfSnapshot(a));
    };
  });
  t.equal(source.staleSeconds(), Number.POSITIVE_INFINITY);
  await until(() => heard.length === 1);
  t.equal(source.staleSeconds(), Number.POSITIVE_INFINITY, 'a part of a snapshot is not a complete state');
  service.send(frames.heartbeat('h0') + frames.partOfSnapshot(b));
  await until(() => heard.length === 2);
  t.equal(source.staleSeconds(), Number.POSITIVE_INFINITY, 'a heartbeat between the parts does not count');
  service.send(frames.snapshot('c1', a, user));
  await source.ready?.();
  t.ok(source.staleSeconds() < 5);
  service.send(
    `: a comment\n\nevent: of another kind\ndata: {}\n\n${frames.revocation('c2', c)}${frames.revocation('c2', c)}`,
  );
  await until(() => heard.length === 4);
  t.same(heard, [a, b, user, c]);
  for (const { sid } of [a, b, c]) t.equal(isRevoked(sid), 'session_revoked');
  t.equal(isRevoked(randomUUID()), null);
  const [asked] = service.at(PATHS.feed);
  t.match(asked?.headers, { accept: 'text/event-stream', authorization: 'Bearer own-token' });
  t.notOk(asked?.headers['last-event-id'], 'the first request starts at the beginning');
});

t.test('a listener that throws, or has unsubscribed, does not affect other listeners', async (t) => {
  const { service, source, heard, errors } = await begin(t);
  source.onRevocation(() => {
    throw new Error('not mine');
  });
  const quiet: unknown[] = [];
  const stop = source.onRevocation((revocation) => quiet.push(revocation));
  const late: unknown[] = [];
  source.onRevocation((revocation) => late.push(revocation));
  stop();
  stop();
  await source.ready?.();
  service.send(frames.revocation('c2', session()));
  await until(() => late.length === 1);
  t.equal(heard.length, 1);
  t.same(quiet, []);
  t.same(errors, ['not mine']);
});

t.test('after a lost connection the feed continues at its cursor, with the same access token', async (t) => {
  const missed = session();
  const { service, source, heard } = await begin(t);
  await source.ready?.();
  service.send(frames.revocation('c2', session()));
  await until(() => heard.length === 1);
  service.endpoints.feed = (_, response) => {
    beginStream(response);
    service.streams.push(response);
    response.write(frames.revocation('c3', missed) + frames.heartbeat('c3'));
  };
  service.streams[0]?.end();
  await until(() => heard.length === 2);
  service.streams[1]?.destroy();
  await until(() => service.streams.length === 3);
  t.same(
    service.at(PATHS.feed).map(({ headers }) => headers['last-event-id']),
    [undefined, 'c2', 'c3'],
  );
  t.equal(service.at(PATHS.token).length, 1, 'all connections use one token');
});

t.test('only a snapshot or a heartbeat shows that all revocations are known', async (t) => {
  const timing = createManualTiming();
  const { service, source, heard } = await begin(t, timing);
  await source.ready?.();
  t.equal(source.staleSeconds(), 0);
  timing.freeze(2);
  t.equal(source.staleSeconds(), 2);
  service.send(frames.revocation('c2', session()));
  await until(() => heard.length === 1);
  t.equal(source.staleSeconds(), 2, 'events alone do not show it');
  service.send(frames.heartbeat('c2'));
  await until(() => source.staleSeconds() === 0);
  timing.step(4);
  t.equal(source.staleSeconds(), 4, 'the wall clock counts after the machine and its steady clock slept for a moment');
  timing.step(-3600);
  await timing.advance(7);
  t.equal(source.staleSeconds(), 7, 'the steady clock counts after the wall clock was set back');
});

t.test('a stream that stops sending is closed, and a new stream is opened', async (t) => {
  const timing = createManualTiming();
  const { service, source, errors } = await begin(t, timing);
  await source.ready?.();
  await timing.advance(9.9);
  t.equal(service.streams.length, 1);
  await timing.advance(0.2);
  await until(() => errors.length === 1);
  t.match(errors[0], /was silent for 10 s/);
  await timing.settle();
  await timing.advance(0.2);
  await until(() => service.streams.length === 2);
  await until(() => service.streams[0]?.destroyed === true);
});

t.test('if the service no longer accepts the cursor, the feed requests a new snapshot', async (t) => {
  const { service, source } = await begin(t);
  await source.ready?.();
  service.endpoints.feed = (asked, response) => {
    if (asked.headers['last-event-id'] !== undefined) return json(response, 400, {});
    beginStream(response);
    service.streams.push(response);
    response.write(frames.snapshot('c9'));
  };
  service.streams[0]?.end();
  await until(() => service.streams.length === 2);
  t.same(
    service.at(PATHS.feed).map(({ headers }) => headers['last-event-id']),
    [undefined, 'c1', undefined],
  );
});

t.test('a refused access token is replaced, and an access token is renewed before it expires', async (t) => {
  const timing = createManualTiming();
  let issued = 0;
  const { service, source } = await begin(t, timing, ({ endpoints }) => {
    const { feed } = endpoints;
    endpoints.token = (_, response) =>
      json(response, 200, { access_token: `t${++issued}`, token_type: 'Bearer', expires_in: 900 });
    endpoints.feed = (asked, response) => {
      if (asked.headers.authorization === 'Bearer t1') json(response, 401, { code: 'token_expired' });
      else feed(asked, response);
    };
  });
  await until(() => service.at(PATHS.feed).length === 1);
  await until(() => {
    void timing.advance(0.3);
    return service.streams.length === 1;
  });
  await source.ready?.();
  t.equal(service.at(PATHS.feed)[1]?.headers.authorization, 'Bearer t2');
  timing.freeze(800);
  service.streams[0]?.end();
  await until(() => {
    void timing.advance(0.3);
    return service.streams.length === 2;
  });
  t.equal(service.at(PATHS.feed).at(-1)?.headers.authorization, 'Bearer t2', 'still good');
  timing.freeze(50);
  service.streams[1]?.end();
  await until(() => {
    void timing.advance(0.3);
    return service.streams.length === 3;
  });
  t.equal(
    service.at(PATHS.feed).at(-1)?.headers.authorization,
    'Bearer t3',
    'the token is renewed a minute before its expiry',
  );
});

t.test('after an event of an unknown kind the state is unknown until the next complete snapshot', async (t) => {
  const { service, source, errors, heard } = await begin(t);
  await source.ready?.();
  service.send(
    frames.revocation('c2', { kind: 'galaxy', id: 1 }) + frames.revocation('c3', { kind: 'session', sid: 7 }),
  );
  service.send(frames.heartbeat('c3') + frames.revocation('c4', session()));
  await until(() => heard.length === 1);
  const stale = source.staleSeconds();
  service.send(frames.heartbeat('c5') + frames.revocation('c6', session()));
  await until(() => heard.length === 2);
  t.ok(source.staleSeconds() >= stale, 'heartbeats no longer count');
  t.same(errors, ['The feed sent an event of an unknown kind: update tenantry here'], 'the error is logged once');
  const before = source.staleSeconds();
  service.streams[0]?.end();
  await until(() => service.streams.length >= 2 && source.staleSeconds() < before);
  t.notOk(service.at(PATHS.feed)[1]?.headers['last-event-id'], 'the next request starts at the beginning');
});

t.test('an answer that is not a feed is closed, and retried at growing intervals of at most 5 s', async (t) => {
  const timing = createManualTiming();
  const waits: number[] = [];
  const watched: Timing = {
    ...timing,
    after(milliseconds, run) {
      if (run.name === 'go') waits.push(milliseconds);
      return timing.after(milliseconds, run);
    },
  };
  const elsewhere = await openStandIn(t);
  const answers: ((response: import('node:http').ServerResponse) => void)[] = [
    (response) => json(response, 200, { data: { cursor: 'c', events: [] } }),
    (response) => json(response, 403, {}),
    (response) => json(response, 404, {}),
    (response) => json(response, 429, {}),
    (response) => json(response, 500, {}),
    (response) => response.writeHead(307, { location: elsewhere.url + PATHS.feed }).end(),
    (response) => response.destroy(),
    (response) => response.writeHead(200, { 'content-type': 'text/event-stream' }).end(),
    (response) =>
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end('event: snapshot\ndata: {"events":1}\n\n'),
    (response) =>
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end('event: snapshot\ndata: null\n\n'),
    (response) =>
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end('event: revocation\ndata: {"kind\n\n'),
    (response) => response.writeHead(200, { 'content-type': 'text/event-stream' }).end(frames.heartbeat('x')),
  ];
  let count = 0;
  const { source, errors } = await begin(t, watched, ({ endpoints }) => {
    endpoints.feed = (_, response) => answers[count++ % answers.length]?.(response);
  });
  await until(() => {
    void timing.advance(5);
    return count >= 2 * answers.length;
  });
  t.equal(source.staleSeconds(), Number.POSITIVE_INFINITY, 'a heartbeat before any snapshot does not count');
  t.ok(Math.max(...waits) <= 5000 && Math.min(...waits) >= 50, `${Math.min(...waits)} to ${Math.max(...waits)} ms`);
  t.same(elsewhere.asked, [], 'no redirect is followed');
  t.ok(
    errors.some((message) => /403 instead of a stream: give the client the permission revocations:read/.test(message)),
  );
  t.notMatch(errors.join(), /own-token|secret/, 'no secret is logged');
});

t.test('an event beyond the length limit closes the stream', async (t) => {
  const { service, source, errors } = await begin(t);
  await source.ready?.();
  const piece = 'x'.repeat(4 * 1024 * 1024);
  service.send('event: revocation\ndata: ');
  for (let sent = 0; sent < 9; sent += 1) service.send(piece);
  await until(() => errors.length === 1);
  t.match(errors[0], /longer than 33554432 characters/);
  await until(() => service.streams.length === 2);
});

t.test('a closed feed closes its connection and sends no more requests', async (t) => {
  const timing = createManualTiming();
  const { service, source, errors } = await begin(t, timing);
  await source.ready?.();
  source.close?.();
  await until(() => service.streams[0]?.destroyed === true);
  const asked = service.asked.length;
  await timing.advance(60);
  t.equal(service.asked.length, asked);
  t.same(errors, []);
});
