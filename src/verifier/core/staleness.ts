// What happens to a good token while the known revocations are out of date: it is refused, accepted, or introspected.

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
  /** False from the end of a pause until everything is known that was revoked during the pause. */
  isCurrent(): boolean;
  /** Whether the source has the revocations of this organization. Null stands for users without an organization. */
  covers(organizationId: string | null): boolean;
  /**
   * Resolves if the token is accepted although the revocations are out of date. Raises VerificationError if it is
   * refused. If the text of the token is undefined, the token cannot be introspected, so the promise resolves only with
   * `onStale: 'allow'`.
   */
  whenStale(token: string | undefined): Promise<void>;
  close(): void;
}

const NO_REVOCATIONS: RevocationSource = {
  judge: () => null,
  staleSeconds: () => 0,
  onRevocation: () => () => {},
};

/**
 * Creates, from the options, the source of revocations and the policy for its silence. Raises TypeError for wrong
 * options.
 */
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
    isCurrent: () => source.isCurrent?.() ?? true,
    // The feed of an organization's client contains the revocations of that organization only. The verifier would not
    // notice that a token of another organization has been revoked.
    covers(organizationId) {
      const only = source.organizationId?.() ?? null;
      return only === null || only === organizationId;
    },
    async whenStale(token) {
      if (onStale === 'allow') return;
      if (onStale === 'reject' || !introspect || token === undefined) throw new VerificationError('revocations_stale');
      await introspect(token);
    },
    close: () => source.close?.(),
  };
}
