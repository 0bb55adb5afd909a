// Slows down a caller who guesses the password of one account from one address. After `failuresMax` failures in 15
// minutes, each further attempt must wait, and the waits grow up to 15 minutes. Failures are counted by account and
// address together, so that nobody can lock out the account's owner, who has another address. An unknown e-mail is
// counted like a known e-mail, so that the answer does not show which e-mails exist.
import { problem } from '../../base/errors/problem.ts';
import type { Clock } from '../../base/platform/clock.ts';

/** An attempt that was counted. */
export interface Attempt {
  /** The password was not checked, because of an outage or a full queue. The attempt does not count. Call this once. */
  undecided(): void;
}

/** `account` is the countingKey of the text that was typed as the e-mail. `address` is the network of the request. */
export interface LoginThrottle {
  /**
   * Counts an attempt before its password is checked. Raises too_many_requests when the attempt comes before the end of
   * the wait.
   */
  begin(account: string, address: string): Attempt;
  /** The password was right. Deletes the failures. */
  succeeded(account: string, address: string): void;
  /** The number of pairs of account and address that are remembered. */
  readonly size: number;
}

interface Failures {
  count: number;
  since: number;
  notBefore: number;
}

const WINDOW_MS = 15 * 60_000;
const DELAY_MAX_SECONDS = 15 * 60;
const ENTRIES_MAX = 100_000;

function startOf(now: number): Failures {
  return { count: 0, since: now, notBefore: 0 };
}

function isOver({ since, notBefore }: Failures, now: number): boolean {
  return now - Math.max(since, notBefore) >= WINDOW_MS;
}

/**
 * Allows `failuresMax` failures in 15 minutes without a wait. After that, attempts must wait 1, 2, 4, … seconds, and 15
 * minutes at most. With `Infinity` the throttle is off.
 */
export function createLoginThrottle(deps: { clock: Clock; failuresMax: number }): LoginThrottle {
  const entries = new Map<string, Failures>();
  const key = (account: string, address: string) => `${address} ${account}`;

  function dropOld(now: number): void {
    for (const [oldest, entry] of entries) {
      if (entries.size <= ENTRIES_MAX && !isOver(entry, now)) return;
      entries.delete(oldest);
    }
  }

  return {
    begin(account, address) {
      const now = deps.clock.now().getTime();
      const known = entries.get(key(account, address));
      const entry = known && !isOver(known, now) ? known : startOf(now);
      if (entry.notBefore > now) {
        const retryAfterSeconds = Math.ceil((entry.notBefore - now) / 1000);
        throw problem('too_many_requests', {
          detail:
            'Too many failed sign-ins for this account from your address: try again after the seconds in Retry-After.',
          retryAfterSeconds,
        });
      }
      // The attempt is counted before its password is checked, so that attempts at the same moment are not all allowed.
      entry.count += 1;
      const former = entry.notBefore;
      const over = entry.count - deps.failuresMax;
      if (over >= 0) {
        entry.notBefore = now + 1000 * Math.min(2 ** Math.min(over, 20), DELAY_MAX_SECONDS);
        entry.since = now; // the window restarts with each attempt after the limit
      }
      entries.delete(key(account, address));
      entries.set(key(account, address), entry);
      dropOld(now);
      const own = entry.notBefore;
      return {
        // After a success, a new entry counts, which this attempt leaves as it is.
        undecided() {
          entry.count -= 1;
          if (entry.count < deps.failuresMax) entry.notBefore = 0;
          else if (entry.notBefore === own) entry.notBefore = former; // otherwise it is the wait of a later attempt
        },
      };
    },
    succeeded(account, address) {
      entries.delete(key(account, address));
    },
    get size() {
      return entries.size;
    },
  };
}

/**
 * Counts an attempt, runs the check of its password, and returns the verdict. A falsy verdict is a wrong password,
 * which stays counted. An error of the check says nothing about the password, so the attempt does not count. Raises
 * the errors of the check, and too_many_requests.
 */
export async function countAttempt<Verdict>(
  throttle: LoginThrottle,
  account: string,
  address: string,
  check: () => Promise<Verdict>,
): Promise<Verdict> {
  const attempt = throttle.begin(account, address);
  let verdict: Verdict;
  try {
    verdict = await check();
  } catch (error) {
    attempt.undecided();
    throw error;
  }
  if (verdict) throttle.succeeded(account, address);
  return verdict;
}
