// The loop that reads revocations from PostgreSQL: reads never overlap, a caller gets a read that began after the call,
// and an error does not end the loop.
import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { openLog } from '../../../src/base/platform/log.ts';
import { createFollower } from '../../../src/credentials/revocations/follow.ts';

const log = openLog({ level: 'silent', pretty: false });

/** Opens a follower. The test ends each read. */
function openFollower(t: Test) {
  const begun: PromiseWithResolvers<void>[] = [];
  let running = 0;
  let overlapped = false;
  let wake = () => {};
  const follower = createFollower({
    log,
    async readAll() {
      running += 1;
      overlapped ||= running > 1;
      const reading = Promise.withResolvers<void>();
      begun.push(reading);
      wake();
      await reading.promise.finally(() => {
        running -= 1;
      });
    },
  });
  const alive = setInterval(() => undefined, 1_000); // the loop does not keep the process running
  t.teardown(async () => {
    for (const reading of begun) reading.resolve();
    await follower.stop();
    clearInterval(alive);
  });
  const begins = async (count: number) => {
    while (begun.length < count) await new Promise<void>((resolve) => (wake = resolve));
    return begun[count - 1] as PromiseWithResolvers<void>;
  };
  return { ...follower, begins, count: () => begun.length, overlapped: () => overlapped };
}

t.test('callers during a read share the next read', async (t) => {
  const follower = openFollower(t);
  const first = follower.run();
  const reading = await follower.begins(1);
  const later = [follower.run(), follower.run(), follower.run()];
  await nextTurn();
  t.equal(follower.count(), 1);
  reading.resolve();
  await first;
  (await follower.begins(2)).resolve();
  await Promise.all(later);
  t.strictSame([follower.count(), follower.overlapped()], [2, false]);
});

t.test('the error of a read is raised only for the callers of that read', async (t) => {
  const follower = openFollower(t);
  const failing = follower.run();
  const reading = await follower.begins(1);
  const next = follower.run();
  reading.reject(new Error('away'));
  await t.rejects(failing, { message: 'away' });
  (await follower.begins(2)).resolve();
  await t.resolves(next);
});

t.test('any number of nudges cause one read that begins after them', async (t) => {
  const follower = openFollower(t);
  follower.nudge();
  await nextTurn();
  t.equal(follower.count(), 0, 'not before the start');
  follower.start();
  follower.start();
  follower.nudge();
  const reading = await follower.begins(1);
  for (let time = 0; time < 100; time += 1) follower.nudge();
  reading.reject(new Error('away'));
  (await follower.begins(2)).resolve();
  (await follower.begins(3)).resolve(); // the loop continues on its own
  t.notOk(follower.overlapped());
});

t.test('endless nudges do not delay a read', async (t) => {
  const follower = openFollower(t);
  follower.start();
  let nudging = true;
  const nudges = (async () => {
    for (; nudging; await nextTurn()) follower.nudge();
  })();
  for (let count = 1; count <= 5; count += 1) (await follower.begins(count)).resolve();
  nudging = false;
  await nudges;
  t.notOk(follower.overlapped());
});

t.test('a stopped follower does not read again', async (t) => {
  const follower = openFollower(t);
  follower.start();
  follower.nudge();
  const reading = await follower.begins(1);
  const stopped = follower.stop();
  reading.resolve();
  follower.nudge();
  await stopped;
  await nextTurn();
  t.equal(follower.count(), 1);
});
