// Gives an account whose address nobody had proven to the person who has now proven it. Whoever registered it may be
// somebody else, so everything ends that this person could use. `claimUnproven` runs in the transaction that uses the
// proof up. Which organizations go with it is decided under their locks (`lockHeld`), which are taken before.
import type { SystemTx } from '../../base/database/db.ts';
import { record } from '../../base/events/record.ts';
import type { Language } from '../../base/page-kit/language.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import { endAll } from '../../credentials/one-time/consume.ts';
import { EVERY_PURPOSE } from '../../credentials/one-time/purposes.ts';
import { lockOwner } from '../../credentials/one-time/store.ts';
import { markSentRevoked } from '../../directory/invitations/store.ts';
import { markDeleted } from '../../directory/organizations/delete-store.ts';
import { lockOrganizations } from '../../directory/rights/store.ts';
import { parseEmail } from '../../directory/users/email.ts';
import { raiseEpochs } from '../../directory/users/epoch-store.ts';
import { takeOverUnproven } from '../../directory/users/mailbox-store.ts';
import type { Receiver } from '../../directory/users/receiver-store.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import { lockSessions, markSessionsEnded } from '../sessions/ending-store.ts';
import { type HeldOrganization, listHeldOrganizations } from './planted-store.ts';

export interface ClaimDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** Deletes the service clients that the user has made, with their tokens. */
  readonly removeClientsOf: (tx: SystemTx, userId: string) => Promise<Revocation[]>;
}

export interface Claim {
  readonly user: Pick<Receiver, 'id' | 'email'>;
  /** The organizations of the user, as `lockHeld` has returned them. */
  readonly held: readonly HeldOrganization[];
  /** Null leaves the account without a password. */
  readonly passwordHash: string | null;
  /** The language of the request; null when it is unknown. */
  readonly locale: Language | null;
}

export interface Claimed {
  readonly revocations: readonly Revocation[];
  /** The organizations that are deleted. Their rows are still to be removed. */
  readonly deleted: readonly string[];
}

/**
 * Locks the organizations of the user, and then the user: every change of members takes the locks in this order.
 * Returns null if the user has joined one meanwhile; then nothing was changed, and the caller begins a new transaction.
 */
export async function lockHeld(tx: SystemTx, userId: string): Promise<readonly HeldOrganization[] | null> {
  const locked = new Set((await listHeldOrganizations(tx, userId)).map(({ id }) => id));
  await lockOrganizations(tx, [...locked]);
  await lockOwner(tx, userId);
  const held = await listHeldOrganizations(tx, userId);
  return held.every(({ id }) => locked.has(id)) ? held : null;
}

/**
 * Replaces name, password and language, and ends sessions, access tokens, tokens of mails, invitations that were sent
 * and service clients that were made. An organization that holds nobody else is deleted. In any other one, the
 * membership stays with the account. Returns null when the address was proven, or the account disabled, meanwhile.
 */
export async function claimUnproven(deps: ClaimDeps, tx: SystemTx, claim: Claim): Promise<Claimed | null> {
  const { user, held, passwordHash, locale } = claim;
  const { id: userId, email } = user;
  const [name = email] = email.split('@');
  const emailKey = parseEmail(email)?.key ?? '';
  if (!(await takeOverUnproven(tx, { userId, email, emailKey, name, passwordHash, locale }))) return null;
  const event = { actorId: userId, targetId: userId, organizationId: null } as const;
  await record(tx, { id: newId(deps.random, deps.clock), type: 'user.claimed', ...event });
  await markSentRevoked(tx, userId, 'account_claimed');
  await endAll(tx, userId, EVERY_PURPOSE);
  const raised = await raiseEpochs(tx, [userId]);
  await lockSessions(tx, userId);
  const { revocations: ended } = await markSessionsEnded(tx, { userId, reason: 'mailbox_proven' });
  const clients = await deps.removeClientsOf(tx, userId);
  const planted = held.filter(({ isOnlyTheirs }) => isOnlyTheirs);
  const suspended: Revocation[] = [];
  for (const { id, slug } of planted) {
    const gone = { type: 'organization.deleted', organizationId: id, targetId: id, data: { slug } } as const;
    await record(tx, { id: newId(deps.random, deps.clock), actorId: userId, ...gone });
    suspended.push(...(await markDeleted(tx, id)).revocations);
  }
  return { revocations: [...raised, ...ended, ...clients, ...suspended], deleted: planted.map(({ id }) => id) };
}
