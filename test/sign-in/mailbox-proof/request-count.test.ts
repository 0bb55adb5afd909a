// How many mails one network may request for one address.
import t from 'tap';
import { createRequestCount } from '../../../src/sign-in/mailbox-proof/request-count.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

function openCount() {
  let ms = Date.parse('2026-11-30T00:00:00Z');
  const clock = { now: () => new Date(ms) };
  const { admit } = createRequestCount({ clock, budget: { perHour: 2, perDay: 6 } });
  /** Returns how many of these requests are admitted. */
  const ask = (count: number, { address = 'ada@example.com', network = '198.51.100.7' } = {}) =>
    Array.from({ length: count }, () => admit(address, network)).filter(Boolean).length;
  const later = (duration: number) => {
    ms += duration;
  };
  return { ask, later };
}

t.test('one network gets two mails in any hour and six in any day, for each address', async (t) => {
  const { ask, later } = openCount();
  t.equal(ask(1), 1);
  later(59 * MINUTE);
  t.equal(ask(9), 1);
  later(MINUTE);
  t.equal(ask(9), 1, 'the first one is an hour ago, and the second one a minute');
  t.equal(ask(9, { network: '203.0.113.9' }), 2, 'another network');
  t.equal(ask(9, { address: 'grace@example.com' }), 2, 'another address');
  later(HOUR);
  t.equal(ask(9), 2);
  later(HOUR);
  t.equal(ask(9), 1, 'six in the day');
  later(20 * HOUR);
  t.equal(ask(9), 0);
  later(HOUR);
  t.equal(ask(9), 1, 'the first one is a day ago');
});

t.test('a refused request does not count, so nobody who asks too often waits for longer', async (t) => {
  const { ask, later } = openCount();
  t.equal(ask(100), 2);
  later(59 * MINUTE);
  t.equal(ask(100), 0);
  later(MINUTE);
  t.equal(ask(100), 2);
});

t.test('a pair of a network and an address is forgotten first when it was admitted longest ago', async (t) => {
  const { ask } = openCount();
  t.equal(ask(2), 2);
  for (let index = 1; index <= 49_999; index += 1) ask(1, { network: `network ${index}` });
  t.equal(ask(1), 0, '50,000 are remembered');
  ask(1, { network: 'one more' });
  t.equal(ask(1), 1, 'the oldest is forgotten');
});

t.test('without a budget every request is admitted', async (t) => {
  const clock = { now: () => new Date() };
  const { admit } = createRequestCount({ clock, budget: null });
  for (let index = 0; index < 100; index += 1) t.ok(admit('ada@example.com', '198.51.100.7'));
});
