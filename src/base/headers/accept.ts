// Chooses the media type that a request prefers among those that an endpoint offers (RFC 9110 §12.5.1).

interface Range {
  readonly type: string;
  readonly quality: number;
}

const TOKEN = "[!#$%&'*+.^_`|~0-9a-z-]+";
const RANGE = new RegExp(`^(${TOKEN}/${TOKEN})(?:$|[ \\t]*;)`);
const QUALITY = /;[ \t]*q=([^;]*)/;
const WEIGHT = /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/;
const RANGES_MAX = 50;

/**
 * Returns the first RANGES_MAX ranges of the header. Leaves out malformed ranges and ranges with a malformed weight.
 */
function rangesOf(accept: string): Range[] {
  return accept
    .toLowerCase()
    .split(',', RANGES_MAX)
    .flatMap((part) => {
      const text = part.trim();
      const type = RANGE.exec(text)?.[1];
      const weight = QUALITY.exec(text)?.[1]?.trim() ?? '1';
      return type !== undefined && WEIGHT.test(weight) ? [{ type, quality: Number(weight) }] : [];
    });
}

/**
 * Returns how specific the most specific matching range is, and its weight. 3 stands for the type itself, 2 for its
 * family, 1 for any type, and 0 for no match.
 */
function match(ranges: readonly Range[], offered: string): { readonly narrow: number; readonly quality: number } {
  const family = `${offered.split('/')[0]}/*`;
  for (const [index, wanted] of [offered, family, '*/*'].entries()) {
    const qualities = ranges.filter(({ type }) => type === wanted).map(({ quality }) => quality);
    if (qualities.length > 0) return { narrow: 3 - index, quality: Math.max(...qualities) };
  }
  return { narrow: 0, quality: 0 };
}

/**
 * Returns the offered type with the highest weight in the Accept header. Among equal weights, the more specific range
 * wins, then the type that is offered first. Without a header, or without any well-formed range, returns the first
 * offered type. Returns null when the header accepts none of the types.
 */
export function preferredType<const T extends string>(
  accept: string | undefined,
  offered: readonly [T, ...T[]],
): T | null {
  const ranges = rangesOf(accept ?? '');
  if (ranges.length === 0) return offered[0];
  let best: { readonly type: T; readonly narrow: number; readonly quality: number } | null = null;
  for (const type of offered) {
    const matched = { type, ...match(ranges, type) };
    if (matched.quality === 0) continue;
    const isBetter =
      !best || matched.quality > best.quality || (matched.quality === best.quality && matched.narrow > best.narrow);
    if (isBetter) best = matched;
  }
  return best?.type ?? null;
}
