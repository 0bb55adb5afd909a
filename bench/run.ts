// `npm run bench` measures each hot path and its bound in turns within one run, and prints a table. Other files have
// the load (load.ts) and the bounds (bound.ts). README.md explains the figures.
import { availableParallelism } from 'node:os';
import { type Service, type Testbed, withTestbed } from '../scripts/prove/testbed.ts';
import { openApi } from '../test/support/client.ts';
import { newAccount } from '../test/support/fixtures/accounts.ts';
import type { BoundTally, BoundTask } from './bound.ts';
import type { Tally, Task } from './load.ts';
import { pageLines } from './pages.ts';
import { type Figure, inTurns, median, table } from './paired.ts';
import { UNREACHED_LIMITS } from './settings.ts';
import { residentMegabytes, serviceProcess, startWorker, type Worker } from './worker.ts';

const CONNECTIONS = 16;
const USERS = 24;
const POOL_SIZE = 10; // the default of DATABASE_POOL_SIZE
const STARTS = 5;
const IDLE_MILLISECONDS = 3_000;
const quick = process.argv.includes('--quick');
const SETTINGS = { ...UNREACHED_LIMITS, SESSIONS_PER_USER_MAX: '10000' };
const rounds = quick ? 2 : 5;
const roundMilliseconds = quick ? 1_000 : 2_500;

interface Bench {
  /** The service's process. */
  readonly pid: number;
  readonly port: number;
  readonly load: (task: Omit<Task, 'milliseconds' | 'port'>, port?: number) => Promise<Tally>;
  readonly bound: (...args: string[]) => Promise<Worker>;
  readonly accounts: readonly { email: string; password: string; accessToken: string; refreshToken: string }[];
}

async function logins({ pid, load, bound, accounts }: Bench): Promise<Figure> {
  const hashes = await bound('hashes');
  const bodies = accounts.map(({ email, password }) => JSON.stringify({ email, password }));
  const login = { method: 'POST', path: '/api/v1/auth/login', connections: CONNECTIONS, bodies } as const;
  const figure = await inTurns(
    rounds,
    { pid, round: () => load(login) },
    { pid: hashes.pid, round: () => hashes.ask<BoundTally>(task(availableParallelism())) },
  );
  hashes.end();
  return { ...figure, name: 'logins', against: 'raw argon2id hashes', aim: 0.9 };
}

async function refreshes({ pid, load, bound, accounts }: Bench, otherDatabase: string): Promise<Figure> {
  // The bound uses another database, because the service requires that every table of its own database is protected.
  const bare = await bound('refreshes', otherDatabase, String(POOL_SIZE));
  let tokens = accounts.slice(0, CONNECTIONS).map(({ refreshToken }) => refreshToken);
  const figure = await inTurns(
    rounds,
    {
      pid,
      round: async () => {
        const tally = await load({ method: 'POST', path: '/api/v1/auth/refresh', connections: CONNECTIONS, tokens });
        tokens = [...tally.tokens];
        return tally;
      },
    },
    { pid: bare.pid, round: () => bare.ask<BoundTally>(task(CONNECTIONS)) },
  );
  bare.end();
  return { ...figure, name: 'refreshes', against: 'one UPDATE and two signatures', aim: 0.6 };
}

/** Measures the reads. Also returns the lines about pages, which are compared with the same bound. */
async function reads({ pid, port, load, bound, accounts }: Bench): Promise<{ figures: Figure[]; pages: string[] }> {
  const bare = await bound('requests');
  const { port: barePort } = await bare.hello<{ port: number }>();
  const get = (path: string, headers: Record<string, string> = {}) =>
    ({ method: 'GET', path, headers, connections: CONNECTIONS }) as const;
  const authorization = `Bearer ${accounts[0]?.accessToken}`;
  const constant = { pid: bare.pid, round: () => load(get('/constant'), barePort) };
  const me = await inTurns(rounds, { pid, round: () => load(get('/api/v1/me', { authorization })) }, constant);
  const jwks = await inTurns(rounds, { pid, round: () => load(get('/.well-known/jwks.json')) }, constant);
  const requests = quick ? 100 : 500;
  const pages = await pageLines({ port, bare: { port: barePort, path: '/constant' }, requests });
  bare.end();
  const against = 'a bare Fastify route';
  const figures = [
    { ...me, name: 'GET /me', against, aim: 0.35 },
    { ...jwks, name: 'GET JWKS', against, aim: 0.9 },
  ];
  return { figures, pages };
}

