// Limits how often one network has mails sent to one address. So nobody can use up the budget of an address from one
// network, neither that of an hour nor that of a day, and the owner of the address, who has another network, still gets
// a mail.
import type { Clock } from '../../base/platform/clock.ts';

/** `address` is the canonical e-mail. `network` is the network of the request. */
export interface RequestCount {
  /** Returns whether a request may cause a mail, and counts the request if it may. */
  admit(address: string, network: string): boolean;
}

/** The maximum number of mails that one network can request for one address, in an hour and in 24 hours. */
export interface NetworkBudget {
  readonly perHour: number;
  readonly perDay: number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** The number of pairs of a network and an address that are remembered. The oldest pair is forgotten first. */
const ENTRIES_MAX = 50_000;

/** Admits the requests that are within the budget. With the budget null it admits all. */
export function createRequestCount(deps: {
  readonly clock: Clock;
  readonly budget: NetworkBudget | null;
}): RequestCount {
  // The times of the admitted requests of the last 24 hours, for each pair. The pair that was admitted last is last.
  const entries = new Map<string, readonly number[]>();
  const { budget } = deps;
  return {
    admit(address, network) {
      if (budget === null) return true;
      const now = deps.clock.now().getTime();
      const key = `${network} ${address}`;
      const times = (entries.get(key) ?? []).filter((at) => now - at < DAY_MS);
      const inHour = times.filter((at) => now - at < HOUR_MS).length;
      if (times.length >= budget.perDay || inHour >= budget.perHour) return false;
      entries.delete(key);
      entries.set(key, [...times, now]);
      for (const [oldest, admitted] of entries) {
        if (entries.size <= ENTRIES_MAX && now - (admitted.at(-1) ?? 0) < DAY_MS) break;
        entries.delete(oldest);
      }
      return true;
    },
  };
}
