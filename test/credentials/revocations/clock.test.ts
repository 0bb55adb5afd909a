// A process whose clock differs from the clock of PostgreSQL by more than a minute neither signs nor accepts tokens, is
// not ready, and says so.
import t from 'tap';
import { openLog } from '../../../src/base/platform/log.ts';
import { createClockWatch, secondsAhead } from '../../../src/credentials/revocations/clock-watch.ts';
import { REVOCATIONS_REMEMBERED_SECONDS } from '../../../src/credentials/revocations/revocations.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { openService } from '../../support/service.ts';

const MINUTE = 60;
const HOUR = 3_600;

t.test('a difference counts only if the wait for the answer cannot explain it', async (t) => {
  const of = (databaseMs: number, waitedMs: number) => secondsAhead({ databaseMs, arrivedMs: 1_000_000, waitedMs });
  t.equal(of(1_000_000, 0), 0);
  t.equal(of(999_000, 2_000), 0, 'PostgreSQL read its clock during the wait');
  t.equal(of(998_000, 2_000), 0);
  t.equal(of(990_000, 2_000), 8, 'ahead by eight seconds at least');
  t.equal(of(1_005_000, 2_000), -5, 'behind by five seconds at least');
  t.equal(of(900_000, 90_000), 10, 'a slow answer alone does not count as a difference');
});

/** Passes differences in seconds to a watch. Returns what the watch says after each of them, and its log. */
function watched(...differences: readonly number[]) {
  const lines: unknown[] = [];
  const keep = (...said: unknown[]) => void lines.push(said);
  const log = Object.assign(openLog({ level: 'silent', pretty: false }), { error: keep, info: keep });
  const watch = createClockWatch({ log, apartSecondsMax: MINUTE, aheadOfSteadyMs: () => 0 });
  const said = differences.map((difference) => {
    watch.note({ databaseMs: 1e12, arrivedMs: 1e12 + difference * 1000, waitedMs: 0 });
    return watch.isApart();
  });
  return { said, lines };
}

t.test(
  'the first reading decides alone, later bad readings count in pairs, and one good reading is enough',
  async (t) => {
    t.strictSame(watched(61).said, [true]);
    t.strictSame(watched(-61).said, [true]);
    t.strictSame(watched(60, -60).said, [false, false]);
    t.strictSame(watched(0, 61, 0, 61, 61, 61, 0).said, [false, false, false, false, true, true, false]);
  },
);

t.test('the log has one line for the beginning and one for the end', async (t) => {
  const { lines } = watched(0, HOUR, HOUR, HOUR, HOUR, 0, 0);
  t.equal(lines.length, 2);
  t.match(lines[0], [{ secondsApart: HOUR, direction: 'ahead' }, /no token is signed or accepted/]);
});

t.test('a step of the clock counts at once, until a reading shows that the clocks agree', async (t) => {
  let steppedMs = 5_000;
  const log = openLog({ level: 'silent', pretty: false });
  const watch = createClockWatch({ log, apartSecondsMax: MINUTE, aheadOfSteadyMs: () => steppedMs });
  const read = (seconds: number) => watch.note({ databaseMs: 1e12, arrivedMs: 1e12 + seconds * 1000, waitedMs: 0 });
  t.equal(watch.isApart(), false, 'nothing is known');
  read(0);
  for (const [seconds, isApart] of [
    [60, false],
    [61, true],
    [-60, false],
    [-61, true],
  ] as const) {
    steppedMs = 5_000 + seconds * 1000;
    t.equal(watch.isApart(), isApart, `a step of ${seconds} s`);
  }
  read(-61);
  t.equal(watch.isApart(), true, 'a single reading that differs changes nothing');
  read(0); // a machine that was suspended: its clock was corrected
  t.equal(watch.isApart(), false);
});

