// What happens to a good token while nothing is known of revocations: refused, let through, or asked about.

import { createFeed } from '../feed/feed.ts';
import { createClientAuthentication } from '../service/client-authentication.ts';
import type { HttpDeps } from '../service/http.ts';
import { createIntrospection } from '../service/introspection.ts';
import type { RevocationSource } from './contract.ts';
import { VerificationError } from './error.ts';
import { feedSettingsOf, type OnStale, type Settings, stalenessOf, type VerifierOptions } from './options.ts';

export interface RevocationPolicy {
  readonly source: RevocationSource;
  isFresh(): boolean;
  /** Whether it can hear of revocations of those who act for an organization, or for none. */
  covers(organizationId: string | null): boolean;
  /** Resolves when the token may pass all the same. Raises VerificationError. */
  whenStale(token: string): Promise<void>;
  close(): void;
}

const NO_REVOCATIONS: RevocationSource = {
  judge: () => null,
  staleSeconds: () => 0,
  onRevocation: () => () => {},
};

/** The source of revocations that the options ask for, and what holds while it is silent. Raises TypeError. */
export function createRevocationPolicy(options: VerifierOptions, base: Settings & HttpDeps): RevocationPolicy {
  if (options.revocations) return policyOf(options.revocations, stalenessOf({ onStale: 'reject', ...options.stale }));
  const { revocation } = options;
  if (revocation === undefined || revocation === false)
    return policyOf(NO_REVOCATIONS, stalenessOf({ onStale: 'reject' }));
  const where = feedSettingsOf(options, revocation);
  const staleness = stalenessOf(revocation);
  const client = createClientAuthentication(where.credentials, base, base.timing);
  const deps = { ...base, ...where, client };
  const source = createFeed(deps);
  return policyOf(source, staleness, createIntrospection(deps));
}

function policyOf(
  source: RevocationSource,
  { secondsMax, onStale }: { readonly secondsMax: number; readonly onStale: OnStale },
  introspect?: (token: string) => Promise<void>,
): RevocationPolicy {
  return {
    source,
    isFresh: () => source.staleSeconds() <= secondsMax,
    // A service client of one organization is told of nothing else: a token of another could never be stopped here.
    covers(organizationId) {
      const only = source.organizationId?.() ?? null;
      return only === null || only === organizationId;
    },
    async whenStale(token) {
      if (onStale === 'allow') return;
      if (onStale === 'reject' || !introspect) throw new VerificationError('revocations_stale');
      await introspect(token);
    },
    close: () => source.close?.(),
  };
}
