// `npm run bench:revocation` measures the time from the answer to the call that revokes a token to the first refusal of
// the token by verifiers in other processes and by other replicas, and to the close of its socket. It measures with
// Redis and without Redis. The setup is in scripts/prove/revocation/. README.md explains the figures.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocketServer } from 'ws';
import { demand } from '../scripts/prove/proof.ts';
import { numberToken } from '../scripts/prove/revocation/drive.ts';
import { seeded } from '../scripts/prove/revocation/faults.ts';
import { latencies, type Observation, quantile } from '../scripts/prove/revocation/history.ts';
import { watchReplica } from '../scripts/prove/revocation/replica-watcher.ts';
import { AUDIENCE, openSetup, type Setup } from '../scripts/prove/revocation/setup.ts';
import type { SocketOrder } from '../scripts/prove/revocation/socket-holder.ts';
import { KINDS, openTargets, type Targets } from '../scripts/prove/revocation/targets.ts';
import { startVerifiers, type VerifierProcesses } from '../scripts/prove/revocation/verifiers.ts';
import { startWorker, type Worker } from '../scripts/prove/revocation/workers.ts';
import { freePort, ROOT, type Testbed, withTestbed } from '../scripts/prove/testbed.ts';

const quick = process.argv.includes('--quick');
const SOCKETS = 200;
const PHASES = [
  { name: 'with Redis', events: quick ? 40 : 300, afterMilliseconds: 300, aimMilliseconds: 50 },
  { name: 'Redis away', events: quick ? 20 : 100, afterMilliseconds: 1_700, aimMilliseconds: 1_500 },
];
const BEFORE_MILLISECONDS = 50;
const READY_MILLISECONDS_MAX = 10_000;

interface Sockets {
  open(token: number, text: string): Promise<void>;
  settle(token: number): Promise<Observation[]>;
}

async function startUpstream(testbed: Testbed): Promise<number> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  testbed.teardown(() => server.close());
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function startSidecar(testbed: Testbed, { issuer, replicas, watcher }: Setup): Promise<string> {
  const [port, upstream] = [await freePort(), await startUpstream(testbed)];
  const args = ['--upstream', `http://127.0.0.1:${upstream}`, '--listen', `127.0.0.1:${port}`];
  const service = ['--issuer', issuer, '--service-url', replicas[1]?.url ?? issuer, '--audience', AUDIENCE];
  const limits = ['--max-sockets', '1000', '--max-sockets-per-user', '1000', '--client-id', watcher.clientId];
  const child = spawn(process.execPath, [join(ROOT, 'src/main.ts'), 'sidecar', ...args, ...service, ...limits], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { PATH: process.env.PATH ?? '', TENANTRY_CLIENT_SECRET: watcher.clientSecret },
  });
  testbed.teardown(() => endOf(child));
  const url = `ws://127.0.0.1:${port}/`;
  for (const begun = performance.now(); ; await delay(50)) {
    const reply = await fetch(url.replace('ws', 'http')).catch(() => null);
    if (reply?.status === 401) return url; // the sidecar runs, and needs a token
    demand(child.exitCode === null, 'the sidecar ended');
    demand(performance.now() - begun < READY_MILLISECONDS_MAX, 'the sidecar did not get ready');
  }
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

async function openSockets(testbed: Testbed, setup: Setup, targets: Targets): Promise<Sockets> {
  const url = await startSidecar(testbed, setup);
  const holder: Worker<SocketOrder> = startWorker('socket-holder.ts');
  testbed.teardown(() => holder.end());
  const idle = (await targets.bystanders(SOCKETS - 1)).map((text) => ({ token: numberToken(), text }));
  await holder.ask({ kind: 'open', url, tokens: idle });
  return {
    open: (token, text) => holder.ask({ kind: 'open', url, tokens: [{ token, text }] }),
    settle: (token) => holder.ask({ kind: 'settle', tokens: [token] }),
  };
}

interface Measured {
  readonly token: number;
  readonly revocation: { readonly asked: number; readonly acknowledged: number; readonly boundMilliseconds: number };
  readonly observations: Observation[];
}

async function measure(
  {
    setup,
    verifiers,
    targets,
    sockets,
  }: { setup: Setup; verifiers: VerifierProcesses; targets: Targets; sockets: Sockets },
  random: () => number,
  afterMilliseconds: number,
  turn: number,
): Promise<Measured> {
  const target = await targets.next(KINDS[turn % KINDS.length] ?? 'logout');
  const watched = { token: numberToken(), text: target.text };
  const hasSocket = target.kind !== 'client rotated';
  await verifiers.watch([watched]);
  if (hasSocket) await sockets.open(watched.token, watched.text);
  const through = Math.floor(random() * setup.replicas.length);
  const { promise: revoked, resolve } = Promise.withResolvers<unknown>();
  const others = setup.replicas
    .map((replica, index) => ({ replica, name: `replica ${index + 1}` }))
    .filter((_, index) => index !== through)
    .map(({ replica, name }) => watchReplica(replica, name, watched, revoked, afterMilliseconds));
  await delay(BEFORE_MILLISECONDS);
  const times = await target.revoke(through);
  resolve(times);
  await delay(afterMilliseconds);
  const observations = [
    ...(await Promise.all(others)),
    ...(await verifiers.settle([watched.token])),
    ...(hasSocket ? await sockets.settle(watched.token) : []),
  ];
  await target.release?.();
  return { token: watched.token, revocation: { ...times, boundMilliseconds: 0 }, observations };
}

function report(phase: string, who: string, measured: readonly Measured[], pattern: RegExp): number {
  const observations = measured.flatMap((each) => each.observations.filter(({ observer }) => pattern.test(observer)));
  const sorted = latencies(measured, observations);
  demand(sorted.length === observations.length, `${observations.length - sorted.length} ${who} never refused`);
  const [p50, p99, max] = [0.5, 0.99, 1].map((share) => quantile(sorted, share));
  const early = sorted.filter((each) => each <= 0).length;
  const figures = [p50, p99, max].map((value) => (value ?? 0).toFixed(1).padStart(8)).join(' ');
  console.log(`${phase.padEnd(12)} ${who.padEnd(10)} ${String(sorted.length).padStart(6)} ${figures}   ${early}`);
  return p99 ?? Number.NaN;
}

await withTestbed({ name: 'bench-revocation', disposable: true }, async (testbed) => {
  const setup = await openSetup(testbed);
  const verifiers = await startVerifiers(testbed, setup, 1);
  const targets = await openTargets(setup);
  const sockets = await openSockets(testbed, setup, targets);
  const random = seeded(1);
  const missed: string[] = [];
  console.log('              who           seen    p50 ms   p99 ms   max ms   before the answer');
  for (const { name, events, afterMilliseconds, aimMilliseconds } of PHASES) {
    if (name === 'Redis away') {
      await setup.redis.stop();
      await delay(1_000);
    }
    const measured: Measured[] = [];
    for (let turn = 0; turn < events; turn += 1) {
      measured.push(await measure({ setup, verifiers, targets, sockets }, random, afterMilliseconds, turn));
    }
    for (const [who, pattern] of [
      ['verifiers', /^verifier/],
      ['replicas', /^replica/],
      ['sockets', /^socket/],
    ] as const) {
      const p99 = report(name, who, measured, pattern);
      if (!(p99 < aimMilliseconds)) missed.push(`${who} ${name}: p99 ${p99.toFixed(1)} ms (aim ${aimMilliseconds})`);
    }
  }
  return missed.length > 0 ? `Missed: ${missed.join('; ')}` : 'Every aim is met.';
});
