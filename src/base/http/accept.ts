// Which of the media types that an endpoint offers a request prefers (RFC 9110 §12.5.1).

interface Range {
  readonly type: string;
  readonly quality: number;
}

const TOKEN = "[!#$%&'*+.^_`|~0-9a-z-]+";
const RANGE = new RegExp(`^(${TOKEN}/${TOKEN})(?:$|[ \\t]*;)`);
const QUALITY = /;[ \t]*q=([^;]*)/;
const WEIGHT = /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/;
const RANGES_MAX = 50;

/** The ranges of the header; what is none, or has a weight that is none, is left out. */
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

/** How narrow the narrowest range is that takes the type (3 exact, 1 anything, 0 none), and its weight. */
function judge(ranges: readonly Range[], offered: string): { readonly narrow: number; readonly quality: number } {
  const family = `${offered.split('/')[0]}/*`;
  for (const [index, wanted] of [offered, family, '*/*'].entries()) {
    const qualities = ranges.filter(({ type }) => type === wanted).map(({ quality }) => quality);
    if (qualities.length > 0) return { narrow: 3 - index, quality: Math.max(...qualities) };
  }
  return { narrow: 0, quality: 0 };
}

/**
 * The offered type that the Accept header gives the highest weight; of equal ones that which it names more exactly, then
 * the one offered first. The first offered for no header, or one without any good range; null when it takes none of them.
 */
export function preferredType<const T extends string>(
  accept: string | undefined,
  offered: readonly [T, ...T[]],
): T | null {
  const ranges = rangesOf(accept ?? '');
  if (ranges.length === 0) return offered[0];
  let best: { readonly type: T; readonly narrow: number; readonly quality: number } | null = null;
  for (const type of offered) {
    const judged = { type, ...judge(ranges, type) };
    if (judged.quality === 0) continue;
    const better =
      !best || judged.quality > best.quality || (judged.quality === best.quality && judged.narrow > best.narrow);
    if (better) best = judged;
  }
  return best?.type ?? null;
}
