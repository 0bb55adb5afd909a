// Proves: while PostgreSQL answers but stores nothing, reads continue to work, changes are refused with 503 and have
// changed nothing, /readyz says why, and everything works again without a restart of the service. Nothing that was
// acknowledged is lost. PostgreSQL stores nothing because its disk is full, because it is read-only, and because it is
// a standby. `prove:disk [seconds]`: how long each of the three lasts.
import { setTimeout as delay } from 'node:timers/promises';
import { type Api, openApi, type Reply } from '../../../test/support/client.ts';
import { type Account, newAccount } from '../../../test/support/fixtures/accounts.ts';
import type { TcpProxy } from '../../../test/support/servers/tcp-proxy.ts';
import { asAdmin } from '../database.ts';
import { demandWholeRegistrations, type Registration } from '../kill/checks.ts';
import { demand } from '../proof.ts';
import { type Service, type Testbed, withTestbed } from '../testbed.ts';
import { openDatabaseNetwork } from './network.ts';
import { isReady, untilReadiness } from './readiness.ts';
import { argumentsInNamespace, fillDisk, mountSmallDisk } from './small-disk.ts';
import { type Standby, startStandby } from './standby.ts';

const [seconds = 15] = (await argumentsInNamespace()).map(Number);
const DISK_MEGABYTES = 256;
const PAUSE_MILLISECONDS = 25;
const CALM_MILLISECONDS = 2_000;
const REFUSED_MILLISECONDS_MAX = 30_000;
/** /readyz remembers a refused change for ten seconds. */
const RECOVERY_MILLISECONDS_MAX = 30_000;

interface Load {
  readonly service: Service;
  readonly api: Api;
  readonly account: Account;
  /** The last name that was acknowledged. */
  name: string;
  readonly registrations: Registration[];
  readonly refused: Map<string, number>;
  reads: number;
  writes: number;
  /** How many steps run now. */
  running: number;
  isPaused: boolean;
  isOver: boolean;
}

const sum = (counts: ReadonlyMap<string, number>) => [...counts.values()].reduce((total, count) => total + count, 0);

/** Notes a refused change, and raises NotShown if it was refused in another way. */
function noteRefusal(load: Load, what: string, reply: Reply): void {
  const isRight = reply.status === 503 && reply.code === 'database_not_writable';
  demand(isRight, `${what} answered ${reply.status} ${reply.code}: ${reply.text}\n${load.service.log()}`);
  demand(/^[1-9]\d*$/.test(reply.headers.get('retry-after') ?? ''), `${what} answered 503 without Retry-After`);
  load.refused.set(what, (load.refused.get(what) ?? 0) + 1);
}

async function rename(load: Load): Promise<void> {
  const name = `Ada ${load.writes} ${'x'.repeat(60)}`;
  const reply = await load.api.patch('/me', { name }, { token: load.account.accessToken });
  if (reply.status === 200) load.name = name;
  else noteRefusal(load, 'rename', reply);
}

async function register(load: Load): Promise<void> {
  const number = load.registrations.length;
  const registration: Registration = {
    email: `disk-${number}@example.com`,
    password: 'correct horse battery staple',
    organizationName: `Disk ${number}`,
    wasSent: true,
  };
  load.registrations.push(registration);
  const { email, password, organizationName } = registration;
  const reply = await load.api.post('/auth/register', { email, password, name: 'Ada', organizationName });
  if (reply.status !== 201) return noteRefusal(load, 'register', reply);
  const { user, organization, sessionId } = reply.body.data;
  registration.acknowledged = { userId: user.id, organizationId: organization.id, sessionId };
}

/** Opens a session and ends it. An acknowledged end must stay. */
async function signInAndOut(load: Load): Promise<void> {
  const { email, password } = load.account;
  const opened = await load.api.post('/auth/login', { email, password });
  if (opened.status !== 200) return noteRefusal(load, 'login', opened);
  const { refreshToken, accessToken: token } = opened.body.data;
  const ended = await load.api.post('/auth/logout', { refreshToken });
  if (ended.status !== 204) return noteRefusal(load, 'logout', ended);
  const after = await load.api.get('/verify', { token });
  demand(after.status === 401, `an ended session was answered ${after.status}`);
}

/** Requests that only read must succeed, whatever happens to the writes. */
async function read(load: Load): Promise<void> {
  const token = { token: load.account.accessToken };
  for (const path of ['/me', '/users', '/verify', '/.well-known/jwks.json']) {
    const reply = await load.api.get(path, token);
    demand(reply.status === 200, `GET ${path} answered ${reply.status}: ${reply.text}\n${load.service.log()}`);
    load.reads += 1;
  }
}

async function repeat(load: Load, step: (load: Load) => Promise<void>, counts: 'writes' | null): Promise<void> {
  while (!load.isOver) {
    if (!load.isPaused) {
      load.running += 1;
      await step(load);
      load.running -= 1;
      if (counts) load.writes += 1;
    }
    await delay(PAUSE_MILLISECONDS);
  }
}

/** Does something while no request runs. */
async function whilePaused(load: Load, work: () => Promise<unknown>): Promise<void> {
  load.isPaused = true;
  while (load.running > 0) await delay(PAUSE_MILLISECONDS);
  await work();
  load.isPaused = false;
}

const untilRight = ({ service }: Load) => untilReadiness(service, 'ready', isReady, RECOVERY_MILLISECONDS_MAX);

const untilRefusing = ({ service }: Load, reason: Fault['reason']) =>
  untilReadiness(
    service,
    reason,
    ({ status, body }) => status === 503 && body.reasons?.database === reason,
    REFUSED_MILLISECONDS_MAX,
  );

