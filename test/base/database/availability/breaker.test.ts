// The circuit breaker, with a clock that the test moves and a PostgreSQL whose answers the test gives.
import t from 'tap';
import { createBreaker } from '../../../../src/base/database/breaker.ts';
import { DatabaseUnavailable } from '../../../../src/base/database/outage.ts';
import { createManualTiming } from '../../../verifier/manual-timing.ts';

const NO_ANSWER = new Error('timeout expired');
const POOL_BUSY = new Error('timeout exceeded when trying to connect');
const REFUSED = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
const ANSWERED = Object.assign(new Error('duplicate key'), { code: '23505' });

/** A breaker, the probes that it has begun, and the work that the test has begun. */
function openBreaker() {
  const timing = createManualTiming();
  const probes: PromiseWithResolvers<void>[] = [];
  const givenUpAt: number[] = [];
  const breaker = createBreaker({
    timing,
    probe() {
      const probe = Promise.withResolvers<void>();
      probes.push(probe);
      return probe.promise;
    },
    onGiveUp: () => givenUpAt.push(timing.elapsed()),
  });
  /** Begins work that the test ends, and notes how and when its caller is answered. */
  const begin = () => {
    const work = Promise.withResolvers<string>();
    const call = { ...work, begun: false, answer: undefined as unknown, answeredAt: Number.NaN };
    const note = (answer: unknown) => Object.assign(call, { answer, answeredAt: timing.elapsed() });
    breaker
      .run(() => {
        call.begun = true;
        return work.promise;
      })
      .then(note, note);
    return call;
  };
  /** Opens the breaker: a call fails after 0.9 seconds without an answer. */
  const trip = async () => {
    const call = begin();
    await timing.advance(0.9);
    call.reject(NO_ANSWER);
    await timing.settle();
    return call;
  };
  return { breaker, timing, probes, begin, trip, givenUpAt };
}

t.test('while the breaker is open, no request is tried or waits, and the breaker sends its own probes', async (t) => {
  const { breaker, timing, probes, begin, trip } = openBreaker();
  t.match((await trip()).answer, { name: 'DatabaseUnavailable' });
  t.ok(breaker.isOpen());
  t.equal(probes.length, 1, 'the first probe is sent at once');
  const refused = begin();
  await timing.settle();
  t.strictSame([refused.begun, refused.answeredAt], [false, timing.elapsed()], 'refused in the same moment');
  t.type(refused.answer, DatabaseUnavailable);
  await timing.advance(10);
  t.equal(probes.length, 4, 'at most four probes are open');
  probes[0]?.reject(NO_ANSWER);
  await timing.advance(1);
  t.equal(probes.length, 5);
  t.ok(breaker.isOpen(), 'a probe without an answer changes nothing');
});

t.test('the first answer to a probe closes the breaker, even when PostgreSQL answers with an error', async (t) => {
  for (const answer of ['rows', ANSWERED, Object.assign(new Error('too many'), { code: '53300' })]) {
    const { breaker, timing, probes, begin, trip } = openBreaker();
    await trip();
    await timing.advance(3);
    if (typeof answer === 'string') probes[2]?.resolve();
    else probes[2]?.reject(answer);
    await timing.settle();
    t.notOk(breaker.isOpen(), String(answer));
    const call = begin();
    t.ok(call.begun, 'requests are tried again');
    call.resolve('rows');
    await timing.settle();
    t.equal(call.answer, 'rows');
    const asked = probes.length;
    await timing.advance(5);
    t.equal(probes.length, asked, 'no further probe is sent');
  }
});

t.test('a server that answers again is noticed after at most half a second and the time of one answer', async (t) => {
  const { breaker, timing, probes, trip } = openBreaker();
  await trip();
  await timing.advance(7.3);
  for (const probe of probes) probe.reject(NO_ANSWER); // earlier requests are lost
  await timing.settle();
  const asked = probes.length;
  await timing.advance(0.5);
  t.equal(probes.length, asked + 1, 'a new question');
  probes.at(-1)?.resolve();
  await timing.settle();
  t.notOk(breaker.isOpen());
});

t.test('work that waited when the breaker opened is answered half a second later', async (t) => {
  const { timing, begin, trip, givenUpAt } = openBreaker();
  const patient = begin();
  await trip();
  const openedAt = timing.elapsed();
  await timing.advance(5);
  t.type(patient.answer, DatabaseUnavailable);
  t.equal(patient.answeredAt, openedAt + 500);
  t.strictSame(givenUpAt, [openedAt + 500], 'its connection is closed');
  patient.reject(REFUSED);
  await timing.settle();
  t.equal(patient.answeredAt, openedAt + 500, 'its later end is not returned to anybody');
});

t.test('the end of abandoned work is not an answer of PostgreSQL', async (t) => {
  const { breaker, timing, begin, trip } = openBreaker();
  const patient = begin();
  await trip();
  await timing.advance(1);
  patient.reject(ANSWERED);
  await timing.settle();
  t.ok(breaker.isOpen());
});

t.test('work that waited is not abandoned when PostgreSQL answers in time', async (t) => {
  const { timing, probes, begin, trip } = openBreaker();
  const patient = begin();
  await trip();
  await timing.advance(0.4);
  probes[0]?.resolve();
  await timing.advance(30);
  t.equal(patient.answer, undefined);
  patient.resolve('rows');
  await timing.settle();
  t.equal(patient.answer, 'rows');
});