function task(concurrency: number): BoundTask {
  return { milliseconds: roundMilliseconds, concurrency };
}

/** Measures the start on a prepared database, and the memory of the service as `npm start` runs it. */
async function startAndMemory(testbed: Testbed, loader: Worker, accounts: Bench['accounts']): Promise<string[]> {
  const ready: number[] = [];
  for (let round = 0; round < STARTS; round += 1) {
    const started = await testbed.startService({ pollMilliseconds: 5 });
    ready.push(started.readyMilliseconds);
    await started.end('SIGTERM');
  }
  const launched = await testbed.startService({ launched: true, settings: SETTINGS });
  const pid = serviceProcess(launched.child.pid ?? 0);
  await new Promise((resolve) => setTimeout(resolve, IDLE_MILLISECONDS));
  const idle = residentMegabytes(pid);
  const headers = { authorization: `Bearer ${(await signInAt(launched, accounts)).accessToken}` };
  const common = { port: launched.port, connections: CONNECTIONS, milliseconds: 60_000 };
  const bodies = accounts.map(({ email, password }) => JSON.stringify({ email, password }));
  await loader.ask<Tally>({ ...common, method: 'POST', path: '/api/v1/auth/login', bodies, requestsMax: 50 });
  await loader.ask<Tally>({ ...common, method: 'GET', path: '/api/v1/me', headers, requestsMax: 950 });
  const used = residentMegabytes(pid);
  await launched.end('SIGTERM');
  const [least = 0] = ready.toSorted((a, b) => a - b);
  return [
    `ready on a prepared database: ${median(ready).toFixed(0)} ms, best ${least.toFixed(0)} (aim < 1000)`,
    `resident memory: ${idle.toFixed(0)} MB at idle (aim < 120), ${used.toFixed(0)} MB after 1000 requests, 50 of them logins`,
  ];
}

async function signInAt(service: Service, accounts: Bench['accounts']): Promise<{ accessToken: string }> {
  const reply = await openApi(service.url).post('/auth/login', {
    email: accounts[0]?.email,
    password: accounts[0]?.password,
  });
  if (reply.status !== 200) throw new Error(`login answered ${reply.status}: ${reply.text}`);
  return reply.body.data;
}

await withTestbed({ name: 'bench', disposable: false }, async (testbed) => {
  const service = await testbed.startService({ settings: SETTINGS });
  const loader = startWorker('load.ts');
  const workers = [loader];
  const load: Bench['load'] = async (asked, port = service.port) => {
    const tally = await loader.ask<Tally>({ ...asked, port, milliseconds: roundMilliseconds });
    if (tally.failure !== null) throw new Error(`${asked.method} ${asked.path} answered ${tally.failure}`);
    return tally;
  };
  const bound: Bench['bound'] = async (...args) => {
    const worker = startWorker('bound.ts', ...args);
    workers.push(worker);
    await worker.hello();
    return worker;
  };
  try {
    const api = openApi(service.url);
    const accounts = [];
    for (let user = 0; user < USERS; user += 1) accounts.push(await newAccount(api));
    const bench = { pid: service.child.pid ?? 0, port: service.port, load, bound, accounts };
    const { figures: read, pages } = await reads(bench);
    const figures = [...read, await refreshes(bench, testbed.postgres.adminUrl), await logins(bench)];
    await service.end('SIGTERM');
    console.log(
      `${table(figures)}\n${availableParallelism()} cores, medians of ${rounds} rounds of ${roundMilliseconds} ms\n`,
    );
    return [...pages, ...(await startAndMemory(testbed, loader, accounts))].join('\n');
  } finally {
    for (const worker of workers) worker.end();
  }
});
