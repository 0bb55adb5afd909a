// Owns: measuring a product and its bound in turns, and the table of the results.

export interface Measured {
  readonly operations: number;
  readonly seconds: number;
  readonly medianMilliseconds?: number;
}

export interface Paired {
  /** Operations a second, medians of the rounds. */
  readonly product: number;
  readonly bound: number;
  /** The median of each round's own ratio: the two halves of a round meet the same neighbours on the machine. */
  readonly ratio: number;
  readonly ratios: readonly number[];
  readonly latencyMilliseconds: number;
}

export interface Figure extends Paired {
  readonly name: string;
  readonly against: string;
  readonly aim: number;
}

/** Measures both after one warm-up of each, `rounds` times, swapping who goes first. */
export async function inTurns(
  rounds: number,
  sides: { readonly product: () => Promise<Measured>; readonly bound: () => Promise<Measured> },
): Promise<Paired> {
  await sides.product();
  await sides.bound();
  const pairs: { product: Measured; bound: Measured }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    if (round % 2 === 0) {
      const product = await sides.product();
      pairs.push({ product, bound: await sides.bound() });
    } else {
      const bound = await sides.bound();
      pairs.push({ product: await sides.product(), bound });
    }
  }
  const ratios = pairs.map(({ product, bound }) => rate(product) / rate(bound));
  return {
    product: median(pairs.map(({ product }) => rate(product))),
    bound: median(pairs.map(({ bound }) => rate(bound))),
    ratio: median(ratios),
    ratios,
    latencyMilliseconds: median(pairs.map(({ product }) => product.medianMilliseconds ?? 0)),
  };
}

function rate({ operations, seconds }: Measured): number {
  return operations / seconds;
}

/** The middle value; 0 of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}

/** The figures as aligned text. */
export function table(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => [
    figure.name,
    figure.product.toFixed(0),
    figure.bound.toFixed(0),
    figure.ratio.toFixed(2),
    `${Math.min(...figure.ratios).toFixed(2)} – ${Math.max(...figure.ratios).toFixed(2)}`,
    `≥ ${figure.aim}`,
    figure.latencyMilliseconds.toFixed(1),
    figure.against,
  ]);
  const head = ['path', '/s', 'bound /s', 'ratio', 'least – most', 'aim', 'median ms', 'bound'];
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
