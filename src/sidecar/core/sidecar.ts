// Puts the parts of the sidecar together, listens, and closes the parts in order.
import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Agent as SecureAgent } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { answerBrokenConnection, refuseTunnel } from '../http/answer.ts';
import { passRequest } from '../http/plain-request.ts';
import { trustedPeers } from '../http/upstream-headers.ts';
import { CLOSE_GOING_AWAY } from '../sockets/bridge.ts';
import { createHold } from '../sockets/hold.ts';
import { createLiveIndex } from '../sockets/live.ts';
import { createSlots } from '../sockets/slots.ts';
import { createHandshakes } from '../upgrade/handshake.ts';
import { acceptUpgrade } from '../upgrade/upgrade.ts';
import { SIDECAR_DEFAULTS, type Sidecar, type SidecarDeps, type SidecarSettings } from './contract.ts';
import type { OpenSocket, Parts } from './parts.ts';

export type SidecarOptions = Partial<SidecarSettings> & Pick<SidecarSettings, 'upstream'>;

const HEAD_BYTES_MAX = 65_536; // a token has up to 24 KiB, and cookies need more
const TIMEOUTS = {
  headersTimeout: 10_000,
  requestTimeout: 300_000,
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 2_000,
};
/** Connections beyond the sockets: for plain requests, idle connections that are kept alive, and refusals. */
const MORE_CONNECTIONS = 1_000;
const BEATS_PER_PING = 30;
const DRAIN_STEP_MILLISECONDS = 100;
const CLOSE_MILLISECONDS = 4_000;
/** How long a connection without a request stays open at the end. */
const IDLE_MILLISECONDS = 1_000;

/** Opens a sidecar on an address. Raises TypeError for wrong settings, and the errors of listening. */
export async function openSidecar(
  deps: SidecarDeps,
  options: SidecarOptions,
  listen: { readonly host: string; readonly port: number },
): Promise<Sidecar> {
  const settings: SidecarSettings = { ...SIDECAR_DEFAULTS, ...options };
  assertUpstream(settings.upstream);
  let isEnding = false;
  let isDraining = false;
  const parts: Parts = {
    ...deps,
    settings,
    handshakes: createHandshakes(settings.messageBytesMax),
    live: createLiveIndex(deps.verifier, deps.now),
    hold: createHold(deps.verifier, settings.holdSeconds),
    sockets: createSlots(settings.socketsMax, settings.socketsPerUserMax),
    requests: createSlots(settings.socketsMax, settings.socketsPerUserMax),
    waiting: createSlots(settings.waitingMax, settings.waitingMax),
    open: new Set<OpenSocket>(),
    isTrustedPeer: trustedPeers(settings.trustedProxies),
    isDraining: () => isDraining,
  };
  const keepAlive = { keepAlive: true, maxFreeSockets: 256 };
  const agent = settings.upstream.protocol === 'https:' ? new SecureAgent(keepAlive) : new Agent(keepAlive);
  const server = serverOf(parts, agent);
  const heartbeat = beatAll(parts);
  server.listen(listen.port, listen.host);
  try {
    await once(server, 'listening');
  } catch (error) {
    heartbeat.stop();
    parts.live.close();
    parts.hold.close();
    throw error;
  }

  async function close(drainSeconds: number): Promise<void> {
    isEnding = true;
    isDraining = true;
    const closed = once(server, 'close');
    const draining = drainSeconds * 1000;
    await Promise.all([drain(parts, draining), stopListening(server, Math.min(IDLE_MILLISECONDS, draining))]);
    await settle(parts, CLOSE_MILLISECONDS);
    heartbeat.stop();
    parts.live.close();
    parts.hold.close();
    server.closeAllConnections();
    agent.destroy();
    await closed;
  }

  let closing: Promise<void> | undefined;
  return {
    address: server.address() as AddressInfo,
    announceEnd() {
      isEnding = true;
    },
    state: () => ({ isDraining: isEnding, sockets: parts.sockets.taken(), requests: parts.requests.taken() }),
    close(drainSeconds) {
      closing ??= close(drainSeconds);
      return closing;
    },
  };
}

function assertUpstream({ protocol, pathname, search, hash, username, password }: URL): void {
  const isPlain = pathname === '/' && search === '' && hash === '' && username === '' && password === '';
  if (!/^https?:$/.test(protocol) || !isPlain) {
    throw new TypeError(
      'upstream must be http:// or https:// with only a host and a port: paths are passed on unchanged',
    );
  }
}

