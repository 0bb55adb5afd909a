// Sets a new password for somebody who has proven the mailbox of the account by the link or the code of a mail. Nobody
// is signed in by that.
import type { Database, SystemTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { record } from '../../base/events/record.ts';
import type { Language } from '../../base/page-kit/language.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import { type PublishDeps, publishing } from '../../base/revoking/publish.ts';
import {
  checkCode,
  consumeCode,
  consumeToken,
  endAll,
  findOneTime,
  type OneTime,
} from '../../credentials/one-time/consume.ts';
import { ENDED_WITH_CREDENTIALS, EVERY_PURPOSE } from '../../credentials/one-time/purposes.ts';
import type { Passwords } from '../../credentials/passwords/hashing.ts';
import type { PasswordPolicy } from '../../credentials/passwords/policy.ts';
import { markSentRevoked } from '../../directory/invitations/store.ts';
import { setPasswordHash } from '../../directory/users/account-store.ts';
import { countingKey, parseEmail } from '../../directory/users/email.ts';
import { raiseEpochs } from '../../directory/users/epoch-store.ts';
import { findAccountByMailbox, takeOverUnproven } from '../../directory/users/mailbox-store.ts';
import { findReceiver, type Receiver } from '../../directory/users/receiver-store.ts';
import { NIL_ID } from '../../protocol/id.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import { requestPasswordChangedMail } from '../notices/password-changed.ts';
import type { LoginThrottle } from '../password/throttle.ts';
import { lockSessions, markSessionsEnded } from '../sessions/ending-store.ts';
import { RESET_MAIL } from './mail.ts';

export interface ResetDeps extends PublishDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly passwords: Passwords;
  readonly passwordPolicy: PasswordPolicy;
  readonly throttle: LoginThrottle;
  /** Deletes the service clients that the user has made, with their tokens. */
  readonly removeClientsOf: (tx: SystemTx, userId: string) => Promise<Revocation[]>;
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
  check(tx: SystemTx): Promise<OneTime | null>;
  consume(tx: SystemTx): Promise<OneTime | null>;
}

/**
 * Sets the password, and ends every session, every access token and the other tokens of mails of the account. The
 * address counts as proven. Raises invalid_or_expired_token for every proof that does not work, whatever the reason
 * is, and validation_failed for a weak password, which leaves the proof as it is. Only a proof that works costs a hash.
 */
export async function resetPassword(deps: ResetDeps, { proof, password, locale, network }: Reset): Promise<void> {
  const using = await usingOf(deps, proof);
  const owner = await deps.db.system(async (tx) => {
    const found = await using.check(tx);
    return found && findOwner(tx, found);
  });
  if (!owner) throw problem('invalid_or_expired_token');
  const { email, name } = owner;
  await deps.passwordPolicy.assertGood(password, { email, name });
  const hash = await deps.passwords.hash(password);

  async function change(tx: SystemTx) {
    const used = await using.consume(tx);
    if (!used) return { isDone: false, revocations: [] }; // a wrong code stays counted
    const user = await findOwner(tx, used);
    if (!user) throw problem('invalid_or_expired_token');
    const { id: userId } = user;
    const clients = await setPassword(deps, tx, user, { hash, locale });
    await recordOwn(deps, tx, userId, 'user.password_reset');
    const raised = await raiseEpochs(tx, [userId]);
    await lockSessions(tx, userId);
    const { revocations } = await markSessionsEnded(tx, { userId, reason: 'password_reset' });
    await requestPasswordChangedMail(deps, tx, { userId, sessionId: null });
    return { isDone: true, revocations: [...raised, ...revocations, ...clients] };
  }

  const { isDone } = await publishing(deps, deps.db.system(change));
  if (!isDone) throw problem('invalid_or_expired_token');
  // Whoever has read the mail may sign in at once from here. Elsewhere, the waits after wrong passwords go on.
  deps.throttle.succeeded(countingKey(email), network);
}

/** For an unknown address, everything runs for the id of nobody, which takes as long. */
async function usingOf({ db }: ResetDeps, proof: Proof): Promise<Using> {
  if ('token' in proof) {
    const { token } = proof;
    return {
      check: (tx) => findOneTime(tx, RESET_MAIL, token),
      consume: (tx) => consumeToken(tx, RESET_MAIL, token),
    };
  }
  const key = parseEmail(proof.email)?.key ?? '';
  const userId = (await findAccountByMailbox(db.systemReader(), key))?.id ?? NIL_ID;
  return {
    check: (tx) => checkCode(tx, RESET_MAIL, userId, proof.code),
    consume: (tx) => consumeCode(tx, RESET_MAIL, userId, proof.code),
  };
}

/** The user of the token; null unless the account is active and still has the address to which the mail was sent. */
async function findOwner(tx: SystemTx, { userId, address }: OneTime): Promise<Receiver | null> {
  const user = await findReceiver(tx, userId);
  if (!user?.isActive || address === null) return null;
  return parseEmail(user.email)?.key === parseEmail(address)?.key ? user : null;
}

/**
 * Stores the hash. If nobody had proven the address before, the account may have been made by somebody else. Then
 * everything ends that a stranger could use or may have written: the name, the invitations, the service clients and the
 * tokens of mails. The memberships remain, so that a person who only never proved the address loses no organization.
 * Returns the revocations of the clients.
 */
async function setPassword(
  deps: ResetDeps,
  tx: SystemTx,
  { id: userId, email }: Receiver,
  { hash: passwordHash, locale }: { readonly hash: string; readonly locale: Language | null },
): Promise<Revocation[]> {
  const [name = email] = email.split('@');
  const emailKey = parseEmail(email)?.key ?? '';
  if (await takeOverUnproven(tx, { userId, email, emailKey, name, passwordHash, locale })) {
    await recordOwn(deps, tx, userId, 'user.claimed');
    await markSentRevoked(tx, userId, 'account_claimed');
    await endAll(tx, userId, EVERY_PURPOSE);
    return deps.removeClientsOf(tx, userId);
  }
  await setPasswordHash(tx, userId, passwordHash);
  await endAll(tx, userId, ENDED_WITH_CREDENTIALS);
  return [];
}

type OwnEventType = 'user.password_reset' | 'user.claimed';

function recordOwn(deps: ResetDeps, tx: SystemTx, userId: string, type: OwnEventType): Promise<void> {
  const id = newId(deps.random, deps.clock);
  return record(tx, { id, type, organizationId: null, actorId: userId, targetId: userId });
}
