// Sign-in by e-mail and password.
import { problem } from '../errors.ts';
import type { Passwords } from '../passwords/hashing.ts';
import type { Database } from '../platform/db.ts';
import type { Log } from '../platform/log.ts';
import { type EmailAddress, parseEmail } from '../users/email.ts';
import { findCredentials, updateHash } from '../users/store.ts';
import type { LoginThrottle } from './login-throttle.ts';
import { answerSession, type Device, type SessionDeps, type SignedIn, storeSession } from './open-session.ts';
import { markSurplusEnded } from './store.ts';

export interface LoginDeps extends SessionDeps {
  readonly db: Database;
  readonly passwords: Passwords;
  readonly throttle: LoginThrottle;
  readonly sessionsPerUserMax: number;
  readonly log: Log;
}

export interface Login {
  readonly email: string;
  readonly password: string;
  /** Id or slug of the organization to act for; null lets the first active membership decide. */
  readonly organization: string | null;
  readonly device: Device;
  /** The client's network, for counting failures. */
  readonly address: string;
}

/**
 * Opens a session for the right password. An unknown e-mail and a wrong password are one answer and one work
 * (invalid_credentials). With the right password it raises account_disabled, organization_access_denied or
 * organization_suspended; too_many_requests after failures; service_busy when too many hashes wait.
 */
export async function login(deps: LoginDeps, input: Login): Promise<SignedIn> {
  const email = parseEmail(input.email);
  const counted = email?.key ?? '';
  deps.throttle.begin(counted, input.address);
  let verdict: Awaited<ReturnType<typeof checkPassword>>;
  try {
    verdict = await checkPassword(deps, email, input.password);
  } catch (error) {
    deps.throttle.undecided(counted, input.address);
    throw error;
  }
  if (!verdict) throw problem('invalid_credentials');
  deps.throttle.succeeded(counted, input.address);
  const pending = await storeSession(deps, deps.db.systemReader(), {
    userId: verdict.userId,
    organization: input.organization,
    amr: ['pwd'], // RFC 8176 §2
    device: input.device,
  });
  const surplus = await markSurplusEnded(deps.db.systemReader(), verdict.userId, deps.sessionsPerUserMax);
  for (const sid of surplus) deps.revocations.publish({ kind: 'session', sid });
  const answer = await answerSession(deps, pending);
  if (verdict.staleHash) await rehash(deps, verdict.userId, verdict.staleHash, input.password);
  return answer;
}

async function checkPassword(deps: LoginDeps, email: EmailAddress | null, password: string) {
  // Also for what cannot be an address the database is asked and a hash computed: one work for every outcome.
  const account = await findCredentials(deps.db.systemReader(), email?.key ?? '');
  const { matches, needsRehash } = await deps.passwords.verify(password, account?.hash ?? null);
  if (!account || !matches) return null;
  return { userId: account.id, staleHash: needsRehash ? account.hash : null };
}

async function rehash(deps: LoginDeps, userId: string, from: string, password: string): Promise<void> {
  try {
    await updateHash(deps.db.systemReader(), userId, from, await deps.passwords.hash(password));
  } catch (error) {
    // The sign-in stands; the next one tries again.
    deps.log.warn({ userId, reason: (error as Error).message }, 'a password hash could not be renewed');
  }
}
