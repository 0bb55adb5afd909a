// Proves: while PostgreSQL is down the service refuses with 503 and Retry-After, never with 401 or 500. It still serves
// its keys, stays alive, and recovers without a restart. While PostgreSQL is frozen, every request is answered within
// its time, with and without a body, and a body that does not arrive is refused. `prove:outage [times]`: how many times
// PostgreSQL is stopped under load.
import { setTimeout as delay } from 'node:timers/promises';
import { type Api, openApi, type Reply } from '../../../test/support/client.ts';
import { type Account, newAccount } from '../../../test/support/fixtures/accounts.ts';
import { demand } from '../proof.ts';
import { type Service, type Testbed, withTestbed } from '../testbed.ts';
import { freeze, sendHalfBody } from './frozen.ts';

const [times = 3] = process.argv.slice(2).map(Number);
const AWAY_MILLISECONDS = 2_000;
const CALM_MILLISECONDS = 1_000;
const RECOVERY_MILLISECONDS_MAX = 10_000;
const WORKERS_EACH = 2;
const PAUSE_MILLISECONDS = 5;
const FROZEN_MILLISECONDS = 15_000;
/** The time of a request, and a second for a busy machine. */
const ANSWER_MILLISECONDS_MAX = 11_000;

/** One kind of call, and its results since the last check. */
interface Path {
  readonly name: string;
  /** Whether the call works without PostgreSQL. */
  readonly worksWithoutDatabase: boolean;
  /** Returns the function that a worker calls. Each call of that function returns the next answer. */
  readonly caller: () => () => Promise<Reply>;
  refused: number;
  /** The longest time of a call since the last check, in milliseconds. */
  slowest: number;
  /** When a call first succeeded since the last check, in milliseconds of `performance.now()`. */
  firstGood: number | null;
}

function pathsOf(api: Api, accounts: readonly Account[]): Path[] {
  const path = (name: string, caller: Path['caller'], worksWithoutDatabase = false): Path => {
    return { name, caller, worksWithoutDatabase, refused: 0, slowest: 0, firstGood: null };
  };
  const [first] = accounts;
  const token = first ? { token: first.accessToken } : {};
  let refreshing = 0;
  let registered = 0;
  return [
    path('login', () => () => api.post('/auth/login', { email: first?.email, password: first?.password })),
    path('register', () => () => {
      registered += 1;
      const email = `outage-${registered}@example.com`;
      const body = { email, password: 'correct horse battery', name: 'Ada', organizationName: 'Outage' };
      return api.post('/auth/register', body);
    }),
    path('refresh', () => {
      let newest = accounts[refreshing++]?.refreshToken;
      return async () => {
        const reply = await api.post('/auth/refresh', { refreshToken: newest });
        if (reply.status === 200) newest = reply.body.data.refreshToken;
        return reply;
      };
    }),
    path('me', () => () => api.get('/me', token)),
    path('rename', () => () => api.patch('/me', { name: 'Ada' }, token)),
    path('found', () => () => api.post('/organizations', { name: 'Outage' }, token)),
    path('jwks', () => () => api.get('/.well-known/jwks.json'), true),
  ];
}

function judge(path: Path, reply: Reply): void {
  if (reply.status === 200 || reply.status === 201) {
    path.firstGood ??= performance.now();
    return;
  }
  demand(!path.worksWithoutDatabase, `${path.name} answered ${reply.status} while PostgreSQL was away`);
  demand(reply.status === 503, `${path.name} answered ${reply.status}: ${reply.text}`);
  demand(/^[1-9]\d*$/.test(reply.headers.get('retry-after') ?? ''), `${path.name} answered 503 without Retry-After`);
  demand(reply.setCookie.length === 0, `${path.name} touched a cookie with its 503`);
  path.refused += 1;
}

/**
 * Repeats the call until `isOver` returns true. A lost connection is an error, because the service must always answer.
 */
async function keepCalling(path: Path, isOver: () => boolean): Promise<void> {
  const call = path.caller();
  while (!isOver()) {
    const begun = performance.now();
    const reply = await call();
    path.slowest = Math.max(path.slowest, performance.now() - begun);
    judge(path, reply);
    await delay(PAUSE_MILLISECONDS);
  }
}

/** Waits until every path works. Returns how long that took, in milliseconds. */
async function recovered(paths: readonly Path[]): Promise<number> {
  const back = performance.now();
  for (const path of paths) path.firstGood = null;
  while (paths.some((path) => path.firstGood === null)) {
    const missing = paths.filter((path) => path.firstGood === null).map(({ name }) => name);
    demand(performance.now() - back < RECOVERY_MILLISECONDS_MAX, `${missing.join(', ')} did not recover in time`);
    await delay(PAUSE_MILLISECONDS);
  }
  return Math.max(...paths.map((path) => (path.firstGood ?? 0) - back));
}

