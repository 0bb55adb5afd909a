// The loop of background work, with a clock that the test moves: when a run starts, that runs never overlap, the log
// lines, and how the loop stops.
import t, { type Test } from 'tap';
import { type LoopOptions, LoopStopped, openLoop, type Run } from '../../../src/base/loops/loop.ts';
import { currentRequester, workFor } from '../../../src/base/platform/requester.ts';
import { createManualTiming } from '../../verifier/manual-timing.ts';

/** Opens a loop that runs every second and notes the start of each run. With `held` the test ends each run. */
function openNoted(t: Test, options: Partial<LoopOptions> = {}, held = false) {
  const timing = createManualTiming();
  const lines: string[] = [];
  const begunAt: number[] = [];
  const runs: (PromiseWithResolvers<void> & { told: Run })[] = [];
  let running = 0;
  let together = 0;
  const notes = { fails: false };
  const keep = (...said: unknown[]) => void lines.push(JSON.stringify(said));
  const loop = openLoop({
    name: 'work',
    everyMs: 1_000,
    failing: 'it fails',
    working: 'it works again',
    log: { info: keep, warn: keep },
    timing,
    async work(told) {
      running += 1;
      together = Math.max(together, running);
      begunAt.push(timing.elapsed());
      const run = { ...Promise.withResolvers<void>(), told };
      runs.push(run);
      if (!held) run.resolve();
      await run.promise.finally(() => {
        running -= 1;
      });
      if (notes.fails) throw new Error('away');
    },
    ...options,
  });
  t.teardown(() => {
    for (const run of runs) run.resolve();
    return loop.stop();
  });
  return { loop, timing, lines, begunAt, runs, notes, together: () => together };
}

t.test('a loop runs after each interval, counted from the end of the previous run', async (t) => {
  const { loop, timing, begunAt, runs } = openNoted(t, {}, true);
  await timing.advance(5);
  t.strictSame(begunAt, [], 'not before the start');
  loop.start();
  loop.start();
  await timing.advance(1.5);
  t.strictSame(begunAt, [6_000]);
  runs[0]?.resolve();
  await timing.advance(1.1);
  t.strictSame(begunAt, [6_000, 7_500]);
});

t.test('only nudges cause a run of a loop without an interval', async (t) => {
  const { loop, timing, begunAt } = openNoted(t, { everyMs: null });
  loop.start();
  await timing.advance(1_000);
  t.strictSame(begunAt, []);
  loop.nudge();
  await timing.advance(1_000);
  t.strictSame(begunAt, [1_000_000]);
});

t.test('any number of nudges cause one run, and nudges during that run cause one more', async (t) => {
  const { loop, timing, begunAt, runs, together } = openNoted(t, {}, true);
  loop.nudge();
  loop.start();
  await timing.settle();
  t.strictSame(begunAt, [], 'a nudge before the start does not count');
  for (let time = 0; time < 100; time += 1) loop.nudge();
  await timing.advance(0);
  t.strictSame(begunAt, [0]);
  for (let time = 0; time < 100; time += 1) loop.nudge();
  await timing.advance(0.2);
  t.strictSame(begunAt, [0], 'not during a run');
  runs[0]?.resolve();
  await timing.advance(0);
  runs[1]?.resolve();
  await timing.advance(0.9);
  t.strictSame(begunAt, [0, 200]);
  t.equal(together(), 1);
});

t.test('endless nudges cause no runs closer than the minimum distance, and delay no run', async (t) => {
  const { loop, timing, begunAt } = openNoted(t, { apartMs: 50 });
  loop.start();
  for (let step = 0; step < 190; step += 1) {
    loop.nudge();
    await timing.advance(0.001);
  }
  t.strictSame(begunAt, [0, 50, 100, 150]);
});

t.test('a run waits for more nudges, and the wait is counted from the first nudge', async (t) => {
  const { loop, timing, begunAt } = openNoted(t, { gatherMs: 50 });
  loop.start();
  await timing.advance(0.1);
  loop.nudge();
  await timing.advance(0.04);
  loop.nudge();
  await timing.advance(0.1);
  t.strictSame(begunAt, [150]);
});

t.test('a nudge does not delay a run that is due earlier', async (t) => {
  const { loop, timing, begunAt } = openNoted(t, { gatherMs: 500 });
  loop.start();
  await timing.advance(0.9);
  loop.nudge();
  await timing.advance(0.2);
  t.strictSame(begunAt, [1_000]);
});