t.test('slow work makes the breaker probe, and without an answer the breaker opens before the work ends', async (t) => {
  const { breaker, timing, probes, begin } = openBreaker();
  const slow = [begin(), begin()];
  await timing.advance(0.9);
  t.equal(probes.length, 0);
  await timing.advance(0.2);
  t.equal(probes.length, 1, 'one probe for both');
  await timing.advance(1.9);
  probes[0]?.reject(NO_ANSWER);
  await timing.settle();
  t.ok(breaker.isOpen());
  const openedAt = timing.elapsed();
  await timing.advance(1);
  t.strictSame(
    slow.map(({ answeredAt }) => answeredAt),
    [openedAt + 500, openedAt + 500],
  );
});

t.test('slow work does not open the breaker while PostgreSQL answers the probe', async (t) => {
  const { breaker, timing, probes, begin } = openBreaker();
  const slow = begin();
  await timing.advance(1.1);
  probes[0]?.resolve();
  await timing.advance(20);
  t.notOk(breaker.isOpen());
  slow.resolve('rows');
  await timing.settle();
  t.equal(slow.answer, 'rows');
});

t.test('an answer to a request counts more than an unanswered probe', async (t) => {
  const { breaker, timing, probes, begin } = openBreaker();
  const slow = begin();
  await timing.advance(1.1);
  slow.resolve('rows');
  await timing.settle();
  probes[0]?.reject(NO_ANSWER);
  await timing.advance(1);
  t.notOk(breaker.isOpen());
});

t.test('a busy pool alone makes the breaker probe, and does not open it', async (t) => {
  const { breaker, timing, probes, begin } = openBreaker();
  const call = begin();
  call.reject(POOL_BUSY);
  await timing.settle();
  t.match(call.answer, { name: 'DatabaseUnavailable' });
  t.equal(probes.length, 1);
  t.notOk(breaker.isOpen());
  probes[0]?.resolve();
  await timing.settle();
  t.notOk(breaker.isOpen());
});

t.test('a connection that is refused at once delays nobody and does not open the breaker', async (t) => {
  const { breaker, timing, begin } = openBreaker();
  const call = begin();
  call.reject(REFUSED);
  await timing.settle();
  t.match(call.answer, { name: 'DatabaseUnavailable' });
  t.notOk(breaker.isOpen());
});

t.test('an error of PostgreSQL is passed on unchanged', async (t) => {
  const { timing, begin } = openBreaker();
  const call = begin();
  call.reject(ANSWERED);
  await timing.settle();
  t.equal(call.answer, ANSWERED);
});

t.test('after a pause of this process, the breaker opens only if a new probe is not answered', async (t) => {
  for (const isAnswered of [true, false]) {
    const { breaker, timing, probes, begin, givenUpAt } = openBreaker();
    const waiting = [begin(), begin(), begin()];
    await timing.advance(0.5);
    timing.freeze(5); // the answers have arrived, but the timers of the driver run first
    for (const call of waiting) call.reject(NO_ANSWER);
    await timing.settle();
    t.notOk(breaker.isOpen());
    t.equal(probes.length, 1, 'one probe for all of them');
    if (isAnswered) probes[0]?.resolve();
    else {
      await timing.advance(2);
      probes[0]?.reject(NO_ANSWER);
    }
    await timing.settle();
    t.equal(breaker.isOpen(), !isAnswered);
    await timing.advance(1);
    t.equal(givenUpAt.length, isAnswered ? 0 : 1);
  }
});

t.test('a probe whose time passed while this process did not run is sent again', async (t) => {
  const { breaker, timing, probes, begin } = openBreaker();
  const slow = begin();
  await timing.advance(1.1);
  t.equal(probes.length, 1);
  timing.freeze(4);
  probes[0]?.reject(NO_ANSWER);
  await timing.settle();
  t.notOk(breaker.isOpen());
  t.equal(probes.length, 2);
  probes[1]?.resolve();
  await timing.advance(5);
  t.notOk(breaker.isOpen());
  slow.resolve('rows');
  await timing.settle();
  t.equal(slow.answer, 'rows');
});

t.test('a process that hardly runs still opens the breaker, after a few probes', async (t) => {
  const { breaker, timing, probes, begin } = openBreaker();
  begin();
  await timing.advance(1.1);
  for (let asked = 1; asked <= 3; asked += 1) {
    timing.freeze(4);
    probes.at(-1)?.reject(NO_ANSWER);
    await timing.settle();
    t.strictSame([breaker.isOpen(), probes.length], [false, asked + 1]);
  }
  timing.freeze(4);
  probes.at(-1)?.reject(NO_ANSWER);
  await timing.settle();
  t.ok(breaker.isOpen());
});

t.test('after a short pause, a missing answer opens the breaker as usual', async (t) => {
  const { breaker, timing, begin } = openBreaker();
  const call = begin();
  await timing.advance(0.5);
  timing.freeze(0.15);
  call.reject(NO_ANSWER);
  await timing.settle();
  t.ok(breaker.isOpen());
});

t.test('a closed breaker sends no probe', async (t) => {
  const { breaker, timing, probes, trip } = openBreaker();
  await trip();
  breaker.close();
  await timing.advance(10);
  t.equal(probes.length, 1);
});