/** Freezes PostgreSQL for longer than a request may take. Returns the longest time of any request, in milliseconds. */
async function freezing(testbed: Testbed, service: Service, paths: readonly Path[]): Promise<number> {
  await delay(CALM_MILLISECONDS);
  for (const path of paths) Object.assign(path, { refused: 0, slowest: 0 });
  const goOn = freeze(testbed.postgres.pid);
  const halves = ['/api/v1/auth/login', '/api/v1/auth/refresh', '/api/v1/auth/register'];
  const bodies = Promise.all(halves.map((path) => sendHalfBody(service.url, path)));
  try {
    await delay(FROZEN_MILLISECONDS);
    for (const { name, worksWithoutDatabase, refused } of paths) {
      demand(worksWithoutDatabase || refused > 0, `${name} was never refused while PostgreSQL was frozen`);
    }
  } finally {
    goOn();
  }
  await recovered(paths);
  const late = (milliseconds: number) => milliseconds > ANSWER_MILLISECONDS_MAX;
  for (const { name, slowest } of paths) demand(!late(slowest), `${name} waited ${slowest.toFixed(0)} ms`);
  for (const { status, milliseconds } of await bodies) {
    demand(status === 408 && !late(milliseconds), `half a body: ${status} after ${milliseconds.toFixed(0)} ms`);
  }
  const slowest = Math.max(...paths.map((path) => path.slowest));
  console.log(`frozen for ${FROZEN_MILLISECONDS} ms: the slowest answer took ${slowest.toFixed(0)} ms`);
  return slowest;
}

async function outage(testbed: Testbed, paths: readonly Path[]): Promise<{ recovery: number; refused: number }> {
  await delay(CALM_MILLISECONDS);
  for (const path of paths) path.refused = 0;
  await testbed.postgres.stop();
  await delay(AWAY_MILLISECONDS);
  for (const path of paths) {
    demand(path.worksWithoutDatabase || path.refused > 0, `${path.name} was never refused while PostgreSQL was away`);
  }
  await testbed.restartPostgres();
  const recovery = await recovered(paths);
  // Once every path works, no path may fail again.
  const refused = paths.reduce((sum, path) => sum + path.refused, 0);
  for (const path of paths) path.refused = 0;
  await delay(CALM_MILLISECONDS);
  for (const path of paths) demand(path.refused === 0, `${path.name} was refused again after it had recovered`);
  return { recovery, refused };
}

async function run(testbed: Testbed, service: Service): Promise<string> {
  const api = openApi(service.url);
  const accounts: Account[] = [];
  for (let index = 0; index < WORKERS_EACH; index += 1) accounts.push(await newAccount(api));
  const paths = pathsOf(api, accounts);
  let isOver = false;
  const workers = paths.flatMap((path) => Array.from({ length: WORKERS_EACH }, () => keepCalling(path, () => isOver)));
  const outages = async () => {
    const recoveries: number[] = [];
    let refused = 0;
    for (let time = 1; time <= times; time += 1) {
      const one = await outage(testbed, paths);
      demand(!service.hasEnded(), `the service ended:\n${service.log()}`);
      recoveries.push(one.recovery);
      refused += one.refused;
      console.log(
        `outage ${time}: ${one.refused} refusals, working again ${one.recovery.toFixed(0)} ms after PostgreSQL`,
      );
    }
    const frozen = await freezing(testbed, service, paths);
    isOver = true;
    return { recoveries, refused, frozen };
  };
  const [{ recoveries, refused, frozen }] = await Promise.all([outages(), ...workers]);
  const slowest = Math.max(...recoveries).toFixed(0);
  return `SHOWN: PostgreSQL was away ${times} times under load: ${refused} refusals, all 503 with Retry-After; keys served throughout, no 401, no 500, no lost connection, no restart; working again within ${slowest} ms; while PostgreSQL was frozen for ${FROZEN_MILLISECONDS / 1000} s every request was answered within ${frozen.toFixed(0)} ms, and half a body with 408`;
}

await withTestbed({ name: 'outage', disposable: false }, async (testbed) => {
  demand(times > 0, 'usage: prove:outage [times]');
  return run(
    testbed,
    await testbed.startService({ settings: { SESSIONS_PER_USER_MAX: '10000', ORGANIZATIONS_PER_USER_MAX: '100000' } }),
  );
});
