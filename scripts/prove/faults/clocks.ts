// Proves: a replica whose clock is wrong by an hour neither signs nor judges a token, says so, and works again once the
// clock is right. Replicas whose clocks differ by less than the limit work together, and a revoked token stays refused
// in the time that follows, which passes faster here. `prove:clocks`. The clocks are real for the processes: Debian's
// libfaketime sets the time that they read.
import { setTimeout as delay } from 'node:timers/promises';
import { SERVER_ENVIRONMENT } from '../../../src/base/embedded/native.ts';
import { type Api, openApi, type Reply } from '../../../test/support/client.ts';
import { type Account, newAccount } from '../../../test/support/fixtures/accounts.ts';
import { createFakeClock, type FakeClock } from '../../../test/support/servers/faketime.ts';
import { demand } from '../proof.ts';
import { type Service, type Testbed, withTestbed } from '../testbed.ts';
import { isReady, untilReadiness } from './readiness.ts';

const HOUR = 3_600;
const NOTICED_MILLISECONDS_MAX = 15_000;
const POLL_MILLISECONDS = 50;
const JUMPS = 6;
const JUMPED_MILLISECONDS = 500;
/** Every process reads PostgreSQL every second, so a change has reached all of them after this time. */
const KNOWN_MILLISECONDS = 3_000;
/** Longer than a token can live, and longer than its revocation is remembered. */
const LATER_SECONDS = 1_500;
const STEP_SECONDS = 1;
const STEP_MILLISECONDS = 25;
/** How long a token lives at least. */
const LIFE_SECONDS = 900;

interface Replica {
  readonly service: Service;
  readonly api: Api;
  readonly clock: FakeClock;
  /** By how many seconds the clock of this replica is ahead of the clock of PostgreSQL. */
  readonly ahead: number;
}

interface Setup {
  readonly testbed: Testbed;
  readonly database: FakeClock;
  readonly issuer: string;
}

const credentialsOf = ({ email, password }: Account) => ({ email, password });

async function startReplica(setup: Setup, ahead: number, options: { steady?: boolean } = {}): Promise<Replica> {
  const { testbed, issuer } = setup;
  const file = `${testbed.folder}/clock-${ahead}-${performance.now().toFixed(0)}`;
  const clock = await createFakeClock(file, { secondsAhead: ahead, ...options });
  const settings = { ...clock.environment, ...(issuer && { PUBLIC_URL: issuer }), SESSIONS_PER_USER_MAX: '1000' };
  const service = await testbed.startService({ settings, unready: true });
  return { service, api: openApi(service.url), clock, ahead };
}

const untilRight = ({ service }: Replica) => untilReadiness(service, 'ready', isReady, NOTICED_MILLISECONDS_MAX);

const untilSkewed = ({ service }: Replica) =>
  untilReadiness(
    service,
    'clock_skewed',
    ({ status, body }) => status === 503 && body.reasons?.clock === 'clock_skewed',
    NOTICED_MILLISECONDS_MAX,
  );

function demandSkewed(what: string, { status, code, text }: Reply): void {
  demand(status === 503 && code === 'clock_skewed', `${what} answered ${status}: ${text}`);
}

/** Raises NotShown unless the replica signs and judges nothing. */
async function demandNoTokens({ api, service }: Replica, { email, password, accessToken, refreshToken }: Account) {
  const token = { token: accessToken };
  demandSkewed('a login', await api.post('/auth/login', { email, password }));
  demandSkewed('a refresh', await api.post('/auth/refresh', { refreshToken }));
  demandSkewed('GET /me', await api.get('/me', token));
  demandSkewed('GET /verify', await api.get('/verify', token));
  const begun = performance.now();
  while (!/the clock differs from the clock of PostgreSQL/.test(service.log())) {
    demand(performance.now() - begun < NOTICED_MILLISECONDS_MAX, `the log says nothing:\n${service.log()}`);
    await delay(POLL_MILLISECONDS);
  }
}

/**
 * Checks a replica that starts with a wrong clock, and a replica whose clock becomes wrong. Both must work once the
 * clock is right.
 */
async function wrongByAnHour(setup: Setup, good: Replica, account: Account): Promise<string> {
  for (const ahead of [HOUR, -HOUR]) {
    // A replica does not start while its clock is before the time from which its keys sign. So the clock of this
    // replica is set back after the start.
    const replica = await startReplica(setup, Math.max(ahead, 0));
    replica.clock.set(ahead);
    await untilSkewed(replica);
    await demandNoTokens(replica, account);
    const said = ahead > 0 ? 'ahead' : 'behind';
    demand(replica.service.log().includes(`"direction":"${said}"`), `the log does not say ${said}`);
    replica.clock.set(0);
    const back = await untilRight(replica);
    const again = await replica.api.post('/auth/login', credentialsOf(account));
    demand(again.status === 200, `with the right clock a login answered ${again.status}: ${again.text}`);
    console.log(
      `a clock an hour ${said}: nothing signed or judged, working ${back.toFixed(0)} ms after it was set right`,
    );
    await replica.service.end('SIGTERM');
  }
  demand((await good.api.get('/me', { token: account.accessToken })).status === 200, 'the good replica was disturbed');
  return 'a replica an hour ahead or behind neither signed nor judged a token, and said so';
}

/**
 * Makes the clock of a running replica jump. The replica must not sign by the wrong clock, not even between two
 * readings of PostgreSQL's clock.
 */
