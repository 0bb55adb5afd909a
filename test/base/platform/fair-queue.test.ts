// Places are shared fairly between subjects. Each test decides when its tasks end.
import t from 'tap';
import { FairQueue, type FairQueueOptions, type Turn } from '../../../src/base/platform/fair-queue.ts';
import { rounds } from '../../support/thorough.ts';

const DEFAULTS: FairQueueOptions = {
  places: 4,
  reserved: 0,
  waitingMax: 100,
  waitMs: Number.POSITIVE_INFINITY,
  refusal: (why) => new Error(why),
};

/**
 * Opens a queue whose tasks run until the test ends them. `begun` has the names of the tasks in the order they began.
 */
function opened(options: Partial<FairQueueOptions> = {}) {
  const queue = new FairQueue({ ...DEFAULTS, ...options });
  const begun: string[] = [];
  const ends = new Map<string, { resolve: (value: string) => void; reject: (error: Error) => void }>();
  const results = new Map<string, Promise<unknown>>();

  function ask(name: string, turn: Partial<Turn> = {}): void {
    const [subject = ''] = name.split(' ');
    const asked = { subject, kind: 'any', atOnceMax: Number.POSITIVE_INFINITY, ...turn };
    const result = queue.run(asked, () => {
      begun.push(name);
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      ends.set(name, { resolve, reject });
      return promise;
    });
    results.set(name, result);
    result.catch(() => undefined);
  }

  async function end(name: string, error?: Error): Promise<void> {
    const task = ends.get(name);
    if (error) task?.reject(error);
    else task?.resolve(name);
    await results.get(name)?.catch(() => undefined);
    await new Promise(setImmediate);
  }

  return { queue, begun, ask, end, results };
}

t.test('a subject that is alone takes all places but one, and the next subject gets that place at once', async (t) => {
  const { begun, ask } = opened();
  for (const number of [1, 2, 3, 4, 5]) ask(`A ${number}`);
  await new Promise(setImmediate);
  t.same(begun, ['A 1', 'A 2', 'A 3']);
  ask('B 1');
  await new Promise(setImmediate);
  t.same(begun, ['A 1', 'A 2', 'A 3', 'B 1']);
});

t.test('a free place goes to the subject with the fewest places, not to the one that came first', async (t) => {
  const { begun, ask, end } = opened();
  for (let number = 1; number <= 20; number += 1) ask(`A ${number}`);
  for (const number of [1, 2, 3]) ask(`B ${number}`);
  ask('C 1');
  await new Promise(setImmediate);
  t.same(begun.splice(0), ['A 1', 'A 2', 'A 3', 'B 1']);
  await end('A 1'); // A has two, B has one, C has none
  t.same(begun.splice(0), ['C 1']);
  await end('A 2'); // each has one, and A has waited longest
  t.same(begun.splice(0), ['A 4']);
  await end('A 3'); // each has one again, and A was served last
  t.same(begun.splice(0), ['B 2']);
  await end('C 1');
  t.same(begun.splice(0), ['A 5'], 'B has two already');
  await end('B 1');
  t.same(begun.splice(0), ['B 3'], 'A has two');
  await end('B 2');
  t.same(begun.splice(0), ['A 6'], 'nobody else waits');
  await end('B 3');
  t.same(begun.splice(0), [], 'alone again, A leaves one place free');
});

t.test('the tasks of one kind are limited for each subject, and do not delay its other tasks', async (t) => {
  const { begun, ask, end } = opened({ places: 8 });
  for (const number of [1, 2, 3]) ask(`A write ${number}`, { kind: 'write', atOnceMax: 2 });
  ask('A read 1', { kind: 'read' });
  ask('B write 1', { kind: 'write', atOnceMax: 2 });
  await new Promise(setImmediate);
  t.same(begun.splice(0), ['A write 1', 'A write 2', 'A read 1', 'B write 1']);
  await end('A read 1');
  t.same(begun.splice(0), []);
  await end('A write 1');
  t.same(begun.splice(0), ['A write 3']);
});

t.test('a full queue refuses only its own subject', async (t) => {
  const { queue, begun, ask, results } = opened({ places: 2, waitingMax: 2 });
  for (const number of [1, 2, 3, 4]) ask(`A ${number}`);
  await t.rejects(results.get('A 4') as Promise<unknown>, { message: 'queue is full' });
  for (const name of ['B 1', 'B 2']) ask(name);
  t.same({ running: queue.running, waiting: queue.waiting }, { running: 2, waiting: 3 });
  t.same(begun, ['A 1', 'B 1']);
});

t.test('the service has a place of its own, waits in no bounded queue, and may take every place', async (t) => {
  const { begun, ask, end } = opened({ places: 3, reserved: 1, waitingMax: 1 });
  for (const name of ['A 1', 'B 1', 'C 1']) ask(name);
  const service = { subject: null };
  for (const name of ['S 1', 'S 2', 'S 3', 'S 4']) ask(name, service);
  await new Promise(setImmediate);
  t.same(begun.splice(0), ['A 1', 'B 1', 'S 1'], 'the reserved place was free for it');
  await end('S 1');
  t.same(begun.splice(0), ['S 2'], 'C cannot take the reserved place');
  await end('A 1');
  t.same(begun.splice(0), ['C 1'], 'a shared place goes to the subject that has none');
  for (const task of ['B 1', 'C 1']) await end(task);
  t.same(begun.splice(0), ['S 3', 'S 4']);
});

