// Proves: processes that were stopped for a while do not accept tokens that were ended meanwhile. The processes are a
// replica of the service, a service with the verifier, and the sidecar. Requests wait in all of them while the tokens
// are ended by another replica. `prove:pause [rounds] [seconds]`: how many times they are stopped, and for how long.
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { WebSocket } from 'ws';
import { type Api, openApi } from '../../../test/support/client.ts';
import { newAccount } from '../../../test/support/fixtures/accounts.ts';
import { createClient } from '../operator.ts';
import { demand } from '../proof.ts';
import { startWorker } from '../revocation/workers.ts';
import { type Opened, openSessionMaker, type SessionMaker } from '../sessions.ts';
import { openSocket } from '../sidecar/holders.ts';
import { startSidecar } from '../sidecar/process.ts';
import type { UpstreamOrder } from '../sidecar/upstream.ts';
import { type Testbed, withTestbed } from '../testbed.ts';
import type { VerifierOrder } from './verifier-server.ts';

const [rounds = 8, seconds = 12] = process.argv.slice(2).map(Number);
const ENDED = 8;
const KEPT = 2;
/** How long the tokens are presented after the end of a pause. */
const AFTER_MILLISECONDS = 3_000;
const BETWEEN_MILLISECONDS = 5;
const SETTLED_MILLISECONDS = 2_000;

/** A process that this proof pauses, and the URLs at which it checks a token. */
interface Target {
  readonly name: string;
  readonly pid: number;
  readonly urls: readonly string[];
}

interface Setup {
  /** The API of the replica that continues to run. */
  readonly api: Api;
  readonly targets: readonly Target[];
  readonly socketUrl: string;
  readonly maker: SessionMaker;
  readonly userId: string;
  /** Answers by target, kind of token and status. */
  readonly tally: Map<string, number>;
}

async function openSetup(testbed: Testbed): Promise<Setup> {
  const settings = { SESSIONS_PER_USER_MAX: '10000' };
  const running = await testbed.startService({ settings });
  const issuer = `http://localhost:${running.port}`;
  const stopped = await testbed.startService({ settings: { ...settings, PUBLIC_URL: issuer } });
  const credentials = await createClient(testbed, running, 'watcher');
  const verifier = startWorker<VerifierOrder>(new URL('verifier-server.ts', import.meta.url).href);
  testbed.teardown(() => verifier.end());
  const upstream = startWorker<UpstreamOrder>(new URL('../sidecar/upstream.ts', import.meta.url).href);
  testbed.teardown(() => upstream.end());
  const upstreamPort = await upstream.ask<number>({ kind: 'open' });
  const port = await verifier.ask<number>({ issuer, audience: 'tenantry', credentials });
  const sidecar = await startSidecar(testbed, { upstreamPort, servicePort: running.port, ...credentials });
  const api = openApi(running.url);
  const { userId } = await newAccount(api);
  const maker = await openSessionMaker(testbed, running);
  testbed.teardown(() => maker.close());
  const targets: Target[] = [
    { name: 'replica', pid: stopped.child.pid ?? 0, urls: [`${stopped.url}/verify`, `${stopped.url}/api/v1/me`] },
    { name: 'verifier', pid: verifier.pid, urls: [`http://127.0.0.1:${port}/`] },
    { name: 'sidecar', pid: sidecar.child.pid ?? 0, urls: [`${sidecar.url.replace('ws:', 'http:')}/plain`] },
  ];
  // A stopped process must continue before it can end.
  testbed.teardown(() => targets.map(({ pid }) => signal(pid, 'SIGCONT')));
  return { api, targets, socketUrl: `${sidecar.url}/echo`, maker, userId, tally: new Map() };
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // the process has ended
  }
}

/** Sends a request and returns the status of its answer, or 0 if the connection ended without one. */
function send(url: string, token: string, agent: Agent | false): Promise<number> {
  return new Promise((resolve) => {
    const sent = request(url, { agent, headers: { authorization: `Bearer ${token}` } }, (reply) => {
      reply.resume().on('end', () => resolve(reply.statusCode ?? 0));
    });
    sent.on('error', () => resolve(0));
    sent.end();
  });
}

interface Round {
  readonly ended: readonly Opened[];
  readonly kept: readonly Opened[];
  /** Connections that were open before the pause. */
  readonly agent: Agent;
  readonly waiting: Promise<void>[];
}

/** Presents every token at every target, over a new connection or one that was kept. */
function presentAll(
  { targets, tally }: Setup,
  { ended, kept, agent, waiting }: Round,
  over: Agent | false = agent,
): void {
  const present = (target: Target, url: string, kind: 'ended' | 'kept', token: string) =>
    waiting.push(
      send(url, token, over).then((status) => {
        const key = `${target.name}, ${kind}: ${status}`;
        tally.set(key, (tally.get(key) ?? 0) + 1);
      }),
    );
  for (const target of targets) {
    for (const url of target.urls) {
      for (const { accessToken } of ended) present(target, url, 'ended', accessToken);
      for (const { accessToken } of kept) present(target, url, 'kept', accessToken);
    }
  }
}

