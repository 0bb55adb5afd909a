// Measures one path on two databases in turns, and formats the table of the results.
import { median } from '../paired.ts';

/** Measures one round and returns its durations in milliseconds. The number of the first round is 0. */
type Round = (round: number) => Promise<readonly number[]>;

interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly answers: number;
}

export interface Pair {
  readonly small: Percentiles;
  readonly large: Percentiles;
  /** The p99 on the large database divided by the p99 on the small database, over all rounds. */
  readonly ratio: number;
  /** The same ratio for each round. */
  readonly ratios: readonly number[];
}

export interface Measurement extends Pair {
  readonly name: string;
  readonly followsAnswer: boolean;
}

/** Returns the value below which the share `part` (0 to 1) of the values lies, or 0 if there are no values. */
function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
}

function percentilesOf(rounds: readonly (readonly number[])[]): Percentiles {
  const all = rounds.flat();
  return { p50: percentile(all, 0.5), p99: percentile(all, 0.99), answers: all.length };
}

/** Measures both databases `rounds` times, after one warm-up of each. The order changes with each round. */
export async function measurePair(rounds: number, sides: { small: Round; large: Round }): Promise<Pair> {
  const found: { small: (readonly number[])[]; large: (readonly number[])[] } = { small: [], large: [] };
  for (let round = 0; round <= rounds; round += 1) {
    const order = round % 2 === 0 ? (['small', 'large'] as const) : (['large', 'small'] as const);
    for (const side of order) {
      const durations = await sides[side](round);
      if (round > 0) found[side].push(durations);
    }
  }
  const [small, large] = [percentilesOf(found.small), percentilesOf(found.large)];
  const ratios = found.small.map(
    (durations, round) => percentile(found.large[round] ?? [], 0.99) / percentile(durations, 0.99),
  );
  return { small, large, ratio: large.p99 / small.p99, ratios };
}

/** Returns the measurements as aligned text. */
export function table(measurements: readonly Measurement[]): string {
  const head = ['path', 'small p50', 'p99', 'large p50', 'p99 ms', 'ratio of p99', 'least – median – most', 'answers'];
  const rows = measurements.map(({ name, followsAnswer, small, large, ratio, ratios }) => [
    `${name}${followsAnswer ? ' *' : ''}`,
    small.p50.toFixed(2),
    small.p99.toFixed(2),
    large.p50.toFixed(2),
    large.p99.toFixed(2),
    ratio.toFixed(2),
    [Math.min(...ratios), median(ratios), Math.max(...ratios)].map((value) => value.toFixed(2)).join(' – '),
    `${small.answers} / ${large.answers}`,
  ]);
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  const note = '* the work grows with the number of matching rows, which differs between the two databases';
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line), note].join('\n');
}
