// Proves: the live heap of a service that issues tokens grows only by what its limited caches may hold.
// `prove:heap [minutes] [tokens per second]`.

import { demand } from '../proof.ts';
import { freePort, type Testbed, withTestbed } from '../testbed.ts';
import { type Heap, openHeap } from './inspector.ts';
import { type Issuing, openIssuing } from './issuing.ts';

const [minutes = 20, perSecond = 50] = process.argv.slice(2).map(Number);
const READINGS = 21;
const WARM_UP_MILLISECONDS = 15_000;
const MIB = 1024 * 1024;
/**
 * The limit of the cache of verified tokens (src/app/parts.ts), and what one token takes of it here, estimated
 * generously.
 */
const VERIFIED_BYTES_MAX = 16 * MIB;
const VERIFIED_BYTES_EACH = 950;
/** What one ended session takes in the map of revocations, for 16 minutes. */
const REVOCATION_BYTES_EACH = 160;
/**
 * The table of a Map doubles in one step, even if its entries only replace each other: with 18,000 entries this takes
 * 0.9 MB. Compiled code, inline caches and buffers differ by another half of a megabyte between two readings.
 */
const STEP_BYTES = 1.5 * MIB;

interface Reading {
  readonly seconds: number;
  readonly issued: number;
  readonly ended: number;
  readonly bytes: number;
}

/** The slope of the line that fits the readings best (least squares), in bytes for each token. */
function slopeOf(readings: readonly Reading[]): number {
  const mean = (pick: (reading: Reading) => number) =>
    readings.reduce((sum, reading) => sum + pick(reading), 0) / readings.length;
  const [issued, bytes] = [mean((each) => each.issued), mean((each) => each.bytes)];
  const covariance = mean((each) => (each.issued - issued) * (each.bytes - bytes));
  return covariance / mean((each) => (each.issued - issued) ** 2);
}

/** How much the caches may have grown between two readings. */
function allowedBetween(from: Reading, to: Reading): number {
  const verified = ({ issued }: Reading) => Math.min(issued * VERIFIED_BYTES_EACH, VERIFIED_BYTES_MAX);
  return verified(to) - verified(from) + (to.ended - from.ended) * REVOCATION_BYTES_EACH + STEP_BYTES;
}

async function read(heap: Heap, issuing: Issuing, begun: number): Promise<Reading> {
  const seconds = (performance.now() - begun) / 1000;
  return { seconds, issued: issuing.issued(), ended: issuing.ended(), bytes: await heap.liveBytes() };
}

function print({ seconds, issued, bytes }: Reading): void {
  const columns = [
    (seconds / 60).toFixed(1).padStart(6),
    String(issued).padStart(8),
    (bytes / 1e6).toFixed(2).padStart(8),
  ];
  console.log(columns.join(''));
}

async function run(testbed: Testbed): Promise<string> {
  const port = await freePort();
  const allowances = ['SIGN_IN', 'REFRESH', 'OTHER', 'ORGANIZATION', 'CLIENT'].map((name) => `RATE_LIMIT_${name}`);
  const service = await testbed.startService({
    nodeFlags: [`--inspect=127.0.0.1:${port}`],
    // The limits are on, because counting takes memory too.
    settings: {
      LOG_LEVEL: 'info',
      RATE_LIMIT_ENABLED: 'true',
      ...Object.fromEntries(allowances.map((name) => [name, '1000000'])),
    },
  });
  const heap = await openHeap(port);
  testbed.teardown(() => heap.close());
  const issuing = await openIssuing(testbed, service);
  await issuing.run(WARM_UP_MILLISECONDS, perSecond);
  const begun = performance.now();
  const readings = [await read(heap, issuing, begun)];
  console.log('minute  tokens live MB');
  readings.forEach(print);
  while (readings.length < READINGS) {
    await issuing.run((minutes * 60_000) / (READINGS - 1), perSecond);
    const reading = await read(heap, issuing, begun);
    readings.push(reading);
    print(reading);
  }
  return conclude(readings);
}

function conclude(readings: readonly Reading[]): string {
  const part = readings.slice(-Math.ceil(READINGS / 3));
  const [first, from, to] = [readings[0], part[0], part.at(-1)];
  if (!first || !from || !to) throw new Error('there are no readings');
  const tokens = to.issued - from.issued;
  demand(tokens > 0, 'no token was issued');
  const slope = slopeOf(part);
  const bound = allowedBetween(from, to) / tokens;
  const figures = `${slope.toFixed(0)} bytes for each of the last ${tokens} tokens (the caches may take ${bound.toFixed(0)})`;
  const whole = `${(first.bytes / 1e6).toFixed(1)} to ${(to.bytes / 1e6).toFixed(1)} MB over ${to.issued - first.issued} tokens`;
  demand(slope < bound, `the live heap grew by ${figures}, from ${whole}`);
  const grown = to.bytes - first.bytes;
  const most = allowedBetween(first, to);
  demand(grown < most, `the live heap grew from ${whole}, but the caches may take ${(most / 1e6).toFixed(1)} MB`);
  return `SHOWN: the live heap grew by ${figures}, from ${whole}`;
}

await withTestbed({ name: 'heap', disposable: true }, async (testbed) => {
  demand(minutes > 0 && perSecond > 0, 'usage: prove:heap [minutes] [tokens per second]');
  return run(testbed);
});