t.test('callers that request a run share one run, which begins after their requests', async (t) => {
  const { loop, timing, runs, notes, together } = openNoted(t, {}, true);
  const first = loop.run();
  await timing.settle();
  const later = [loop.run(), loop.run(), loop.run()];
  await timing.settle();
  t.equal(runs.length, 1);
  notes.fails = true;
  runs[0]?.resolve();
  await t.rejects(first, { message: 'away' }, 'an error goes to the callers of that run');
  notes.fails = false;
  await timing.settle();
  runs[1]?.resolve();
  await t.resolves(Promise.all(later), 'the error goes to no other caller');
  t.strictSame([runs.length, together()], [2, 1]);
});

t.test('a loop logs one line when its work starts to fail, and one line when the work succeeds again', async (t) => {
  const { loop, timing, lines, notes, begunAt } = openNoted(t);
  loop.start();
  await timing.advance(2);
  t.strictSame(lines, []);
  notes.fails = true;
  await timing.advance(5);
  t.equal(begunAt.length, 7, 'a failure does not end the loop');
  t.equal(lines.length, 1);
  t.match(lines[0], /work.*away.*it fails/);
  notes.fails = false;
  await timing.advance(5);
  t.equal(lines.length, 2);
  t.match(lines[1], /work.*it works again/);
  notes.fails = true;
  await timing.advance(5);
  t.equal(lines.length, 3);
});

t.test('the interval grows up to its maximum while the work fails, and nudges do not shorten it', async (t) => {
  const { loop, timing, notes, begunAt } = openNoted(t, { everyMs: 100, backOffMs: [200, 1_000] });
  loop.start();
  notes.fails = true;
  for (let step = 0; step < 400; step += 1) {
    await timing.advance(0.01);
    loop.nudge();
  }
  t.ok(begunAt[0] !== undefined && begunAt[0] <= 100);
  const distances = begunAt.slice(1).map((at, index) => at - (begunAt[index] ?? 0));
  t.strictSame(distances, [200, 400, 800, 1_000, 1_000]);
  notes.fails = false;
  await timing.advance(2);
  const settled = begunAt.length;
  await timing.advance(1);
  t.equal(begunAt.length, settled + 10, 'a success ends the back-off');
});

t.test('stop() waits for the current run, and no other run starts', async (t) => {
  const { loop, timing, runs, begunAt } = openNoted(t, {}, true);
  loop.start();
  loop.nudge();
  await timing.advance(0);
  const asked = loop.run();
  let stopped = false;
  const stop = loop.stop().then(() => {
    stopped = true;
  });
  loop.nudge();
  await timing.advance(4);
  t.strictSame([stopped, runs[0]?.told.isStopping(), runs[0]?.told.signal.aborted], [false, true, false]);
  runs[0]?.resolve();
  await stop;
  await t.rejects(asked, LoopStopped);
  await t.rejects(loop.run(), LoopStopped);
  loop.start();
  loop.nudge();
  await timing.advance(10);
  t.strictSame(begunAt, [0]);
});

t.test('a run that does not end gets an abort signal, and delays stop() for a limited time', async (t) => {
  const { loop, timing, runs, lines } = openNoted(t, { stopMs: 2_000 }, true);
  loop.start();
  loop.nudge();
  await timing.advance(0);
  let stopped = false;
  void loop.stop().then(() => {
    stopped = true;
  });
  await timing.advance(1.9);
  t.notOk(runs[0]?.told.signal.aborted);
  await timing.advance(0.2);
  t.strictSame([stopped, runs[0]?.told.signal.aborted], [false, true]);
  await timing.advance(1);
  t.ok(stopped);
  runs[0]?.reject(new Error('given up'));
  await timing.settle();
  t.strictSame(lines, [], 'an aborted run is not a failure');
});

t.test('an interval that is too long for a timer is refused', async (t) => {
  for (const everyMs of [-1, Number.NaN, 2 ** 31]) t.throws(() => openNoted(t, { everyMs }), RangeError);
});

t.test('a run that a request has caused is the work of the service, and not of the requester', async (t) => {
  const seen: unknown[] = [];
  const { loop, timing } = openNoted(t, { work: async () => void seen.push(currentRequester()) });
  loop.start();
  const requester = { subject: 'organization 1', isSent: false, onGone: () => () => undefined };
  await workFor(requester, async () => {
    loop.nudge();
    timing.advance(0);
    await loop.run();
    t.equal(currentRequester(), requester);
  });
  t.ok(seen.length > 0);
  t.same(new Set(seen), new Set([undefined]));
});
