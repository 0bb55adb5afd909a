// Measures a path of the service and its bound in turns, and formats the table of the results.
import { cpuMicroseconds } from './worker.ts';

export interface Measured {
  readonly operations: number;
  readonly seconds: number;
  readonly medianMilliseconds?: number;
}

/** One side of a measurement: the function that runs a round, and the process whose CPU time is counted. */
export interface Side {
  readonly pid: number;
  readonly round: () => Promise<Measured>;
}

export interface Paired {
  /** Operations a second, medians of the rounds. */
  readonly product: number;
  readonly bound: number;
  /** The median of the ratios of the rounds. Both halves of a round run under the same load of the machine. */
  readonly ratio: number;
  readonly ratios: readonly number[];
  readonly latencyMilliseconds: number;
  /** CPU time of an operation in its process, in microseconds: medians of the rounds. */
  readonly productCpu: number;
  readonly boundCpu: number;
}

export interface Figure extends Paired {
  readonly name: string;
  readonly against: string;
  readonly aim: number;
}

/** Measures both sides `rounds` times, after one warm-up of each. The order changes with each round. */
export async function inTurns(rounds: number, product: Side, bound: Side): Promise<Paired> {
  await product.round();
  await bound.round();
  const pairs: { product: Round; bound: Round }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    if (round % 2 === 0) {
      const first = await measure(product);
      pairs.push({ product: first, bound: await measure(bound) });
    } else {
      const first = await measure(bound);
      pairs.push({ product: await measure(product), bound: first });
    }
  }
  const ratios = pairs.map((pair) => pair.product.rate / pair.bound.rate);
  return {
    product: median(pairs.map((pair) => pair.product.rate)),
    bound: median(pairs.map((pair) => pair.bound.rate)),
    ratio: median(ratios),
    ratios,
    latencyMilliseconds: median(pairs.map((pair) => pair.product.latency)),
    productCpu: median(pairs.map((pair) => pair.product.cpu)),
    boundCpu: median(pairs.map((pair) => pair.bound.cpu)),
  };
}

interface Round {
  readonly rate: number;
  readonly latency: number;
  readonly cpu: number;
}

async function measure({ pid, round }: Side): Promise<Round> {
  const before = cpuMicroseconds(pid);
  const { operations, seconds, medianMilliseconds = 0 } = await round();
  const cpu = (cpuMicroseconds(pid) - before) / operations;
  return { rate: operations / seconds, latency: medianMilliseconds, cpu };
}

/** Returns the median, or 0 if there are no values. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}

/** Returns the figures as aligned text. */
export function table(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => [
    figure.name,
    figure.product.toFixed(0),
    figure.bound.toFixed(0),
    figure.ratio.toFixed(2),
    `${Math.min(...figure.ratios).toFixed(2)} – ${Math.max(...figure.ratios).toFixed(2)}`,
    `≥ ${figure.aim}`,
    figure.latencyMilliseconds.toFixed(1),
    figure.productCpu.toFixed(0),
    figure.boundCpu.toFixed(0),
    figure.against,
  ]);
  const head = [
    'path',
    '/s',
    'bound /s',
    'ratio',
    'least – most',
    'aim',
    'median ms',
    'CPU µs',
    'bound CPU µs',
    'bound',
  ];
  const widths = head.map((title, column) =>
    Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0), title.length),
  );
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}
