// A verifier that has not run for a while, or whose clock is wrong, does not trust what it knows.
import { randomUUID } from 'node:crypto';
import t from 'tap';
import { until } from '../../support/until.ts';
import { createManualTiming } from '../manual-timing.ts';
import { beginStream, frames } from '../stand-in.ts';
import { begin } from './following.ts';

const NOW = 1_800_000_000;

t.test(
  'after a pause of 8 s nothing counts as current until a new connection has delivered what was missed',
  async (t) => {
    const timing = createManualTiming(NOW);
    const { service, source, isRevoked, errors } = await begin(t, timing);
    await source.ready?.();
    await timing.advance(2);
    t.ok(source.staleSeconds() < 5);
    const missed = randomUUID();
    service.endpoints.feed = (_, response) => {
      beginStream(response);
      service.streams.push(response);
      response.write(frames.revocation('c2', { kind: 'session', sid: missed }));
    };
    timing.freeze(8); // shorter than the silence that a connection survives
    t.equal(source.isCurrent?.(), false, 'the first call notices the pause');
    t.equal(source.staleSeconds(), Number.POSITIVE_INFINITY);
    service.send(frames.heartbeat('c1')); // this heartbeat was sent during the pause
    await timing.advance(1);
    await until(async () => {
      await timing.advance(0.1);
      return service.streams.length === 2 && isRevoked(missed) === 'session_revoked';
    });
    t.equal(source.staleSeconds(), Number.POSITIVE_INFINITY, 'events alone do not show that all were delivered');
    t.equal(source.isCurrent?.(), false);
    service.send(frames.heartbeat('c2'));
    await until(() => source.staleSeconds() < 5);
    t.equal(source.isCurrent?.(), true);
    t.match(errors, [/this process did not run for \d+ s/]);
  },
);

t.test('a suspended machine counts as a pause although only its wall clock went on', async (t) => {
  const timing = createManualTiming(NOW);
  const { service, source } = await begin(t, timing);
  await source.ready?.();
  await timing.advance(2);
  timing.step(-8);
  t.equal(source.isCurrent?.(), true, 'a clock that is set back is no pause');
  await timing.advance(1);
  timing.step(4);
  t.equal(source.isCurrent?.(), true, 'a small step');
  await timing.advance(1);
  timing.step(8);
  t.equal(source.isCurrent?.(), false, 'the first call notices the pause');
  service.send(frames.heartbeat('c1')); // this heartbeat was sent while the machine was suspended
  await timing.settle();
  t.equal(source.isCurrent?.(), false);
  await until(async () => {
    await timing.advance(0.1);
    return service.streams.length === 2;
  });
  await until(() => source.isCurrent?.() === true);
});

t.test('a verifier that runs counts the seconds of silence, however long they are', async (t) => {
  const timing = createManualTiming(NOW);
  const { service, source } = await begin(t, timing);
  await source.ready?.();
  service.endpoints.feed = (_, response) => response.destroy();
  await timing.advance(25);
  t.equal(source.staleSeconds(), 25);
  t.equal(source.isCurrent?.(), true, 'silence is no pause');
});

t.test('a verifier whose clock differs by more than a minute reports this, and counts as out of date', async (t) => {
  for (const [seconds, text] of [
    [3_600, /3600 s ahead of the clock of the service/],
    [-3_600, /3600 s behind the clock of the service/],
  ] as const) {
    const timing = createManualTiming(NOW);
    const { service, source, errors } = await begin(t, timing);
    await source.ready?.();
    const at = (offset: number) => new Date((NOW + offset) * 1000);
    service.send(frames.heartbeat('c1', at(-55)));
    service.send(frames.heartbeat('c1', at(-seconds)) + frames.heartbeat('c1', at(-seconds)));
    await until(() => source.staleSeconds() === Number.POSITIVE_INFINITY);
    t.match(errors, [text]);
    t.equal(errors.length, 1, 'reported once');
    service.send(frames.heartbeat('c1', at(0)));
    await until(() => source.staleSeconds() < 5);
    t.pass('and is up to date with the first heartbeat that agrees');
  }
});