async function settle({ waiting }: Round): Promise<void> {
  await Promise.all(waiting.splice(0));
}

/** Ends the sessions at the replica that continues to run. */
async function end({ api }: Setup, ended: readonly Opened[]): Promise<void> {
  for (const { refreshToken } of ended) {
    const reply = await api.post('/auth/logout', { refreshToken });
    demand(reply.status === 204, `a logout answered ${reply.status}: ${reply.text}`);
  }
}

/**
 * Presents every token twice at every target, so that the targets remember all of them. Raises NotShown if one is
 * refused.
 */
async function warm(setup: Setup, round: Round): Promise<void> {
  setup.tally.clear();
  for (let again = 0; again < 2; again += 1) presentAll(setup, round);
  await settle(round);
  const refused = [...setup.tally].filter(([key]) => !key.endsWith(': 200'));
  demand(refused.length === 0, `before the pause a good token was refused: ${refused.join('; ')}`);
  setup.tally.clear();
}

interface HeldSocket {
  readonly socket: WebSocket;
  readonly messages: string[];
  readonly closed: Promise<unknown[]>;
}

async function openHeld(url: string, { accessToken }: Opened): Promise<HeldSocket> {
  const socket = await openSocket(url, accessToken);
  const messages: string[] = [];
  socket.on('message', (data) => void messages.push(String(data)));
  return { socket, messages, closed: once(socket, 'close') };
}

async function oneRound(setup: Setup, counts: Map<string, number>): Promise<void> {
  const opened = await setup.maker.open(setup.userId, ENDED + KEPT);
  const agent = new Agent({ keepAlive: true });
  const round: Round = { ended: opened.slice(0, ENDED), kept: opened.slice(ENDED), agent, waiting: [] };
  await warm(setup, round);
  const held = await Promise.all(round.ended.map((session) => openHeld(setup.socketUrl, session)));
  const begun = performance.now();
  for (const { pid } of setup.targets) signal(pid, 'SIGSTOP');
  presentAll(setup, round);
  presentAll(setup, round, false);
  await end(setup, round.ended);
  presentAll(setup, round);
  presentAll(setup, round, false);
  for (const { socket } of held) socket.send('sent after the end of the session');
  await delay(Math.max(0, seconds * 1000 - (performance.now() - begun)));
  for (const { pid } of setup.targets) signal(pid, 'SIGCONT');
  const until = performance.now() + AFTER_MILLISECONDS;
  while (performance.now() < until) {
    presentAll(setup, round, round.waiting.length % 2 === 0 ? agent : false);
    await delay(BETWEEN_MILLISECONDS);
    if (round.waiting.length > 500) await settle(round);
  }
  await settle(round);
  for (const [key, count] of setup.tally) counts.set(key, (counts.get(key) ?? 0) + count);
  const shown = [...setup.tally].map(([key, count]) => `${count} × ${key}`).join('; ');
  for (const { name } of setup.targets) {
    demand(!setup.tally.has(`${name}, ended: 200`), `an ended token was accepted: ${shown}`);
    demand(!setup.tally.has(`${name}, kept: 401`), `a good token was refused: ${shown}`);
    demand(setup.tally.has(`${name}, ended: 401`) && setup.tally.has(`${name}, kept: 200`), `never right: ${shown}`);
  }
  for (const { messages, closed } of held) {
    const [code] = (await Promise.race([closed, delay(SETTLED_MILLISECONDS, ['open'])])) as [unknown];
    demand(code === 4401, `a socket of an ended session is ${code}`);
    demand(messages.length === 0, 'a message of an ended session passed the sidecar');
  }
  agent.destroy();
}

await withTestbed({ name: 'pause', disposable: true }, async (testbed) => {
  demand(rounds > 0 && seconds > 5, 'usage: prove:pause [rounds] [seconds, more than 5]');
  const setup = await openSetup(testbed);
  const counts = new Map<string, number>();
  for (let number = 1; number <= rounds; number += 1) {
    await oneRound(setup, counts);
    console.log(`pause ${number}: ${[...counts].map(([key, count]) => `${count} × ${key}`).join('; ')}`);
  }
  const of = (wanted: RegExp) => [...counts].reduce((sum, [key, count]) => (wanted.test(key) ? sum + count : sum), 0);
  return `SHOWN: over ${rounds} pauses of ${seconds} s, a replica, a verifier and the sidecar answered ${of(/ended/)} requests with ${ENDED * rounds} tokens that were ended meanwhile: ${of(/ended: 401/)} × 401, ${of(/ended: 503/)} × 503, none accepted; all their sockets were closed, and good tokens were never refused with 401`;
});
