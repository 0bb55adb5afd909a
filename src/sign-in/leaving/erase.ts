// Removes everything of a person whose account is being closed, in the transaction that closes the account.
import type { SystemTx } from '../../base/database/db.ts';
import { record } from '../../base/events/record.ts';
import { deleteKeptOf } from '../../base/idempotency/store.ts';
import { deleteMailsOf } from '../../base/outbox/store.ts';
import { newId } from '../../base/platform/random.ts';
import type { CreateDeps } from '../../credentials/one-time/create.ts';
import { listRestorable } from '../../credentials/one-time/revert-store.ts';
import { deleteTokensOf } from '../../credentials/one-time/store.ts';
import { deleteAccepted, markSentRevoked } from '../../directory/invitations/store.ts';
import { deleteMembershipsOf } from '../../directory/members/store.ts';
import { markDeleted } from '../../directory/organizations/delete-store.ts';
import { type ClosableAccount, closeAccountRow } from '../../directory/users/close-store.ts';
import { parseEmail } from '../../directory/users/email.ts';
import { raiseEpochs, raiseMembershipEpochs } from '../../directory/users/epoch-store.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import { endRegistrationsOf } from '../registration/end.ts';
import { eraseSessionsOf } from '../sessions/ending-store.ts';
import { enqueueClosedMail } from './mail.ts';

interface Held {
  readonly id: string;
  readonly slug: string;
}

interface Erasure {
  readonly account: ClosableAccount;
  /** Null for an operator and for the service itself. */
  readonly actorId: string | null;
  /** All organizations of which the user is a member. */
  readonly held: readonly Held[];
  /** Those of them that are deleted with the account. Their rows are still to be removed. */
  readonly deleted: readonly Held[];
}

/**
 * Closes the account, whose address is free from then on. The caller has locked the organizations and the account, and
 * publishes the returned revocations after the commit.
 */
export async function erase(
  deps: CreateDeps,
  tx: SystemTx,
  { account, actorId, held, deleted }: Erasure,
): Promise<Revocation[]> {
  const { id: userId, email } = account;
  const emailKey = parseEmail(email)?.key ?? email;
  const memberships = held.map(({ id }) => ({ organizationId: id, userId }));
  const raised = [...(await raiseMembershipEpochs(tx, memberships)), ...(await raiseEpochs(tx, [userId]))];
  await closeAccountRow(tx, userId); // from here on no sign-in opens a session
  const { revocations: ended } = await eraseSessionsOf(tx, userId, actorId);
  await markSentRevoked(tx, userId, 'account_closed', actorId);
  await deleteAccepted(tx, userId);
  const left = held.filter((one) => !deleted.includes(one)).map(({ id }) => id);
  await deleteMembershipsOf(tx, userId, { left, actorId });
  const suspended: Revocation[] = [];
  for (const { id, slug } of deleted) {
    const event = { type: 'organization.deleted', organizationId: id, targetId: id, data: { slug } } as const;
    await record(tx, { id: newId(deps.random, deps.clock), actorId, ...event });
    suspended.push(...(await markDeleted(tx, id)).revocations);
  }
  const former = await listRestorable(tx, userId);
  await deleteTokensOf(tx, userId);
  await deleteKeptOf(tx, userId);
  await deleteMailsOf(tx, userId, emailKey);
  await endRegistrationsOf(tx, emailKey); // others may have tried to register the address
  await enqueueClosedMail(tx, newId(deps.random, deps.clock), account);
  // Somebody who has stolen the account may have changed its e-mail before, so its owner is told, too.
  for (const email of former.filter((one) => parseEmail(one)?.key !== emailKey)) {
    await enqueueClosedMail(tx, newId(deps.random, deps.clock), { ...account, email, isEmailVerified: true });
  }
  const closed = { type: 'user.closed', organizationId: null, targetId: userId } as const;
  await record(tx, { id: newId(deps.random, deps.clock), actorId, ...closed });
  return [...raised, ...ended, ...suspended];
}
