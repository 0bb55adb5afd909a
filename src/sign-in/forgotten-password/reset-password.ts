// Sets a new password for somebody who has proven the mailbox of the account by the link or the code of a mail. Nobody
// is signed in by that.
import type { Database, SystemTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { recordOwn } from '../../base/events/record.ts';
import type { Language } from '../../base/page-kit/language.ts';
import { type PublishDeps, publishing } from '../../base/revoking/publish.ts';
import {
  checkCode,
  consumeCode,
  consumeToken,
  endAll,
  findOneTime,
  type OneTime,
} from '../../credentials/one-time/consume.ts';
import { ENDED_WITH_CREDENTIALS } from '../../credentials/one-time/purposes.ts';
import { lockGuesses } from '../../credentials/one-time/store.ts';
import type { Passwords } from '../../credentials/passwords/hashing.ts';
import type { PasswordPolicy } from '../../credentials/passwords/policy.ts';
import { setPasswordHash } from '../../directory/users/account-store.ts';
import { countingKey, parseEmail } from '../../directory/users/email.ts';
import { findAccountByMailbox } from '../../directory/users/mailbox-store.ts';
import type { Receiver } from '../../directory/users/receiver-store.ts';
import { NIL_ID } from '../../protocol/id.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import { findAddressee } from '../mailbox-proof/addressee.ts';
import { type ClaimDeps, takeOver } from '../mailbox-proof/claim.ts';
import { requestPasswordChangedMail } from '../notices/password-changed.ts';
import type { LoginThrottle } from '../password/throttle.ts';
import { endAccess } from '../sessions/end-session.ts';
import { RESET_MAIL } from './mail.ts';

export interface ResetDeps extends PublishDeps, ClaimDeps {
  readonly db: Database;
  readonly passwords: Passwords;
  readonly passwordPolicy: PasswordPolicy;
  readonly throttle: LoginThrottle;
}

/** The token of the link, or the code of the mail with the address to which the mail was sent. */
export type Proof = { readonly token: string } | { readonly email: string; readonly code: string };

export interface Reset {
  readonly proof: Proof;
  readonly password: string;
  /** The language of the request; null when it is unknown. */
  readonly locale: Language | null;
  /** The network of the request. */
  readonly network: string;
}

/** How the proof is looked at without using it up, and how it is used up. */
interface Using {
  check(): Promise<OneTime | null>;
  consume(tx: SystemTx): Promise<OneTime | null>;
}

/**
 * Sets the password, and ends every session, every access token and the other tokens of mails of the account. Tokens
 * that restore a former address stay, unless nobody had proven the address before. The address counts as proven. Raises
 * invalid_or_expired_token for every proof that does not work, whatever the reason is, and validation_failed for a weak
 * password, which leaves the proof as it is. Only a proof that works costs a hash.
 */
export async function resetPassword(deps: ResetDeps, { proof, password, locale, network }: Reset): Promise<void> {
  const using = await usingOf(deps, proof);
  const found = await using.check();
  const owner = found && (await findAddressee(deps.db.systemReader(), found));
  if (!owner) throw problem('invalid_or_expired_token');
  const { email, name } = owner;
  await deps.passwordPolicy.assertGood(password, { email, name });
  const hash = await deps.passwords.hash(password);

  async function change(tx: SystemTx) {
    const used = await using.consume(tx);
    if (!used) return { isDone: false, revocations: [] }; // a wrong code stays counted
    const user = await findAddressee(tx, used);
    if (!user) throw problem('invalid_or_expired_token');
    const { id: userId } = user;
    await recordOwn(deps, tx, userId, 'user.password_reset');
    const revocations = await setPassword(deps, tx, user, { hash, locale });
    await requestPasswordChangedMail(deps, tx, { userId, sessionId: null });
    return { isDone: true, revocations };
  }

  const { isDone } = await publishing(deps, deps.db.system(change));
  if (!isDone) throw problem('invalid_or_expired_token');
  // The person who has read the mail may sign in at once from this network. In other networks, the waits after wrong
  // passwords go on.
  deps.throttle.succeeded(countingKey(email), network);
}

/**
 * Returns how the proof is checked and used up. For an unknown address, everything runs for an id that no user has,
 * which takes as long, and guesses for one address wait for each other whether it has an account or not.
 */
async function usingOf({ db }: ResetDeps, proof: Proof): Promise<Using> {
  if ('token' in proof) {
    const { token } = proof;
    return {
      check: () => findOneTime(db.systemReader(), RESET_MAIL, token),
      consume: (tx) => consumeToken(tx, RESET_MAIL, token),
    };
  }
  const key = parseEmail(proof.email)?.key ?? '';
  const userId = (await findAccountByMailbox(db.systemReader(), key))?.id ?? NIL_ID;
  const guessing = (act: typeof checkCode) => async (tx: SystemTx) => {
    await lockGuesses(tx, key);
    return act(tx, RESET_MAIL, userId, proof.code);
  };
  return { check: () => db.system(guessing(checkCode)), consume: guessing(consumeCode) };
}

/**
 * Stores the hash, and ends the sessions, access tokens and other tokens of mails as `resetPassword` says. If nobody
 * had proven the address before, the account may have been made by somebody else, so it is taken over. The memberships
 * remain, so that a person who has merely never proven the address loses no organization.
 */
async function setPassword(
  deps: ResetDeps,
  tx: SystemTx,
  { id: userId, email, isEmailVerified }: Receiver,
  { hash: passwordHash, locale }: { readonly hash: string; readonly locale: Language | null },
): Promise<readonly Revocation[]> {
  const reason = 'password_reset';
  if (!isEmailVerified) {
    const taken = await takeOver(deps, tx, { userId, email, passwordHash, locale, reason });
    if (!taken) throw problem('invalid_or_expired_token');
    return taken;
  }
  await setPasswordHash(tx, userId, passwordHash);
  await endAll(tx, userId, ENDED_WITH_CREDENTIALS);
  return endAccess(tx, { userId, reason });
}
