// How old this process's knowledge of revocations is. A complete reading of PostgreSQL proves that this knowledge is up
// to date. The stream proves the same if it has been followed without a gap since such a reading.

export interface Freshness {
  /** A complete reading of PostgreSQL began at this second. */
  onRead(begunSeconds: number): void;
  /** The stream may have missed an event. Until the next complete reading, the stream proves nothing. */
  onGap(): void;
  /** The stream was read to its end at this second. */
  onWhole(atSeconds: number): void;
  /** Seconds since the last complete reading began. */
  readSecondsAgo(): number;
  /** Seconds since the stream was last read to its end. */
  wholeSecondsAgo(): number;
  /** Seconds since this process last knew every revocation, from either source. */
  freshSecondsAgo(): number;
  /** The second at which this process last knew every revocation, from either source. */
  freshAtSeconds(): number;
}

/** Creates a record in which nothing is known yet. `seconds` is a clock that never steps. */
export function createFreshness(seconds: () => number): Freshness {
  let readAt = Number.NEGATIVE_INFINITY;
  let gapAt = Number.POSITIVE_INFINITY;
  let wholeAt = Number.NEGATIVE_INFINITY;
  const freshAt = () => (readAt >= gapAt ? Math.max(readAt, wholeAt) : readAt);
  return {
    onRead(begunSeconds) {
      readAt = begunSeconds;
    },
    onGap() {
      gapAt = seconds();
    },
    onWhole(atSeconds) {
      wholeAt = atSeconds;
    },
    readSecondsAgo: () => seconds() - readAt,
    wholeSecondsAgo: () => seconds() - wholeAt,
    freshSecondsAgo: () => seconds() - freshAt(),
    freshAtSeconds: freshAt,
  };
}
