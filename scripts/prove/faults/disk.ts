// Proves: while PostgreSQL answers but stores nothing, reads continue to work, changes are refused with 503 and have
// changed nothing, /readyz says why, and everything works again without a restart of the service. Nothing that was
// acknowledged is lost. PostgreSQL stores nothing because its disk is full, because it is read-only, and because it is
// a standby. Then the disk of the write-ahead log fills, which ends PostgreSQL itself: every answer is right or 503,
// and after PostgreSQL has been started again, nothing that was acknowledged is lost. `prove:disk [seconds]`: how long
// each of the four faults lasts at least.
import { setTimeout as delay } from 'node:timers/promises';
import { openApi } from '../../../test/support/client.ts';
import { newAccount } from '../../../test/support/fixtures/accounts.ts';
import type { TcpProxy } from '../../../test/support/servers/tcp-proxy.ts';
import { asAdmin } from '../database.ts';
import { demand } from '../proof.ts';
import { type Testbed, withTestbed } from '../testbed.ts';
import {
  demandNothingLost,
  type Load,
  newLoad,
  PAUSE_MILLISECONDS,
  read,
  register,
  rename,
  repeat,
  signInAndOut,
  sum,
  whilePaused,
} from './disk-load.ts';
import { openDatabaseNetwork } from './network.ts';
import { isReady, untilReadiness } from './readiness.ts';
import { argumentsInNamespace, fillDisk, mountSmallDisk, moveLog } from './small-disk.ts';
import { type Standby, startStandby } from './standby.ts';

const [seconds = 15] = (await argumentsInNamespace()).map(Number);
const DISK_MEGABYTES = 256;
/** The log has a disk of its own, so that the disk of the data fills alone. No segment is removed in this proof. */
const LOG_MEGABYTES = 512;
const logOf = (folder: string) => `${folder}/log`;
const CALM_MILLISECONDS = 2_000;
const REFUSED_MILLISECONDS_MAX = 30_000;
/** /readyz remembers a refused change for ten seconds. */
const RECOVERY_MILLISECONDS_MAX = 30_000;
const SPREAD_MILLISECONDS_MAX = 20_000;

const untilRight = ({ service }: Load) => untilReadiness(service, 'ready', isReady, RECOVERY_MILLISECONDS_MAX);

const untilRefusing = ({ service }: Load, reason: Fault['reason']) =>
  untilReadiness(
    service,
    reason,
    ({ status, body }) => status === 503 && body.reasons?.database === reason,
    REFUSED_MILLISECONDS_MAX,
  );

/**
 * Raises NotShown unless changes succeed from now on. If the processes of PostgreSQL notice the end of a fault one by
 * one, some changes may still be refused in the first seconds.
 */
async function demandWorking(load: Load, name: string, spreads: boolean): Promise<void> {
  const begun = performance.now();
  do {
    load.refused.clear();
    await delay(CALM_MILLISECONDS);
  } while (spreads && sum(load.refused) > 0 && performance.now() - begun < SPREAD_MILLISECONDS_MAX);
  demand(sum(load.refused) === 0, `${name}: changes were refused again after /readyz was ready`);
  demand(!load.service.hasEnded(), `${name}: the service ended`);
}

/** Makes PostgreSQL store nothing for a while. Returns a sentence about what was seen. */
async function fault(load: Load, { name, reason, begin, spreads = false }: Fault): Promise<string> {
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
  await demandWorking(load, name, spreads);
  const line = `${name}: /readyz said ${reason} after ${noticed.toFixed(0)} ms, ${refused} changes refused with 503 database_not_writable, ${reads} reads answered, ready again after ${back.toFixed(0)} ms`;
  console.log(line);
  return line;
}

interface Fault {
  readonly name: string;
  readonly reason: 'read_only' | 'disk_full';
  /** Begins the fault. Returns the function that ends it. */
  readonly begin: () => Promise<() => unknown>;
  /** Whether each process of PostgreSQL notices the end of the fault by itself, a moment later. */
  readonly spreads?: boolean;
}

