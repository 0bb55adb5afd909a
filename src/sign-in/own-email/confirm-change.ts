// Changes the address of an account, for somebody who has proven the new one by the link or the code of a mail.
import type { Database, SystemTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { recordOwn } from '../../base/events/record.ts';
import { type PublishDeps, publishing } from '../../base/revoking/publish.ts';
import { consumeCode, consumeToken, endAll, type OneTime } from '../../credentials/one-time/consume.ts';
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

/** The token of the link, or the code of the mail with the signed-in user. */
export type ChangeProof = { readonly token: string } | { readonly code: string; readonly caller: SessionOwner };

const REFUSED = { isDone: false, revocations: [] as readonly Revocation[] };

/**
 * Gives the account the new address, refuses all older access tokens, and ends the other sessions and the tokens of
 * former mails, except those that restore a former address. If such a token restores this address, those of later
 * changes end, and the address before gets none. With a link, the session that asked for the change goes on;
 * with a code, the session of the caller goes on. Raises invalid_or_expired_token for every proof that does not work,
 * whatever the reason is, and session_revoked.
 */
export async function confirmEmailChange(deps: ConfirmChangeDeps, proof: ChangeProof): Promise<void> {
  const { isDone } = await publishing(
    deps,
    deps.db.system(async (tx) => {
      const used = await use(tx, proof);
      if (!used) return REFUSED; // a wrong code stays counted
      const keptId = 'caller' in proof ? proof.caller.sessionId : used.sessionId;
      return { isDone: true, revocations: await change(deps, tx, used, keptId) };
    }),
  );
  if (!isDone) throw problem('invalid_or_expired_token');
  deps.nudgeOutbox();
}

/** Uses the link or the code up. Null if it does not work, or if the session that asked for the change has ended. */
async function use(tx: SystemTx, proof: ChangeProof): Promise<OneTime | null> {
  const used = await consume(tx, proof);
  if (!used || used.sessionId === null) return null;
  const { live } = await lockSession(tx, { id: used.userId, sessionId: used.sessionId });
  return live ? used : null;
}

async function consume(tx: SystemTx, proof: ChangeProof): Promise<OneTime | null> {
  if ('token' in proof) return consumeToken(tx, 'change_email', proof.token);
  const { caller, code } = proof;
  await lockOwner(tx, caller.id);
  await assertSessionLive(tx, caller);
  return consumeCode(tx, 'change_email', caller.id, code);
}

async function change(
  deps: ConfirmChangeDeps,
  tx: SystemTx,
  { userId, address }: OneTime,
  keptId: string | null,
): Promise<readonly Revocation[]> {
  const former = await findReceiver(tx, userId);
  const email = address === null ? null : parseEmail(address);
  if (!former?.isActive || !email || (await isDisputed(tx, userId, email.key))) {
    throw problem('invalid_or_expired_token');
  }
  if (!(await updateEmail(tx, userId, email))) throw problem('invalid_or_expired_token');
  const which = { userId, reason: 'email_changed', ...(keptId !== null && { exceptId: keptId }) } as const;
  const revocations = await endAccess(tx, which);
  await endAll(tx, userId, ENDED_WITH_ADDRESS);
  await recordOwn(deps, tx, userId, 'user.email_changed');
  // A person who returns to an address by a change has proven it as well as by its link. If somebody else has made the
  // changes in between, they must not get a link that undoes the return.
  const since = await endRevertsAfter(tx, userId, email.key);
  if (since === null) await enqueueNoticeMail(deps, tx, { former, newEmail: email.address });
  else await insertReturn(tx, userId, since);
  return revocations;
}
