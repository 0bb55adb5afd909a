// Work that takes longer than a limit is noticed once, at the limit, with one timer for everything that runs.
import t from 'tap';
import { Running } from '../../../src/base/loops/running.ts';
import { currentRequester, workFor } from '../../../src/base/platform/requester.ts';
import { createManualTiming } from '../../verifier/manual-timing.ts';

const LIMIT_MS = 1_000;

function opened() {
  const timing = createManualTiming();
  const noticed: string[] = [];
  const requesters: unknown[] = [];
  let timers = 0;
  const counted = {
    now: timing.now,
    elapsed: timing.elapsed,
    after(milliseconds: number, run: () => void) {
      timers += 1;
      return timing.after(milliseconds, run);
    },
  };
  const onOverdue = (item: string) => {
    requesters.push(currentRequester());
    noticed.push(`${item} at ${timing.elapsed()}`);
  };
  return { timing, noticed, requesters, running: new Running(LIMIT_MS, onOverdue, counted), timers: () => timers };
}

t.test('each item is noticed once, exactly at its own limit', async (t) => {
  const { timing, noticed, running } = opened();
  const ended = running.begin('ended');
  await timing.advance(0.4);
  running.begin('first');
  running.begin('second');
  await timing.advance(0.3);
  t.ok(running.end(ended));
  t.notOk(running.end(ended), 'it has ended already');
  running.begin('third');
  await timing.advance(0.6);
  t.same(noticed, []);
  await timing.advance(10);
  t.same(noticed, ['first at 1400', 'second at 1400', 'third at 1700']);
  running.begin('fourth');
  await timing.advance(10);
  t.same(noticed.slice(3), ['fourth at 12300'], 'also after everything was noticed');
});

t.test('work that ends in time needs no timer of its own', async (t) => {
  const { timing, noticed, running, timers } = opened();
  for (let item = 0; item < 1_000; item += 1) running.end(running.begin(`item ${item}`));
  t.equal(timers(), 1);
  await timing.advance(2);
  for (let item = 0; item < 1_000; item += 1) running.end(running.begin(`item ${item}`));
  t.equal(timers(), 2);
  await timing.advance(2);
  t.same(noticed, []);
});

t.test('work that ends or begins while other work is noticed is treated as at any other time', async (t) => {
  const timing = createManualTiming();
  const noticed: string[] = [];
  const running: Running<string> = new Running(
    LIMIT_MS,
    (item) => {
      noticed.push(`${item} at ${timing.elapsed()}`);
      if (item !== 'first') return;
      running.end(second);
      running.end(first);
      running.begin('late');
    },
    timing,
  );
  const first = running.begin('first');
  const second = running.begin('second');
  await timing.advance(0.5);
  running.begin('third');
  await timing.advance(10);
  t.same(noticed, ['first at 1000', 'third at 1500', 'late at 2000']);
});

t.test('everything can be ended at once, including what is overdue', async (t) => {
  const { timing, noticed, running } = opened();
  running.begin('overdue');
  await timing.advance(1.5);
  const own = running.begin('own');
  t.same(running.endAll(), ['overdue', 'own']);
  t.notOk(running.end(own));
  await timing.advance(10);
  t.same(noticed, ['overdue at 1000']);
});

t.test('the timer is the work of the service, and not of the request that set it', async (t) => {
  const { timing, requesters, running } = opened();
  const requester = { subject: 'organization 1', isSent: false, onGone: () => () => undefined };
  workFor(requester, () => running.begin('slow'));
  await timing.advance(2);
  t.same(requesters, [undefined]);
});

t.test(
  'an error of the function that is called for one item does not keep the others from being noticed',
  async (t) => {
    const timing = createManualTiming();
    const noticed: string[] = [];
    const alarms: (() => void)[] = [];
    const after = (milliseconds: number, run: () => void) => {
      alarms.push(run);
      return timing.after(milliseconds, () => undefined);
    };
    const onOverdue = (item: string) => {
      noticed.push(item);
      if (item === 'bad') throw new Error('bad');
    };
    const running = new Running(LIMIT_MS, onOverdue, { ...timing, after });
    for (const item of ['bad', 'beside']) running.begin(item);
    timing.freeze(1);
    t.throws(() => alarms.shift()?.(), { message: 'bad' });
    t.same(noticed, ['bad']);
    alarms.shift()?.();
    t.same(noticed, ['bad', 'beside']);
    running.begin('bad');
    timing.freeze(1);
    t.throws(() => alarms.shift()?.(), { message: 'bad' });
    running.begin('later');
    timing.freeze(1);
    alarms.shift()?.();
    t.same(noticed, ['bad', 'beside', 'bad', 'later']);
    t.same(alarms, [], 'one timer at a time');
  },
);
