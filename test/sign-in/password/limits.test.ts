// Limits that slow down password guessing and limit the work of hashing.
import t, { type Test } from 'tap';
import { createLoginThrottle } from '../../../src/sign-in/password/throttle.ts';
import { type Api, atOnce, type Reply } from '../../support/client.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { MovableClock, openService } from '../../support/service.ts';

// Each network also has its own allowance. In this file that allowance never runs out.
const LIMITED = { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_SIGN_IN: '100000', LOGIN_FAILURES_MAX: '3' };
const BEHIND_PROXY = { ...LIMITED, TRUSTED_PROXIES: '127.0.0.1' };

/** A service whose clock moves only by `advance`. */
async function frozen(t: Test, settings: Record<string, string> = BEHIND_PROXY) {
  const service = await openService(t, await createDatabase(t), settings);
  let now = service.clock.now().getTime();
  service.clock.now = () => new Date(now);
  const advance = (seconds: number) => {
    now += seconds * 1000;
  };
  return { ...service, advance, account: await newAccount(service.api) };
}

function signIn(api: Api, email: string, password: string, from = '198.51.100.7'): Promise<Reply> {
  return api.post('/auth/login', { email, password }, { headers: { 'x-forwarded-for': from } });
}

function retryAfter({ headers }: Reply): number {
  return Number(headers.get('retry-after'));
}

t.test('simultaneous guesses do not bypass the limit: only the free guesses are checked', async (t) => {
  const { api, account } = await frozen(t);
  for (const email of [account.email, 'nobody@example.com']) {
    const replies = await atOnce(20, (index) => signIn(api, email, `guess ${index}`));
    t.equal(replies.filter(({ code }) => code === 'invalid_credentials').length, 3, email);
    t.equal(replies.filter(({ code }) => code === 'too_many_requests').length, 17, email);
  }
});

t.test('after the free guesses each guess has to wait longer, up to fifteen minutes', async (t) => {
  const { api, advance, account } = await frozen(t);
  for (const email of [account.email, 'nobody@example.com']) {
    for (let guess = 0; guess < 3; guess += 1) t.equal((await signIn(api, email, 'wrong')).status, 401);
    for (const seconds of [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900]) {
      const refused = await signIn(api, email, account.password);
      t.match(refused, { status: 429, code: 'too_many_requests' });
      t.equal(retryAfter(refused), seconds, 'even the right password has to wait');
      advance(seconds - 1);
      t.equal((await signIn(api, email, 'wrong')).status, 429, 'one second too early');
      advance(1);
      if (seconds < 900)
        t.equal((await signIn(api, email, 'wrong')).status, 401, 'after the wait the guess is checked');
    }
  }
});

t.test('throttling locks no user out: the right password works from another network', async (t) => {
  const { api, account } = await frozen(t);
  const other = await newAccount(api);
  await atOnce(5, () => signIn(api, account.email, 'wrong'));
  t.equal((await signIn(api, account.email, account.password)).status, 429);
  t.equal((await signIn(api, account.email, account.password, '203.0.113.9')).status, 200);
  t.equal((await signIn(api, other.email, other.password)).status, 200);
  t.equal(
    (await signIn(api, account.email, account.password)).status,
    429,
    'the success does not give the guesser a free guess',
  );
});

t.test('all addresses of an IPv6 network are counted together', async (t) => {
  const { api, account } = await frozen(t);
  for (let host = 1; host <= 3; host += 1) await signIn(api, account.email, 'wrong', `2001:db8:1:1::${host}`);
  t.equal((await signIn(api, account.email, account.password, '2001:db8:1:1:ffff::9')).status, 429);
  t.equal((await signIn(api, account.email, account.password, '2001:db8:1:2::1')).status, 200);
});

t.test('another spelling of the e-mail or a forged client address gives no further guesses', async (t) => {
  const { api, account } = await frozen(t, LIMITED);
  await signIn(api, account.email, 'wrong', '198.51.100.1');
  await signIn(api, account.email.toUpperCase(), 'wrong', '198.51.100.2');
  await signIn(api, ` ${account.email} `, 'wrong', '198.51.100.3');
  t.equal((await signIn(api, account.email, account.password, '198.51.100.4')).status, 429, 'no proxy is trusted here');
});

