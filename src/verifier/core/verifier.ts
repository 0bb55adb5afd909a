// createVerifier: from a token to whom it speaks for. Puts the parts together and decides their order; each part is a
// file of its own.
import type { KeyObject } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { bearerToken } from '../../protocol/bearer.ts';
import { ACCESS_TOKEN_TYPE } from '../../protocol/claims.ts';
import { type TakenApart, takeApart } from '../../protocol/jws.ts';
import { createJwks } from '../keys/jwks.ts';
import { isSignedBy, isVerificationKey } from '../keys/public-key.ts';
import { createAuthorize } from './authorize.ts';
import { createTokenCache } from './cache.ts';
import { acceptableClaims, addressee, type Window, windowOf } from './claims.ts';
import { timingOf } from './clock.ts';
import type { KeySource, VerificationCode, VerifiedPrincipal, Verifier } from './contract.ts';
import { VerificationError } from './error.ts';
import { settingsOf, type VerifierOptions } from './options.ts';
import { verifiedPrincipal } from './principal.ts';
import { createRevocationPolicy } from './staleness.ts';

/** A token whose signature and claims are good for ever; time, key and revocation are judged at each use. */
interface Verified {
  readonly token: string;
  readonly kid: string;
  readonly key: KeyObject;
  readonly window: Window;
  readonly principal: VerifiedPrincipal;
  /** The answer to a repeated token, made once. */
  readonly answer: Promise<VerifiedPrincipal>;
}

const CLOSED = 'This verifier was closed: make another one.';
const OF_ANOTHER =
  'The token acts for another organization than the one whose revocations are followed here: use a token of that one.';

/** How long nothing more is said of tokens for somebody else. */
const QUIET_MILLISECONDS = 60_000;

