// Measures the extra cost of a message through the sidecar. The same messages go to the same server directly and
// through the sidecar, in turns within one run.
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { openSocket } from './holders.ts';

export interface Overhead {
  /** Median times of a message there and back, in microseconds. */
  readonly direct: number;
  readonly through: number;
  /** Messages a second there and back, with many messages under way: medians of the rounds. */
  readonly directPerSecond: number;
  readonly throughPerSecond: number;
}

const ROUNDS = 9;
const TURNS = 600;
const FLIGHT = 64;
const BATCH = 12_000;
const MESSAGE = JSON.stringify({ event: 'chat', data: { text: 'x'.repeat(100) } });

/** Measures both ways in turns. */
export async function measureOverhead(directUrl: string, throughUrl: string, token: string): Promise<Overhead> {
  const direct = new WebSocket(directUrl, { perMessageDeflate: false });
  await once(direct, 'open');
  const through = await openSocket(throughUrl, token);
  const times: { direct: number[]; through: number[] } = { direct: [], through: [] };
  const rates: { direct: number[]; through: number[] } = { direct: [], through: [] };
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const [name, socket] of [
      ['direct', direct],
      ['through', through],
    ] as const) {
      const each = await timesOf(socket);
      const rate = await rateOf(socket);
      if (round === 0) continue; // to warm up
      times[name].push(median(each));
      rates[name].push(rate);
    }
  }
  direct.close();
  through.close();
  return {
    direct: median(times.direct),
    through: median(times.through),
    directPerSecond: median(rates.direct),
    throughPerSecond: median(rates.through),
  };
}

async function timesOf(socket: WebSocket): Promise<number[]> {
  const times: number[] = [];
  for (let turn = 0; turn < TURNS; turn += 1) {
    const begun = performance.now();
    const answered = once(socket, 'message');
    socket.send(MESSAGE);
    await answered;
    times.push((performance.now() - begun) * 1000);
  }
  return times;
}

function rateOf(socket: WebSocket): Promise<number> {
  const begun = performance.now();
  const { promise, resolve } = Promise.withResolvers<number>();
  let sent = 0;
  let heard = 0;
  const send = () => {
    sent += 1;
    socket.send(MESSAGE);
  };
  const onMessage = () => {
    heard += 1;
    if (sent < BATCH) send();
    if (heard < BATCH) return;
    socket.off('message', onMessage);
    resolve((BATCH * 1000) / (performance.now() - begun));
  };
  socket.on('message', onMessage);
  for (let index = 0; index < FLIGHT; index += 1) send();
  return promise;
}

/** Returns the median. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
