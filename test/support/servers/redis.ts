// Starts real Redis servers for tests: one server or a cluster, on free ports of the loopback interface, without data
// on disk.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis as Client } from 'ioredis';
import { until } from '../until.ts';
import { debianProgram } from './debian.ts';
import { freePort, type Lifetime, onFreePort, type ServerProcess, startProcess } from './process.ts';

export interface RedisOptions {
  /** The port. By default, or for 0, a free port is used. */
  readonly port?: number;
  /** More arguments, which override the defaults: ['--maxmemory', '1mb']. They must not change the logging. */
  readonly args?: readonly string[];
}

export interface Redis {
  /** The value for REDIS_URL. */
  readonly url: string;
  readonly port: number;
  readonly isRunning: boolean;
  /** Sends one command over a new connection. Returns the unchanged reply of Redis. */
  ask(command: string, ...args: (string | number)[]): Promise<unknown>;
  /** Deletes all data with FLUSHALL. Connections stay open. */
  flush(): Promise<void>;
  /** Ends the server normally with SIGTERM. Its connections are closed, and its data is lost. */
  stop(): Promise<void>;
  /** Ends the server at once with SIGKILL. */
  kill(): Promise<void>;
  /** Starts the server again, empty and on the same port. A running server is stopped first. */
  restart(): Promise<void>;
  /** Pauses the process: connections stay open and are accepted, but no command is answered until `thaw()`. */
  freeze(): void;
  thaw(): void;
}

export interface RedisCluster {
  readonly nodes: readonly Redis[];
  readonly urls: readonly string[];
  flush(): Promise<void>;
  stop(): Promise<void>;
}

const SLOTS = 16_384;

/** Starts a Redis and waits until it answers. It ends with the test. */
export function startRedis(t: Lifetime, { port = 0, args = [] }: RedisOptions = {}): Promise<Redis> {
  const start = (chosen: number) => startNode(t, chosen, args);
  return port === 0 ? onFreePort(start) : start(port);
}

async function startNode(t: Lifetime, port: number, args: readonly string[]): Promise<Redis> {
  const program = await debianProgram('redis-server');
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-redis-'));
  const settings = ['--port', port, '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no'];
  const start = async () => {
    const started = startProcess(program, [...settings.map(String), ...args]);
    await started.printed(/Ready to accept connections/);
    return started;
  };
  let running: ServerProcess | undefined;
  const end = async (signal: NodeJS.Signals) => {
    await running?.end(signal);
  };
  t.teardown(async () => {
    await end('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  running = await start();
  const signal = (name: NodeJS.Signals) => {
    if (running && !running.hasEnded) process.kill(running.pid, name);
  };
  const redis: Redis = {
    url: `redis://127.0.0.1:${port}`,
    port,
    get isRunning() {
      return running?.hasEnded === false;
    },
    ask: (command, ...given) => ask(port, command, given),
    flush: async () => {
      await redis.ask('FLUSHALL');
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    async restart() {
      await end('SIGTERM');
      running = await start();
    },
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
  };
  await redis.ask('PING');
  return redis;
}

/** Starts a cluster of `count` nodes that share all slots. They end with the test. Takes about 2 s. */
export async function startRedisCluster(t: Lifetime, count = 3): Promise<RedisCluster> {
  const nodes = await Promise.all(Array.from({ length: count }, () => startClusterNode(t)));
  const [first] = nodes;
  if (first === undefined) throw new Error('a cluster needs a node');
  const share = Math.ceil(SLOTS / count);
  for (const [index, node] of nodes.entries()) {
    const [from, to] = [index * share, Math.min((index + 1) * share, SLOTS) - 1];
    await node.redis.ask('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
    await node.redis.ask('CLUSTER', 'ADDSLOTSRANGE', from, to);
    if (node !== first) await first.redis.ask('CLUSTER', 'MEET', '127.0.0.1', node.redis.port, node.busPort);
  }
  const all = nodes.map(({ redis }) => redis);
  for (const redis of all) {
    await until(() => isWhole(redis, count));
  }
  return {
    nodes: all,
    urls: all.map(({ url }) => url),
    flush: async () => void (await Promise.all(all.map((redis) => redis.flush()))),
    stop: async () => void (await Promise.all(all.map((redis) => redis.stop()))),
  };
}

function startClusterNode(t: Lifetime): Promise<{ redis: Redis; busPort: number }> {
  return onFreePort(async (port) => {
    // The default of the cluster port is the normal port plus 10,000, which may be in use.
    const busPort = await freePort();
    const args = ['--cluster-enabled', 'yes', '--cluster-port', String(busPort), '--cluster-node-timeout', '2000'];
    return { redis: await startNode(t, port, args), busPort };
  });
}

async function isWhole(redis: Redis, count: number): Promise<boolean> {
  const told = String(await redis.ask('CLUSTER', 'INFO'));
  const wanted = ['cluster_state:ok', `cluster_slots_ok:${SLOTS}`, `cluster_known_nodes:${count}`];
  return wanted.every((line) => told.split('\r\n').includes(line));
}

async function ask(port: number, command: string, args: readonly (string | number)[]): Promise<unknown> {
  const client = new Client({ port, host: '127.0.0.1', lazyConnect: true, retryStrategy: () => null });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await client.call(command, ...args);
  } finally {
    client.disconnect();
  }
}
