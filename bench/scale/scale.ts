// `npm run bench:scale` seeds a small and a large database and measures the same paths on both, in turns within
// one run. Other files have the users (seed-shape.ts, seed-rows.ts), the paths (paths.ts), the query plans
// (plans.ts) and the load (load.ts). README.md explains the figures.
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { type Service, type Testbed, withTestbed } from '../../scripts/prove/testbed.ts';
import { type Database, openDatabase } from '../../src/base/database/db.ts';
import { APP_ROLE, roleUrl, SYSTEM_ROLE } from '../../src/base/database/roles.ts';
import { openLog } from '../../src/base/platform/log.ts';
import { findCredentials } from '../../src/directory/users/store.ts';
import { openApi } from '../../test/support/client.ts';
import { personalIn } from '../../test/support/personal.ts';
import type { Tally, Task } from '../load.ts';
import { UNREACHED_LIMITS } from '../settings.ts';
import { startWorker, type Worker } from '../worker.ts';
import { type Path, pathsOf, signInParticipants } from './paths.ts';
import { assertNoSequentialScan } from './plans.ts';
import { HASH, type Seeded, type Step, seedDatabase } from './seed-rows.ts';
import { emailOf, type Shape } from './seed-shape.ts';
import { type Measurement, measurePair, table } from './table.ts';

const { values: options } = parseArgs({
  options: { users: { type: 'string', default: '1000000' }, quick: { type: 'boolean', default: false } },
});
const SMALL: Shape = { users: 1_000, organizations: 100 };
const LARGE: Shape = { users: Number(options.users), organizations: Math.floor(Number(options.users) / 10) };
const CALLERS = { ordinary: 64, owners: 20 };
const CONNECTIONS = 4;
const rounds = options.quick ? 2 : 5;
const roundMilliseconds = options.quick ? 1_000 : 2_000;

interface Side {
  readonly name: string;
  readonly ownerUrl: string;
  readonly query: <Row>(text: string, values?: unknown[]) => Promise<Row[]>;
  readonly seeded: Seeded;
  readonly service: Service;
  readonly db: Database;
  close(): Promise<void>;
}

async function openSide(testbed: Testbed, name: string, shape: Shape): Promise<Side> {
  const [ownerUrl, adminUrl] = [testbed.postgres.ownerUrl, testbed.postgres.adminUrl].map((text) => {
    const url = new URL(text);
    url.pathname = `/${name}`;
    return url.href;
  }) as [string, string];
  const admin = new pg.Pool({ connectionString: testbed.postgres.adminUrl, max: 1 });
  await admin.query(`CREATE DATABASE ${name} OWNER ${new URL(ownerUrl).username}`);
  await admin.end();
  // The start of the service creates the tables and the system roles.
  const service = await testbed.startService({ settings: { ...UNREACHED_LIMITS, DATABASE_URL: ownerUrl } });
  console.log(`${name}: ${shape.organizations} organizations, ${shape.users} users`);
  const personal = await personalIn(testbed.keysDirectory);
  const seeded = await seedDatabase(adminUrl, { ...shape, personal }, print);
  console.log(`  seeded in ${seeded.seconds.toFixed(1)} s`);
  const pool = new pg.Pool({ connectionString: adminUrl, max: 1 });
  const log = openLog({ level: 'silent', pretty: false });
  const db = openDatabase({
    appUrl: roleUrl(ownerUrl, APP_ROLE),
    systemUrl: roleUrl(ownerUrl, SYSTEM_ROLE),
    poolSize: CONNECTIONS,
    log,
    personal,
  });
  return {
    name,
    ownerUrl,
    seeded,
    service,
    db,
    query: async (text, values) => (await pool.query(text, values)).rows,
    async close() {
      await Promise.all([pool.end(), db.close()]);
    },
  };
}

function print({ what, rows, seconds }: Step): void {
  console.log(`  ${what.padEnd(28)} ${String(rows ?? '').padStart(9)}  ${seconds.toFixed(1).padStart(6)} s`);
}

/** Returns a function that measures one round of a path on a side: the durations of its answers in milliseconds. */
function rounder(loader: Worker, side: Side, path: Path): (round: number) => Promise<readonly number[]> {
  let tokens = path.tokens;
  return async (round) => {
    const { turns } = path;
    const from = Math.floor(((turns?.length ?? 0) * round) / (rounds + 1));
    const task: Task = {
      port: side.service.port,
      method: path.method,
      path: path.path,
      connections: CONNECTIONS,
      milliseconds: roundMilliseconds,
      keepDurations: true,
      ...(turns && { turns: [...turns.slice(from), ...turns.slice(0, from)] }),
      ...(tokens && { tokens }),
    };
    const tally = await loader.ask<Tally>(task);
    if (tally.failure !== null) throw new Error(`${path.name} answered ${tally.failure}\n${side.service.log()}`);
    if (tokens) tokens = tally.tokens;
    return tally.durations;
  };
}

/** Measures only the query of a login for the user and the hash, with a different user each time. */
function lookUps({ db, seeded: { population } }: Side): () => Promise<readonly number[]> {
  let asked = 0;
  return async () => {
    const durations: number[] = [];
    const begun = performance.now();
    const work = async () => {
      while (performance.now() - begun < roundMilliseconds) {
        asked += 1;
        const sent = performance.now();
        const found = await findCredentials(db.systemReader(), emailOf((asked * 754_974_721) % population.users));
        durations.push(performance.now() - sent);
        if (!found) throw new Error('a seeded user was not found');
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, work));
    return durations;
  };
}

async function measureAll(sides: { small: Side; large: Side }, loader: Worker): Promise<Measurement[]> {
  const participantsOf = (side: Side) =>
    signInParticipants(
      { api: openApi(side.service.url), query: side.query, population: side.seeded.population },
      CALLERS,
    );
  const [small, large] = [pathsOf(await participantsOf(sides.small)), pathsOf(await participantsOf(sides.large))];
  const measured: Measurement[] = [];
  for (const [index, path] of small.entries()) {
    const other = large[index];
    if (!other) throw new RangeError(`${path.name} is missing`);
    const pair = { small: rounder(loader, sides.small, path), large: rounder(loader, sides.large, other) };
    measured.push({
      name: path.name,
      followsAnswer: path.followsAnswer ?? false,
      ...(await measurePair(rounds, pair)),
    });
  }
  const statement = { small: lookUps(sides.small), large: lookUps(sides.large) };
  const name = 'user and hash by e-mail, statement';
  return [...measured, { name, followsAnswer: false, ...(await measurePair(rounds, statement)) }];
}

await withTestbed({ name: 'scale', disposable: false }, async (testbed) => {
  console.log(`one hash for all users: argon2id, ${HASH.memoryCost} KiB, ${HASH.timeCost} iterations`);
  const small = await openSide(testbed, 'scale_small', SMALL);
  const large = await openSide(testbed, 'scale_large', LARGE);
  const loader = startWorker('load.ts');
  try {
    console.log(`\n${table(await measureAll({ small, large }, loader))}`);
    console.log(
      `${availableParallelism()} cores, ${CONNECTIONS} connections, ${rounds} rounds of ${roundMilliseconds} ms each\n`,
    );
    for (const side of [small, large]) await side.service.end('SIGTERM');
    const planned = { ...large, population: large.seeded.population };
    return await assertNoSequentialScan(testbed, planned, UNREACHED_LIMITS);
  } finally {
    loader.end();
    await Promise.all([small.close(), large.close()]);
  }
});
