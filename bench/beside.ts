// `npm run bench:beside -- <checkout>…` compares this checkout with others, for example with the state before a
// change: the services run side by side, each with a PostgreSQL of its own, and each path is measured in turns.
// README.md explains the figures.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT, type Service, type Testbed, withTestbed } from '../scripts/prove/testbed.ts';
import { startEmbedded } from '../src/base/embedded/embedded.ts';
import { openApi } from '../test/support/client.ts';
import { type Account, newAccount } from '../test/support/fixtures/accounts.ts';
import type { Tally, Task } from './load.ts';
import { median } from './paired.ts';
import { UNREACHED_LIMITS } from './settings.ts';
import { cpuMicroseconds, residentMegabytes, serviceProcess, startWorker, type Worker } from './worker.ts';

const { values: options, positionals: checkouts } = parseArgs({
  options: { paths: { type: 'string' }, rounds: { type: 'string', default: '7' } },
  allowPositionals: true,
});
const ROUNDS = Number(options.rounds);
const CONNECTIONS = 16;
const USERS = 24;
const SETTINGS = { ...UNREACHED_LIMITS, SESSIONS_PER_USER_MAX: '10000' };
const ROUND_MILLISECONDS = 1_500;
const STARTS = 5;
const IDLE_MILLISECONDS = 3_000;

/** A checkout and its running service. */
interface Side {
  readonly name: string;
  readonly root: string;
  readonly settings: Record<string, string>;
  readonly service: Service;
  /** The id of the process of the PostgreSQL server. */
  readonly postgresPid: number;
  readonly accounts: readonly Account[];
  /** The newest refresh token of each connection. */
  tokens: readonly string[];
}

type Request = Omit<Task, 'port' | 'milliseconds'>;
const PATHS: Record<string, (side: Side) => Request> = {
  'GET JWKS': () => ({ method: 'GET', path: '/.well-known/jwks.json', connections: CONNECTIONS }),
  'GET /verify': (side) => ({ ...withToken(side), method: 'GET', path: '/verify' }),
  'GET /me': (side) => ({ ...withToken(side), method: 'GET', path: '/api/v1/me' }),
  check: (side) => ({
    ...withToken(side),
    method: 'POST',
    path: '/api/v1/authz/check',
    bodies: [JSON.stringify({ resource: 'members', action: 'read' })],
  }),
  refresh: ({ tokens }) => ({ method: 'POST', path: '/api/v1/auth/refresh', connections: CONNECTIONS, tokens }),
  login: ({ accounts }) => ({
    method: 'POST',
    path: '/api/v1/auth/login',
    connections: CONNECTIONS,
    bodies: accounts.map(({ email, password }) => JSON.stringify({ email, password })),
  }),
};

function withToken({ accounts }: Side) {
  return { headers: { authorization: `Bearer ${accounts[0]?.accessToken}` }, connections: CONNECTIONS };
}

/** The CPU time of one request in microseconds, for the service and for its PostgreSQL, and the requests per second. */
interface Round {
  readonly cpu: number;
  readonly postgresCpu: number;
  readonly rate: number;
}

async function measure(side: Side, path: string, loader: Worker): Promise<Round> {
  const before = cpuOf(side);
  const request = PATHS[path]?.(side);
  const tally = await loader.ask<Tally>({ ...request, port: side.service.port, milliseconds: ROUND_MILLISECONDS });
  if (tally.failure !== null) throw new Error(`${side.name}: ${path} answered ${tally.failure}`);
  if (tally.tokens.length > 0) side.tokens = tally.tokens;
  const after = cpuOf(side);
  return {
    cpu: (after.service - before.service) / tally.operations,
    postgresCpu: (after.postgres - before.postgres) / tally.operations,
    rate: tally.operations / tally.seconds,
  };
}

function cpuOf({ service, postgresPid }: Side) {
  const children = readFileSync(`/proc/${postgresPid}/task/${postgresPid}/children`, 'utf8').trim().split(' ');
  const postgres = children.reduce((sum, pid) => sum + cpuMicroseconds(Number(pid)), 0);
  return { service: cpuMicroseconds(service.child.pid ?? 0), postgres };
}