async function jumping(replica: Replica, account: Account): Promise<string> {
  let asked = 0;
  for (let jump = 0; jump < JUMPS; jump += 1) {
    replica.clock.set(jump % 2 === 0 ? HOUR : -HOUR);
    const until = performance.now() + JUMPED_MILLISECONDS;
    while (performance.now() < until) {
      demandSkewed('a login', await replica.api.post('/auth/login', credentialsOf(account)));
      asked += 1;
    }
    await untilSkewed(replica);
    await demandNoTokens(replica, account);
    replica.clock.set(0);
    await untilRight(replica);
    const login = await replica.api.post('/auth/login', credentialsOf(account));
    demand(login.status === 200, `with the right clock a login answered ${login.status}: ${login.text}`);
  }
  const line = `a clock that jumped ${JUMPS} times signed nothing in ${asked} logins`;
  console.log(line);
  return line;
}

interface Signed {
  readonly accessToken: string;
  readonly refreshToken: string;
}

async function signIn({ api }: Replica, account: Account): Promise<Signed> {
  const reply = await api.post('/auth/login', credentialsOf(account));
  demand(reply.status === 200, `a login answered ${reply.status}: ${reply.text}`);
  return reply.body.data;
}

/** The answers to a token, and the last second at which it was accepted. */
interface Course {
  readonly codes: Map<string, number>;
  acceptedAt: number;
}

async function present(
  { api }: Replica,
  token: string,
  seconds: number,
  { codes, ...course }: Course,
): Promise<Course> {
  const { status, code } = await api.get('/verify', { token });
  const name = code ?? String(status);
  codes.set(name, (codes.get(name) ?? 0) + 1);
  return { codes, acceptedAt: status === 200 ? seconds : course.acceptedAt };
}

/**
 * Presents two tokens of a replica that is ahead to all replicas, while time passes more than ten times faster: one
 * whose session was ended, and for comparison one whose session was not.
 */
async function within(setup: Setup, account: Account): Promise<string> {
  const replicas: Replica[] = [];
  for (const ahead of [0, 50, -50, 30]) {
    const replica = await startReplica(setup, ahead, { steady: true });
    await untilRight(replica);
    replicas.push(replica);
  }
  const [right, early] = replicas;
  if (!right || !early) throw new Error('no replica');
  const [ended, kept] = [await signIn(early, account), await signIn(early, account)];
  await delay(KNOWN_MILLISECONDS);
  const out = await right.api.post('/auth/logout', { refreshToken: ended.refreshToken });
  demand(out.status === 204, `a logout answered ${out.status}: ${out.text}`);
  await delay(KNOWN_MILLISECONDS);
  const courses = replicas.map(() => ({
    ended: { codes: new Map<string, number>(), acceptedAt: Number.NEGATIVE_INFINITY },
    kept: { codes: new Map<string, number>(), acceptedAt: Number.NEGATIVE_INFINITY },
  }));
  const begun = performance.now();
  for (let skipped = 0, seconds = 0; seconds <= LATER_SECONDS; skipped += STEP_SECONDS) {
    seconds = skipped + (performance.now() - begun) / 1000;
    setup.database.set(skipped);
    for (const { clock, ahead } of replicas) clock.set(ahead + skipped);
    const next = delay(STEP_MILLISECONDS);
    const asking = replicas.map(async (replica, at) => {
      const course = courses[at];
      if (!course) return;
      Object.assign(course.ended, await present(replica, ended.accessToken, seconds, course.ended));
      Object.assign(course.kept, await present(replica, kept.accessToken, seconds, course.kept));
    });
    await Promise.all([next, ...asking]);
  }
  const shown = (codes: Map<string, number>) => [...codes].map(([code, count]) => `${count} × ${code}`).join(', ');
  for (const [at, { ahead }] of replicas.entries()) {
    const course = courses[at];
    if (!course) continue;
    console.log(
      `a replica ${ahead} s ahead: ended token ${shown(course.ended.codes)}; other token ${shown(course.kept.codes)}`,
    );
    demand(course.ended.acceptedAt < 0, `at second ${course.ended.acceptedAt} an ended token came back to life`);
    demand(!course.ended.codes.has('clock_skewed'), 'a replica within the limit did not trust its clock');
    const life = course.kept.acceptedAt;
    demand(life > LIFE_SECONDS - 60 && life < LIFE_SECONDS + 120, `a good token was accepted for ${life} s`);
  }
  const last = Math.max(...courses.map(({ kept: { acceptedAt } }) => acceptedAt));
  return `replicas 50 s ahead, 50 s behind and 30 s ahead worked together, and a token of the first that was ended stayed refused for ${LATER_SECONDS} s everywhere, where one that was not ended lived ${last.toFixed(0)} s`;
}

/** The clock of PostgreSQL, which exists before its server starts. */
let database: FakeClock | undefined;

await withTestbed(
  {
    name: 'clocks',
    disposable: true,
    async prepare(directory) {
      database = await createFakeClock(`${directory}-clock`);
      Object.assign(SERVER_ENVIRONMENT, database.environment);
    },
  },
  async (testbed) => {
    if (!database) throw new Error('PostgreSQL has no clock');
    const good = await startReplica({ testbed, database, issuer: '' }, 0);
    const setup = { testbed, database, issuer: `http://localhost:${good.service.port}` };
    const account = await newAccount(good.api);
    const lines = [await wrongByAnHour(setup, good, account), await jumping(good, account)];
    await good.service.end('SIGTERM');
    return `SHOWN: ${[...lines, await within(setup, account)].join('; ')}`;
  },
);
