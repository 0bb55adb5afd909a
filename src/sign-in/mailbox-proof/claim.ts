// Gives an account whose address nobody had proven to the person who has now proven it. Another person may have
// registered the account, so everything ends that this other person could use. `claimUnproven` runs in the transaction
// that uses the proof up. Which organizations are deleted is decided under their locks (`lockHeld`), which are taken
// before.
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
import { localPartOf, parseEmail } from '../../directory/users/email.ts';
import type { Receiver } from '../../directory/users/receiver-store.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import { endAccess } from '../sessions/end-session.ts';
import { type HeldOrganization, listHeldOrganizations } from './planted-store.ts';
import { claimMailbox } from './proven.ts';

export interface ClaimDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** Deletes the service clients that the user has made, with their tokens. */
  readonly removeClientsOf: (tx: SystemTx, userId: string) => Promise<Revocation[]>;
}

export interface Claim {
  /** The account, with the address to which the proof was sent. */
  readonly user: Pick<Receiver, 'id' | 'email'>;
  /** The organizations of the user, as `lockHeld` has returned them. */
  readonly held: readonly HeldOrganization[];
  /** The name that the person gives. Left out, it is the part of the e-mail before the @. */
  readonly name?: string;
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
 * Returns null if the user has joined another organization meanwhile; then nothing was changed, and the caller begins a
 * new transaction (see `beginAgain`).
 */
export async function lockHeld(tx: SystemTx, userId: string): Promise<readonly HeldOrganization[] | null> {
  const locked = new Set((await listHeldOrganizations(tx, userId)).map(({ id }) => id));
  await lockOrganizations(tx, [...locked]);
  await lockOwner(tx, userId);
  const held = await listHeldOrganizations(tx, userId);
  return held.every(({ id }) => locked.has(id)) ? held : null;
}

export interface Takeover extends Pick<Claim, 'name' | 'passwordHash' | 'locale'> {
  readonly userId: string;
  /** The address to which the proof was sent. */
  readonly email: string;
  /** Why the sessions end. */
  readonly reason: 'mailbox_proven' | 'password_reset';
}

/**
 * Replaces name, password and language, and ends everything else that the former user could use: sessions, access
 * tokens, tokens of mails, invitations that were sent and service clients that were made. The memberships stay with the
 * account. Returns null when the address was proven, or the account disabled, meanwhile; then nothing was changed. The
 * caller publishes the revocations.
 */
export async function takeOver(
  deps: ClaimDeps,
  tx: SystemTx,
  { reason, name, ...taken }: Takeover,
): Promise<readonly Revocation[] | null> {
  const { userId, email } = taken;
  const emailKey = parseEmail(email)?.key ?? '';
  if (!(await claimMailbox(deps, tx, { ...taken, emailKey, name: name ?? localPartOf(email) }))) return null;
  await markSentRevoked(tx, userId, 'account_claimed');
  await endAll(tx, userId, EVERY_PURPOSE);
  const ended = await endAccess(tx, { userId, reason });
  return [...ended, ...(await deps.removeClientsOf(tx, userId))];
}

/**
 * Does the same as takeOver, and deletes the active organizations that have no other member and no subscription that is
 * paid for. In any other organization, the membership stays with the account.
 */
export async function claimUnproven(deps: ClaimDeps, tx: SystemTx, claim: Claim): Promise<Claimed | null> {
  const { user, held, ...taken } = claim;
  const { id: userId, email } = user;
  const ended = await takeOver(deps, tx, { ...taken, userId, email, reason: 'mailbox_proven' });
  if (ended === null) return null;
  const planted = held.filter(({ isOnlyTheirs }) => isOnlyTheirs);
  const suspended: Revocation[] = [];
  for (const { id, slug } of planted) {
    const gone = { type: 'organization.deleted', organizationId: id, targetId: id, data: { slug } } as const;
    await record(tx, { id: newId(deps.random, deps.clock), actorId: userId, ...gone });
    suspended.push(...(await markDeleted(tx, id)).revocations);
  }
  return { revocations: [...ended, ...suspended], deleted: planted.map(({ id }) => id) };
}