t.test('a value that is not an e-mail address is counted as typed, and locks out no other user', async (t) => {
  const { api } = await frozen(t);
  for (let guess = 0; guess < 3; guess += 1) t.equal((await signIn(api, 'ada', 'wrong')).status, 401);
  for (const spelling of ['ada', ' Ada ', 'ADA', '\uff41da']) {
    t.match(await signIn(api, spelling, 'wrong'), { status: 429, code: 'too_many_requests' }, spelling);
  }
  for (const other of ['grace', 'ada@', 'ada@localhost', '@', 'x'.repeat(320)]) {
    t.equal((await signIn(api, other, 'wrong')).code, 'invalid_credentials', other);
  }
});

t.test('with RATE_LIMIT_ENABLED=false no guess has to wait', async (t) => {
  const { api, account } = await frozen(t, { ...BEHIND_PROXY, RATE_LIMIT_ENABLED: 'false' });
  for (let guess = 0; guess < 8; guess += 1) {
    t.equal((await signIn(api, account.email, 'wrong')).code, 'invalid_credentials');
  }
  t.equal((await signIn(api, account.email, account.password)).status, 200);
});

t.test('the right password clears earlier failures, and fifteen minutes clear them too', async (t) => {
  const { api, advance, account } = await frozen(t);
  for (let round = 0; round < 3; round += 1) {
    for (let guess = 0; guess < 2; guess += 1) await signIn(api, account.email, 'wrong');
    t.equal((await signIn(api, account.email, account.password)).status, 200);
  }
  for (let round = 0; round < 3; round += 1) {
    for (let guess = 0; guess < 2; guess += 1) t.equal((await signIn(api, account.email, 'wrong')).status, 401);
    advance(15 * 60);
  }
});

t.test('if the hashing queue is full, a sign-in gets 503 with Retry-After and does not count as a guess', async (t) => {
  const service = await frozen(t, { ...BEHIND_PROXY, PASSWORD_HASH_CONCURRENCY: '1', PASSWORD_HASH_QUEUE: '0' });
  const { api, account } = service;
  const { passwords } = service.app.parts;
  let busy = true;
  const occupied = (async () => {
    while (busy) await passwords.hash('holds the only permit');
  })();
  const fresh = { email: 'fresh@example.com', password: 'a rather long one', name: 'Ada' };
  for (let attempt = 0; attempt < 5; attempt += 1) {
    for (const reply of [await signIn(api, account.email, 'wrong'), await api.post('/auth/register', fresh)]) {
      t.match(reply, { status: 503, code: 'service_busy' });
      t.ok(retryAfter(reply) >= 1);
    }
  }
  busy = false;
  await occupied;
  t.equal((await signIn(api, account.email, account.password)).status, 200);
  t.equal((await api.post('/auth/register', fresh)).status, 201, 'the refused requests are not in the queue');
});

t.test('failures are removed from memory when they no longer count, and not before', async (t) => {
  const clock = new MovableClock();
  const throttle = createLoginThrottle({ clock, failuresMax: 2 });
  for (let turn = 0; turn < 2; turn += 1) throttle.begin('delayed', '192.0.2.1');
  for (let turn = 0; turn < 500; turn += 1) throttle.begin(`account ${turn}`, '192.0.2.1');
  t.equal(throttle.size, 501);
  clock.advance(900);
  throttle.begin('another', '192.0.2.1');
  t.equal(throttle.size, 502, 'the oldest is delayed until after its window');
  clock.advance(1);
  throttle.begin('another', '192.0.2.1');
  t.equal(throttle.size, 1);
});

t.test('an attempt that was not decided takes back its own count only', async (t) => {
  const clock = { now: () => new Date(at) };
  let at = 0;
  const pair = ['ada@example.com', '192.0.2.1'] as const;
  const tooMany = { code: 'too_many_requests' };
  const opened = (failuresMax: number) => createLoginThrottle({ clock, failuresMax });

  const apart = opened(2);
  const late = apart.begin(...pair);
  apart.begin(...pair);
  apart.succeeded(...pair);
  apart.begin(...pair);
  late.undecided();
  apart.begin(...pair);
  t.throws(() => apart.begin(...pair), tooMany, 'two failures since the success count');

  const together = opened(2);
  const undecided = together.begin(...pair);
  together.begin(...pair);
  undecided.undecided();
  together.begin(...pair);
  t.throws(() => together.begin(...pair), tooMany, 'the two other attempts count, and the first of them delays none');

  const waiting = opened(1);
  const slow = waiting.begin(...pair);
  at += 1000;
  waiting.begin(...pair);
  slow.undecided();
  t.throws(() => waiting.begin(...pair), tooMany, 'the wait after a later attempt stays');
  at += 2000;
  waiting.begin(...pair).undecided();
  waiting.begin(...pair);
});