/**
 * Makes a verifier, which begins at once to fetch keys and to follow revocations. Raises TypeError for options that
 * cannot hold.
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const given = settingsOf(options);
  let trouble: Error | undefined; // the last one, for whoever waits
  let quietUntil = 0;
  let isClosed = false;
  const settings = {
    ...given,
    onError(error: Error) {
      if (isClosed) return; // what is given up when closing is no trouble
      trouble = error;
      given.onError(error);
    },
  };
  const ended = new AbortController();
  setMaxListeners(0, ended.signal); // one for each request that is under way
  const deps = { ...settings, timing: timingOf(options.clock), ended: ended.signal };
  const { timing } = deps;
  const policy = createRevocationPolicy(options, deps);
  const keys: KeySource = options.keys ?? createJwks(deps);
  const cache = createTokenCache<Verified>(settings.cacheSize);
  const authorize = createAuthorize(deps);
  let lastKey: KeyObject | null = null;
  const waiting = new Set<() => void>();

  function judgeTime(window: Window): VerificationCode | null {
    const now = timing.now() / 1000;
    // In this form a clock that gives no number lets nothing pass.
    if (!(now < window.until)) return 'token_expired';
    return now < window.from ? 'invalid_token' : null;
  }

  function judgeVerified(verified: Verified): Promise<VerifiedPrincipal> {
    const { principal } = verified;
    const code = judgeTime(verified.window) ?? policy.source.judge(principal);
    if (code) {
      if (code === 'token_expired') cache.delete(verified.token);
      return refused(code);
    }
    if (!policy.covers(principal.organizationId)) return refused('invalid_token', OF_ANOTHER);
    return policy.isFresh() ? verified.answer : policy.whenStale(verified.token).then(() => verified.answer);
  }

  function isTrusted(key: KeyObject): boolean {
    if (key !== lastKey && !isVerificationKey(key)) return false;
    lastKey = key;
    return true;
  }

  function verifyFirst(token: string): Promise<VerifiedPrincipal> {
    const parts = takeApart(token, ACCESS_TOKEN_TYPE);
    if (!parts) return refused('invalid_token');
    const key = keys.find(parts.kid);
    if (key || !keys.lookUp) return verifyWith(key, token, parts);
    return keys.lookUp(parts.kid).then((found) => verifyWith(found, token, parts));
  }

  function verifyWith(key: KeyObject | undefined, token: string, parts: TakenApart): Promise<VerifiedPrincipal> {
    if (!key || !isTrusted(key) || !isSignedBy(key, parts.signed, parts.signature)) return refused('invalid_token');
    const claims = acceptableClaims(parts.payload, settings);
    if (!claims) {
      tellAddressee(parts.payload);
      return refused('invalid_token');
    }
    // A copy: the token may be a piece of a longer text that should not be kept with it.
    const kept = Buffer.from(token, 'latin1').toString('latin1');
    const principal = verifiedPrincipal(kept, claims);
    const window = windowOf(claims, settings.toleranceSeconds);
    const verified = { token: kept, kid: parts.kid, key, window, principal, answer: Promise.resolve(principal) };
    if (judgeTime(window) === null) cache.set(verified);
    return judgeVerified(verified);
  }

  // Whoever mistypes the issuer or the audience finds every token invalid: that must not stay a riddle.
  function tellAddressee(payload: Record<string, unknown>): void {
    const reason = addressee(payload, settings);
    if (reason === null || timing.elapsed() < quietUntil) return;
    quietUntil = timing.elapsed() + QUIET_MILLISECONDS;
    given.onError(new Error(`A token with a good signature was refused: ${reason}. Check the options.`));
  }

  function recall(token: string): Verified | undefined {
    const known = cache.get(token);
    // What a key signed that was taken away since is no longer good.
    return known !== undefined && keys.find(known.kid) === known.key ? known : undefined;
  }

  function judge(principal: VerifiedPrincipal): VerificationCode | null {
    const isLive = timing.now() / 1000 < principal.expiresAt + settings.toleranceSeconds;
    return !isLive ? 'token_expired' : policy.source.judge(principal);
  }

  function verify(token: string): Promise<VerifiedPrincipal> {
    if (isClosed) return refused('keys_unavailable', CLOSED);
    if (typeof token !== 'string') return refused('unauthenticated');
    const known = recall(token);
    return known ? judgeVerified(known) : verifyFirst(token);
  }

  return {
    verify,
    verifyHeader(authorization) {
      // Headers of fetch give null where there is none.
      if (typeof authorization !== 'string') return refused('unauthenticated');
      // What was good once has the right form: it is found before the form is looked at.
      const known = authorization.startsWith('Bearer ') ? recall(authorization.slice(7)) : undefined;
      if (known && !isClosed) return judgeVerified(known);
      const token = bearerToken(authorization);
      return token === null ? refused('invalid_token') : verify(token);
    },
    async authorize(principal, permission) {
      // It may have been verified long ago, when a socket was opened.
      const code = judge(principal);
      if (code) throw new VerificationError(code);
      await authorize(principal, permission);
    },
    judge,
    onRevocation: (listener) => policy.source.onRevocation(listener),
    staleSeconds: () => policy.source.staleSeconds(),
    async ready(timeoutSeconds = 10) {
      if (isClosed) return refused('keys_unavailable', CLOSED);
      let waitsFor: VerificationCode = 'keys_unavailable';
      const known = (async () => {
        await keys.ready?.();
        waitsFor = 'revocations_stale';
        await policy.source.ready?.();
      })();
      let giveUp = () => {};
      const late = new Promise<never>((_, reject) => {
        giveUp = () => reject(new VerificationError(waitsFor, isClosed ? { message: CLOSED } : because(trouble)));
      });
      const callOff = timing.after(timeoutSeconds * 1000, giveUp, 'waits');
      waiting.add(giveUp);
      await Promise.race([known, late]).finally(() => {
        callOff();
        waiting.delete(giveUp);
      });
    },
    close() {
      isClosed = true;
      cache.clear();
      keys.close?.();
      policy.close();
      ended.abort();
      for (const giveUp of waiting) giveUp();
    },
  };
}

function refused(code: VerificationCode, message?: string): Promise<never> {
  return Promise.reject(new VerificationError(code, message === undefined ? {} : { message }));
}

/** For whoever starts a service: what to mend stands in the reason. It holds no secret. */
function because(trouble: Error | undefined) {
  return trouble ? { message: `The verifier is not ready: ${trouble.message}`, cause: trouble } : {};
}
