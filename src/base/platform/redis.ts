// Connections to Redis. A broken connection ends: it neither hangs nor reconnects. `holdRedis` then opens another
// connection. The commands belong to the callers.
import { isIP } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { OperatorError } from '../errors/operator-error.ts';
import { monotonicMs } from './clock.ts';

export interface RedisSettings {
  /** One server, or some nodes of one cluster. */
  readonly nodes: readonly RedisNode[];
  readonly tls: boolean;
  /** The name of the user; '' for none. */
  readonly username: string;
  /** The password of the user; '' for none. */
  readonly password: string;
  readonly database: number;
}

export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

export interface RedisConnection {
  /** Sends a command. Raises when Redis refuses it or does not answer in time, or when the connection has closed. */
  ask(command: string, ...args: (string | number)[]): Promise<unknown>;
  /** Resolves when the connection has ended, for any reason. */
  readonly gone: Promise<void>;
  /** Closes the connection. Commands already sent are delivered, but their answers are not awaited. */
  close(): void;
}

export interface RedisTarget {
  readonly settings: RedisSettings;
  /** The key that the commands of the work use. In a cluster, the connection goes to the node that has this key. */
  readonly key: string;
  /** The longest wait for an answer, in ms. */
  readonly answerMs: number;
}

export interface RedisUse extends RedisTarget {
  /** Uses a connection. Raises or returns when the connection can no longer be used. */
  readonly work: (connection: RedisConnection) => Promise<void>;
  /** Called when the work raises an error, and when a connection could not be made. The message contains no secret. */
  readonly onTrouble: (error: Error) => void;
}

/** The server answers but cannot be used. */
export class RedisRefused extends OperatorError {
  override readonly name = 'RedisRefused';
}

const CONNECT_MS = 1_000;
const CLOSE_MS = 100;
const PAUSE_STEP_MS = 100;
const PAUSE_MS_MAX = 2_000;
/** Work that lasted for this time counts as a success. The pause before the next connection is then short again. */
const STEADY_MS = 2_000;
const HOPS_MAX = 5;
const VERSION_MIN = 7;

/**
 * Runs the work with a connection. When the work ends, it runs again with a new connection, after a pause that grows to
 * 2 s. The reconnection of ioredis is not used. It would repeat commands that have no answer yet, but a reader of a
 * stream must notice every gap. This is not a loop of base/loops, because the work continues until its connection ends.
 */
export function holdRedis(hold: RedisUse): { close(): void } {
  const closing = new AbortController();
  const { signal } = closing;

  async function once(): Promise<void> {
    const connection = await connectRedis(hold, signal);
    const close = () => connection.close();
    signal.addEventListener('abort', close);
    try {
      if (!signal.aborted) await hold.work(connection); // the signal may have aborted while the connection was opened
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

/** Connects to the node that has the key, starting from the first node that answers. Raises the last node's error. */
export async function connectRedis(target: RedisTarget, signal: AbortSignal): Promise<RedisConnection> {
  let lastError = new Error('no node is named');
  for (const node of target.settings.nodes) {
    try {
      return await follow(target, node, signal);
    } catch (error) {
      lastError = new Error(`${node.host}:${node.port}: ${reasonOf(error)}`, { cause: error });
    }
    if (signal.aborted) break;
  }
  throw lastError;
}

// The cluster client of ioredis is not used, because it connects to every node and hides errors. One key is on one
// node, and every node redirects to the node that has the key. Following this redirection is enough, and every broken
// connection is noticed.
async function follow(target: RedisTarget, from: RedisNode, signal: AbortSignal): Promise<RedisConnection> {
  let node = from;
  for (let hop = 0; hop < HOPS_MAX; hop += 1) {
    const connection = await dial(target, node, signal);
    try {
      await connection.ask('XLEN', target.key);
      return connection;
    } catch (error) {
      connection.close();
      const moved = /^MOVED \d+ (.*):(\d+)$/.exec((error as Error).message);
      if (!moved) throw error;
      node = { host: moved[1] || node.host, port: Number(moved[2]) }; // an empty host means the same host
    }
  }
  throw new RedisRefused('its nodes redirect to each other without end');
}

async function dial(target: RedisTarget, node: RedisNode, signal: AbortSignal): Promise<RedisConnection> {
  const { settings } = target;
  const { Redis } = await import('ioredis'); // loaded only when Redis is used
  const client = new Redis({
    ...node,
    ...(settings.tls ? { tls: isIP(node.host) ? {} : { servername: node.host } } : {}),
    ...(settings.username === '' ? {} : { username: settings.username }),
    ...(settings.password === '' ? {} : { password: settings.password }),
    connectTimeout: CONNECT_MS,
    commandTimeout: target.answerMs,
    disconnectTimeout: CLOSE_MS,
    lazyConnect: true,
    retryStrategy: null,
    maxRetriesPerRequest: 1,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    enableReadyCheck: false, // the ready check sends INFO, which a restricted user has no right to run
    disableClientInfo: true,
  });
  const { promise: gone, resolve: end } = Promise.withResolvers<void>();
  let reason: Error | undefined; // why the connection broke; a waiting command only gets a general error
  client.on('error', (error: Error) => {
    reason ??= error;
  });
  client.on('end', end);
  const close = () => client.disconnect();
  const ask = async (command: string, ...args: (string | number)[]) => {
    try {
      return await client.call(command.toLowerCase(), ...args); // ioredis parses an answer by the lower-case name
    } catch (error) {
      throw reason ?? error;
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
    throw reason ?? error;
  } finally {
    signal.removeEventListener('abort', close);
  }
}

/** Checks the version in the answer of HELLO, a list of names and values in turn. Raises RedisRefused. */
function refuseOld(hello: unknown): void {
  const answer = Array.isArray(hello) ? hello : [];
  const version = String(answer[answer.indexOf('version') + 1]);
  if (Number.parseInt(version, 10) >= VERSION_MIN) return;
  throw new RedisRefused(`its version is ${version}, and ${VERSION_MIN} or newer is needed`);
}

/** When a host has several addresses, Node wraps their errors in one error that has no message. */
function reasonOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException;
  return message || code || 'unknown error';
}