/** PostgreSQL stores nothing for a while. Returns a sentence about what was seen. */
async function fault(load: Load, { name, reason, begin }: Fault): Promise<string> {
  await delay(CALM_MILLISECONDS);
  load.refused.clear();
  const readsBefore = load.reads;
  const end = await begin();
  const begun = performance.now();
  const noticed = await untilRefusing(load, reason);
  const isMissing = () => ['rename', 'register', 'login'].filter((what) => !load.refused.has(what));
  while (isMissing().length > 0 || performance.now() - begun < seconds * 1000) {
    const waited = performance.now() - begun - seconds * 1000;
    demand(waited < REFUSED_MILLISECONDS_MAX, `${name}: never refused: ${isMissing().join(', ')}`);
    const ready = await load.api.get('/readyz');
    demand(ready.status === 503 && ready.body.reasons?.database === reason, `${name}: /readyz said ${ready.text}`);
    await delay(PAUSE_MILLISECONDS * 4);
  }
  const refused = sum(load.refused);
  const reads = load.reads - readsBefore;
  await end();
  const back = await untilRight(load);
  load.refused.clear();
  await delay(CALM_MILLISECONDS);
  demand(sum(load.refused) === 0, `${name}: changes were refused again after /readyz was ready`);
  demand(!load.service.hasEnded(), `${name}: the service ended`);
  const line = `${name}: /readyz said ${reason} after ${noticed.toFixed(0)} ms, ${refused} changes refused with 503 database_not_writable, ${reads} reads answered, ready again after ${back.toFixed(0)} ms`;
  console.log(line);
  return line;
}

/** Raises NotShown unless the database has exactly what was acknowledged. */
async function demandNothingLost(testbed: Testbed, load: Load): Promise<number> {
  const { api, account, registrations } = load;
  const me = await api.get('/me', { token: account.accessToken });
  const { name } = me.body.data?.user ?? me.body.data ?? {};
  demand(name === load.name, `the last acknowledged name was ${load.name}, but it is ${name}`);
  const found = await asAdmin(testbed, (query) => demandWholeRegistrations(query, registrations));
  demand(found.lostButThere === 0, `${found.lostButThere} registrations were refused and done all the same`);
  return found.whole;
}

interface Fault {
  readonly name: string;
  readonly reason: 'read_only' | 'disk_full';
  /** Begins the fault. Returns the function that ends it. */
  readonly begin: () => Promise<() => unknown>;
}

function fullDisk(testbed: Testbed): Fault {
  return {
    name: 'a full disk',
    reason: 'disk_full',
    async begin() {
      // A segment of the log that has just begun has space for all records of this time.
      await asAdmin(testbed, (query) => query('SELECT pg_switch_wal()'));
      return fillDisk(`${testbed.folder}/postgres/filler`);
    },
  };
}

function readOnly(testbed: Testbed): Fault {
  const alter = (how: string) =>
    asAdmin(testbed, async (query) => {
      await query(`ALTER SYSTEM ${how}`);
      await query('SELECT pg_reload_conf()');
    });
  return {
    name: 'default_transaction_read_only',
    reason: 'read_only',
    async begin() {
      await alter('SET default_transaction_read_only = on');
      return () => alter('RESET default_transaction_read_only');
    },
  };
}

/** The address of the database leads to a standby. No request runs while connections are cut. */
function onStandby(testbed: Testbed, load: Load, { network, standby }: { network: TcpProxy; standby: Standby }): Fault {
  const lead = (port: number) => {
    network.cut();
    network.lead(port);
    network.pass();
  };
  return {
    name: 'a standby',
    reason: 'read_only',
    async begin() {
      await whilePaused(load, async () => {
        await standby.caughtUp();
        lead(standby.postgres.port);
        await untilRefusing(load, 'read_only');
      });
      return () =>
        whilePaused(load, async () => {
          lead(testbed.postgres.port);
          await untilRight(load);
        });
    },
  };
}

async function run(testbed: Testbed): Promise<string> {
  const { network, url } = await openDatabaseNetwork(testbed);
  const settings = { DATABASE_URL: url, SESSIONS_PER_USER_MAX: '10000' };
  const service = await testbed.startService({ settings });
  const standby = await startStandby(testbed, testbed.postgres, `${testbed.folder}/postgres`, 'standby');
  const api = openApi(service.url);
  const account = await newAccount(api);
  const counts = { reads: 0, writes: 0, running: 0, registrations: [], refused: new Map<string, number>() };
  const load: Load = { service, api, account, name: 'Ada Lovelace', ...counts, isPaused: false, isOver: false };
  const workers = [
    repeat(load, read, null),
    ...[rename, register, signInAndOut].map((step) => repeat(load, step, 'writes')),
  ];
  const faults = async () => {
    const lines: string[] = [];
    const all = [fullDisk(testbed), readOnly(testbed), onStandby(testbed, load, { network, standby })];
    for (const each of all) lines.push(await fault(load, each));
    load.isOver = true;
    return lines;
  };
  const [lines] = await Promise.all([faults(), ...workers]);
  const whole = await demandNothingLost(testbed, load);
  return `SHOWN: ${lines.join('; ')}; all ${whole} acknowledged registrations and the last acknowledged change are there, no refused one is, no restart`;
}

await withTestbed(
  {
    name: 'disk',
    disposable: false,
    prepare: (directory, frame) => mountSmallDisk(directory, DISK_MEGABYTES, frame),
  },
  async (testbed) => {
    demand(seconds > 0, 'usage: prove:disk [seconds]');
    return run(testbed);
  },
);