function fullDisk(testbed: Testbed): Fault {
  return {
    name: 'a full disk',
    reason: 'disk_full',
    begin: async () => fillDisk(`${testbed.folder}/postgres/filler`),
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
    spreads: true,
    async begin() {
      await alter('SET default_transaction_read_only = on');
      return () => alter('RESET default_transaction_read_only');
    },
  };
}

/** Lets the address of the database lead to a standby. No request runs while connections are cut. */
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

/**
 * Writes to the log until PostgreSQL ends because nothing more fits. PostgreSQL has some empty segments in stock, so a
 * full disk alone does not end it.
 */
async function useUpLog(testbed: Testbed): Promise<void> {
  const record = "SELECT pg_logical_emit_message(false, 'prove:disk', repeat('x', 1000000))";
  await asAdmin(testbed, async (query) => {
    for (;;) await query(record);
  }).catch(() => undefined);
}

/**
 * Fills the disk of the log. PostgreSQL cannot go on without its log and ends, as it does after a crash. Then makes
 * space and starts PostgreSQL again, as an operator does.
 */
async function fullLog(testbed: Testbed, load: Load): Promise<string> {
  const name = 'a full disk of the log';
  await delay(CALM_MILLISECONDS);
  load.refused.clear();
  load.mayBeGone = true;
  const begun = performance.now();
  const makeSpace = fillDisk(`${logOf(testbed.folder)}/filler`);
  await useUpLog(testbed);
  const isMissing = () => ['rename', 'register', 'login'].filter((what) => !load.refused.has(what));
  while (isMissing().length > 0 || performance.now() - begun < seconds * 1000) {
    const waited = performance.now() - begun - seconds * 1000;
    demand(waited < REFUSED_MILLISECONDS_MAX, `${name}: never refused: ${isMissing().join(', ')}`);
    await delay(PAUSE_MILLISECONDS);
  }
  makeSpace();
  await testbed.restartPostgres();
  const back = await untilRight(load);
  await whilePaused(load, async () => {
    load.mayBeGone = false;
  });
  const refused = sum(load.refused);
  await demandWorking(load, name, false);
  const line = `${name}: ${refused} requests refused with 503, none answered otherwise wrong, ready again ${back.toFixed(0)} ms after PostgreSQL was started again`;
  console.log(line);
  return line;
}

async function run(testbed: Testbed): Promise<string> {
  await moveLog(testbed, logOf(testbed.folder));
  const { network, url } = await openDatabaseNetwork(testbed);
  const settings = { DATABASE_URL: url, SESSIONS_PER_USER_MAX: '10000' };
  const service = await testbed.startService({ settings });
  const standby = await startStandby(testbed, testbed.postgres, `${testbed.folder}/postgres`, 'standby');
  const api = openApi(service.url);
  const load = newLoad(service, api, await newAccount(api));
  const workers = [
    repeat(load, read, null),
    ...[rename, register, signInAndOut].map((step) => repeat(load, step, 'writes')),
  ];
  const faults = async () => {
    const lines: string[] = [];
    const all = [fullDisk(testbed), readOnly(testbed), onStandby(testbed, load, { network, standby })];
    for (const each of all) lines.push(await fault(load, each));
    lines.push(await fullLog(testbed, load));
    load.isOver = true;
    return lines;
  };
  const [lines] = await Promise.all([faults(), ...workers]);
  const whole = await demandNothingLost(testbed, load);
  return `SHOWN: ${lines.join('; ')}; all ${whole} acknowledged registrations and the last acknowledged change are there, no refused one is, the service was never restarted`;
}

await withTestbed(
  {
    name: 'disk',
    disposable: false,
    async prepare(directory, frame) {
      await mountSmallDisk(directory, DISK_MEGABYTES, frame);
      await mountSmallDisk(logOf(frame.folder), LOG_MEGABYTES, frame);
    },
  },
  async (testbed) => {
    demand(seconds > 0, 'usage: prove:disk [seconds]');
    return run(testbed);
  },
);
