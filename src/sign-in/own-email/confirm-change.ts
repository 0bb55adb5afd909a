// Changes the address of an account, for somebody who has proven the new one by the link or the code of a mail.
import type { Database, SystemTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { recordOwn } from '../../base/events/record.ts';
import { type PublishDeps, publishing } from '../../base/revoking/publish.ts';
import {
  checkCode,
  consumeCode,
  consumeToken,
  endAll,
  findOneTime,
  type OneTime,
} from '../../credentials/one-time/consume.ts';
import { ENDED_WITH_ADDRESS } from '../../credentials/one-time/purposes.ts';
import { lockOwner } from '../../credentials/one-time/store.ts';
import { removeDeletedForRequest } from '../../directory/organizations/remove-deleted.ts';
import { parseEmail } from '../../directory/users/email.ts';
import { isDisputed, updateEmail } from '../../directory/users/email-store.ts';
import { assertSessionLive, type SessionOwner } from '../../directory/users/live-session.ts';
import { findReceiver } from '../../directory/users/receiver-store.ts';
import { lockSession } from '../../directory/users/session-store.ts';
import { type Found, type GiveWayDeps, giveWay, lockUnproven } from '../leaving/give-way.ts';
import { beginAgain } from '../mailbox-proof/begin-again.ts';
import type { Claimed } from '../mailbox-proof/claim.ts';
import { endAccess } from '../sessions/end-session.ts';
import { enqueueNoticeMail } from './mail.ts';

export interface ConfirmChangeDeps extends PublishDeps, GiveWayDeps {
  readonly db: Database;
  readonly nudgeOutbox: () => void;
}

/** The token of the link, or the code of the mail with the signed-in user. */
export type ChangeProof = { readonly token: string } | { readonly code: string; readonly caller: SessionOwner };

const REFUSED: Claimed & { readonly isDone: boolean } = { isDone: false, revocations: [], deleted: [] };

/**
 * Gives the account the new address, refuses all older access tokens, and ends the other sessions and the tokens of
 * former mails, except those that restore a former address. With a link, the session that asked for the change goes on;
 * with a code, the session of the caller goes on. Another account with the address that nobody has proven is closed.
 * Raises invalid_or_expired_token for every proof that does not work, whatever the reason is, session_revoked and
 * service_busy.
 */
export async function confirmEmailChange(deps: ConfirmChangeDeps, proof: ChangeProof): Promise<void> {
  const asked = await check(deps, proof);
  if (!asked) throw problem('invalid_or_expired_token');
  const { isDone, deleted } = await publishing(
    deps,
    beginAgain(() => deps.db.system((tx) => confirmIn(deps, tx, proof, asked))),
  );
  if (!isDone) throw problem('invalid_or_expired_token');
  deps.nudgeOutbox();
  await removeDeletedForRequest(deps, deleted);
}

interface Asked {
  readonly userId: string;
  readonly emailKey: string;
}

/**
 * Looks at the link or the code without using it up, and returns the change that it proves. A wrong code is counted.
 * The locks of the change depend on the account that has the address, and only somebody who has proven the address may
 * notice by the time of the answer whether there is one.
 */
async function check({ db }: ConfirmChangeDeps, proof: ChangeProof): Promise<Asked | null> {
  const found =
    'token' in proof
      ? await findOneTime(db.systemReader(), 'change_email', proof.token)
      : await db.system(async (tx) => {
          await lockOwner(tx, proof.caller.id);
          await assertSessionLive(tx, proof.caller);
          return checkCode(tx, 'change_email', proof.caller.id, proof.code);
        });
  const emailKey = found?.address && parseEmail(found.address)?.key;
  return found && emailKey ? { userId: found.userId, emailKey } : null;
}

async function confirmIn(
  deps: ConfirmChangeDeps,
  tx: SystemTx,
  proof: ChangeProof,
  asked: Asked,
): Promise<typeof REFUSED | null> {
  const holder = await lockUnproven(tx, asked);
  if (!holder) return null;
  const used = await use(tx, proof);
  if (!used) return REFUSED; // a wrong code stays counted
  const keptId = 'caller' in proof ? proof.caller.sessionId : used.sessionId;
  return { isDone: true, ...(await change(deps, tx, used, { asked, holder, keptId })) };
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

interface Changing {
  readonly asked: Asked;
  readonly holder: Found;
  readonly keptId: string | null;
}

async function change(
  deps: ConfirmChangeDeps,
  tx: SystemTx,
  { userId, address }: OneTime,
  { asked, holder, keptId }: Changing,
): Promise<Claimed> {
  const former = await findReceiver(tx, userId);
  const email = address === null ? null : parseEmail(address);
  if (!former?.isActive || email?.key !== asked.emailKey || (await isDisputed(tx, userId, email.key))) {
    throw problem('invalid_or_expired_token');
  }
  const { revocations, deleted } = await giveWay(deps, tx, holder);
  if (!(await updateEmail(tx, userId, email))) throw problem('invalid_or_expired_token');
  const which = { userId, reason: 'email_changed', ...(keptId !== null && { exceptId: keptId }) } as const;
  const ended = await endAccess(tx, which);
  await endAll(tx, userId, ENDED_WITH_ADDRESS);
  await recordOwn(deps, tx, userId, 'user.email_changed');
  await enqueueNoticeMail(deps, tx, { former, newEmail: email.address });
  return { revocations: [...revocations, ...ended], deleted };
}
