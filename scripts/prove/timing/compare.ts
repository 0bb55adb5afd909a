// Compares the durations of calls whose durations must not differ. The calls of all kinds take turns, one at a time, in
// changing order. On a busy machine there are up to five times as many calls, until the confidence intervals of the
// medians are narrow. The moment at which the measurement stops does not depend on the difference of the medians.
import { randomInt } from 'node:crypto';
import { demand } from '../proof.ts';

const WARM_UP_CALLS = 10;
const DIFFERENCE_MAX = 0.05;
const SERIES_MAX = 5;
const UNCERTAINTY_MAX = 0.015;

/** Prepares one call and returns it. The preparation is not measured. */
export type PrepareCall = () => Promise<() => Promise<unknown>> | (() => Promise<unknown>);

export interface Scene<Kind extends string = string> {
  readonly name: string;
  /** The first kind is the one with which the others are compared. */
  readonly kinds: readonly [Kind, ...Kind[]];
  /** Is called before each series. `calls` is the number of calls of each kind. */
  readonly openSeries: (calls: number) => Promise<Readonly<Record<Kind, PrepareCall>>>;
}

function shuffled<T>(values: readonly T[]): T[] {
  const left = [...values];
  return values.flatMap(() => left.splice(randomInt(left.length), 1));
}

interface Median {
  readonly value: number;
  /** Half the width of the median's 95 % confidence interval, from the ranks around the middle. */
  readonly uncertainty: number;
}

function medianOf(values: readonly number[]): Median {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (rank: number) => sorted[Math.min(sorted.length - 1, Math.max(0, Math.round(rank)))] ?? 0;
  const middle = sorted.length / 2;
  const ranks = 0.98 * Math.sqrt(sorted.length);
  return { value: at(middle), uncertainty: (at(middle + ranks) - at(middle - ranks)) / 2 };
}

export interface Compared {
  readonly line: string;
  readonly isAlike: boolean;
}

/** Measures a scene, with `calls` calls of each kind in a series. */
export async function compare<Kind extends string>(scene: Scene<Kind>, calls: number): Promise<Compared> {
  const { kinds, name } = scene;
  const durations = new Map<Kind, number[]>(kinds.map((kind) => [kind, []]));
  const of = (kind: Kind) => medianOf(durations.get(kind) ?? []);
  const isSettled = () => kinds.map(of).every(({ value, uncertainty }) => uncertainty < UNCERTAINTY_MAX * value);
  let series = 0;
  do {
    const prepare = await scene.openSeries(calls + WARM_UP_CALLS);
    for (let call = -WARM_UP_CALLS; call < calls; call += 1) {
      for (const kind of shuffled(kinds)) {
        const act = await prepare[kind]();
        const begun = performance.now();
        await act();
        const milliseconds = performance.now() - begun;
        if (call >= 0) durations.get(kind)?.push(milliseconds);
      }
    }
    series += 1;
  } while (!isSettled() && series < SERIES_MAX);
  const [first, ...others] = kinds;
  const told = kinds
    .map((kind) => ({ kind, ...of(kind) }))
    .map(({ kind, value, uncertainty }) => `${kind} ${value.toFixed(2)} ± ${uncertainty.toFixed(2)} ms`);
  const differences = others.map((kind) => (of(kind).value - of(first).value) / of(first).value);
  const percents = others.map((kind, at) => `${kind} ${(100 * (differences[at] ?? 0)).toFixed(1)} %`);
  const isAlike = differences.every((difference) => Math.abs(difference) < DIFFERENCE_MAX);
  demand(series > 0, 'nothing was measured');
  const total = durations.get(first)?.length ?? 0;
  const line = `${name}, medians of ${total} calls each: ${told.join(', ')}; ${percents.join(', ')} from ${first}`;
  return { line, isAlike };
}