async function startSide(testbed: Testbed, root: string, name: string): Promise<Side> {
  const database = await startEmbedded({ directory: join(testbed.folder, `postgres-${name}`) });
  testbed.teardown(() => database.stop());
  const settings = { ...SETTINGS, DATABASE_URL: database.ownerUrl, KEYS_DIR: testbed.keysDirectory };
  const service = await testbed.startService({ root, settings });
  const accounts: Account[] = [];
  for (let user = 0; user < USERS; user += 1) accounts.push(await newAccount(openApi(service.url)));
  const tokens = accounts.slice(0, CONNECTIONS).map(({ refreshToken }) => refreshToken);
  return { name, root, settings, service, postgresPid: database.pid, accounts, tokens };
}

/** Returns the lines of one path: the medians of each side, and the ratio of this checkout to each side. */
async function compare(sides: readonly Side[], path: string, loader: Worker): Promise<string[]> {
  for (const side of sides) await measure(side, path, loader);
  const rounds: Round[][] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const measured: Round[] = [];
    // Each round begins with another side.
    for (let place = 0; place < sides.length; place += 1) {
      const index = (round + place) % sides.length;
      measured[index] = await measure(sides[index] as Side, path, loader);
    }
    rounds.push(measured);
  }
  return sides.map((side, index) => {
    const of = (read: (round: Round) => number) => rounds.map((round) => read(round[index] as Round));
    const ratioOf = (read: (round: Round) => number) =>
      median(rounds.map((round) => read(round[0] as Round) / read(round[index] as Round))).toFixed(2);
    return row([
      path,
      side.name,
      median(of(({ cpu }) => cpu)).toFixed(0),
      ratioOf(({ cpu }) => cpu),
      median(of(({ postgresCpu }) => postgresCpu)).toFixed(0),
      median(of(({ rate }) => rate)).toFixed(0),
      ratioOf(({ rate }) => rate),
    ]);
  });
}

async function startsAndMemory(testbed: Testbed, sides: readonly Side[]): Promise<string[]> {
  const ready = sides.map((): number[] => []);
  for (let round = 0; round < STARTS; round += 1) {
    for (const [index, { root, settings }] of sides.entries()) {
      const started = await testbed.startService({ root, settings, pollMilliseconds: 5 });
      ready[index]?.push(started.readyMilliseconds);
      await started.end('SIGTERM');
    }
  }
  const lines: string[] = [];
  for (const [index, { name, root, settings }] of sides.entries()) {
    const launched = await testbed.startService({ root, settings, launched: true });
    await new Promise((resolve) => setTimeout(resolve, IDLE_MILLISECONDS));
    const idle = residentMegabytes(serviceProcess(launched.child.pid ?? 0));
    await launched.end('SIGTERM');
    lines.push(
      `${name}: ready after ${median(ready[index] ?? []).toFixed(0)} ms, ${idle.toFixed(0)} MB resident at idle`,
    );
  }
  return lines;
}

const WIDTHS = [12, 16, 8, 8, 15, 8, 8];
const row = (cells: readonly string[]) =>
  cells
    .map((cell, column) => cell.padEnd(WIDTHS[column] ?? 0))
    .join('  ')
    .trimEnd();

await withTestbed({ name: 'beside', disposable: true }, async (testbed) => {
  const paths = options.paths?.split(',') ?? Object.keys(PATHS);
  const loader = startWorker('load.ts');
  testbed.teardown(() => loader.end());
  const sides = [await startSide(testbed, ROOT, 'this')];
  for (const checkout of checkouts) {
    const root = resolve(checkout);
    sides.push(await startSide(testbed, root, root.split('/').at(-1) ?? root));
  }
  console.log(row(['path', 'checkout', 'CPU µs', 'this : it', 'PostgreSQL µs', '/s', 'this : it']));
  for (const path of paths) for (const line of await compare(sides, path, loader)) console.log(line);
  for (const { service } of sides) await service.end('SIGTERM');
  return (await startsAndMemory(testbed, sides)).join('\n');
});