t.test('between two readings, no token is signed by a clock that has stepped', async (t) => {
  const database = await createDatabase(t);
  const { app, api, clock } = await openService(t, database, {}, 'one clock');
  const { email, password, accessToken: token } = await newAccount(api);
  await app.parts.revocations.synchronize();
  for (const seconds of [HOUR, -HOUR]) {
    clock.advance(seconds);
    const login = await api.post('/auth/login', { email, password });
    t.strictSame([login.status, login.code], [503, 'clock_skewed']);
    t.equal((await api.get('/me', { token })).code, 'clock_skewed');
    clock.advance(-seconds);
    t.equal((await api.post('/auth/login', { email, password })).status, 200);
  }
});

for (const [name, seconds] of [
  ['ahead', HOUR],
  ['behind', -HOUR],
] as const) {
  t.test(`a replica whose clock is an hour ${name} neither signs nor accepts tokens, and is not ready`, async (t) => {
    const database = await createDatabase(t);
    const { app, api, clock } = await openService(t, database, {}, 'one clock');
    const { email, password, accessToken: token, refreshToken } = await newAccount(api);
    const { synchronize } = app.parts.revocations;
    clock.advance(seconds);
    for (let reading = 0; reading < 2; reading += 1) await synchronize();
    const answers = [
      () => api.post('/auth/login', { email, password }),
      () => api.post('/auth/refresh', { refreshToken }),
      () => api.post('/auth/logout', { refreshToken }),
      () => api.get('/me', { token }),
      () => api.get('/verify', { token }),
    ];
    for (const answer of answers) {
      const { status, code, headers } = await answer();
      t.strictSame([status, code], [503, 'clock_skewed'], 'the answer is neither a token nor a 401');
      t.match(headers.get('retry-after'), /^[1-9]\d*$/);
    }
    const ready = await api.get('/readyz');
    t.match([ready.status, ready.body.checks], [503, { database: 'ok', clock: 'failed' }]);
    t.strictSame(ready.body.reasons, { clock: 'clock_skewed' });
    t.equal((await api.get('/.well-known/jwks.json')).body.keys.length, 1, 'the keys are still published');
    clock.advance(-seconds);
    await synchronize();
    t.equal((await api.get('/me', { token })).status, 200);
    t.equal((await api.post('/auth/refresh', { refreshToken })).status, 200, 'nothing was lost');
    t.equal((await api.get('/readyz')).status, 200);
  });
}

t.test(
  'a token whose time of issue is more than two minutes ahead is refused, from whatever clock it came',
  async (t) => {
    const database = await createDatabase(t);
    const right = await openService(t, database);
    const { email, password } = await newAccount(right.api);
    const wrong = await openService(t, database);
    for (const [seconds, status] of [
      [55, 200],
      [HOUR, 401],
    ] as const) {
      wrong.clock.offsetMs = seconds * 1000;
      const { accessToken: token } = (await wrong.api.post('/auth/login', { email, password })).body.data;
      t.equal((await right.api.get('/me', { token })).status, status, `${seconds} s ahead`);
    }
  },
);

t.test('a replica a minute behind accepts at once what a replica a minute ahead has signed', async (t) => {
  const database = await createDatabase(t);
  const [behind, ahead] = [await openService(t, database), await openService(t, database)];
  const { email, password } = await newAccount(behind.api);
  behind.clock.offsetMs = -59_000;
  for (const [seconds, status] of [
    [59, 200],
    [300, 401],
  ] as const) {
    ahead.clock.offsetMs = seconds * 1000;
    const { accessToken: token } = (await ahead.api.post('/auth/login', { email, password })).body.data;
    t.equal((await behind.api.get('/me', { token })).status, status, `${seconds} s ahead`);
  }
});

t.test(
  'a revocation is remembered for longer than a token lives with clocks that differ within the limit',
  async (t) => {
    const database = await createDatabase(t);
    const { app, api } = await openService(t, database);
    const { accessToken } = await newAccount(api);
    const { exp, iat } = JSON.parse(Buffer.from(accessToken.split('.')[1] ?? '', 'base64url').toString());
    t.equal(exp - iat, app.parts.accessTtlSeconds);
    t.ok(REVOCATIONS_REMEMBERED_SECONDS > 900 + 2 * MINUTE, 'signed a minute ahead, judged a minute behind');
  },
);
