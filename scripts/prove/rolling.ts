// Proves: no request fails during a rolling restart of two replicas. They are restarted one after the other, again and
// again, under load. The load comes through a proxy that follows /readyz, and from clients without a proxy, which move
// to the other replica when an answer closes their connection. `prove:rolling [requests] [workers]`.
import { setTimeout as delay } from 'node:timers/promises';
import { openApi } from '../../test/support/client.ts';
import { newAccount } from '../../test/support/fixtures/accounts.ts';
import { demand } from './proof.ts';
import { startBalancer } from './rolling/balancer.ts';
import { keepAsking, type Tally, type Target } from './rolling/load.ts';
import { type Service, type Testbed, withTestbed } from './testbed.ts';

const [requests = 20_000, workers = 12] = process.argv.slice(2).map(Number);
const SETTINGS = {
  PUBLIC_URL: 'http://localhost:3000',
  SHUTDOWN_DELAY: '2s',
  SESSIONS_PER_USER_MAX: '10000',
};
const ROLLS_MIN = 2;
const STOP_MILLISECONDS_MAX = 30_000;
const MINUTES_MAX = 20;
/** A replica serves for a while before the other one is restarted, so that clients and proxy use both. */
const REST_MILLISECONDS = 1_000;

interface Replicas {
  readonly running: [Service, Service];
  restarts: number;
  slowestStop: number;
}

/** Stops one replica and starts it again on the same port. */
async function restart(testbed: Testbed, replicas: Replicas, index: 0 | 1): Promise<void> {
  const { running } = replicas;
  const { port, child } = running[index];
  const begun = performance.now();
  await running[index].end('SIGTERM');
  const took = performance.now() - begun;
  demand(child.exitCode === 0, `a replica ended with ${child.exitCode ?? child.signalCode}: ${running[index].log()}`);
  demand(took <= STOP_MILLISECONDS_MAX, `a replica took ${took.toFixed(0)} ms to stop`);
  running[index] = await testbed.startService({ port, settings: SETTINGS });
  replicas.restarts += 1;
  replicas.slowestStop = Math.max(replicas.slowestStop, took);
  await delay(REST_MILLISECONDS);
}

/** A client without a proxy. It stays with one replica until an answer closes the connection. */
function directTarget(urls: readonly string[], first: number): Target {
  let at = first;
  return {
    url: () => urls[at % urls.length] ?? '',
    onClose() {
      at += 1;
    },
  };
}

async function run(testbed: Testbed): Promise<string> {
  const running: [Service, Service] = [
    await testbed.startService({ settings: SETTINGS }),
    await testbed.startService({ settings: SETTINGS }),
  ];
  const replicas: Replicas = { running, restarts: 0, slowestStop: 0 };
  const balancer = await startBalancer(running.map(({ port }) => port));
  testbed.teardown(() => balancer.close());
  const urls = running.map(({ url }) => url);
  const accounts = [];
  for (let index = 0; index < workers; index += 1) accounts.push(await newAccount(openApi(urls[index % 2] ?? '')));

  const tally: Tally = { sent: 0, answers: new Map(), failures: [], closes: 0 };
  const begun = performance.now();
  let rolls = 0;
  const isTooLong = () => performance.now() - begun > MINUTES_MAX * 60_000;
  const isOver = () => (tally.sent >= requests && rolls >= ROLLS_MIN) || tally.failures.length > 0 || isTooLong();
  const clients = accounts.map((account, index) => {
    const target = index % 3 === 0 ? directTarget(urls, index) : { url: () => balancer.url, onClose() {} };
    return keepAsking(account, target, { tally, first: index * 7, isOver });
  });
  while (!isOver()) {
    for (const index of [0, 1] as const) await restart(testbed, replicas, index);
    rolls += 1;
    console.log(`roll ${rolls}: ${tally.sent} requests, ${tally.failures.length} failed`);
  }
  await Promise.all(clients);
  const logs = running.map((replica) => replica.log()).join('\n');
  const failed = `${tally.failures.length} of ${tally.sent} failed: ${tally.failures.slice(0, 5).join('; ')}`;
  demand(tally.failures.length === 0, `${failed}\n${logs}`);
  demand(tally.sent >= requests, `only ${tally.sent} requests within ${MINUTES_MAX} minutes`);
  const kinds = [...tally.answers].sort().map(([kind, count]) => `${kind}: ${count}`);
  return `SHOWN: 0 of ${tally.sent} requests failed over ${replicas.restarts} restarts of two replicas (${kinds.join(', ')}); ${tally.closes} connections were asked to close; slowest stop ${replicas.slowestStop.toFixed(0)} ms, each with exit code 0`;
}

await withTestbed({ name: 'rolling', disposable: true }, async (testbed) => {
  demand(requests > 0 && workers > 0, 'usage: prove:rolling [requests] [workers]');
  return run(testbed);
});
