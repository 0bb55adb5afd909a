// createVerifier puts the parts of the verifier together and decides their order. Each part has its own file.
import { setMaxListeners } from 'node:events';
import { bearerToken } from '../../protocol/bearer.ts';
import { createJwks } from '../keys/jwks.ts';
import { createAuthorize } from './authorize.ts';
import { timingOf } from './clock.ts';
import type { KeySource, VerificationCode, VerifiedPrincipal, Verifier } from './contract.ts';
import { refused, VerificationError } from './error.ts';
import { settingsOf, type VerifierOptions } from './options.ts';
import { tokenOf } from './principal.ts';
import { createReadiness } from './readiness.ts';
import { createRevocationPolicy } from './staleness.ts';
import { createTokenCheck } from './token-check.ts';

const CLOSED = 'This verifier was closed: make another one.';

/**
 * Creates a verifier, which begins at once to fetch keys and to follow the feed, as far as the options ask for that.
 * Raises TypeError for options that cannot work.
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const given = settingsOf(options);
  let trouble: Error | undefined; // the last error, for the callers of `ready`
  let isClosed = false;
  const settings = {
    ...given,
    onError(error: Error) {
      if (isClosed) return; // a request that `close` aborted is not an error
      trouble = error;
      given.onError(error);
    },
  };
  const ended = new AbortController();
  setMaxListeners(0, ended.signal); // each running request adds one listener
  const deps = { ...settings, timing: timingOf(options.clock), ended: ended.signal };
  const { timing } = deps;
  const policy = createRevocationPolicy(options, deps);
  const keys: KeySource = options.keys ?? createJwks(deps);
  policy.source.onRevocation(({ kind }) => kind === 'key' && keys.expectNew?.());
  const { cacheSize } = settings;
  const tokens = createTokenCheck({ rules: settings, cacheSize, timing, keys, policy, onError: given.onError });
  const { recall, judge: judgeChecked, checkFirst } = tokens;
  const why = () => (isClosed ? { message: CLOSED } : because(trouble));
  const readiness = createReadiness({ keys, revocations: policy.source, timing, why });
  const authorize = createAuthorize(deps);

  function judge(principal: VerifiedPrincipal): VerificationCode | null {
    const isLive = timing.now() / 1000 < principal.expiresAt + settings.toleranceSeconds;
    return !isLive ? 'token_expired' : policy.source.judge(principal);
  }

  function verify(token: string): Promise<VerifiedPrincipal> {
    if (isClosed) return refused('keys_unavailable', CLOSED);
    if (typeof token !== 'string') return refused('unauthenticated');
    const known = recall(token);
    return known ? judgeChecked(known) : checkFirst(token);
  }

  return {
    verify,
    verifyHeader(authorization) {
      // The Headers of fetch return null for a header that was not sent.
      if (typeof authorization !== 'string') return refused('unauthenticated');
      // A token in the cache has the right form, so the cache is read before the form is checked.
      const known = authorization.startsWith('Bearer ') ? recall(authorization.slice(7)) : undefined;
      if (known && !isClosed) return judgeChecked(known);
      const token = bearerToken(authorization);
      return token === null ? refused('invalid_token') : verify(token);
    },
    async authorize(principal, permission) {
      // The principal may have been verified long ago, when a socket was opened.
      const code = judge(principal);
      if (code) throw new VerificationError(code);
      if (!policy.isCurrent()) await policy.whenStale(tokenOf(principal));
      await authorize(principal, permission);
    },
    judge,
    onRevocation: (listener) => policy.source.onRevocation(listener),
    staleSeconds: () => policy.source.staleSeconds(),
    isCurrent: policy.isCurrent,
    ready: (timeoutSeconds = 10) => (isClosed ? refused('keys_unavailable', CLOSED) : readiness.wait(timeoutSeconds)),
    close() {
      isClosed = true;
      tokens.clear();
      keys.close?.();
      policy.close();
      ended.abort();
      readiness.giveUp();
    },
  };
}

/**
 * The details of an error for the operator who starts a service. The message names the last background error, if there
 * was one, and contains no secret.
 */
function because(trouble: Error | undefined) {
  return trouble ? { message: `The verifier is not ready: ${trouble.message}`, cause: trouble } : {};
}
