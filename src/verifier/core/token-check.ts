// Returns the principal of a token, from the cache or after a first check. A good signature and good claims stay good
// for ever. Time, key and revocation are judged at every use.
import type { KeyObject } from 'node:crypto';
import { ACCESS_TOKEN_TYPE } from '../../protocol/claims.ts';
import { type TakenApart, takeApart } from '../../protocol/jws.ts';
import { isSignedBy, isVerificationKey } from '../keys/public-key.ts';
import { createTokenCache } from './cache.ts';
import { acceptableClaims, addressee, type ClaimRules, type Window, windowOf } from './claims.ts';
import type { Timing } from './clock.ts';
import type { KeySource, VerificationCode, VerifiedPrincipal } from './contract.ts';
import { refused } from './error.ts';
import { verifiedPrincipal } from './principal.ts';
import type { RevocationPolicy } from './staleness.ts';

/** A token whose signature and claims are good. */
export interface CheckedToken {
  readonly token: string;
  readonly kid: string;
  readonly key: KeyObject;
  readonly window: Window;
  readonly principal: VerifiedPrincipal;
  /** The answer for a repeated token. It is made only once. */
  readonly answer: Promise<VerifiedPrincipal>;
}

export interface TokenCheckDeps {
  readonly rules: ClaimRules;
  readonly cacheSize: number;
  readonly timing: Timing;
  readonly keys: KeySource;
  readonly policy: RevocationPolicy;
  readonly onError: (error: Error) => void;
}

export interface TokenCheck {
  /** A token in the cache whose key is still published; undefined for any other token. */
  recall(token: string): CheckedToken | undefined;
  /** Decides by time and revocation whether the token is accepted now. Rejects with VerificationError if it is not. */
  judge(checked: CheckedToken): Promise<VerifiedPrincipal>;
  /** Checks a token that `recall` does not know. Rejects with VerificationError if the token is refused. */
  checkFirst(token: string): Promise<VerifiedPrincipal>;
  /** Empties the cache. */
  clear(): void;
}

const OF_ANOTHER =
  'The token acts for an organization other than the one whose revocations are followed here: use a token of that one.';

/** Creates the check with an empty cache for up to `cacheSize` tokens. */
export function createTokenCheck({ rules, cacheSize, timing, keys, policy, onError }: TokenCheckDeps): TokenCheck {
  const cache = createTokenCache<CheckedToken>(cacheSize);
  const reportAddressee = createAddresseeReport(rules, timing, onError);
  let lastKey: KeyObject | null = null;

  function judgeTime(window: Window): VerificationCode | null {
    const now = timing.now() / 1000;
    // Written this way, the condition accepts no token if the clock returns NaN.
    if (!(now < window.until)) return 'token_expired';
    return now < window.from ? 'invalid_token' : null;
  }

  function judge(checked: CheckedToken): Promise<VerifiedPrincipal> {
    const { principal } = checked;
    const code = judgeTime(checked.window) ?? policy.source.judge(principal);
    if (code) {
      if (code === 'token_expired') cache.delete(checked.token);
      return refused(code);
    }
    if (!policy.covers(principal.organizationId)) return refused('invalid_token', OF_ANOTHER);
    return policy.isFresh() ? checked.answer : policy.whenStale(checked.token).then(() => checked.answer);
  }

  function isTrusted(key: KeyObject): boolean {
    if (key !== lastKey && !isVerificationKey(key)) return false;
    lastKey = key;
    return true;
  }

  function checkWith(key: KeyObject | undefined, token: string, parts: TakenApart): Promise<VerifiedPrincipal> {
    if (!key || !isTrusted(key) || !isSignedBy(key, parts.signed, parts.signature)) return refused('invalid_token');
    const claims = acceptableClaims(parts.payload, rules);
    if (!claims) {
      reportAddressee(parts.payload);
      return refused('invalid_token');
    }
    // The token is copied, because it may be a slice of a longer text, which would stay in memory with it.
    const kept = Buffer.from(token, 'latin1').toString('latin1');
    const principal = verifiedPrincipal(kept, claims, parts.kid);
    const window = windowOf(claims, rules.toleranceSeconds);
    const checked = { token: kept, kid: parts.kid, key, window, principal, answer: Promise.resolve(principal) };
    if (judgeTime(window) === null) cache.set(checked);
    return judge(checked);
  }

  return {
    recall(token) {
      const known = cache.get(token);
      // A token is refused once the key that signed it is no longer published.
      return known !== undefined && keys.find(known.kid) === known.key ? known : undefined;
    },
    judge,
    checkFirst(token) {
      const parts = takeApart(token, ACCESS_TOKEN_TYPE);
      // A revoked key is not looked up: the service no longer publishes it.
      if (!parts || policy.source.isKeyRevoked?.(parts.kid)) return refused('invalid_token');
      const key = keys.find(parts.kid);
      if (key || !keys.lookUp) return checkWith(key, token, parts);
      return keys.lookUp(parts.kid).then((found) => checkWith(found, token, parts));
    },
    clear: () => cache.clear(),
  };
}

/** After a token for another verifier has been reported, no further one is reported for this time. */
const QUIET_MILLISECONDS = 60_000;

// A mistyped issuer or audience can make every token invalid, so onError gets the reason.
function createAddresseeReport(rules: ClaimRules, timing: Timing, onError: (error: Error) => void) {
  let quietUntil = 0;
  return (payload: Record<string, unknown>): void => {
    const reason = addressee(payload, rules);
    if (reason === null || timing.elapsed() < quietUntil) return;
    quietUntil = timing.elapsed() + QUIET_MILLISECONDS;
    onError(new Error(`A token with a good signature was refused: ${reason}. Check the options.`));
  };
}