function serverOf(parts: Parts, agent: Agent): Server {
  const server = createServer({ ...TIMEOUTS, maxHeaderSize: HEAD_BYTES_MAX, requireHostHeader: false });
  server.maxHeadersCount = 0; // http/head.ts counts the headers: Node would silently drop those beyond a limit
  server.maxConnections = parts.settings.socketsMax + MORE_CONNECTIONS;
  const unanswered = new WeakMap<Duplex, number>();
  const latest = new WeakMap<Duplex, { readonly request: IncomingMessage; readonly response: ServerResponse }>();
  const broken = new WeakMap<Duplex, () => void>();
  const hasPending = (socket: Duplex) => (unanswered.get(socket) ?? 0) > 0;
  /** Refuses bytes that are not a request, after the answers to the requests before them. */
  const refuseBroken = (error: Error & { code?: string }, socket: Duplex) => {
    if (broken.has(socket)) return; // Node reports further bytes of a broken connection again
    const count = unanswered.get(socket) ?? 0;
    const last = latest.get(socket);
    const isInBody = last?.request.complete === false;
    // The refusal of a broken body is the answer to its request. If that request already has an answer, it gets no
    // other.
    const isAnswered = () => isInBody && last.response.headersSent;
    const act = () => answerBrokenConnection(error, socket, { isAnswered: isAnswered(), now: parts.now() });
    broken.set(socket, act);
    if (count === 0 || (isInBody && count === 1 && !isAnswered())) act();
  };
  // An unexpected error ends one connection, and not the process.
  const lost = (err: unknown, socket: Duplex) => {
    parts.log.error({ err }, 'a connection failed');
    socket.destroy();
  };
  const pass = (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    unanswered.set(socket, (unanswered.get(socket) ?? 0) + 1);
    latest.set(socket, { request, response });
    response.once('close', () => {
      const count = (unanswered.get(socket) ?? 1) - 1;
      unanswered.set(socket, count);
      if (count === 0) broken.get(socket)?.();
    });
    passRequest(parts, agent, request, response).catch((error) => lost(error, socket));
  };
  server.on('request', pass);
  // passRequest decides about the Expect header.
  server.on('checkContinue', pass);
  server.on('checkExpectation', pass);
  server.on('upgrade', (request, socket, early) => {
    // An answer here would overtake the answer to an earlier request.
    if (hasPending(socket)) socket.destroy();
    else acceptUpgrade(parts, request, socket, early).catch((error) => lost(error, socket));
  });
  server.on('connect', (_request, socket) => refuseTunnel(socket, parts.now()));
  server.on('clientError', refuseBroken);
  return server;
}

/** Calls `beat` of each open socket once in each ping interval. The calls are spread over the interval. */
function beatAll({ open, settings }: Parts): { stop(): void } {
  const turns = new WeakMap<OpenSocket, number>();
  let turn = 0;
  let given = 0;
  const timer = setInterval(
    () => {
      turn = (turn + 1) % BEATS_PER_PING;
      for (const socket of open) {
        let own = turns.get(socket);
        if (own === undefined) {
          own = given++ % BEATS_PER_PING;
          turns.set(socket, own);
        }
        if (own === turn) socket.beat();
      }
    },
    (settings.pingSeconds * 1000) / BEATS_PER_PING,
  ).unref();
  return { stop: () => clearInterval(timer) };
}

/**
 * Waits until no connection is open, but at most `milliseconds`, because a request may be on its way. Then accepts no
 * more connections, and closes those without a request.
 */
async function stopListening(server: Server, milliseconds: number): Promise<void> {
  for (let left = milliseconds; left > 0; left -= 20) {
    const count = await new Promise<number>((resolve) => server.getConnections((_, open) => resolve(open)));
    if (count === 0) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  server.close(); // also closes the connections without a request
}

/**
 * Closes the open sockets a few at a time, so that their clients do not all reconnect at the same moment. Waits for the
 * plain requests too, but at most `milliseconds`.
 */
async function drain({ open, requests }: Parts, milliseconds: number): Promise<void> {
  // The last fifth of the time is kept free, so that the last sockets can answer the close frame.
  let steps = Math.max(1, Math.floor((milliseconds * 0.8) / DRAIN_STEP_MILLISECONDS));
  for (let left = milliseconds; ; left -= DRAIN_STEP_MILLISECONDS) {
    const batch = [...open].slice(0, Math.ceil(open.size / steps));
    for (const socket of batch) {
      open.delete(socket);
      socket.close(CLOSE_GOING_AWAY, 'shutting_down');
    }
    steps = Math.max(1, steps - 1);
    if ((open.size === 0 && requests.taken() === 0) || left <= 0) return;
    await new Promise((resolve) => setTimeout(resolve, DRAIN_STEP_MILLISECONDS));
  }
}

/** Waits until all sockets have ended, but at most `milliseconds`. */
async function settle({ sockets }: Parts, milliseconds: number): Promise<void> {
  for (let left = milliseconds; left > 0 && sockets.taken() > 0; left -= 20) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
