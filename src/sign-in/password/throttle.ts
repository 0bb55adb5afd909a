// Slows down the guessing of one account's password from one address: after so many failures in a quarter of an hour
// each further attempt has to wait, longer every time. It is keyed by account and address together, so that nobody can
// lock a stranger out; an unknown e-mail counts as a known one does, so that the answer tells nothing.
import { problem } from '../../base/errors/problem.ts';
import type { Clock } from '../../base/platform/clock.ts';

/** `account` is the countingKey of what was typed as the e-mail, `address` the network of the request. */
export interface LoginThrottle {
  /** Counts an attempt before its password is looked at. Raises too_many_requests when it comes too early. */
  begin(account: string, address: string): void;
  /** The password was right: the failures are forgotten. */
  succeeded(account: string, address: string): void;
  /** The attempt came to no verdict (an outage, a full queue): it does not count. */
  undecided(account: string, address: string): void;
}

interface Failures {
  count: number;
  since: number;
  notBefore: number;
  /** notBefore as it was ahead of the newest attempt. */
  notBeforeThen: number;
}

const WINDOW_MS = 15 * 60_000;
const DELAY_MAX_SECONDS = 15 * 60;
const ENTRIES_MAX = 100_000;

function startOf(now: number): Failures {
  return { count: 0, since: now, notBefore: 0, notBeforeThen: 0 };
}

/**
 * Counts at most `failuresMax` free failures in 15 minutes; then waits of 1, 2, 4, … seconds, 15 minutes at the most.
 * With `Infinity` nobody ever waits.
 */
export function createLoginThrottle(deps: { clock: Clock; failuresMax: number }): LoginThrottle {
  const entries = new Map<string, Failures>();
  const key = (account: string, address: string) => `${address} ${account}`;
  return {
    begin(account, address) {
      const now = deps.clock.now().getTime();
      const known = entries.get(key(account, address));
      const entry = known && now - Math.max(known.since, known.notBefore) < WINDOW_MS ? known : startOf(now);
      if (entry.notBefore > now) {
        const retryAfterSeconds = Math.ceil((entry.notBefore - now) / 1000);
        throw problem('too_many_requests', {
          detail:
            'Too many failed sign-ins for this account from your address: try again after the seconds in Retry-After.',
          retryAfterSeconds,
        });
      }
      // Counted before the verdict, so that attempts sent all at once do not slip through together.
      entry.count += 1;
      entry.notBeforeThen = entry.notBefore;
      const over = entry.count - deps.failuresMax;
      if (over >= 0) {
        entry.notBefore = now + 1000 * Math.min(2 ** Math.min(over, 20), DELAY_MAX_SECONDS);
        entry.since = now; // the window holds while the guessing goes on
      }
      entries.delete(key(account, address));
      entries.set(key(account, address), entry);
      if (entries.size > ENTRIES_MAX) {
        const oldest = entries.keys().next();
        if (!oldest.done) entries.delete(oldest.value);
      }
    },
    succeeded(account, address) {
      entries.delete(key(account, address));
    },
    undecided(account, address) {
      const entry = entries.get(key(account, address));
      if (entry) {
        entry.count -= 1;
        entry.notBefore = entry.notBeforeThen;
      }
    },
  };
}
