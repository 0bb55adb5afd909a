// Whether a list of addresses and CIDR ranges contains half of the internet or more, even when no single range does.
import { isIPv4 } from 'node:net';

/** A range of numbers that includes both of its ends. */
type Interval = readonly [first: bigint, last: bigint];

const MAPPED = intervalOf('::ffff:0:0/96');
/** Every address of the internet: all of IPv4, and the global unicast addresses of IPv6 (RFC 4291 §2.4). */
const EVERYBODY = [
  { isOf: isIPv4Range, all: [0n, 2n ** 32n - 1n] as Interval },
  { isOf: (range: string) => !isIPv4Range(range), all: intervalOf('2000::/3') },
];

/** Whether the ranges together contain at least half of the IPv4 or of the IPv6 addresses of the internet. */
export function isEverybody(ranges: readonly string[]): boolean {
  return EVERYBODY.some(({ isOf, all }) => {
    const intervals = ranges.flatMap((range) => {
      if (isOf(range)) return [intervalOf(range)];
      return isIPv4Range(range) || all[1] >= 2n ** 32n ? [] : mapped(range);
    });
    return 2n * covered(intervals, all) >= all[1] - all[0] + 1n;
  });
}

function isIPv4Range(range: string): boolean {
  return isIPv4(range.split('/')[0] ?? '');
}

/** The IPv4 addresses of an IPv6 range, which a socket for both families reports as mapped addresses. */
function mapped(range: string): Interval[] {
  const [first, last] = overlap(intervalOf(range), MAPPED);
  return first > last ? [] : [[first - MAPPED[0], last - MAPPED[0]]];
}

function overlap(a: Interval, b: Interval): Interval {
  return [a[0] > b[0] ? a[0] : b[0], a[1] < b[1] ? a[1] : b[1]];
}

/** How many numbers of `all` are in at least one of the intervals. */
function covered(intervals: readonly Interval[], all: Interval): bigint {
  let count = 0n;
  let next = all[0];
  for (const interval of intervals.toSorted((a, b) => (a[0] < b[0] ? -1 : 1))) {
    const [first, last] = overlap(interval, [next, all[1]]);
    if (first > last) continue;
    count += last - first + 1n;
    next = last + 1n;
  }
  return count;
}

function intervalOf(range: string): Interval {
  const [address = '', length] = range.split('/');
  const bits = isIPv4(address) ? 32 : 128;
  const host = BigInt(bits - Number(length ?? bits));
  const first = (numberOf(address) >> host) << host;
  return [first, first + 2n ** host - 1n];
}

function numberOf(address: string): bigint {
  if (isIPv4(address)) return address.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n);
  const [head = '', tail] = address.split('::');
  const before = groupsOf(head);
  const after = groupsOf(tail ?? '');
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0n);
  return [...before, ...zeros, ...after].reduce((sum, group) => sum * 65_536n + group, 0n);
}

/** The groups of 16 bits of a part of an IPv6 address, which may end in an IPv4 address. */
function groupsOf(part: string): bigint[] {
  if (part === '') return [];
  return part.split(':').flatMap((group) => {
    if (!isIPv4(group)) return [BigInt(`0x${group}`)];
    const number = numberOf(group);
    return [number >> 16n, number & 65_535n];
  });
}
