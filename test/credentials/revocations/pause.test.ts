// After a pause, a process does not know what was revoked during the pause. So it reads the revocations before it
// answers.
import t, { type Test } from 'tap';
import { type Database, DatabaseUnavailable } from '../../../src/base/database/db.ts';
import { createPauseWatch } from '../../../src/base/loops/pause-watch.ts';
import { openLog } from '../../../src/base/platform/log.ts';
import { openRevocations } from '../../../src/credentials/revocations/revocations.ts';
import { authenticate } from '../../../src/sign-in/sessions/authenticate.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { openService } from '../../support/service.ts';
import { createManualTiming } from '../../verifier/manual-timing.ts';

t.test('only a pause that is longer than the limit is noticed, by a request or by the next tick', async (t) => {
  const timing = createManualTiming();
  let noticed = 0;
  const watch = createPauseWatch({ timing, tickMs: 500, pauseMsMax: 2_000, onResume: () => (noticed += 1) });
  timing.freeze(100);
  t.equal(watch.resumedAt(), Number.NEGATIVE_INFINITY, 'nothing counts before the start');
  watch.start();
  t.teardown(watch.stop);
  await timing.advance(60);
  timing.freeze(1.4);
  t.equal(watch.resumedAt(), Number.NEGATIVE_INFINITY, 'a process that runs, or was slow for a moment');
  await timing.advance(1);
  timing.freeze(2.1);
  t.equal(watch.resumedAt(), timing.elapsed(), 'a request notices it first');
  const resumed = timing.elapsed();
  await timing.advance(30);
  t.strictSame([watch.resumedAt(), noticed], [resumed, 1]);
  timing.freeze(12);
  const later = timing.elapsed();
  await timing.advance(1);
  t.strictSame([watch.resumedAt(), noticed], [later, 2], 'without a request, the tick notices it');
});

t.test(
  'a pause during which only the wall clock went on is noticed, and a clock that is set back is not a pause',
  async (t) => {
    const timing = createManualTiming();
    let noticed = 0;
    const watch = createPauseWatch({ timing, tickMs: 500, pauseMsMax: 2_000, onResume: () => (noticed += 1) });
    watch.start();
    t.teardown(watch.stop);
    await timing.advance(60);
    timing.step(-3_600);
    t.equal(watch.resumedAt(), Number.NEGATIVE_INFINITY);
    await timing.advance(1);
    timing.step(1.4);
    t.equal(watch.resumedAt(), Number.NEGATIVE_INFINITY, 'a small step');
    await timing.advance(1);
    timing.step(3_600);
    const resumed = timing.elapsed();
    t.equal(watch.resumedAt(), resumed, 'a request notices it first');
    await timing.advance(30);
    t.strictSame([watch.resumedAt(), noticed], [resumed, 1], 'once');
    timing.step(12);
    await timing.advance(1);
    t.equal(noticed, 2, 'without a request, the tick notices it');
  },
);

/** A replica whose time the test moves, beside a service on the same database. */
async function openPausable(t: Test) {
  const service = await openService(t, await createDatabase(t));
  const { db } = service.app.parts;
  const state = { isAway: false, readings: 0 };
  const systemReader: Database['systemReader'] = () => ({
    personal: db.personal,
    rows(...asked) {
      state.readings += 1;
      return state.isAway ? Promise.reject(new DatabaseUnavailable('away')) : db.systemReader().rows(...asked);
    },
  });
  const timing = createManualTiming();
  const log = openLog({ level: 'silent', pretty: false });
  const revocations = openRevocations({ db: { ...db, systemReader }, log, timing });
  t.teardown(() => revocations.close());
  await revocations.synchronize();
  revocations.follow();
  const parts = { ...service.app.parts, revocations };
  const ask = (token: string) => authenticate(parts, `Bearer ${token}`, { alsoSuspended: false });
  return { api: service.api, revocations, timing, state, ask };
}

t.test('a token that was ended while the process was stopped for 12 s is refused by the first answer', async (t) => {
  const { api, revocations, timing, ask } = await openPausable(t);
  const { accessToken, refreshToken, sessionId } = await newAccount(api);
  t.match(await ask(accessToken), { kind: 'user', sessionId });
  timing.freeze(12);
  t.equal((await api.post('/auth/logout', { refreshToken })).status, 204);
  const principal = await parseable(accessToken);
  t.equal(revocations.judge(principal), null, 'memory alone does not know it');
  t.notOk(revocations.isCurrent());
  await t.rejects(ask(accessToken), { code: 'session_revoked' });
  t.ok(revocations.isCurrent(), 'memory is up to date afterwards');
});

async function parseable(token: string) {
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
  const { sub: id, sid: sessionId, epoch, org: organizationId, iat: issuedAt } = claims;
  return { id, sessionId, epoch, organizationId, issuedAt };
}

t.test('a token that was ended while the machine was suspended is refused by the first answer', async (t) => {
  const { api, revocations, timing, ask } = await openPausable(t);
  const { accessToken, refreshToken } = await newAccount(api);
  await ask(accessToken);
  await timing.advance(0.1);
  timing.step(12); // the other clock stood still
  t.equal((await api.post('/auth/logout', { refreshToken })).status, 204);
  t.notOk(revocations.isCurrent());
  await t.rejects(ask(accessToken), { code: 'session_revoked' });
});

t.test('after a pause, requests share one reading, and a valid token is accepted', async (t) => {
  const { api, timing, state, ask } = await openPausable(t);
  const { accessToken } = await newAccount(api);
  await ask(accessToken);
  const before = state.readings;
  await Promise.all(Array.from({ length: 20 }, () => ask(accessToken)));
  t.equal(state.readings, before, 'without a pause, nothing is read');
  timing.freeze(12);
  await Promise.all(Array.from({ length: 20 }, () => ask(accessToken)));
  const once = state.readings - before;
  timing.freeze(12);
  await ask(accessToken);
  t.equal(state.readings - before, 2 * once);
});

t.test('without PostgreSQL, no token is judged after a pause, until a reading has ended', async (t) => {
  const { api, timing, state, ask } = await openPausable(t);
  const { accessToken } = await newAccount(api);
  await ask(accessToken);
  state.isAway = true;
  await timing.advance(1.5);
  await ask(accessToken);
  t.pass('without a pause, what is known counts');
  timing.freeze(12);
  await t.rejects(ask(accessToken), { code: 'revocations_stale' });
  await timing.advance(1);
  await t.rejects(ask(accessToken), { code: 'revocations_stale' });
  state.isAway = false;
  await ask(accessToken);
  t.pass('and then it is judged again');
});
