// Changes the address of an account, for its user, who has proven the new one by the link or the code of a mail. The
// link alone is not enough: the owner of the mailbox may be a stranger to the account. This person would take it for
// their own, and whoever asked for the change could later take the account back, with everything that has come into it.
import type { Database, SystemTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { recordOwn } from '../../base/events/record.ts';
import { type PublishDeps, publishing } from '../../base/revoking/publish.ts';
import { consumeCode, consumeToken, endAll, findOneTime, type OneTime } from '../../credentials/one-time/consume.ts';
import type { CreateDeps } from '../../credentials/one-time/create.ts';
import { ENDED_WITH_ADDRESS } from '../../credentials/one-time/purposes.ts';
import { endRevertsAfter } from '../../credentials/one-time/revert-store.ts';
import { lockOwner } from '../../credentials/one-time/store.ts';
import { parseEmail } from '../../directory/users/email.ts';
import { insertReturn, isDisputed, updateEmail } from '../../directory/users/email-store.ts';
import { assertSessionLive, type SessionOwner } from '../../directory/users/live-session.ts';
import { findReceiver } from '../../directory/users/receiver-store.ts';
import { lockSession } from '../../directory/users/session-store.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import { endAccess } from '../sessions/end-session.ts';
import { enqueueNoticeMail } from './mail.ts';

export interface ConfirmChangeDeps extends PublishDeps, CreateDeps {
  readonly db: Database;
  readonly nudgeOutbox: () => void;
}

/** The token of the link, or the code of the mail. */
export type ChangeProof = { readonly token: string } | { readonly code: string };

const REFUSED = { isDone: false, revocations: [] as readonly Revocation[] };

/**
 * Gives the caller's account the new address, refuses all older access tokens, and ends the sessions other than the
 * caller's and the tokens of former mails, except those that restore a former address. If such a token restores this
 * address, those of later changes end, and the address before gets none. Raises session_revoked,
 * email_change_for_another for the link of another account, which still works afterwards, and invalid_or_expired_token
 * for every other proof that does not work, whatever the reason is.
 */
export async function confirmEmailChange(
  deps: ConfirmChangeDeps,
  caller: SessionOwner,
  proof: ChangeProof,
): Promise<void> {
  const { isDone } = await publishing(
    deps,
    deps.db.system(async (tx) => {
      await lockOwner(tx, caller.id);
      await assertSessionLive(tx, caller);
      const used = await use(tx, caller, proof);
      if (!used) return REFUSED; // a wrong code stays counted
      return { isDone: true, revocations: await change(deps, tx, used, caller) };
    }),
  );
  if (!isDone) throw problem('invalid_or_expired_token');
  deps.nudgeOutbox();
}

/** Uses the link or the code up. Null if it does not work, or if the session that asked for the change has ended. */
async function use(tx: SystemTx, caller: SessionOwner, proof: ChangeProof): Promise<OneTime | null> {
  const used = await consume(tx, caller, proof);
  if (!used || used.sessionId === null) return null;
  const { live } = await lockSession(tx, { id: used.userId, sessionId: used.sessionId });
  return live ? used : null;
}

async function consume(tx: SystemTx, caller: SessionOwner, proof: ChangeProof): Promise<OneTime | null> {
  if ('code' in proof) return consumeCode(tx, 'change_email', caller.id, proof.code);
  const found = await findOneTime(tx, 'change_email', proof.token);
  if (found && found.userId !== caller.id) throw problem('email_change_for_another');
  return consumeToken(tx, 'change_email', proof.token);
}

async function change(
  deps: ConfirmChangeDeps,
  tx: SystemTx,
  { userId, address }: OneTime,
  { sessionId: exceptId }: SessionOwner,
): Promise<readonly Revocation[]> {
  const former = await findReceiver(tx, userId);
  const email = address === null ? null : parseEmail(address);
  if (!former?.isActive || !email || (await isDisputed(tx, userId, email.key))) {
    throw problem('invalid_or_expired_token');
  }
  if (!(await updateEmail(tx, userId, email))) throw problem('invalid_or_expired_token');
  const revocations = await endAccess(tx, { userId, reason: 'email_changed', exceptId });
  await endAll(tx, userId, ENDED_WITH_ADDRESS);
  await recordOwn(deps, tx, userId, 'user.email_changed');
  // A person who returns to an address by a change has proven it as well as by its link. If somebody else has made the
  // changes in between, they must not get a link that undoes the return.
  const since = await endRevertsAfter(tx, userId, email.key);
  if (since === null) await enqueueNoticeMail(deps, tx, { former, newEmail: email.address });
  else await insertReturn(tx, userId, since);
  return revocations;
}
