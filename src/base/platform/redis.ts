// The door to Redis: connections that end at the first trouble instead of hanging or trying again by themselves, and the
// loop that opens the next one. What is asked over them belongs to others.
import { isIP } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { OperatorError } from '../errors/operator-error.ts';
import { monotonicMs } from './clock.ts';

export interface RedisSettings {
  /** One server, or nodes of one cluster: any of them will do. */
  readonly nodes: readonly RedisNode[];
  readonly tls: boolean;
  /** '' for none. */
  readonly username: string;
  /** '' for none. */
  readonly password: string;
  readonly database: number;
}

export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

export interface RedisConnection {
  /** Asks Redis. Raises when it refuses, does not answer in time, or the connection is gone. */
  ask(command: string, ...args: (string | number)[]): Promise<unknown>;
  /** Resolves when the connection is gone, for whatever reason. */
  readonly gone: Promise<void>;
  /** What is on its way still leaves; nothing is waited for. */
  close(): void;
}

export interface RedisGoal {
  readonly settings: RedisSettings;
  /** The key that all the work is about. In a cluster the connection leads to the node that has it. */
  readonly key: string;
  /** The longest wait for an answer, in ms. */
  readonly answerMs: number;
}

export interface RedisHold extends RedisGoal {
  /** Uses a connection until it cannot go on: then it raises, or returns. */
  readonly work: (connection: RedisConnection) => Promise<void>;
  /** Told of each end of the work, and of each connection that could not be made. The message holds no secret. */
  readonly onTrouble: (error: Error) => void;
}

/** A server that answers and cannot be used. */
export class RedisRefused extends OperatorError {
  override readonly name = 'RedisRefused';
}

const CONNECT_MS = 1_000;
const CLOSE_MS = 100;
const PAUSE_STEP_MS = 100;
const PAUSE_MS_MAX = 2_000;
/** Work that has lasted so long was no failure to begin with. */
const STEADY_MS = 2_000;
const HOPS_MAX = 5;
const VERSION_MIN = 7;

/**
 * Keeps the work supplied with a connection: when it ends, a new one is opened after a pause that grows to 2 s. ioredis
 * would connect again by itself, and send again what was under way; but whoever reads a stream has to know of every gap.
 * It is no loop of base/loops: the work lasts as long as its connection, and only its ends are counted.
 */
export function holdRedis(hold: RedisHold): { close(): void } {
  const closing = new AbortController();
  const { signal } = closing;

  async function once(): Promise<void> {
    const connection = await connectRedis(hold, signal);
    const close = () => connection.close();
    signal.addEventListener('abort', close);
    try {
      if (!signal.aborted) await hold.work(connection); // closing may come while the node is asked for the key
    } finally {
      signal.removeEventListener('abort', close);
      close();
    }
  }

  async function run(): Promise<void> {
    for (let failures = 1; !signal.aborted; failures += 1) {
      const begun = monotonicMs();
      await once().catch((error: Error) => {
        if (!signal.aborted) hold.onTrouble(error);
      });
      if (monotonicMs() - begun > STEADY_MS) failures = 1;
      const wait = Math.min(failures * PAUSE_STEP_MS, PAUSE_MS_MAX);
      await pause(wait, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  void run();
  return { close: () => closing.abort() };
}

/** A connection to the node that has the key, by way of the first node that answers. Raises what the last one said. */
export async function connectRedis(goal: RedisGoal, signal: AbortSignal): Promise<RedisConnection> {
  let trouble = new Error('no node is named');
  for (const node of goal.settings.nodes) {
    try {
      return await follow(goal, node, signal);
    } catch (error) {
      trouble = new Error(`${node.host}:${node.port}: ${reasonOf(error)}`, { cause: error });
    }
    if (signal.aborted) break;
  }
  throw trouble;
}

// ioredis has a client for clusters, which keeps connections to every node and works around what goes wrong. One key is
// on one node, and each node knows which: so going where it points does as well, and every break is seen.
async function follow(goal: RedisGoal, from: RedisNode, signal: AbortSignal): Promise<RedisConnection> {
  let node = from;
  for (let hop = 0; hop < HOPS_MAX; hop += 1) {
    const connection = await dial(goal, node, signal);
    try {
      await connection.ask('XLEN', goal.key);
      return connection;
    } catch (error) {
      connection.close();
      const moved = /^MOVED \d+ (.*):(\d+)$/.exec((error as Error).message);
      if (!moved) throw error;
      node = { host: moved[1] || node.host, port: Number(moved[2]) }; // no host is the same host
    }
  }
  throw new RedisRefused('its nodes point at each other');
}

async function dial(goal: RedisGoal, node: RedisNode, signal: AbortSignal): Promise<RedisConnection> {
  const { settings } = goal;
  const { Redis } = await import('ioredis'); // a start without Redis does without it
  const client = new Redis({
    ...node,
    ...(settings.tls ? { tls: isIP(node.host) ? {} : { servername: node.host } } : {}),
    ...(settings.username === '' ? {} : { username: settings.username }),
    ...(settings.password === '' ? {} : { password: settings.password }),
    connectTimeout: CONNECT_MS,
    commandTimeout: goal.answerMs,
    disconnectTimeout: CLOSE_MS,
    lazyConnect: true,
    retryStrategy: null,
    maxRetriesPerRequest: 1,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    enableReadyCheck: false, // INFO, which a user with few rights may not ask
    disableClientInfo: true,
  });
  const { promise: gone, resolve: end } = Promise.withResolvers<void>();
  let said: Error | undefined; // why the connection broke; what waited is told only that it did
  client.on('error', (error: Error) => {
    said ??= error;
  });
  client.on('end', end);
  const close = () => client.disconnect();
  const ask = async (command: string, ...args: (string | number)[]) => {
    try {
      return await client.call(command.toLowerCase(), ...args); // it knows the shapes of answers by such names
    } catch (error) {
      throw said ?? error;
    }
  };
  signal.addEventListener('abort', close, { once: true });
  try {
    if (signal.aborted) throw new Error('closed');
    await client.connect();
    refuseOld(await ask('HELLO'));
    if (settings.database !== 0) await ask('SELECT', settings.database);
    return { ask, gone, close };
  } catch (error) {
    close();
    throw said ?? error;
  } finally {
    signal.removeEventListener('abort', close);
  }
}

/** HELLO answers names and values in turn. Raises RedisRefused. */
function refuseOld(hello: unknown): void {
  const told = Array.isArray(hello) ? hello : [];
  const version = String(told[told.indexOf('version') + 1]);
  if (Number.parseInt(version, 10) >= VERSION_MIN) return;
  throw new RedisRefused(`its version is ${version}, and ${VERSION_MIN} or newer is needed`);
}

/** Node wraps the refusals of several addresses in an error without a message. */
function reasonOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException;
  return message || code || 'unknown trouble';
}
