// Finds the violations in a history. A history says when tokens were issued and revoked, and when each observer
// accepted and refused them. All its times are milliseconds of one clock that all processes share. Other files record
// the history.

export interface TokenHistory {
  readonly token: number;
  /** Null for a token that is never revoked. */
  readonly revocation: Revoked | null;
}

export interface Revoked {
  /** When the call that revokes the token was sent, and when its answer arrived. */
  readonly asked: number;
  readonly acknowledged: number;
  /** How long after the answer the token may still be accepted. */
  readonly boundMilliseconds: number;
}

/** What one observer saw of one token. */
export interface Observation {
  readonly observer: string;
  readonly token: number;
  readonly firstAccepted: number | null;
  readonly lastAccepted: number | null;
  readonly firstRefused: number | null;
}

export interface Violation {
  readonly kind:
    | 'accepted too late'
    | 'never refused'
    | 'refused without a revocation'
    | 'accepted after a refusal'
    | 'never accepted'
    | 'not observed';
  readonly token: number;
  readonly observer: string;
  /**
   * How many milliseconds after the allowed time the violation was, or 0 for a kind of violation that has no allowed
   * time.
   */
  readonly by: number;
}

/**
 * Returns every violation in a history. Every observer must have checked every token, must have accepted it before its
 * revocation, and must have refused it after that. No observer may have refused a token that is never revoked.
 */
export function judgeHistory(
  tokens: readonly TokenHistory[],
  observers: readonly string[],
  observations: readonly Observation[],
): Violation[] {
  const seen = new Map(observations.map((each) => [`${each.observer} ${each.token}`, each]));
  return tokens.flatMap(({ token, revocation }) =>
    observers.flatMap((observer): Violation[] => {
      const found = seen.get(`${observer} ${token}`);
      if (!found) return [{ kind: 'not observed', token, observer, by: 0 }];
      return judgeOne(found, revocation).map(([kind, by]) => ({ kind, token, observer, by }));
    }),
  );
}

type Finding = readonly [Violation['kind'], number];

function judgeOne({ firstAccepted, lastAccepted, firstRefused }: Observation, revocation: Revoked | null): Finding[] {
  const findings: Finding[] = [];
  if (firstAccepted === null) findings.push(['never accepted', 0]);
  if (lastAccepted !== null && firstRefused !== null && lastAccepted > firstRefused) {
    findings.push(['accepted after a refusal', lastAccepted - firstRefused]);
  }
  if (revocation === null) {
    if (firstRefused !== null) findings.push(['refused without a revocation', 0]);
    return findings;
  }
  if (firstRefused === null) findings.push(['never refused', 0]);
  else if (firstRefused < revocation.asked) {
    findings.push(['refused without a revocation', revocation.asked - firstRefused]);
  }
  const late = (lastAccepted ?? 0) - revocation.acknowledged - revocation.boundMilliseconds;
  if (late > 0) findings.push(['accepted too late', late]);
  return findings;
}

/**
 * Returns the time from each answer to the first refusal, in milliseconds, sorted. A time is negative if the refusal
 * came first.
 */
export function latencies(tokens: readonly TokenHistory[], observations: readonly Observation[]): number[] {
  const acknowledged = new Map(tokens.map(({ token, revocation }) => [token, revocation?.acknowledged]));
  return observations
    .flatMap(({ token, firstRefused }) => {
      const at = acknowledged.get(token);
      return at === undefined || firstRefused === null ? [] : [firstRefused - at];
    })
    .sort((a, b) => a - b);
}

/** Returns the value below which the share (0 to 1) of sorted values lies. Returns NaN if there are no values. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
