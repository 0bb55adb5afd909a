// Proves the address of an account with the link or the code of a mail. A person who is signed in, or knows the
// password, is the one who registered, so nothing else changes. Any other person who has the link owns the mailbox, but
// may not be the one who registered. This person gets the account, and everything in it that somebody else could use
// ends (see `claimUnproven`). A proof signs nobody in. The link of a registration that has no account yet creates the
// account: verify-registration.ts.
import type { SystemReader, SystemTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import type { Language } from '../../base/page-kit/language.ts';
import { type PublishDeps, publishing } from '../../base/revoking/publish.ts';
import { consumeCode, consumeToken, findOneTime } from '../../credentials/one-time/consume.ts';
import { createOneTime } from '../../credentials/one-time/create.ts';
import { lockOwner } from '../../credentials/one-time/store.ts';
import { removeDeletedForRequest } from '../../directory/organizations/remove-deleted.ts';
import { countingKey, parseEmail } from '../../directory/users/email.ts';
import { assertSessionLive, type SessionOwner } from '../../directory/users/live-session.ts';
import { findReceiver, type Receiver } from '../../directory/users/receiver-store.ts';
import { findCredentials } from '../../directory/users/store.ts';
import { findAddressee, isAbout } from '../mailbox-proof/addressee.ts';
import { beginAgain } from '../mailbox-proof/begin-again.ts';
import { type ClaimDeps, claimUnproven, lockHeld } from '../mailbox-proof/claim.ts';
import { enqueueVerifyMail, VERIFY_MAIL } from '../mailbox-proof/mail.ts';
import { proveMailbox } from '../mailbox-proof/proven.ts';
import { countAttempt } from '../password/throttle.ts';
import { hashNewPassword } from './new-password.ts';
import { AGAIN, PROVEN, type Verified } from './verified.ts';
import {
  isRegistrationToken,
  type VerifyRegistrationDeps,
  verifyRegistrationByMailbox,
  verifyRegistrationByPassword,
} from './verify-registration.ts';

export interface VerifyDeps extends ClaimDeps, PublishDeps, VerifyRegistrationDeps {}

/** The token of the link, or the code of the mail. */
export type Proof = { readonly token: string } | { readonly code: string };

/**
 * Proves the address of the signed-in user. If it was proven before, a proof that is wrong or used up is accepted, too,
 * so that a repeat does no harm. Raises session_revoked, verification_for_another for the link of another account,
 * which still works afterwards, and invalid_or_expired_token.
 */
export async function verifyAsUser(deps: VerifyDeps, caller: SessionOwner, proof: Proof): Promise<Verified> {
  // The link of a registration belongs to nobody who can be signed in.
  if ('token' in proof && (await isRegistrationToken(deps, proof.token))) throw problem('verification_for_another');
  const verdict = await deps.db.system(async (tx): Promise<Verified | 'refused' | 'another'> => {
    if ('token' in proof) {
      const found = await findOneTime(tx, VERIFY_MAIL, proof.token);
      if (found && found.userId !== caller.id) return 'another';
    }
    await lockOwner(tx, caller.id);
    await assertSessionLive(tx, caller);
    const user = await findReceiver(tx, caller.id);
    if (user?.isEmailVerified) return AGAIN;
    const used =
      'token' in proof
        ? await consumeToken(tx, VERIFY_MAIL, proof.token)
        : await consumeCode(tx, VERIFY_MAIL, caller.id, proof.code);
    // A wrong code stays counted, so the transaction is not undone.
    if (!user || !used || !isAbout(used, user)) return 'refused';
    return markProven(deps, tx, caller.id);
  });
  if (verdict === 'another') throw problem('verification_for_another');
  if (verdict === 'refused') throw problem('invalid_or_expired_token');
  return verdict;
}

export interface ByPassword {
  readonly token: string;
  readonly password: string;
  /** The network of the request. Failures are counted by network. */
  readonly network: string;
}

/**
 * Proves the address for somebody who knows the password of the account. Raises invalid_or_expired_token. A wrong
 * password raises invalid_credentials, counts as a failed sign-in, and leaves the token as it is; after several,
 * too_many_requests is raised.
 */
export async function verifyByPassword(deps: VerifyDeps, input: ByPassword): Promise<Verified> {
  const { token, password, network } = input;
  const user = await findProvable(deps.db.systemReader(), token);
  if (!user) return verifyRegistrationByPassword(deps, input);
  const check = async () => {
    const account = await findCredentials(deps.db.systemReader(), parseEmail(user.email)?.key ?? '');
    return (await deps.passwords.verify(password, account?.hash ?? null)).matches;
  };
  if (!(await countAttempt(deps.throttle, countingKey(user.email), network, check))) {
    throw problem('invalid_credentials', { detail: 'This is not the password of the account.' });
  }
  const verified = await deps.db.system(async (tx): Promise<Verified | null> => {
    const used = await consumeToken(tx, VERIFY_MAIL, token);
    const owner = used && (await findAddressee(tx, used));
    if (!owner) return null;
    return owner.isEmailVerified ? AGAIN : markProven(deps, tx, owner.id);
  });
  if (!verified) throw problem('invalid_or_expired_token');
  return verified;
}

export interface ByMailbox {
  readonly token: string;
  /** The new password. With null, the answer has a token that sets one. */
  readonly newPassword: string | null;
  /** The language of the request; null when it is unknown. */
  readonly locale: Language | null;
}

/**
 * Proves the address for somebody who has only the link, and ends everything that an unproven owner could still use. If
 * the address was proven in another way before, nothing changes. Raises invalid_or_expired_token, and validation_failed
 * for a weak password, which leaves the token as it is.
 */
export async function verifyByMailbox(deps: VerifyDeps, input: ByMailbox): Promise<Verified> {
  const { token, newPassword } = input;
  const user = await findProvable(deps.db.systemReader(), token);
  if (!user) return verifyRegistrationByMailbox(deps, input);
  const passwordHash = await hashNewPassword(deps, newPassword, user.email);
  const claiming = { ...input, userId: user.id, passwordHash };
  const { verified, deleted } = await publishing(
    deps,
    beginAgain(() => deps.db.system((tx) => claimIn(deps, tx, claiming))),
  );
  await removeDeletedForRequest(deps, deleted);
  if (!verified) throw problem('invalid_or_expired_token');
  return verified;
}

interface Claiming extends ByMailbox {
  readonly userId: string;
  readonly passwordHash: string | null;
}

const NOTHING = { verified: null, revocations: [], deleted: [] } as const;

async function claimIn(deps: VerifyDeps, tx: SystemTx, { userId, token, passwordHash, locale }: Claiming) {
  const held = await lockHeld(tx, userId);
  if (held === null) return null;
  const used = await consumeToken(tx, VERIFY_MAIL, token);
  const user = used && (await findAddressee(tx, used));
  if (!user) return NOTHING;
  if (user.isEmailVerified) return { ...NOTHING, verified: AGAIN };
  const claimed = await claimUnproven(deps, tx, { user, held, passwordHash, locale });
  if (!claimed) return NOTHING;
  return { ...claimed, verified: await claimedAnswer(deps, tx, user, passwordHash) };
}

async function claimedAnswer(
  deps: VerifyDeps,
  tx: SystemTx,
  { id: userId, email }: Receiver,
  passwordHash: string | null,
): Promise<Verified> {
  if (passwordHash !== null) return PROVEN;
  const address = { address: email, key: parseEmail(email)?.key ?? '' };
  const { token, expiresAt } = await createOneTime(deps, tx, { userId, purpose: 'reset_password', address });
  return { isAgain: false, isPasswordSet: false, reset: { token, expiresAt } };
}

/** Requests a new mail for the signed-in user. Does nothing when the address is proven. Raises session_revoked. */
export async function requestVerifyMail(deps: VerifyDeps, caller: SessionOwner): Promise<void> {
  await deps.db.system(async (tx) => {
    await lockOwner(tx, caller.id);
    await assertSessionLive(tx, caller);
    const user = await findReceiver(tx, caller.id);
    const emailKey = user && parseEmail(user.email)?.key;
    if (!user || user.isEmailVerified || !emailKey) return;
    await enqueueVerifyMail(deps, tx, { userId: user.id, emailKey });
  });
}

async function markProven(deps: VerifyDeps, tx: SystemTx, userId: string): Promise<Verified> {
  return (await proveMailbox(deps, tx, { userId, actorId: userId })) ? PROVEN : AGAIN;
}

/** The user of a live token; null unless the account is active and still has the address. */
async function findProvable(reader: SystemReader, token: string): Promise<Receiver | null> {
  const found = await findOneTime(reader, VERIFY_MAIL, token);
  return found && findAddressee(reader, found);
}
