// The problems that refuse an access token. The guard of the routes raises them, and so does a transaction that finds
// that the session of the caller has ended.
import { type Problem, problem } from './problem.ts';

/** RFC 6750 §3.1: the challenge names the error, so that the caller knows that a new token may help. */
export const CHALLENGE = { headers: { 'www-authenticate': 'Bearer error="invalid_token"' } } as const;

/** Returns the problem for the caller to throw. */
export function refusedToken(code: 'invalid_token' | 'token_expired' | 'session_revoked' | 'token_stale'): Problem {
  return problem(code, CHALLENGE);
}
