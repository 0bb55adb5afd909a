// Proves the mailbox of a registration that has no account yet, which then gets one. A person who knows the password of
// the registration, or has its id and the code of its mail, is the one who registered. Any other person who has the
// link owns the mailbox, and gets an account without what somebody else typed: the name, the password and the
// organization. So nobody activates the password of a stranger, and a person who registers an address again and again
// cannot keep its owner from an account.
import type { Database, SystemReader, SystemTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import type { Language } from '../../base/page-kit/language.ts';
import { type PublishDeps, publishing } from '../../base/revoking/publish.ts';
import { createOneTime } from '../../credentials/one-time/create.ts';
import { readCode, tokenHash } from '../../credentials/one-time/text.ts';
import { chooseSlug } from '../../directory/organizations/insert-organization.ts';
import { removeDeletedForRequest } from '../../directory/organizations/remove-deleted.ts';
import { countingKey, localPartOf } from '../../directory/users/email.ts';
import { beginAgain } from '../mailbox-proof/begin-again.ts';
import { countAttempt, type LoginThrottle } from '../password/throttle.ts';
import { guessRegistration } from '../registration/guess.ts';
import { type AccountToOpen, type OpenAccountDeps, openAccount } from '../registration/open-account.ts';
import { findByTokenHash, type Registration } from '../registration/store.ts';
import { hashNewPassword, type NewPasswordDeps } from './new-password.ts';
import { PROVEN, type Verified } from './verified.ts';

export interface VerifyRegistrationDeps extends OpenAccountDeps, PublishDeps, NewPasswordDeps {
  readonly db: Database;
  readonly throttle: LoginThrottle;
  readonly registrationMode: 'open' | 'verified' | 'closed';
}

/** Whether the token is that of a live registration. */
export async function isRegistrationToken({ db }: VerifyRegistrationDeps, token: string): Promise<boolean> {
  return (await find(db.systemReader(), token)) !== null;
}

async function find(reader: SystemReader, token: string): Promise<Registration | null> {
  const hash = tokenHash(token);
  return hash === null ? null : findByTokenHash(reader, hash);
}

/**
 * The registration of a token. Raises invalid_or_expired_token, and registration_closed while nobody may register. Then
 * the link stays as it is.
 */
async function getByToken(deps: VerifyRegistrationDeps, token: string): Promise<Registration> {
  const registration = await find(deps.db.systemReader(), token);
  if (!registration) throw problem('invalid_or_expired_token');
  assertOpen(deps);
  return registration;
}

function assertOpen({ registrationMode }: VerifyRegistrationDeps): void {
  if (registrationMode === 'closed') throw problem('registration_closed');
}

/**
 * Makes the account for the person who registered, and who knows the password of the registration. A wrong one raises
 * invalid_credentials, counts as a failed sign-in, and leaves the link as it is; after several, too_many_requests is
 * raised. Raises invalid_or_expired_token, registration_closed and service_busy.
 */
export async function verifyRegistrationByPassword(
  deps: VerifyRegistrationDeps,
  { token, password, network }: { readonly token: string; readonly password: string; readonly network: string },
): Promise<Verified> {
  const registration = await getByToken(deps, token);
  const check = async () => (await deps.passwords.verify(password, registration.passwordHash)).matches;
  if (!(await countAttempt(deps.throttle, countingKey(registration.email), network, check))) {
    throw problem('invalid_credentials', { detail: 'This is not the password of the registration.' });
  }
  return openOwn(deps, registration, tokenHash(token));
}

/**
 * Makes the account for the person who registered, and who has the id of the registration and the code of its mail. A
 * wrong code is counted. Raises invalid_or_expired_token, whatever the reason is, and registration_closed.
 */
export async function verifyRegistrationByCode(
  deps: VerifyRegistrationDeps,
  { registrationId, code: typed }: { readonly registrationId: string; readonly code: string },
): Promise<Verified> {
  assertOpen(deps);
  const code = readCode(typed);
  // A wrong code stays counted: this transaction commits.
  const registration = code && (await deps.db.system((tx) => guessRegistration(tx, registrationId, code)));
  if (!registration) throw problem('invalid_or_expired_token');
  return openOwn(deps, registration, null);
}

/**
 * Makes the account for somebody who has only the link. The name becomes the part of the e-mail before the @. Without a
 * new password, the answer has a token that sets one. Raises invalid_or_expired_token, registration_closed, and
 * validation_failed for a weak password, which leaves the link as it is.
 */
export async function verifyRegistrationByMailbox(
  deps: VerifyRegistrationDeps,
  asked: { readonly token: string; readonly newPassword: string | null; readonly locale: Language | null },
): Promise<Verified> {
  const { token, newPassword, locale } = asked;
  const registration = await getByToken(deps, token);
  const name = localPartOf(registration.email);
  const passwordHash = await hashNewPassword(deps, newPassword, registration.email);
  const proof = { registration, tokenHash: tokenHash(token) };
  return open(deps, { ...proof, name, passwordHash, locale, organization: null });
}

/**
 * The account has what was typed at the registration. If the slug of its organization was taken meanwhile, another slug
 * is chosen.
 */
async function openOwn(
  deps: VerifyRegistrationDeps,
  registration: Registration,
  proven: string | null,
): Promise<Verified> {
  const { name, passwordHash, locale, organization: wanted } = registration;
  const slug = wanted && (await chooseSlug(deps, wanted.slug ?? wanted.name, null));
  const organization = wanted && slug && { name: wanted.name, slug };
  return open(deps, { registration, tokenHash: proven, name, passwordHash, locale, organization });
}

async function open(deps: VerifyRegistrationDeps, asked: AccountToOpen): Promise<Verified> {
  const { verified, deleted } = await publishing(
    deps,
    beginAgain(() => deps.db.system((tx) => openIn(deps, tx, asked))),
  );
  await removeDeletedForRequest(deps, deleted);
  return verified;
}

async function openIn(deps: VerifyRegistrationDeps, tx: SystemTx, asked: AccountToOpen) {
  const opened = await openAccount(deps, tx, asked);
  if (!opened || asked.passwordHash !== null) return opened && { ...opened, verified: PROVEN };
  const made = { userId: opened.userId, purpose: 'reset_password', address: opened.email } as const;
  const { token, expiresAt } = await createOneTime(deps, tx, made);
  return { ...opened, verified: { isAgain: false, isPasswordSet: false, reset: { token, expiresAt } } };
}
