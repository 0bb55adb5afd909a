// Sign-in by e-mail and password.

import type { Database } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import type { Log } from '../../base/platform/log.ts';
import { type PublishDeps, publishing } from '../../base/revoking/publish.ts';
import type { Passwords } from '../../credentials/passwords/hashing.ts';
import { findOrganizationId } from '../../directory/organizations/store.ts';
import { countingKey, type EmailAddress, parseEmail } from '../../directory/users/email.ts';
import { findCredentialsToCheck, updateHash } from '../../directory/users/store.ts';
import { chooseOrganization } from '../sessions/choose-organization.ts';
import { markSurplusEnded } from '../sessions/ending-store.ts';
import { answerSession, type Device, type Opened, type SessionDeps, storeSession } from '../sessions/open-session.ts';
import { countAttempt, type LoginThrottle } from './throttle.ts';

export interface LoginDeps extends SessionDeps, PublishDeps {
  readonly db: Database;
  readonly passwords: Passwords;
  readonly throttle: LoginThrottle;
  readonly sessionsPerUserMax: number;
  readonly log: Log;
}

export interface Login {
  readonly email: string;
  readonly password: string;
  /** The id or slug of the organization, or both. If the list is empty, the first active membership decides. */
  readonly organization: readonly string[];
  readonly device: Device;
  /** The network of the request. Failures are counted by network. */
  readonly address: string;
  /** Raises too_many_requests when sign-ins name the same organization too often. */
  readonly limitOrganization: (organization: string) => Promise<void>;
}

/**
 * Opens a session for the right password. An unknown e-mail and a wrong password get the same answer
 * (invalid_credentials) after the same work. Only a request with the right password can get account_disabled,
 * organization_access_denied, organization_suspended, and bad_request for two different organizations. Raises
 * too_many_requests after several failures, and service_busy when too many hashes wait.
 */
export async function login(deps: LoginDeps, input: Login): Promise<Opened> {
  const email = parseEmail(input.email);
  await countOrganizations(deps, input);
  const check = () => checkPassword(deps, email, input.password);
  const verdict = await countAttempt(deps.throttle, countingKey(input.email), input.address, check);
  if (!verdict) throw problem('invalid_credentials');
  const pending = await storeSession(deps, deps.db.systemReader(), {
    userId: verdict.userId,
    organization: await chooseOrganization(deps, verdict.userId, input.organization),
    amr: ['pwd'], // RFC 8176 §2
    device: input.device,
    passwordChangedAt: verdict.passwordChangedAt,
    tellsOfNewDevice: true,
  });
  if (pending.stored.opened) {
    await publishing(deps, markSurplusEnded(deps.db.systemReader(), verdict.userId, deps.sessionsPerUserMax));
    if (verdict.staleHash) await rehash(deps, verdict.userId, verdict.staleHash, input.password);
  }
  return { pending, answer: () => answerSession(deps, pending) };
}

// An organization is counted under its id, whether the request names the id or the slug. An unknown name is counted as
// it was typed, after the same query. So neither the answer nor its time shows which names exist.
async function countOrganizations(deps: LoginDeps, input: Login): Promise<void> {
  const lookups = input.organization.map(
    async (name) => (await findOrganizationId(deps.db.systemReader(), name)) ?? name,
  );
  for (const counted of new Set(await Promise.all(lookups))) await input.limitOrganization(counted);
}

async function checkPassword(deps: LoginDeps, email: EmailAddress | null, password: string) {
  // The query and the hash also run for a text that is not an e-mail address, so that every outcome takes the same
  // work. For an unknown e-mail, the hash is that of another account.
  const { own: account, hash } = await findCredentialsToCheck(deps.db.systemReader(), email?.key ?? '');
  const { matches, needsRehash } = await deps.passwords.verify(password, hash);
  if (!account || !matches) return null;
  return { userId: account.id, passwordChangedAt: account.changedAt, staleHash: needsRehash ? account.hash : null };
}

async function rehash(deps: LoginDeps, userId: string, from: string, password: string): Promise<void> {
  try {
    await updateHash(deps.db.systemReader(), userId, from, await deps.passwords.hash(password));
  } catch (error) {
    // The sign-in is still valid. The next sign-in tries again to replace the hash.
    deps.log.warn({ userId, reason: (error as Error).message }, 'a password hash could not be renewed');
  }
}
