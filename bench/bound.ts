// The bounds. A bound is the least work that a hot path must do, so it shows the highest possible speed. The argument
// names the bound, and this process runs no other. The process answers a message with the number of operations that it
// did. The bare server answers with its port.
import { randomBytes, randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { argon2id, hash } from 'argon2';
import Fastify from 'fastify';
import { generateKeyPair, SignJWT } from 'jose';
import pg from 'pg';

/** The message of the parent: how long to work, and the parameters of the bound. */
export interface BoundTask {
  readonly milliseconds: number;
  readonly concurrency: number;
}

export interface BoundTally {
  readonly operations: number;
  readonly seconds: number;
}

async function repeat(task: BoundTask, operation: (worker: number) => Promise<unknown>): Promise<BoundTally> {
  const begun = performance.now();
  let operations = 0;
  const work = async (worker: number) => {
    while (performance.now() - begun < task.milliseconds) {
      await operation(worker);
      operations += 1;
    }
  };
  await Promise.all(Array.from({ length: task.concurrency }, (_, worker) => work(worker)));
  return { operations, seconds: (performance.now() - begun) / 1000 };
}

function answerTasks(operation: (worker: number) => Promise<unknown>): void {
  process.on('message', async (task: BoundTask) => process.send?.(await repeat(task, operation)));
  process.send?.({ ready: true });
}

/** Raw argon2id with the parameters of the service. */
function boundHashes(): void {
  const password = 'correct horse battery';
  answerTasks(() =>
    hash(password, { type: argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1, salt: randomBytes(16) }),
  );
}

/** One UPDATE by primary key and two signatures of the size of the service's tokens. */
async function boundRefreshes(connectionString: string, poolSize: number): Promise<void> {
  const pool = new pg.Pool({ connectionString, max: poolSize });
  await pool.query('CREATE TABLE IF NOT EXISTS bench_rows (id int PRIMARY KEY, a uuid, b uuid, at timestamptz)');
  await pool.query('INSERT INTO bench_rows SELECT i FROM generate_series(0, 999) i ON CONFLICT DO NOTHING');
  const { privateKey } = await generateKeyPair('RS256', { modulusLength: 2048 });
  const update = {
    name: 'bound',
    text: 'UPDATE bench_rows SET a = $2, b = $3, at = clock_timestamp() WHERE id = $1 RETURNING at',
  };
  const sign = (claims: Record<string, unknown>) =>
    new SignJWT(claims).setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', kid: 'k'.repeat(43) }).sign(privateKey);
  const ids = () => ({
    sub: randomUUID(),
    sid: randomUUID(),
    jti: randomUUID(),
    iat: 1,
    exp: 2,
    iss: 'http://localhost',
  });
  answerTasks(async (worker) => {
    await pool.query({ ...update, values: [worker, randomUUID(), randomUUID()] });
    const access = { ...ids(), org: randomUUID(), org_slug: 'company', roles: ['owner'], permissions: ['*:*'] };
    await Promise.all([sign(access), sign({ ...ids(), prt: randomUUID() })]);
  });
}

/** A bare Fastify with one route that returns a constant. */
async function boundRequests(): Promise<void> {
  const app = Fastify({ logger: false });
  app.get('/constant', async () => ({ data: { status: 'ok', name: 'constant' } }));
  await app.listen({ host: '127.0.0.1', port: 0 });
  process.send?.({ port: (app.server.address() as AddressInfo).port });
}

const [which, connectionString = '', poolSize = '10'] = process.argv.slice(2);
process.once('disconnect', () => process.exit());
if (which === 'hashes') boundHashes();
else if (which === 'refreshes') await boundRefreshes(connectionString, Number(poolSize));
else if (which === 'requests') await boundRequests();
else throw new Error(`unknown bound ${which}`);