t.test('a task whose requester has disconnected leaves the queue and never runs', async (t) => {
  const { queue, begun, ask, end, results } = opened({ places: 2 });
  const gone = new Map<string, () => void>();
  const leaving = (name: string): Partial<Turn> => ({
    requester: {
      onGone(listener) {
        gone.set(name, listener);
        return () => gone.delete(name);
      },
    },
  });
  for (const name of ['A 1', 'A 2', 'A 3']) ask(name, leaving(name));
  t.notOk(gone.has('A 1'), 'a task that runs is not stopped');
  gone.get('A 2')?.();
  await t.rejects(results.get('A 2') as Promise<unknown>, { message: 'requester is gone' });
  t.equal(queue.waiting, 1);
  await end('A 1');
  t.same(begun, ['A 1', 'A 3'], 'the task behind it has its place');
  t.same([...gone.keys()], [], 'no listener is left');
  const onGone = (listener: () => void) => {
    listener();
    return () => undefined;
  };
  ask('A 4', { requester: { onGone } });
  await t.rejects(
    results.get('A 4') as Promise<unknown>,
    { message: 'requester is gone' },
    'disconnected before it waits',
  );
  t.equal(queue.waiting, 0);
});

t.test('a task that has waited for too long is refused, and the place that it waited for is not lost', async (t) => {
  const { queue, begun, ask, end, results } = opened({ places: 2, waitMs: 1 });
  for (const name of ['A 1', 'A 2']) ask(name);
  await t.rejects(results.get('A 2') as Promise<unknown>, { message: 'waited too long' });
  await end('A 1');
  ask('A 3');
  t.same(begun, ['A 1', 'A 3']);
  t.same({ running: queue.running, waiting: queue.waiting }, { running: 1, waiting: 0 });
});

t.test('of many tasks that have waited for too long, few are refused before other events are handled', async (t) => {
  const { queue, ask, end, results } = opened({ places: 1, waitMs: 20, waitingMax: 200 });
  ask('A running');
  let refused = 0;
  for (let at = 0; at < 200; at += 1) {
    ask(`A ${at}`);
    results.get(`A ${at}`)?.catch(() => (refused += 1));
  }
  const ofTurns: number[] = [];
  while (refused < 200) {
    const before = refused;
    await new Promise(setImmediate);
    ofTurns.push(refused - before);
  }
  t.ok(Math.max(...ofTurns) <= 8, `${Math.max(...ofTurns)} in one turn`);
  t.equal(queue.waiting, 0);
  await end('A running');
  t.equal(queue.running, 0);
});

t.test('a task that fails frees its place and raises its own error', async (t) => {
  const { queue, begun, ask, end, results } = opened({ places: 2 });
  for (const name of ['A 1', 'A 2']) ask(name);
  await end('A 1', new Error('its own'));
  await t.rejects(results.get('A 1') as Promise<unknown>, { message: 'its own' });
  t.same(begun, ['A 1', 'A 2']);
  await t.rejects(
    queue.run({ subject: 'B', kind: 'any', atOnceMax: 1 }, () => {
      throw new Error('at once');
    }),
    { message: 'at once' },
  );
  await end('A 2');
  t.same({ running: queue.running, waiting: queue.waiting }, { running: 0, waiting: 0 });
});

t.test('random tasks never exceed a limit, all of them end, and no place is lost', async (t) => {
  const total = rounds(3_000);
  const limits = { places: 5, reserved: 1, waitingMax: 1_000 };
  const queue = new FairQueue({ ...DEFAULTS, ...limits });
  const running = new Map<string, number>();
  const faults: string[] = [];
  let [ended, ofSubjects] = [0, 0];
  const count = (key: string, by: number) => {
    const now = (running.get(key) ?? 0) + by;
    running.set(key, now);
    return now;
  };
  const task = async (number: number) => {
    const subject = number % 7 === 0 ? null : `S${(number * 31) % 4}`;
    const kind = `K${(number * 17) % 3}`;
    const atOnceMax = subject === null ? Number.POSITIVE_INFINITY : 2;
    const work = async () => {
      if (subject !== null) {
        if (count(`${subject} ${kind}`, 1) > 2) faults.push(`${subject} ${kind} has more than two`);
        if (count(subject, 1) > 3) faults.push(`${subject} has more than all shared places but one`);
        ofSubjects += 1;
        if (ofSubjects > 4) faults.push('subjects took the reserved place');
      }
      if (queue.running > 5) faults.push('too many run');
      for (let turn = number % 4; turn > 0; turn -= 1) await new Promise(setImmediate);
      if (subject !== null) {
        count(`${subject} ${kind}`, -1);
        count(subject, -1);
        ofSubjects -= 1;
      }
      if (number % 5 === 0) throw new Error('failed');
    };
    await queue.run({ subject, kind, atOnceMax }, work).catch(() => undefined);
    ended += 1;
  };
  await Promise.all(Array.from({ length: total }, (_, number) => task(number)));
  t.same(faults, []);
  t.equal(ended, total);
  t.same({ running: queue.running, waiting: queue.waiting }, { running: 0, waiting: 0 });
});
