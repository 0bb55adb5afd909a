// Limits how often one network has mails sent to one address. So nobody can use up the budget of an address from one
// network, and the owner of the address, who has another network, still gets a mail.
import type { Clock } from '../../base/platform/clock.ts';

/** `address` is the canonical e-mail. `network` is the network of the request. */
export interface RequestCount {
  /** Counts a request. Returns whether it may cause a mail. */
  admit(address: string, network: string): boolean;
}

const WINDOW_MS = 86_400_000;
/** The number of pairs of a network and an address that are remembered. The oldest pair is forgotten first. */
const ENTRIES_MAX = 50_000;

/** Admits `perDayMax` requests of one network for one address in 24 hours. With `Infinity` it admits all. */
export function createRequestCount(deps: { readonly clock: Clock; readonly perDayMax: number }): RequestCount {
  const entries = new Map<string, { count: number; readonly since: number }>();
  return {
    admit(address, network) {
      const now = deps.clock.now().getTime();
      const key = `${network} ${address}`;
      const known = entries.get(key);
      const entry = known && now - known.since < WINDOW_MS ? known : { count: 0, since: now };
      entry.count += 1;
      if (entry !== known) {
        entries.delete(key);
        entries.set(key, entry);
      }
      for (const [oldest, { since }] of entries) {
        if (entries.size <= ENTRIES_MAX && now - since < WINDOW_MS) break;
        entries.delete(oldest);
      }
      return entry.count <= deps.perDayMax;
    },
  };
}
